"""Questions that the paper leaves open: a figure, an answer and what it takes to read that, from the results alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.evidence import figures
from benchmarks.evidence.agreement import agreement
from benchmarks.evidence.alignment import alignment
from benchmarks.evidence.amplitude import amplitude
from benchmarks.evidence.manifest import CRITERIA, FLOORS, FRACTIONS, RESNET8, TENTH, WIDTHS
from benchmarks.evidence.searches import searches
from benchmarks.evidence.section import Section
from benchmarks.evidence.start import start
from benchmarks.evidence.study import (
    Row,
    Sections,
    Study,
    Table,
    above,
    better_and_worse,
    cell,
    counted_in_words,
    differences,
    seeds_of,
    share_at_floor,
)
from benchmarks.evidence.training_time import training_time
from benchmarks.evidence.unevenness import unevenness
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.statistics import ENOUGH
from lwdna_core.compare.wording import plural, points, share

MAIN = f"{RESNET8}_fraction{TENTH:g}"
MORE = f"{RESNET8}_fraction0.4"


def studies(sections: Sections, results: Path) -> list[Study]:
    """All studies that have their results."""
    found: list[Callable[[], Study | None]] = [
        lambda: _parts(sections),
        lambda: amplitude(sections),
        lambda: unevenness(sections),
        lambda: _arms(
            sections, "floor", "The floor", FLOORS,
            "At width 2 a floor of 0.5 would be the baseline; the lower the floor, the more a search may move.",
            MORE,
        ),
        lambda: _arms(
            sections, "criteria", "Criteria against each other", CRITERIA,
            "`lwdna` is the published criterion, `noclassifier` keeps the last layer from having a say, `value` reads "
            "the random start alone, and random and shuffled ratios have no criterion at all.",
        ),
        lambda: searches(sections),
        lambda: _arms(
            sections, "width", "The width of the search", WIDTHS,
            "Whatever the width, no layer may fall below 0.8 of the baseline's channels, rounded down (the last "
            "one below 0.9).",
        ),
        lambda: _fractions(sections),
        lambda: start(sections.get(MAIN), sections.get(f"resnet8_cifar10_hypernet_start_fraction{TENTH:g}")),
        lambda: alignment(sections.get(MAIN)),
        lambda: training_time(sections),
        lambda: agreement(results),
    ]  # fmt: skip
    return [study for make in found if (study := make()) is not None]


PARTS = (
    ("fewer MACs: uniform − baseline", "uniform", BASELINE),
    ("uneven widths: shuffled − uniform", "shuffled", "uniform"),
    ("who gets them: LW-DNA − shuffled", LWDNA, "shuffled"),
)


def _parts(sections: Sections) -> Study | None:
    """LW-DNA − baseline as a sum: of fewer MACs, of widths that differ by layer, and of which layer gets which."""
    panels = []
    for section in sections.values():
        rows = differences(section, PARTS)
        if rows and rows[0][1]["n"] >= ENOUGH:
            panels.append((section, rows))
    if not panels:
        return None
    counted = {label: [row for _, rows in panels for row in rows if row[0] == label] for label, _, _ in PARTS}
    fewer, uneven, who = (counted_in_words(rows) for rows in counted.values())
    at_floor = fmean(share_at_floor(section, LWDNA) for section, _ in panels)
    return Study(
        "parts", "What the difference is made of",
        figures.panels([(section.entry.title, section.unit, rows) for section, rows in panels]),
        f"What the search decides, which layer gets which width, {who} in {plural(len(panels), 'comparison')}.",
        [
            "`shuffled` gives LW-DNA's keep ratios to other layers, so LW-DNA − baseline is the sum of what fewer MACs "
            f"do to a network that stays uniform ({fewer}), of what unequal widths do whoever gets them ({uneven}), "
            "and of what the search decides.",
            f"On average {share(at_floor)} of LW-DNA's groups keep just their floor: there the scores decide nothing.",
        ],
        [Table(
            ("comparison", *(label for label, _, _ in PARTS), "seeds"),
            [(f"{s.entry.title}, in {points(s.unit) or 'AUC'}", *(cell(pair, s.unit) for _, pair in rows),
              str(rows[0][1]["n"])) for s, rows in panels],
        )],
    )  # fmt: skip


def _arms(sections: Sections, name: str, title: str, arms: Sequence[str], what: str, again: str = "") -> Study | None:
    """Several arms of one comparison, all over the seeds that every one of them has, with the groups at their floor and
    the parameters; and what of them was run `again` in another comparison.
    """
    section = sections.get(MAIN)
    rows = _common(section, arms, BASELINE)
    if section is None or len(rows) < 2:
        return None
    to_lwdna = dict(_common(section, arms, LWDNA))
    more = sections.get(again)
    seen = dict(_common(more, arms, BASELINE))
    at_floor = {arm: share_at_floor(section, arm) for arm, _ in rows}
    costs = section.comparison["arms"]
    params = {arm: costs[arm]["params"] / costs[BASELINE]["params"] for arm, _ in rows}
    best, worst = (choose(rows, key=above) for choose in (max, min))
    head = ["arm", f"− baseline, {points(section.unit)}", "− lwdna", "groups at their floor", "parameters"]
    lines = [
        [arm, cell(pair, section.unit), cell(to_lwdna.get(arm), section.unit), share(at_floor[arm]), share(params[arm])]
        for arm, pair in rows
    ]
    if more is not None and seen:
        head.append(f"− baseline, {more.entry.title.split(', ')[-1]}")
        lines = [[*line, cell(seen.get(arm), section.unit)] for line, (arm, _) in zip(lines, rows, strict=True)]
    return Study(
        name, title,
        figures.with_shares(rows, section.unit, {"at the floor, %": at_floor, "parameters, %": params}),
        f"`{best[0]}` lies highest and `{worst[0]}` lowest; "
        f"{better_and_worse(rows)}.",
        [
            what,
            f"{section.entry.title}, over the {seeds_of(rows)} that all of them have; bold: the interval excludes 0, "
            "uncorrected for their number.",
        ],
        [Table(head, lines)],
    )  # fmt: skip


def _common(section: Section | None, arms: Sequence[str], reference: str) -> list[Row]:
    """Those of the arms that were run against another one, over the seeds that all of them have."""
    if section is None or reference not in section.comparison["arms"]:
        return []
    there = [arm for arm in arms if arm in section.comparison["arms"] and arm != reference]
    return differences(section, [(arm, arm, reference) for arm in there])


def _fractions(sections: Sections) -> Study | None:
    """LW-DNA against the baseline at several sizes of the training set."""
    series: list[tuple[str, str, list[Row]]] = []
    for config, what, fractions in FRACTIONS:
        found = {f: sections.get(config if f is None else f"{config}_fraction{f:g}") for f in fractions}
        rows: list[Row] = [
            (f"{f or 1:.1%} of the images".replace("%", " %"), pair)
            for f, s in found.items() if s and (pair := s.pair(LWDNA, BASELINE))
        ]  # fmt: skip
        if len(rows) > 1:
            series.append((what, next(s.unit for s in found.values() if s), rows))
    if not series:
        return None
    together = [row for _, _, rows in series for row in rows]
    return Study(
        "fractions",
        "The amount of data",
        figures.panels(series),
        f"Of {len(together)} sizes of two training sets, LW-DNA − baseline {counted_in_words(together)}.",
        [
            "The same number of epochs on fewer images, so fewer steps as well.",
            "Where the baseline itself has hardly learned (see its section below), its differences say little.",
        ],
        [
            Table(
                ("", "LW-DNA − baseline", "seeds"),
                [
                    (f"{what}, {label}, in {points(unit)}", cell(pair, unit), str(pair["n"]))
                    for what, unit, rows in series
                    for label, pair in rows
                ],
            )
        ],
    )
