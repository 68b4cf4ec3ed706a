import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.tracking.evaluation.boxes import overlaps
from tasks.tracking.evaluation.polygons import exact_overlaps
from tasks.tracking.evaluation.raster import Truth
from tasks.tracking.evaluation.shapes import Regions


def polygon(*corners):
    return Regions(np.array([corners], float), np.array([False]))


def box(*values):
    return Regions.of_boxes(np.array([values], float))


SIZE = np.array([(100.0, 100.0)])


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [
        (box(0, 0, 10, 10), box(5, 0, 10, 10), 1 / 3),
        (box(40, 40, 20, 20), polygon((50, 40), (60, 50), (50, 60), (40, 50)), 0.5),
        (polygon((50, 40), (60, 50), (50, 60), (40, 50)), box(40, 40, 20, 20), 0.5),
        (polygon((50, 60), (60, 50), (50, 40), (40, 50)), polygon((40, 40), (60, 40), (60, 60), (40, 60)), 0.5),
        # Half of the diamond is outside the image.
        (box(-10, 40, 20, 20), polygon((0, 40), (10, 50), (0, 60), (-10, 50)), 0.5),
        (polygon((0, 40), (10, 50), (0, 60), (-10, 50)), box(0, 40, 10, 20), 0.5),
        (box(0, 0, 10, 10), polygon((50, 40), (60, 50), (50, 60), (40, 50)), 0),
    ],
)
def test_by_hand(found, truth, expected):
    assert exact_overlaps(found, truth, SIZE)[0] == pytest.approx(expected)


places = st.floats(-20, 120)
sides = st.floats(0.5, 80)


@given(st.tuples(places, places, sides, sides), st.tuples(places, places, sides, sides))
def test_upright_boxes_without_an_image(first, second):
    one, other = np.array([first]), np.array([second])
    unbounded = np.full((1, 2), np.nan)
    exact = exact_overlaps(Regions.of_boxes(one), Regions.of_boxes(other), unbounded)
    np.testing.assert_allclose(exact, overlaps(one, other), atol=1e-9)
    as_polygons = exact_overlaps(
        Regions(Regions.of_boxes(one).corners, np.array([False])), Regions.of_boxes(other), SIZE
    )
    np.testing.assert_allclose(
        as_polygons, exact_overlaps(Regions.of_boxes(one), Regions.of_boxes(other), SIZE), atol=1e-9
    )


wide = st.floats(4, 80)
quadrangles = st.tuples(places, places, wide, wide, st.floats(0, np.pi))


@given(quadrangles, quadrangles)
@example((102.0, 0.0, 4.0, 4.0, 0.0), (104.0, 0.0, 4.0, 4.0, 1e-4))  # both beside the image: rounding is no area
def test_pixels_of_enlarged_regions_agree(one, other):
    """Drawn 20 times as large, edges matter little: an implementation that has nothing in common with this one."""
    first, second = (Regions(_corners(*shape)[None], np.array([False])) for shape in (one, other))
    exact = exact_overlaps(second, first, SIZE)[0]
    large = [region._replace(corners=region.corners * 20) for region in (first, second)]
    drawn = Truth(large[0], SIZE * 20, "pysot").overlaps(large[1], np.array([0]))[0]
    # A side of 4 is drawn 81 pixels wide.
    assert exact == pytest.approx(drawn, abs=0.06)


def _corners(x, y, w, h, angle):
    corners = np.array([(-w, -h), (w, -h), (w, h), (-w, h)]) / 2
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return corners @ turn.T + (x, y)
