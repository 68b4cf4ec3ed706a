"""Intervals against scipy's paired t test and bootstrap; verdicts from intervals alone; how many seeds would do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lwdna_core.compare.statistics import (
    Difference,
    half_width,
    item_bootstrap,
    paired_difference,
    seeds_needed,
    summary,
    verdict,
)


def by_seed(values: object) -> dict[str, float | None]:
    return {str(seed): value for seed, value in enumerate(values)}  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_the_interval_is_that_of_a_paired_t_test(count: int) -> None:
    values, reference = np.random.default_rng(count).normal(90, 1, (2, count))
    found = paired_difference(by_seed(values), by_seed(reference))
    expected = stats.ttest_rel(values, reference).confidence_interval(0.95)
    assert found.mean == pytest.approx((values - reference).mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.n == count
    assert found.spread == pytest.approx(np.std(values - reference, ddof=1))


def test_only_seeds_that_both_have_count() -> None:
    found = paired_difference({"0": 1.0, "1": 5.0, "2": None, "4": 9.0}, {"0": 0.5, "1": 4.0, "2": 3.0, "3": 0.0})
    assert found.n == 2
    assert found.mean == 0.75


def test_what_is_undefined_is_none() -> None:
    assert paired_difference({"0": 1.0}, {"0": 0.0}) == Difference(1.0, None, None, 1)
    assert paired_difference({"0": 1.0}, {"1": 0.0}) == Difference(None, None, None, 0)
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


@pytest.mark.parametrize(("seeds", "resolved"), [(3, 0.87), (8, 0.293)])
def test_what_some_seeds_resolve(seeds: int, resolved: float) -> None:
    """With a paired spread of 0.35 three seeds resolve about 0.9 points and eight about 0.3."""
    assert half_width(0.35, seeds) == pytest.approx(resolved, abs=0.001)


@given(st.floats(0.001, 3), st.floats(0.001, 3))
def test_so_many_seeds_exclude_0_and_one_fewer_does_not(mean: float, spread: float) -> None:
    needed = seeds_needed(Difference(-mean, -1, 1, 3, spread))
    if needed is None:
        assert half_width(spread, 10_000) > mean
        return
    assert half_width(spread, needed) <= mean
    assert needed == 3 or half_width(spread, needed - 1) > mean


def test_seeds_needed_is_undefined_without_a_difference_or_a_spread() -> None:
    assert seeds_needed(Difference(None, None, None, 0)) is None
    assert seeds_needed(Difference(0.5, None, None, 1)) is None
    assert seeds_needed(Difference(0.0, -1, 1, 3, 0.3)) is None
    assert seeds_needed(Difference(0.5, 0.5, 0.5, 3, 0.0)) == 3


@pytest.mark.parametrize("binary", [True, False])
def test_the_bootstrap_is_the_percentile_one_of_the_items_mean_differences(binary: bool) -> None:
    random = np.random.default_rng(0)
    shape = (2, 3, 300)  # arms, seeds, items
    scores = random.integers(0, 2, shape).astype(float) if binary else random.normal(30, 2, shape)
    arm, reference = ({str(s): {f"i{i}": v for i, v in enumerate(row)} for s, row in enumerate(a)} for a in scores)
    found = item_bootstrap(arm, reference)
    assert found is not None and found.n_items == 300
    differences = (scores[0] - scores[1]).mean(0)
    expected = stats.bootstrap(
        (differences,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(1)
    ).confidence_interval
    width = expected.high - expected.low
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.05 * width)
    assert item_bootstrap(arm, reference) == found  # no chance in a report


def test_the_bootstrap_takes_items_that_all_runs_scored_and_leaves_training_out() -> None:
    one = {"0": {"a": 1.0, "b": 2.0, "c": 3.0}, "1": {"a": 1.0, "b": 2.0}}
    other = {"0": {"a": 0.5, "b": 1.5}, "1": {"a": 0.0, "b": 1.0}, "2": {"a": 9.0, "b": 9.0}}
    found = item_bootstrap(one, other)
    assert found is not None
    # the seeds differ by 0.5 and 1, the items by 0.75 each: another choice of items changes nothing
    assert (found.low, found.high, found.n_items) == (0.75, 0.75, 2)


def test_no_bootstrap_without_two_common_items() -> None:
    assert item_bootstrap({}, {}) is None
    assert item_bootstrap({"0": {"a": 1.0, "b": 1.0}}, {"1": {"a": 1.0, "b": 1.0}}) is None
    assert item_bootstrap({"0": {"a": 1.0, "b": 1.0}}, {"0": {"a": 1.0, "c": 1.0}}) is None
