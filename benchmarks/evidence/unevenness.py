"""Why searches lose: how unevenly a configuration spreads its widths, against what it scores."""

from __future__ import annotations

import math
from statistics import fmean, pstdev

from scipy.stats import spearmanr

from benchmarks.evidence import figures
from benchmarks.evidence.study import Sections, Study, Table
from lwdna_core.compare.arms import BASELINE
from lwdna_core.compare.wording import number, places, plural, points

_ENOUGH = 20  # runs
_CLEAR = 0.2  # of a rank correlation: about one standard error for 25 runs


def unevenness(sections: Sections) -> Study | None:
    """All runs of all arms against the baseline's of their seed, over the unevenness and the tilt of their widths."""
    clouds, lines, ranks = [], [], []
    for section in sections.values():
        arms, metric = section.comparison["arms"], section.comparison["primary"]
        base = arms.get(BASELINE, {"metrics": {metric: {"values": {}}}})["metrics"][metric]["values"]
        rows = [
            (*_spread([math.log(found / baseline) for _, baseline, _, found, _ in run["groups"]]),
             run["metrics"][metric] - base[str(run["seed"])])
            for run in section.runs if run["arm"] != BASELINE and base.get(str(run["seed"])) is not None
        ]  # fmt: skip
        if len(rows) < _ENOUGH or any(len(set(column)) < 2 for column in zip(*rows, strict=True)):
            continue  # or without a difference that could correlate
        uneven, tilts, scores = zip(*rows, strict=True)
        clouds.append((section.entry.title, section.unit, list(zip(uneven, scores, strict=True))))
        ordered = [score for _, _, score in sorted(rows)]
        third, unit = len(ordered) // 3, section.unit
        ranks.append((_rank(uneven, scores), _rank(tilts, scores)))
        lines.append((
            f"{section.entry.title}, {points(unit) or 'AUC'}", str(len(rows)),
            *(number(rank, 2, sign=True) for rank in ranks[-1]),
            *(number(fmean(part), places(unit), sign=True) for part in (ordered[:third], ordered[-third:])),
        ))  # fmt: skip
    if not clouds:
        return None
    return Study(
        "unevenness", "Which layers, or how unevenly?", figures.scatter(clouds, "unevenness of the widths"),
        "Scores fall with the unevenness of the widths (rank correlation below −0.2) in "
        f"{sum(uneven < -_CLEAR for uneven, _ in ranks)} of {plural(len(ranks), 'comparison')} and rise with it in "
        f"{sum(uneven > _CLEAR for uneven, _ in ranks)}; with channels moved to late layers (their "
        f"tilt) they fall in {sum(tilt < -_CLEAR for _, tilt in ranks)} and rise in "
        f"{sum(tilt > _CLEAR for _, tilt in ranks)}.",
        [
            "Every run of every arm, with fewer MACs or as many, against the baseline of its seed: over the unevenness "
            "of its widths (the standard deviation over the groups of the logarithm of their share of the baseline's "
            "channels) and over their tilt (its slope from the first group to the last: above 0, late ones gain).",
            "This is association: the arms differ in more than these two, and runs of one seed share their baseline, "
            "so the numbers have no intervals.",
        ],
        [Table(
            ("comparison", "runs", "rank correlation, unevenness", "rank correlation, tilt",
             "mean − baseline, most even third", "most uneven third"),
            lines,
        )],
    )  # fmt: skip


def _spread(logs: list[float]) -> tuple[float, float]:
    """Standard deviation of the groups' logarithms, and their least-squares slope over places from -1/2 to 1/2."""
    places_of = [i / max(1, len(logs) - 1) - 0.5 for i in range(len(logs))]
    square = sum(place * place for place in places_of)
    return pstdev(logs), sum(map(math.prod, zip(places_of, logs, strict=True))) / square if square else 0.0


def _rank(x: tuple[float, ...], y: tuple[float, ...]) -> float:
    return float(spearmanr(x, y).statistic)
