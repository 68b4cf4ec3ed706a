"""What studies are made of: rows of paired differences, put into words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmarks.evidence.section import Section
from lwdna_core.compare.statistics import Difference, paired_difference, verdict
from lwdna_core.compare.wording import interval, number, places, plural, points

Sections = Mapping[str, Section]
Row = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Study:
    """A title, the figure with its file's name, and what it says."""

    name: str
    title: str
    figure: bytes
    sentences: Sequence[str]


def above(row: Row) -> float:
    """How much the arm is better, in the metric's own unit and direction."""
    return float(row[1]["difference"])


def differences(section: Section, named: Sequence[tuple[str, str, str]]) -> list[Row]:
    """Differences (label, arm, reference) in the first metric, all over the seeds that have every one of the arms.

    Empty where one of them was not run.
    """
    metric, wanted = section.comparison["primary"], {arm for _, *both in named for arm in both}
    arms = section.comparison["arms"]
    if not wanted <= arms.keys():
        return []
    scores = {arm: arms[arm]["metrics"][metric]["values"] for arm in wanted}
    common = set.intersection(*map(set, scores.values()))
    scores = {arm: {seed: v for seed, v in values.items() if seed in common} for arm, values in scores.items()}
    upwards = section.comparison["metrics"][metric]["higher_is_better"]
    return [(label, as_pair(paired_difference(scores[a], scores[b]), upwards)) for label, a, b in named]


def as_pair(difference: Difference, upwards: bool) -> dict[str, Any]:
    """As the pairs of a comparison are written."""
    return {"difference": difference.mean, "low": difference.low, "high": difference.high, "n": difference.n,
            "verdict": verdict(difference, upwards)}  # fmt: skip


def share_at_floor(section: Section, arm: str) -> float:
    """Share of the groups that keep just their floor, over all seeds."""
    return fmean(group[4] for run in section.runs if run["arm"] == arm for group in run["groups"])


def in_words(label: str, pair: Mapping[str, Any], unit: str) -> str:
    text = f"{label} {number(pair['difference'], places(unit), sign=True)} {points(unit)}".rstrip()
    return text if pair["low"] is None else f"{text} ({interval(pair['low'], pair['high'], unit)})"


def listed(rows: Sequence[Row], unit: str) -> str:
    return "; ".join(in_words(*row, unit) for row in rows)


def resolved_of(rows: Sequence[Row]) -> str:
    least, most = (choose(pair["n"] for _, pair in rows) for choose in (min, max))
    seeds = plural(most, "seed") if least == most else f"{least} to {most} seeds"
    found = [f"{label} ({pair['verdict']})" for label, pair in rows if pair["verdict"] in ("better", "worse")]
    return f"Over {seeds}, resolved: {', '.join(found)}." if found else f"Over {seeds} none of these is resolved."


def counted_in_words(rows: Sequence[Row]) -> str:
    """Of rows from several comparisons, how many lie above 0, and how many of them are resolved."""
    found = Counter(pair["verdict"] for _, pair in rows)
    return (f"lies above 0 in {sum(above(row) > 0 for row in rows)} "
            f"(resolved: {found['better']} better, {found['worse']} worse)")  # fmt: skip
