import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.tracking.evaluation import boxes
from tasks.tracking.evaluation.conventions import CONVENTIONS

finite = st.floats(-100, 100)
some_boxes = arrays(float, st.tuples(st.integers(1, 20), st.just(4)), elements=finite | st.integers(-9, 9))


def test_overlap_by_hand():
    one = np.array([(0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 0, 0), (0, 0, np.nan, 5)], float)
    other = np.array([(5, 0, 10, 10), (10, 0, 5, 5), (2, 2, 5, 4), (0, 0, 0, 0), (0, 0, 5, 5)], float)
    np.testing.assert_allclose(boxes.overlaps(one, other), [1 / 3, 0, 0.2, 0, np.nan])


@given(some_boxes)
def test_overlap_is_that_of_inclusive_pixels(found):
    """The official toolkit computes with x + w - 1 and adds 1 again: no pixel is gained."""
    truth = np.abs(found[::-1]) + 1
    last, true_last = found[:, :2] + found[:, 2:] - 1, truth[:, :2] + truth[:, 2:] - 1
    shared = np.maximum(np.minimum(last, true_last) - np.maximum(found[:, :2], truth[:, :2]) + 1, 0).prod(axis=1)
    union = found[:, 2:].prod(axis=1) + truth[:, 2:].prod(axis=1) - shared
    expected = np.divide(shared, union, out=np.zeros(len(union)), where=union != 0)
    np.testing.assert_allclose(boxes.overlaps(found, truth), expected, rtol=1e-9, atol=1e-9)


@given(
    st.lists(st.lists(st.sampled_from([-1, 0, 0.05, 0.15, 0.5, 1, np.nan]) | st.floats(0, 1), min_size=1), min_size=1),
    st.sampled_from(sorted(CONVENTIONS)),
)
def test_success_counts_what_is_strictly_greater(overlaps, name):
    thresholds = CONVENTIONS[name].overlap_thresholds
    sequence = np.repeat(np.arange(len(overlaps)), [len(o) for o in overlaps])
    curves = boxes.success_curves(np.concatenate(overlaps), sequence, np.array([len(o) for o in overlaps]), thresholds)
    for curve, overlap in zip(curves, overlaps, strict=True):
        np.testing.assert_array_equal(curve, [np.mean(np.array(overlap) > threshold) for threshold in thresholds])


@given(st.lists(st.sampled_from([-1, 0, 5, 20, 50, 51, np.nan]) | st.floats(0, 99), min_size=1))
def test_precision_counts_what_is_at_most(errors):
    lengths, sequence = np.array([len(errors)]), np.zeros(len(errors), int)
    curve = boxes.precision_curves(np.array(errors), sequence, lengths, boxes.ERROR_THRESHOLDS)[0]
    np.testing.assert_array_equal(curve, [np.mean(np.array(errors) <= pixels) for pixels in range(51)])


@pytest.mark.parametrize(
    ("name", "overlap", "error", "normalised"),
    [
        # Truth: ordinary; left of the image; of no size; nan.
        ("official", [0.5, -1, -1, -1], [0, -1, -1, -1], [0, -1, -1, -1]),
        ("pysot", [0.5, 1, -1, -1], [0, 0, 5, -1], [0, 0, None, -1]),
        ("got10k", [0.5, 1, 0, np.nan], [0, 0, 5, np.nan], [0, 0, 5, np.nan]),
    ],
)
def test_frames_without_truth(name, overlap, error, normalised):
    truth = np.array([(10, 10, 20, 20), (-3, 10, 20, 20), (10, 10, 0, 0), (np.nan,) * 4], float)
    found = np.array([(10, 15, 20, 10), (-3, 10, 20, 20), (13, 14, 0, 0), (10, 10, 20, 20)], float)
    scores = boxes.frame_scores(found, truth, CONVENTIONS[name])
    for got, expected in zip(scores, (overlap, error, normalised), strict=True):
        known = [value is not None for value in expected]
        np.testing.assert_allclose(got[known], [value for value in expected if value is not None])


def test_a_box_to_the_left_of_the_image_by_more_than_half_is_a_hit_for_pysot():
    truth = np.array([(-30, 10, 20, 20)], float)
    _, error, normalised = boxes.frame_scores(truth + 500, truth, CONVENTIONS["pysot"])
    assert (error, normalised) == (-1, -1)


def test_the_normalised_error_is_in_units_of_the_target():
    truth, found = np.array([(10, 10, 20, 40)], float), np.array([(16, 22, 20, 40)], float)
    for name in ("official", "pysot", "got10k"):
        assert boxes.frame_scores(found, truth, CONVENTIONS[name])[2][0] == pytest.approx(np.hypot(6 / 20, 12 / 40))
