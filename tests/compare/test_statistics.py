"""Intervals against scipy's paired t test; verdicts from intervals alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lwdna_core.compare.statistics import Difference, paired_difference, summary, verdict


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_the_interval_is_that_of_a_paired_t_test(count: int) -> None:
    values, reference = np.random.default_rng(count).normal(90, 1, (2, count))
    found = paired_difference(dict(enumerate(values)), dict(enumerate(reference)))
    expected = stats.ttest_rel(values, reference).confidence_interval(0.95)
    assert found.mean == pytest.approx((values - reference).mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.n == count


def test_only_seeds_that_both_have_count() -> None:
    found = paired_difference({0: 1.0, 1: 5.0, 2: None, 4: 9.0}, {0: 0.5, 1: 4.0, 2: 3.0, 3: 0.0})
    assert found.n == 2
    assert found.mean == 0.75


def test_what_is_undefined_is_none() -> None:
    assert paired_difference({0: 1.0}, {0: 0.0}) == Difference(1.0, None, None, 1)
    assert paired_difference({0: 1.0}, {1: 0.0}) == Difference(None, None, None, 0)
    assert summary([]) == (None, None)
    assert summary([3.0]) == (3.0, None)
    assert summary([1.0, 3.0]) == (2.0, pytest.approx(math.sqrt(2)))


@pytest.mark.parametrize(
    ("low", "high", "n", "higher_is_better", "expected"),
    [
        (0.1, 0.9, 3, True, "better"),
        (0.1, 0.9, 3, False, "worse"),
        (-0.9, -0.1, 3, True, "worse"),
        (-0.9, -0.1, 3, False, "better"),
        (-0.1, 0.9, 3, True, "not distinguishable"),
        (0.0, 0.0, 3, True, "not distinguishable"),
        (0.1, 0.9, 2, True, "too few seeds"),
        (None, None, 1, True, "too few seeds"),
    ],
)
def test_verdict(low: float | None, high: float | None, n: int, higher_is_better: bool, expected: str) -> None:
    assert verdict(Difference(0.5, low, high, n), higher_is_better) == expected
