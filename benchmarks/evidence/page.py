"""Writes `docs/evidence.md` and its figures from the results that are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from benchmarks.evidence.figures import differences, overview
from benchmarks.evidence.section import Section, sections
from benchmarks.evidence.studies import studies
from benchmarks.evidence.study import Study, cell
from benchmarks.evidence.tally import tally
from lwdna_core.compare.arms import BASELINE, LWDNA
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
        amount=amount, cell=cell, interval=interval, number=number, places=places, points=points, share=share,
        spread=spread, verdict_words=verdict_words, anchor=_anchor, name=lambda section: _name(section, compared),
    )  # fmt: skip
    return environment.get_template("page.md.j2").render(
        sections=compared, studies=studied, tally=tally(compared), BASELINE=BASELINE, LWDNA=LWDNA
    )


def _name(section: Section, among: Sequence[Section]) -> str:
    """Of its figure: the comparison's, with the protocol where there are several."""
    several = sum(other.entry.name == section.entry.name for other in among) > 1
    return section.entry.name + f"_{section.comparison['fingerprint'][:8]}" * several


def _anchor(title: str) -> str:
    """Where GitHub puts a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content)
    os.replace(aside, path)
