"""Paired differences between arms over seeds, their intervals, and the verdict that follows from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtrit

CONFIDENCE = 0.95
METHOD = "paired over seeds, 95 % Student t interval"
ENOUGH = 3  # seeds; with fewer, no verdict


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences and its confidence interval; None where it is undefined."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


def paired_difference(values: Mapping[int, float | None], reference: Mapping[int, float | None]) -> Difference:
    """What `values` are above `reference`, over the seeds that have both.

    The interval is mean ± t(0.975, n - 1) s / sqrt(n), Student's for paired samples; undefined for fewer than 2 seeds.

    >>> found = paired_difference({0: 91.0, 1: 92.0, 2: 93.0}, {0: 90.0, 1: 91.5, 2: 91.5})
    >>> found.mean, round(found.low, 3), round(found.high, 3)
    (1.0, -0.242, 2.242)
    """
    pairs = [(values[seed], reference[seed]) for seed in sorted(values.keys() & reference.keys())]
    differences = [a - b for a, b in pairs if a is not None and b is not None]
    mean, spread = summary(differences)
    if mean is None or spread is None:
        return Difference(mean, None, None, len(differences))
    half = float(stdtrit(len(differences) - 1, (1 + CONFIDENCE) / 2)) * spread / math.sqrt(len(differences))
    return Difference(mean, mean - half, mean + half, len(differences))


def summary(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and standard deviation (n - 1 in the denominator); None where undefined."""
    return (fmean(values) if values else None), (stdev(values) if len(values) > 1 else None)


def verdict(difference: Difference, higher_is_better: bool) -> str:
    """One of "better", "worse", "not distinguishable" and "too few seeds", from the interval over seeds alone."""
    if difference.n < ENOUGH or difference.low is None or difference.high is None:
        return "too few seeds"
    if difference.low <= 0 <= difference.high:
        return "not distinguishable"
    return "better" if (difference.low > 0) == higher_is_better else "worse"
