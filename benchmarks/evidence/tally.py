"""All comparisons together: verdicts counted, corrected for their number, and a sign test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtr, stdtrit
from scipy.stats import binomtest

from benchmarks.evidence.manifest import MAIN, Comparison
from benchmarks.evidence.section import Section
from benchmarks.evidence.study import resolved
from lwdna_core.compare.arms import LWDNA
from lwdna_core.compare.statistics import CONFIDENCE, ENOUGH


@dataclass(frozen=True)
class Tally:
    """What LW-DNA is against one other arm, over the comparisons of `ENOUGH` seeds or more.

    Attributes:
        verdicts: how often it is "better", "worse", "not distinguishable".
        above: in how many its mean lies above.
        holm: how many verdicts are left when Holm's procedure keeps the chance of any false one at 5 %.
        apart: how many verdicts are of pairs whose two runs of a seed were not all made in one place.
        networks, networks_above: each network with its data counted once, on the largest share of its training set:
            several shares are not independent.
        sign: the sign test's two-sided p over those.
    """

    verdicts: Counter[str]
    above: int
    holm: int
    apart: int
    networks: int
    networks_above: int
    sign: float

    @property
    def all(self) -> int:
        return self.verdicts.total()


def tally(sections: Sequence[Section]) -> dict[str, Tally]:
    """By the arm of `MAIN` that LW-DNA is compared with; what other arms are for, studies say."""
    found = {
        other: [(s.entry, pair) for s in sections if (pair := s.pair(LWDNA, other)) and pair["n"] >= ENOUGH]
        for other in MAIN
    }
    return {other: _tally(pairs) for other, pairs in found.items() if pairs}


def _tally(found: Sequence[tuple[Comparison, Mapping[str, Any]]]) -> Tally:
    chosen = {entry.config: pair for entry, pair in sorted(found, key=lambda each: each[0].fraction or 1.0)}
    signs = [pair["difference"] > 0 for pair in chosen.values() if pair["difference"]]
    return Tally(
        verdicts=Counter(pair["verdict"] for _, pair in found),
        above=sum(pair["difference"] > 0 for _, pair in found),
        holm=_holm([probability(pair) for _, pair in found]),
        apart=sum(pair["apart"] and resolved(pair) for _, pair in found),
        networks=len(signs),
        networks_above=sum(signs),
        sign=float(binomtest(sum(signs), len(signs)).pvalue) if signs else 1.0,
    )


def probability(pair: Mapping[str, Any]) -> float:
    """The two-sided p of a paired difference, from its Student interval.

    >>> round(probability({"difference": 1.0, "low": 0.0, "high": 2.0, "n": 5}), 3)
    0.05
    """
    half, degrees = (pair["high"] - pair["low"]) / 2, pair["n"] - 1
    if not half:
        return 1.0 if not pair["difference"] else 0.0
    t = abs(pair["difference"]) / half * float(stdtrit(degrees, (1 + CONFIDENCE) / 2))
    return 2 * float(stdtr(degrees, -t))


def _holm(found: Sequence[float]) -> int:
    """How many of the hypotheses Holm's step-down procedure rejects (Scandinavian Journal of Statistics 6, 1979)."""
    rejected = 0
    for rank, p in enumerate(sorted(found)):
        if p > (1 - CONFIDENCE) / (len(found) - rank):
            break
        rejected += 1
    return rejected
