import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.tracking.evaluation.raster import Truth
from tasks.tracking.evaluation.raster_pairs import pair_overlap
from tasks.tracking.evaluation.shapes import Regions

BOX = [(0, 0, 9, 9)]


def overlap(one, other, size=(100, 100), rule="pysot"):
    """Of regions given as 4 or 8 numbers; the first is the truth."""
    first, second = (regions(values) for values in (one, other))
    return Truth(first, np.array([size], float), rule).overlaps(second, np.array([0]))[0]


def regions(values):
    numbers = np.array([values], float)
    if len(values) == 4:
        return Regions.of_boxes(numbers)
    return Regions(numbers.reshape(1, -1, 2), np.array([False]))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("pysot", 10 * 5 / (10 * 10 + 10 * 10 - 10 * 5)),  # 9 wide: 10 pixels; columns 5 to 9 are shared
        ("vot-toolkit", 9 * 4 / (9 * 9 + 9 * 9 - 9 * 4)),  # 9 pixels; columns 5 to 8
    ],
)
def test_a_box_is_w_or_w_plus_1_pixels_wide(rule, expected):
    assert overlap((0, 0, 9, 9), (5, 0, 9, 9), rule=rule) == pytest.approx(expected)


def test_boxes_that_share_but_an_edge_do_not_meet_though_their_pixels_do():
    assert overlap((0, 0, 10, 10), (10, 0, 10, 10)) == 0
    assert overlap((0, 0, 10, 10), (9, 0, 10, 10)) == pytest.approx(2 / (11 + 11 - 2))


def test_halves_are_rounded_away_from_zero_or_to_even():
    assert overlap((0, 0, 2.5, 9), (0, 0, 3, 9)) == 1
    assert overlap((0, 0, 2.5, 9), (0, 0, 2, 9), rule="vot-toolkit") == 1


def test_pixels_outside_the_image_do_not_count():
    wide = (-10, 0, 29, 9)  # columns -10 to 19
    assert overlap(wide, (0, 0, 9, 9), size=(100, 100)) == pytest.approx(10 / 20)
    assert overlap(wide, (0, 0, 9, 9), size=(np.nan, np.nan)) == pytest.approx(10 / 30)
    assert overlap((90, 0, 29, 9), (90, 0, 9, 9), size=(100, 100)) == 1


def test_a_diamond_row_by_row():
    # Rows 1 to 3 of a diamond hold 3, 5 and 3 pixels; its tips have one node and stay empty, or are one pixel each.
    diamond = (2, 0, 4, 2, 2, 4, 0, 2)
    assert overlap(diamond, (0, 0, 4, 4)) == pytest.approx(11 / 25)
    assert overlap(diamond, (0, 0, 5, 5), rule="vot-toolkit") == pytest.approx(13 / 25)


def test_a_triangle_and_a_concave_polygon():
    assert overlap((0, 0, 4, 0, 0, 4, 0, 4), (0, 0, 4, 4)) == pytest.approx((5 + 4 + 3 + 2) / 25)
    # Rows of 9, 9, 9, 9, 7, 6, 5, 8 and 9 pixels. The eighth has nodes 0, 0, 7, 8: one of two equal nodes is passed
    # over, so that the span goes on through the notch.
    notch = (0, 0, 8, 0, 8, 8, 4, 2, 0, 8)
    assert overlap(notch, (0, 0, 8, 8)) == pytest.approx(71 / 81)


def test_legacy_leaves_out_the_first_row_and_the_last_column():
    # Rows 1 to 9, columns 0 to 8: 81 pixels of a box of 9 by 9, whose half has 9 * 4.
    assert overlap((0, 0, 9, 9), (0, 0, 4, 9), rule="legacy") == pytest.approx(36 / 81)


@pytest.mark.parametrize(
    ("rule", "extra"),
    [("pysot", 1), ("vot-toolkit", 0), ("legacy", 0)],
)
@pytest.mark.parametrize("truth", [(0, 0, 8, 8), (0, 0, 8, 0, 8, 8, 4, 2, 0, 8)])
def test_a_box_of_any_size_takes_no_time(rule, extra, truth):
    """Far beyond what could be held as pixels: as one box of all frames, and against what is no convex shape."""
    wide = 900_000_000
    one, other = regions(truth), Regions.of_boxes(np.array([(-9.0, -9, wide, wide)]))
    own = pair_overlap(one, Regions.of_boxes(np.array([(0.0, 0, 8, 8)])), None, rule) * (8 + extra) ** 2
    assert pair_overlap(one, other, None, rule) == pytest.approx(own / (wide + extra) ** 2, rel=1e-6)
    if rule == "legacy":
        together = Truth(one, np.full((1, 2), np.nan), rule).overlaps(other, np.array([0]))
        assert together[0] == pair_overlap(other, one, None, rule)


def test_no_truth_is_nan():
    assert np.isnan(overlap((np.nan,) * 4, (0, 0, 9, 9)))


def test_two_empty_regions_are_one_to_vot_toolkit():
    assert overlap((5, 5, 1, 1), (5, 5, 1, 1), rule="vot-toolkit") == 1  # one pixel is not told from none
    assert overlap((0, 0, 9, 9), (200, 0, 9, 9), rule="vot-toolkit") == 0


coordinates = st.floats(-30, 110).map(lambda value: round(value * 4) / 4)
boxes = st.tuples(coordinates, coordinates, st.floats(-2, 60), st.floats(-2, 60)).map(lambda box: (*box,))
rotated = st.tuples(coordinates, coordinates, st.floats(1, 60), st.floats(1, 60), st.floats(0, np.pi)).map(
    lambda values: tuple(_rotated(*values).ravel())
)
anything = st.lists(coordinates, min_size=8, max_size=8).map(tuple)


def _rotated(x, y, w, h, angle):
    corners = np.array([(-w, -h), (w, -h), (w, h), (-w, h)]) / 2
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return corners @ turn.T + (x, y)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(boxes | rotated | anything, boxes | rotated), min_size=1, max_size=4),
    st.sampled_from(["pysot", "vot-toolkit", "legacy"]),
    st.sampled_from([(80.0, 60.0), (np.nan, np.nan)]),
)
def test_all_at_once_is_what_the_rules_say_pair_by_pair(pairs, rule, size):
    one, other = (_together(side) for side in zip(*pairs, strict=True))
    together = Truth(one, np.tile(size, (len(pairs), 1)), rule).overlaps(other, np.arange(len(pairs)))
    bounds = None if np.isnan(size[0]) else np.array(size)
    alone = [pair_overlap(other.take([i]), one.take([i]), bounds, rule) for i in range(len(pairs))]
    np.testing.assert_allclose(together, alone, atol=1e-12)


def _together(shapes):
    listed = [regions(shape) for shape in shapes]
    return Regions(*(np.concatenate(values) for values in zip(*listed, strict=True)))


@given(rotated, rotated)
def test_symmetric(one, other):
    assert overlap(one, other) == overlap(other, one)


@given(st.floats(45, 55), st.floats(45, 55), st.floats(4, 30), st.floats(4, 30), st.floats(0, np.pi))
def test_one_with_itself(x, y, w, h, angle):
    """Thinner ones may hold no pixel at all."""
    region = tuple(_rotated(x, y, w, h, angle).ravel())
    assert overlap(region, region) == 1
