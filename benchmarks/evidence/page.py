"""Writes `docs/evidence.md` and its figures from the results that are kept."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from benchmarks.evidence import store
from benchmarks.evidence.figures import differences, overview
from benchmarks.evidence.manifest import COMPARISONS, Comparison
from benchmarks.evidence.studies import studies
from benchmarks.evidence.study import Study
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.comparison import compare_results
from lwdna_core.compare.results import sittings
from lwdna_core.compare.statistics import ENOUGH
from lwdna_core.compare.task import find_task
from lwdna_core.compare.wording import amount, interval, number, places, points, share, spread, verdict_words

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"


@dataclass(frozen=True)
class Section:
    """One protocol's results: the manifest's entry, the runs, and the content of a `comparison.json` from them."""

    entry: Comparison
    runs: Sequence[store.Record]
    comparison: Mapping[str, Any]

    @property
    def primary(self) -> list[dict[str, Any]]:
        """The paired differences of the first metric."""
        return [pair for pair in self.comparison["pairs"] if pair["metric"] == self.comparison["primary"]]

    @property
    def unit(self) -> str:
        """Of the first metric."""
        return str(self.comparison["metrics"][self.comparison["primary"]]["unit"])

    def pair(self, arm: str, reference: str) -> dict[str, Any] | None:
        """The difference of two arms in the first metric, if both were run."""
        return next((p for p in self.primary if (p["arm"], p["vs"]) == (arm, reference)), None)

    @property
    def machines(self) -> list[str]:
        """Where the runs were made: device, torch and threads."""
        seen: dict[str, None] = {}
        for env in (place["environment"] for run in self.runs for place in sittings(run)):
            threads = "" if env["cuda"] else f", {env['threads']} thread" + "s" * (env["threads"] != 1)
            seen[f"{env['device']} (torch {env['torch']}{threads})"] = None
        return list(seen)

    @property
    def commits(self) -> list[str]:
        """What the runs were made with."""
        return list(dict.fromkeys(str(place["commit"]) for run in self.runs for place in sittings(run)))

    def values(self, kind: str) -> list[str]:
        """Different values of a key of the runs."""
        return list(dict.fromkeys(str(run[kind]) for run in self.runs))


def sections(results: Path) -> list[Section]:
    """What there is, in the manifest's order, but that of the usual sizes first."""
    found = []
    for entry in {c.name: c for c in reversed(COMPARISONS)}.values():
        runs = list(store.load(results, entry.name).values())
        for protocol in dict.fromkeys(run["fingerprint"] for run in runs):
            own = [run for run in runs if run["fingerprint"] == protocol]
            found.append(Section(entry, own, compare_results(find_task(entry.task), own)))
    order = {c.name: i for i, c in reversed(list(enumerate(COMPARISONS)))}
    return sorted(found, key=lambda section: (not section.entry.large, order[section.entry.name]))


def write_page(results: Path, page: Path) -> Path:
    """Write the page, and its figures into `images/evidence` beside it. Returns the page."""
    found = sections(results)
    images = page.parent / "images" / "evidence"
    images.mkdir(parents=True, exist_ok=True)
    compared = [s for s in found if s.pair(LWDNA, BASELINE)]
    studied = studies({s.entry.name: s for s in sorted(found, key=lambda s: len(s.runs))}, results)
    if compared:
        _write(images / "overview.svg", overview(compared))
    for section in compared:
        _write(images / f"{_name(section, compared)}.svg", differences(section.primary, section.unit))
    for study in studied:
        _write(images / f"{study.name}.svg", study.figure)
    text = render(compared, studied)
    _write(page, text.encode())
    return page


def render(compared: Sequence[Section], studied: Sequence[Study]) -> str:
    """The page as Markdown."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(
        amount=amount, interval=interval, number=number, places=places, points=points, share=share, spread=spread,
        verdict_words=verdict_words, name=lambda section: _name(section, compared),
    )  # fmt: skip
    return environment.get_template("page.md.j2").render(
        sections=compared, studies=studied, tally=_tally(compared), BASELINE=BASELINE, LWDNA=LWDNA
    )


def _tally(compared: Sequence[Section]) -> dict[str, Counter[str]]:
    """By what LW-DNA is compared with: how often it is better, worse or neither, of how many comparisons, and in how
    many its mean lies above; without comparisons of few seeds.
    """
    tally: dict[str, Counter[str]] = {}
    for section in compared:
        for pair in section.primary:
            if pair["arm"] == LWDNA and pair["n"] >= ENOUGH:
                row = tally.setdefault(pair["vs"], Counter())
                row.update([pair["verdict"], "all", *["above"] * (pair["difference"] > 0)])
    return {arm: row for arm, row in tally.items() if not arm.startswith(f"{LWDNA}-")}


def _name(section: Section, among: Sequence[Section]) -> str:
    """Of its figure: the comparison's, with the protocol where there are several."""
    several = sum(other.entry.name == section.entry.name for other in among) > 1
    return section.entry.name + f"_{section.comparison['fingerprint'][:8]}" * several


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    os.replace(aside, path)
