"""A search that does better: chosen on some comparisons, looked at in others that the choice never saw."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

from benchmarks.evidence import figures
from benchmarks.evidence.manifest import CHOOSING, SEARCHES
from benchmarks.evidence.section import Section
from benchmarks.evidence.study import (
    Row,
    Sections,
    Study,
    Table,
    above,
    cell,
    counted_in_words,
    differences,
)
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.wording import plural, points, share

REFERENCES = (BASELINE, "uniform", LWDNA)


def searches(sections: Sections) -> Study | None:
    """The search with the least sum of ranks against the baseline, and what it is worth elsewhere."""
    named = [(arm, arm, BASELINE) for arm in SEARCHES]
    chosen_on = [(s, rows) for name in CHOOSING if (s := sections.get(name)) and (rows := differences(s, named))]
    if len(chosen_on) < len(CHOOSING):
        return None
    ranks = dict.fromkeys(SEARCHES, 0)
    for _, rows in chosen_on:
        for rank, (arm, _) in enumerate(sorted(rows, key=above, reverse=True), 1):
            ranks[arm] += rank
    best = min(ranks, key=ranks.__getitem__)
    against = [(f"{best} − {other}", best, other) for other in REFERENCES if other != best]
    elsewhere = [(s, rows) for s in sections.values()
                 if s.entry.name not in CHOOSING and (rows := differences(s, against))]  # fmt: skip
    seen = [(s, rows) for s, rows in elsewhere if not _found_the_baseline(s, best)]
    same = [s.entry.title for s, _ in elsewhere if _found_the_baseline(s, best)]
    told = "; ".join(
        f"{label} {counted_in_words([row for _, rows in seen for row in rows if row[0] == label])}"
        for label, *_ in against
    )
    where = " and ".join(s.entry.title for s, _ in chosen_on)
    verdicts = [(s.entry.title, Counter(pair["verdict"] for _, pair in rows)) for s, rows in chosen_on]
    there = "; ".join(f"on {on}, {v['better'] or 'none'} better and {v['worse'] or 'none'} worse" for on, v in verdicts)
    confirmed = f"Of {plural(len(seen), 'comparison')} that the choice never saw: {told}." if seen else ""
    if same:
        confirmed += f" (On {', '.join(same)} it returned the baseline's own channels: no test of anything.)"
    return Study(
        "searches", "A search that does better?",
        figures.panels(
            [(f"chosen on: {s.entry.title}", s.unit, rows) for s, rows in chosen_on]
            + [(f"seen after the choice: {s.entry.title}", s.unit, rows) for s, rows in seen]
        ),
        f"Of {plural(len(SEARCHES), 'search', 'es')}, resolved against the baseline: {there}.",
        [
            f"The one with the least sum of ranks on {where} is {best}. {confirmed}".strip(),
            "The search's cost is to be a few per cent of one training at most: see the table. Not tried: a "
            "hypernetwork that is warmed up by proximal steps, floors that are learned.",
        ],
        [
            Table(
                ("search", "sum of ranks",
                 *(f"− baseline, {s.entry.title}, {points(s.unit)}" for s, _ in chosen_on),
                 *(f"its MACs / the training's, {s.entry.title}" for s, _ in chosen_on)),
                [(arm, str(ranks[arm]), *(cell(dict(rows)[arm], s.unit) for s, rows in chosen_on),
                  *(_cost(s, arm) for s, _ in chosen_on)) for arm in sorted(SEARCHES, key=ranks.__getitem__)],
            ),
            *([Table(
                ("seen after the choice", *(label for label, *_ in against), "seeds"),
                [(f"{s.entry.title}, {points(s.unit) or 'AUC'}", *(cell(pair, s.unit) for _, pair in rows),
                  _seeds(rows)) for s, rows in elsewhere],
            )] if elsewhere else []),
        ],
    )  # fmt: skip


def _seeds(rows: list[Row]) -> str:
    return str(rows[0][1]["n"])


def _cost(section: Section, arm: str) -> str:
    """What the searches of an arm cost, over a training of the baseline."""
    spent = [run["search"]["macs"] for run in section.runs if run["arm"] == arm and run["search"]]
    trained = [run["train"]["macs"] for run in section.runs if run["arm"] == BASELINE]
    return share(fmean(spent) / fmean(trained)) if spent and trained else "–"


def _found_the_baseline(section: Section, arm: str) -> bool:
    """Whether all searches of an arm returned the baseline's own channels."""
    runs = [run for run in section.runs if run["arm"] == arm]
    return len(section.unchanged.get(arm, {})) == len(runs)
