"""`pytest tests/shrink/families --support-table docs/support.md` writes the support table from what the tests find.

Rows are kept in pytest's cache, so that the table can be made by several partial runs.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from lwdna_core.compare.results import commit

from .catalogue import NETWORKS
from .judge import Network, Row, judge


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--support-table", type=Path, metavar="FILE", help="write the table of supported networks there")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--support-table", None) and getattr(config, "cache", None) is None:
        raise pytest.UsageError("--support-table keeps its rows in pytest's cache: run without -p no:cacheprovider")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Callable[[Network], Row]:
    """`judge`, whose rows are remembered for the table; a network that fails is listed as failing."""

    def remembered(case: Network) -> Row:
        cache = getattr(request.config, "cache", None)
        row: dict[str, Any] = {"network": case.name, "family": case.family}
        try:
            found = judge(case)
            row |= asdict(found)
        except Exception as error:
            row["failure"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise
        finally:
            if cache is not None and request.config.getoption("--support-table", None):
                cache.set(key(case), row)
        return found

    return remembered


def key(case: Network) -> str:
    return "support/" + "".join(c if c.isalnum() else "_" for c in case.name)


def pytest_sessionfinish(session: pytest.Session) -> None:
    path: Path | None = session.config.getoption("--support-table", None)
    if path is None or hasattr(session.config, "workerinput"):  # xdist: only its controller writes
        return
    cache = session.config.cache
    assert cache is not None  # pytest_configure
    rows = [cache.get(key(case), {"network": case.name, "family": case.family}) for case in NETWORKS]
    part = path.with_suffix(".part")
    part.write_text(table(rows))
    os.replace(part, path)


def table(rows: list[dict]) -> str:
    """The support table as Markdown."""
    good = [r for r in rows if "check" in r]
    lines = [
        "# Networks that the engine was tried on",
        "",
        "Made by `pytest tests/shrink/families -m '' --support-table docs/support.md`; do not edit.",
        f"Last on {time.strftime('%Y-%m-%d')}, at commit `{commit() or 'unknown'}`, on {os.cpu_count()} cores.",
        "",
        f"{len(good)} of {len(rows)} networks pass. They are as they come, but for what their row says; "
        "weights and statistics are random.",
        "Each is",
        "",
        "- traced, shrunk by 30 % and compared in float64 with the original in which the dropped channels are masked:",
        "  `exact` with the largest relative error. Where an operation computes across the channels of a group, no",
        "  such reference exists: these groups' shapes and gradients are checked instead (`by shapes`);",
        "- widened by two: it runs, and its own trace finds every group at twice the size;",
        "- brought from there to 90 % of the baseline's MACs with random scores (or what its row says);",
        "- counted before and after: MACs and parameters are those that torch counts.",
        "",
        "Groups are those that can be resized. Beside each reason for frozen ones stands how many it froze; the output",
        f"is always among them. Seconds are `trace`'s processor time in one thread ({platform.machine()}, PyTorch "
        f"{torch.__version__.split('+')[0]}, Python {platform.python_version()}).",
        "",
        "| network | family | groups | frozen | check | largest error | trace, s | MACs, M |",
        "|---|---|--:|---|---|--:|--:|--:|",
    ]
    for r in rows:
        if "check" not in r:
            outcome = f"fails: {cell(r['failure'])}" if "failure" in r else "not run"
            lines.append(f"| {r['network']} | {r['family']} | | | {outcome} | | | |")
            continue
        frozen = "; ".join(f"{n}: {why}" for why, n in r["frozen"])
        error = "" if r["error"] is None else f"{r['error']:.0e}"
        lines.append(
            f"| {r['network']} | {r['family']} | {r['groups']} | {cell(frozen)} | {r['check']} | {error} | "
            f"{r['seconds']:.1f} | {r['macs'] / 1e6:,.1f} |"
        )
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
