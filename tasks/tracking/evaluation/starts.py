"""Where OTB's other protocols start a tracker: SRE from twelve boxes beside the true one, TRE from twenty frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.spans import Floats

_SHIFT = 0.1
"""Of width and height."""
_SCALES = {"scale_8": 0.8, "scale_9": 0.9, "scale_11": 1.1, "scale_12": 1.2}
SHIFTS = ("left", "right", "up", "down", "topLeft", "topRight", "bottomLeft", "bottomRight", *_SCALES)
"""SRE's runs, as the official result files call them (`shiftType`)."""

SEGMENTS = 20
_SHORTEST_SEGMENT = 20


def shifted_boxes(box: Floats, width: float, height: float) -> dict[str, Floats]:
    """SRE's start boxes, as the MATLAB toolkit's shiftInitBB makes them; pixels are counted from 1.

    The Python toolkit differs by a pixel where a tenth is a whole number, and its "down" widens the box instead.

    Args:
        box: (4,) x, y, w, h.
        width, height: of the image; what reaches beyond it is cut off.

    Returns:
        (4,) by shift. At a corner, two sides move outwards and the opposite ones stay.
    """
    x, y, w, h = box
    across, along = np.ceil(_SHIFT * w), np.ceil(_SHIFT * h)
    last_x, last_y = x + w - 1, y + h - 1
    left, up = _round(x - _SHIFT * w), _round(y - _SHIFT * h)
    right, down = _round(last_x + _SHIFT * w), _round(last_y + _SHIFT * h)
    boxes: dict[str, tuple[float, ...]] = {
        "left": (x - across, y, w, h),
        "right": (x + across, y, w, h),
        "up": (x, y - along, w, h),
        "down": (x, y + along, w, h),
        "topLeft": (left, up, last_x - left + 1, last_y - up + 1),
        "topRight": (x, up, right - x + 1, last_y - up + 1),
        "bottomLeft": (left, y, last_x - left + 1, down - y + 1),
        "bottomRight": (x, y, right - x + 1, down - y + 1),
    }
    for name, scale in _SCALES.items():
        scaled = (x + w / 2 - scale * w / 2, y + h / 2 - scale * h / 2, scale * w, scale * h)
        boxes[name] = tuple(map(_round, scaled))
    return {name: _cut(np.array(boxes[name], float), width, height) for name in SHIFTS}


def _cut(box: Floats, width: float, height: float) -> Floats:
    x, y = np.maximum(box[:2], 1)
    return np.array([x, y, min(box[2], width - x + 1), min(box[3], height - y + 1)])


def _round(value: float) -> float:
    """Halves away from zero, as MATLAB rounds."""
    return float(np.copysign(np.floor(abs(value) + 0.5), value))


def segment_starts(truth: Floats, omitted: tuple[tuple[int, int], ...] = ()) -> NDArray[np.int64]:
    """TRE's first frames, counted from 0, as the toolkits' splitSeqTRE finds them.

    Args:
        truth: (N, 4) x, y, w, h.
        omitted: first and last of frames, counted from 0, in which no run starts (the toolkit's initOmit).

    Returns:
        (20,) frames, evenly spread over those with a valid box; every run goes on to the end, the last for 20 frames at
        least.

    Raises:
        LwdnaError: there is no frame with a valid box and 20 frames left.
    """
    usable: NDArray[np.bool_] = np.all(truth > 0, axis=1)
    for first, last in omitted:
        usable[first : last + 1] = False
    frames = np.flatnonzero(usable)
    frames = frames[frames <= len(truth) - _SHORTEST_SEGMENT]
    if not len(frames):
        raise LwdnaError(f"TRE needs a valid box with {_SHORTEST_SEGMENT} frames left; {len(truth)} frames have none")
    spread = np.arange(SEGMENTS - 1) * len(frames) / (SEGMENTS - 1)
    chosen: NDArray[np.int64] = frames[np.concatenate([spread.astype(np.int64), [len(frames) - 1]])]
    return chosen
