"""Drives a tracker over a sequence: once (OPE), from shifted boxes (SRE), from later frames (TRE), with VOT's resets.

It knows nothing of networks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.names import canonical
from tasks.tracking.evaluation.raster_pairs import pair_overlap
from tasks.tracking.evaluation.regions import FAILED, INITIALISED, UNKNOWN
from tasks.tracking.evaluation.sequence import TIGER1_FRAMES, TIGER1_OMITTED
from tasks.tracking.evaluation.shapes import Regions
from tasks.tracking.evaluation.starts import segment_starts, shifted_boxes
from tasks.tracking.evaluation.textfiles import Rows
from tasks.tracking.sequences import Sequence, frames

SKIP = 5
"""Frames from a failure to the new start (VOT's skip_initialize)."""

FROM_ZERO = np.array([1.0, 1.0, 0.0, 0.0])
"""What a box that counts pixels from 1 has more than one that counts from 0."""


class Tracker(Protocol):
    """Two methods. Frames are (3, H, W), uint8, RGB; boxes (4), x, y, w, h with 1-based corners."""

    def init(self, frame: Tensor, box: Tensor) -> None: ...

    def update(self, frame: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Track:
    """What a tracker did on a sequence, in one run.

    Attributes:
        sequence: its name.
        lines: for every frame a box (4,) as the annotations count, or one of VOT's codes (1,).
        seconds: (N,) for each frame in the tracker, without reading it.
        wall: seconds for the whole run, reading included.
        start: the number of its first frame, as the annotations count.
        shift: of the box that it was started with; see `evaluation.starts`.
    """

    sequence: str
    lines: tuple[np.ndarray, ...]
    seconds: np.ndarray
    wall: float
    start: int = 1
    shift: str = ""

    @property
    def rows(self) -> Rows:
        """As the evaluation reads them from files."""
        return Rows(np.concatenate(self.lines), np.array([len(line) for line in self.lines]))


def one_pass(
    tracker: Tracker, sequence: Sequence, start: int = 0, box: np.ndarray | None = None, shift: str = ""
) -> Track:
    """OPE: started once, and left alone.

    Args:
        tracker: what is driven.
        sequence: what it follows.
        start: the frame, from 0, with which it starts.
        box: (4,) to start with; None: the true one.
        shift: what to call that box.
    """
    lines, seconds, begun = [], [], time.perf_counter()
    first = sequence.boxes[start] if box is None else box
    offset = FROM_ZERO * (1 - sequence.origin)
    for index, image in enumerate(frames(sequence, range(start, len(sequence)))):
        started = time.perf_counter()
        if index == 0:
            tracker.init(_tensor(image), torch.from_numpy(first))
            lines.append(first.astype(np.float64) - offset)
        else:
            lines.append(_array(tracker.update(_tensor(image))) - offset)
        seconds.append(time.perf_counter() - started)
    wall, number = time.perf_counter() - begun, sequence.first_frame + start
    return Track(sequence.name, tuple(lines), np.array(seconds), wall, number, shift)


def from_shifted_boxes(tracker: Tracker, sequence: Sequence) -> tuple[Track, ...]:
    """SRE: twelve runs over the whole sequence, each from another box beside the true one."""
    height, width = sequence.frame(0).shape[:2]
    shifted = shifted_boxes(sequence.boxes[0], width, height)
    return tuple(one_pass(tracker, sequence, box=box, shift=shift) for shift, box in shifted.items())


def from_later_frames(tracker: Tracker, sequence: Sequence) -> tuple[Track, ...]:
    """TRE: twenty runs, each from another frame to the end. Raises LwdnaError where there are not enough frames."""
    return tuple(one_pass(tracker, sequence, start) for start in later_frames(sequence))


def later_frames(sequence: Sequence) -> list[int]:
    """TRE's first frames, from 0. Raises LwdnaError, with the sequence's name, where there are not enough frames."""
    omitted = canonical(sequence.name) == "tiger1" and len(sequence) == TIGER1_FRAMES
    try:
        starts: list[int] = segment_starts(sequence.boxes, ((0, TIGER1_OMITTED - 1),) if omitted else ()).tolist()
    except LwdnaError as error:
        raise LwdnaError(f"{sequence.name}: {error}") from None
    return starts


def upright(region: Regions) -> np.ndarray:
    """x, y, w, h of a single region: a box as it is, of a quadrangle the upright box with its centre and area.

    As pysot's get_axis_aligned_bbox makes it.
    """
    corners = region.corners[0]
    low, high = corners.min(0), corners.max(0)
    if region.is_box[0]:
        return np.concatenate([low, high - low])
    area = np.linalg.norm(corners[0] - corners[1]) * np.linalg.norm(corners[1] - corners[2])
    scale = np.sqrt(area / max(float((high - low).prod()), 1e-9))
    size = scale * (high - low) + 1
    return np.concatenate([corners.mean(0) - (size - 1) / 2, size])


def bounding(region: Regions) -> np.ndarray:
    """x, y, w, h of a single region: the smallest upright box around it."""
    low, high = region.corners[0].min(0), region.corners[0].max(0)
    return np.concatenate([low, high - low])


def with_resets(tracker: Tracker, sequence: Sequence, start_box: Callable[[Regions], np.ndarray] = bounding) -> Track:
    """VOT's supervised protocol: where box and truth no longer overlap the target is lost, and 5 frames later the
    tracker starts anew.

    Overlap is drawn as the official toolkit draws it, inside the image. VOT counts pixels from 0.

    Args:
        tracker: is started with boxes.
        sequence: what it follows.
        start_box: makes a box of a region: `bounding`, which the official toolkit hands to a tracker that takes boxes,
            or `upright`, with which pysot starts its trackers.
    """
    lines, seconds, begun, start = [], [], time.perf_counter(), 0
    truth = sequence.regions
    for index, image in enumerate(frames(sequence, range(len(sequence)))):
        started = time.perf_counter()
        known = bool(np.isfinite(truth.corners[index]).all())
        if index < start or (index == start and not known):
            lines.append(np.array([float(UNKNOWN)]))
            start = max(start, index + 1) if index == start else start
        elif index == start:
            box = start_box(truth.take([index]))
            tracker.init(_tensor(image), torch.from_numpy(box + FROM_ZERO))
            lines.append(np.array([float(INITIALISED)]))
        else:
            box = _array(tracker.update(_tensor(image))) - FROM_ZERO
            size = np.array([image.shape[1], image.shape[0]], float)
            lost = not np.isfinite(box).all()  # a network that diverged
            if known and not lost:
                lost = pair_overlap(truth.take([index]), Regions.of_boxes(box[None]), size, "pysot") <= 0
            if lost:
                lines.append(np.array([float(FAILED)]))
                start = index + SKIP
            else:
                lines.append(box)
        seconds.append(time.perf_counter() - started)
    wall = time.perf_counter() - begun
    return Track(sequence.name, tuple(lines), np.array(seconds), wall, sequence.first_frame)


PROTOCOLS: dict[str, Callable[[Tracker, Sequence], tuple[Track, ...]]] = {
    "OPE": lambda tracker, sequence: (one_pass(tracker, sequence),),
    "SRE": from_shifted_boxes,
    "TRE": from_later_frames,
    "VOT": lambda tracker, sequence: (with_resets(tracker, sequence),),
}
"""What each makes of a tracker and a sequence: its runs."""


def _tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)


def _array(box: Tensor) -> np.ndarray:
    array: np.ndarray = box.double().cpu().numpy()  # waits for the device
    return array
