"""All comparisons together: verdicts counted, corrected for their number, and a sign test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import stdtr, stdtrit
from scipy.stats import binomtest

from benchmarks.evidence.manifest import MAIN
from benchmarks.evidence.section import Section
from lwdna_core.compare.arms import LWDNA
from lwdna_core.compare.statistics import CONFIDENCE, ENOUGH


@dataclass(frozen=True)
class Tally:
    """What LW-DNA is against one other arm, over the comparisons of `ENOUGH` seeds or more.

    Attributes:
        verdicts: how often it is "better", "worse", "not distinguishable".
        above: in how many its mean lies above.
        holm: how many verdicts are left when Holm's procedure keeps the chance of any false one at 5 %.
        networks, networks_above: each network with its data counted once, as shares of one training set are not
            independent; the one with the most seeds.
        sign: the sign test's two-sided p over those.
    """

    verdicts: Counter[str]
    above: int
    holm: int
    networks: int
    networks_above: int
    sign: float

    @property
    def all(self) -> int:
        return self.verdicts.total()


def tally(sections: Sequence[Section]) -> dict[str, Tally]:
    """By the arm of `MAIN` that LW-DNA is compared with; what other arms are for, studies say."""
    pairs: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for section in sections:
        for pair in section.primary:
            if pair["arm"] == LWDNA and pair["vs"] in MAIN and pair["n"] >= ENOUGH:
                pairs.setdefault(pair["vs"], []).append((section.entry.config, pair))
    return {other: _tally(found) for other, found in pairs.items()}


def _tally(found: Sequence[tuple[str, Mapping[str, Any]]]) -> Tally:
    chosen: dict[str, Mapping[str, Any]] = {}
    for config, pair in found:
        if config not in chosen or pair["n"] > chosen[config]["n"]:
            chosen[config] = pair
    signs = [pair["difference"] > 0 for pair in chosen.values() if pair["difference"]]
    return Tally(
        verdicts=Counter(pair["verdict"] for _, pair in found),
        above=sum(pair["difference"] > 0 for _, pair in found),
        holm=_holm([probability(pair) for _, pair in found]),
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
