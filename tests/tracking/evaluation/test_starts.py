import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.starts import SHIFTS, segment_starts, shifted_boxes


def test_the_twelve_boxes():
    """By hand from shiftInitBB.m, for Tiger2's first box in 640 x 480."""
    boxes = shifted_boxes(np.array([32.0, 60, 68, 78]), 640, 480)
    assert tuple(boxes) == SHIFTS
    expected = {
        "left": (25, 60, 68, 78), "right": (39, 60, 68, 78), "up": (32, 52, 68, 78), "down": (32, 68, 68, 78),
        "topLeft": (25, 52, 75, 86), "topRight": (32, 52, 75, 86), "bottomLeft": (25, 60, 75, 86),
        "bottomRight": (32, 60, 75, 86), "scale_8": (39, 68, 54, 62), "scale_9": (35, 64, 61, 70),
        "scale_11": (29, 56, 75, 86), "scale_12": (25, 52, 82, 94),
    }  # fmt: skip
    assert {name: tuple(box) for name, box in boxes.items()} == expected


@given(st.integers(1, 600), st.integers(1, 400), st.integers(5, 200), st.integers(5, 200))
def test_boxes_stay_inside_the_image(x, y, w, h):
    box = np.array([x, y, min(w, 640 - x + 1), min(h, 480 - y + 1)], float)
    for shifted in shifted_boxes(box, 640, 480).values():
        assert (shifted[:2] >= 1).all()
        assert shifted[0] + shifted[2] - 1 <= 640
        assert shifted[1] + shifted[3] - 1 <= 480


def test_the_official_runs_of_sre_have_these_names(data_folder):
    runs = json.loads((data_folder / "tracking-results/otb_official/SRE/IVT/Tiger2.json").read_text())
    assert tuple(run["shiftType"] for run in runs) == SHIFTS


def test_twenty_segments_of_a_plain_sequence():
    starts = segment_starts(np.full((400, 4), 10.0))
    # floor(1 : 381 / 19 : 381), 1-based, and the last frame that leaves 20: splitSeqTRE.m.
    assert starts.tolist() == [
        *range(0, 380, 20)[:1],
        *[int(np.floor(1 + k * 381 / 19)) - 1 for k in range(1, 19)],
        380,
    ]


@given(st.integers(40, 500), st.sets(st.integers(0, 499)))
def test_segments_start_at_valid_boxes_and_leave_twenty_frames(length, invalid):
    truth = np.full((length, 4), 10.0)
    truth[[frame for frame in invalid if frame < length]] = 0
    if not (truth[: length - 19] > 0).any():
        return
    starts = segment_starts(truth)
    assert len(starts) == 20
    assert (np.diff(starts) >= 0).all()
    assert (truth[starts] > 0).all()
    assert starts.max() <= length - 20


def test_omitted_frames_start_nothing():
    starts = segment_starts(np.full((100, 4), 10.0), omitted=((0, 4), (50, 59)))
    assert starts[0] == 5
    assert not set(starts) & set(range(50, 60))


def test_a_sequence_that_is_too_short_is_refused():
    with pytest.raises(LwdnaError, match="20 frames left"):
        segment_starts(np.full((15, 4), 10.0))
