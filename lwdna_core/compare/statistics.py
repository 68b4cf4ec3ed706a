"""Paired differences between arms over seeds, their intervals, the verdict from them, and a bootstrap over items."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from scipy.special import stdtrit

CONFIDENCE = 0.95
METHOD = "paired over seeds, 95 % Student t interval"
ENOUGH = 3  # seeds; with fewer, no verdict
RESAMPLES = 5000
_MOST_SEEDS = 10_000  # what would need more is as good as no difference


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences and its confidence interval; None where it is undefined.

    `spread` is the standard deviation of the differences, n - 1 in the denominator.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    spread: float | None = None


@dataclass(frozen=True)
class Bootstrap:
    """Interval of a paired difference under resampling of the test items."""

    low: float
    high: float
    n_items: int


def paired_difference(values: Mapping[str, float | None], reference: Mapping[str, float | None]) -> Difference:
    """What `values` are above `reference`, over the seeds that have both.

    The interval is mean ± t(0.975, n - 1) s / sqrt(n), Student's for paired samples; undefined for fewer than 2 seeds.

    >>> found = paired_difference({"0": 91.0, "1": 92.0, "2": 93.0}, {"0": 90.0, "1": 91.5, "2": 91.5})
    >>> found.mean, round(found.low, 3), round(found.high, 3)
    (1.0, -0.242, 2.242)
    """
    pairs = [(values[seed], reference[seed]) for seed in sorted(values.keys() & reference.keys())]
    differences = [a - b for a, b in pairs if a is not None and b is not None]
    mean, spread = summary(differences)
    if mean is None or spread is None:
        return Difference(mean, None, None, len(differences))
    half = half_width(spread, len(differences))
    return Difference(mean, mean - half, mean + half, len(differences), spread)


def half_width(spread: float, seeds: int) -> float:
    """Half of the interval that `seeds` pairs (2 or more) with this standard deviation of their differences give."""
    return float(stdtrit(seeds - 1, (1 + CONFIDENCE) / 2)) * spread / math.sqrt(seeds)


def seeds_needed(difference: Difference) -> int | None:
    """The least number of seeds whose interval would exclude 0, if mean and spread stayed what they are.

    Never fewer than a verdict takes. None where the difference is 0 or has no spread yet, and above 10 000. True
    differences scatter around the one seen: with that many seeds the chance to resolve one as large is about even.
    Three seeds resolve 0.87 and eight 0.29 where the spread is 0.35:

    >>> [seeds_needed(Difference(mean, 0, 0, 3, spread=0.35)) for mean in (0.87, 0.30)]
    [3, 8]
    """
    if difference.spread is None or not difference.mean:
        return None
    low, high = ENOUGH, _MOST_SEEDS
    if half_width(difference.spread, high) > abs(difference.mean):
        return None
    while low < high:  # the half-width falls with every seed
        middle = (low + high) // 2
        if half_width(difference.spread, middle) <= abs(difference.mean):
            high = middle
        else:
            low = middle + 1
    return low


def item_bootstrap(
    values: Mapping[str, Mapping[str, float]], reference: Mapping[str, Mapping[str, float]]
) -> Bootstrap | None:
    """Percentile interval of the paired difference when the test items are drawn again, the trained networks fixed.

    Items are the unit of resampling: one that is drawn counts with all its seeds, since its scores under several seeds
    are not independent of each other. For a mean that is the same as averaging an item's differences over the seeds
    first. So the interval says how far the difference depends on the choice of test items, and nothing about training:
    the verdict is not its business. Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 (paired
    and clustered data) and 13 (percentile interval).

    Args:
        values, reference: the score of every item by seed: {seed: {item: score}}.

    Returns: None where no two items are scored by both arms under a common seed.
    """
    seeds = sorted(values.keys() & reference.keys())
    scored = [values[seed].keys() & reference[seed].keys() for seed in seeds]
    items = sorted(set.intersection(*map(set, scored))) if scored else []
    if len(items) < 2:
        return None
    table = np.array([[values[seed][item] - reference[seed][item] for item in items] for seed in seeds])
    # How often every item is drawn is multinomial; equal differences are one category, which makes 0/1 scores fast.
    differences, counts = np.unique(table.mean(0), return_counts=True)
    random, tail = np.random.default_rng(0), (1 - CONFIDENCE) / 2
    at_once = max(1, 4_000_000 // len(counts))  # 32 MB
    means = [
        random.multinomial(len(items), counts / len(items), min(at_once, RESAMPLES - begin)) @ differences / len(items)
        for begin in range(0, RESAMPLES, at_once)
    ]
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Bootstrap(float(low), float(high), len(items))


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
