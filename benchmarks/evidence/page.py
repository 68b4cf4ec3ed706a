"""Writes `docs/evidence.md` and its figures from the results that are kept."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from scipy.stats import binomtest

from benchmarks.evidence.figures import differences, overview
from benchmarks.evidence.section import Section, sections
from benchmarks.evidence.studies import studies
from benchmarks.evidence.study import Study
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.statistics import ENOUGH
from lwdna_core.compare.wording import amount, interval, number, places, points, share, spread, verdict_words

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"


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
        sections=compared, studies=studied, tally=_tally(compared), signs=_signs(compared),
        BASELINE=BASELINE, LWDNA=LWDNA,
    )  # fmt: skip


def _signs(compared: Sequence[Section]) -> dict[str, tuple[int, int, float]]:
    """By what LW-DNA is compared with: in how many its mean lies above, of how many, and the sign test's two-sided p.

    Shares of one training set are not independent, so every config counts once, with the most seeds it has.
    """
    chosen: dict[tuple[str, str], dict[str, Any]] = {}
    for section in compared:
        for pair in section.primary:
            key = str(pair["vs"]), section.entry.config
            if pair["arm"] == LWDNA and pair["n"] >= ENOUGH and pair["n"] > chosen.get(key, {"n": 0})["n"]:
                chosen[key] = pair
    found = {}
    for other in dict.fromkeys(other for other, _ in chosen):
        signs = [pair["difference"] > 0 for (vs, _), pair in chosen.items() if vs == other and pair["difference"]]
        found[other] = sum(signs), len(signs), float(binomtest(sum(signs), len(signs)).pvalue) if signs else 1.0
    return found


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
