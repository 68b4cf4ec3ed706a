"""What studies are made of: rows of paired differences, put into words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from benchmarks.evidence.section import Section
from lwdna_core.compare.statistics import Difference, paired_difference, verdict
from lwdna_core.compare.wording import interval, number, places, plural

Sections = Mapping[str, Section]
Row = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Table:
    """Cells in Markdown."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Study:
    """A question with its figure.

    Attributes:
        name: of the figure's file.
        title: the question.
        answer: what the results say to it, in a sentence that stands alone.
        sentences: what it takes to read that.
        tables: the numbers.
    """

    name: str
    title: str
    figure: bytes
    answer: str
    sentences: Sequence[str]
    tables: Sequence[Table] = ()


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
    of_all = common([arms[arm]["metrics"][metric]["values"] for arm in wanted])
    scores = dict(zip(wanted, of_all, strict=True))
    upwards = section.comparison["metrics"][metric]["higher_is_better"]
    return [
        (label, as_pair(paired_difference(scores[a], scores[b]), upwards, bool(section.apart(a, b))))
        for label, a, b in named
    ]


def common(scores: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Scores by seed of several arms, of the seeds alone that all of them have, in one order."""
    seeds = sorted(set.intersection(*map(set, scores)))
    return [{seed: values[seed] for seed in seeds} for values in scores]


def resolved(pair: Mapping[str, Any]) -> bool:
    """Whether its interval excludes 0."""
    return pair["verdict"] in ("better", "worse")


def as_pair(difference: Difference, upwards: bool, apart: bool = False) -> dict[str, Any]:
    """As the pairs of a comparison are written; `apart`: some of its runs of one seed were not made in one place."""
    return {"difference": difference.mean, "low": difference.low, "high": difference.high, "n": difference.n,
            "verdict": verdict(difference, upwards), "apart": apart}  # fmt: skip


def share_at_floor(section: Section, arm: str) -> float:
    """Share of the groups that keep just their floor, over all seeds."""
    return fmean(group[4] for run in section.runs if run["arm"] == arm for group in run["groups"])


def cell(pair: Mapping[str, Any] | None, unit: str) -> str:
    """A difference with its interval, bold where it is resolved, † where its runs were made apart; a dash for none."""
    if pair is None or pair["difference"] is None:
        return "–"
    text = number(pair["difference"], places(unit), sign=True)
    if pair["low"] is not None:
        text += f" ({interval(pair['low'], pair['high'], unit)})"
    return (f"**{text}**" if resolved(pair) else text) + ("†" if pair.get("apart") else "")


def plain(pair: Mapping[str, Any], unit: str) -> str:
    """The same for a sentence."""
    return cell({**pair, "apart": False}, unit).strip("*")


def better_and_worse(rows: Sequence[Row]) -> str:
    """Which of the rows are resolved against the baseline, in words."""
    named = {kind: [label for label, pair in rows if pair["verdict"] == kind] for kind in ("better", "worse")}
    words = [f"{', '.join(f'`{label}`' for label in labels)} {'is' if len(labels) == 1 else 'are'} {kind} than it"
             for kind, labels in named.items() if labels]  # fmt: skip
    return "; ".join(words if named["better"] else ["none is better than the baseline", *words])


def seeds_of(rows: Sequence[Row]) -> str:
    """How many seeds the rows are over, which are all over the same ones."""
    return plural(rows[0][1]["n"], "seed")


def counted_in_words(rows: Sequence[Row]) -> str:
    """Of rows from several comparisons, how many lie above 0, and how many of them are resolved."""
    found = Counter(pair["verdict"] for _, pair in rows)
    apart = sum(resolved(pair) and pair.get("apart", False) for _, pair in rows)
    return (f"lies above 0 in {sum(above(row) > 0 for row in rows)} (resolved: {found['better']} better, "
            f"{found['worse']} worse{f'; {apart} of these †' if apart else ''})")  # fmt: skip
