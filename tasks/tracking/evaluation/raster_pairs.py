"""The drawing rules of `raster` for one pair of regions of any shape: rows, nodes, spans, pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tasks.tracking.evaluation.shapes import Regions, Rule
from tasks.tracking.evaluation.spans import Floats, Integers


def pair_overlap(one: Regions, other: Regions, size: Floats | None, rule: Rule) -> float:
    """Intersection over union in pixels of two regions (one frame each); `size` is the image's width and height."""
    if rule == "vot-toolkit":
        shapes = [_rounded_half_even(region) for region in (one, other)]
    else:
        shapes = [region.corners[0].astype(np.float32).astype(np.float64) for region in (one, other)]
    low, high = np.array([s.min(axis=0) for s in shapes]), np.array([s.max(axis=0) for s in shapes])
    for index, (shape, region) in enumerate(zip(shapes, (one, other), strict=True)):
        if rule == "vot-toolkit" and region.is_box[0]:
            low[index], high[index] = shape[0], shape[2]  # the end lies before the start where a box has no pixel
    if rule == "vot-toolkit":
        if (low.min(axis=0) >= high.max(axis=0)).any():
            return 1.0
        if size is not None:
            low, high = np.maximum(low, 0), np.minimum(high, size - 1)
        if (low.min(axis=0) >= high.max(axis=0)).any():
            return 0.0
    else:
        if rule == "pysot":
            low, high = np.floor(low), np.ceil(high)
        if size is not None:
            low, high = np.maximum(low, 0), np.minimum(high, size - 1)
        if (high <= low).any() or (high.min(axis=0) <= low.max(axis=0)).any():
            return 0.0
    origin = low.min(axis=0)
    width, height = (high.max(axis=0) - origin).astype(int) + 1
    drawn = [
        _draw(shape - origin, int(width), int(height), rule, box=bool(region.is_box[0]))
        for shape, region in zip(shapes, (one, other), strict=True)
    ]
    shared = _shared(*drawn)
    union = drawn[0].pixels + drawn[1].pixels - shared
    return shared / union if union else 0.0


class _Spans(NamedTuple):
    """The pixels of a region.

    Attributes:
        top, bottom: first and last row; bottom < top where there is none.
        left, right: (rows, K) first and last columns of the spans of each row, which share no pixel; right < left where
            there are fewer. One line stands for all rows of a box.
    """

    top: int
    bottom: int
    left: Floats
    right: Floats

    @property
    def pixels(self) -> int:
        return _shared(self, self)

    def between(self, top: int, bottom: int) -> tuple[Floats, Floats]:
        """The spans of some of its rows."""
        if len(self.left) == 1:
            return self.left, self.right
        rows = slice(top - self.top, bottom - self.top + 1)
        return self.left[rows], self.right[rows]


def _shared(one: _Spans, other: _Spans) -> int:
    """The number of pixels in both."""
    top, bottom = max(one.top, other.top), min(one.bottom, other.bottom)
    if bottom < top:
        return 0
    (left, right), (from_left, to_right) = one.between(top, bottom), other.between(top, bottom)
    lengths = np.minimum(right[:, :, None], to_right[:, None]) - np.maximum(left[:, :, None], from_left[:, None]) + 1
    return int(np.maximum(lengths, 0).sum()) * ((bottom - top + 1) // len(lengths))


def _rounded_half_even(region: Regions) -> Floats:
    corners = region.corners[0]
    if not region.is_box[0]:
        rounded: Floats = np.round(corners.astype(np.float32)).astype(np.float64)
        return rounded
    start = np.round(corners[0].astype(np.float32)).astype(np.float64)
    end = start + np.round((corners[2] - corners[0]).astype(np.float32)) - 1
    return np.array([start, [end[0], start[1]], end, [start[0], end[1]]])


def _draw(corners: Floats, width: int, height: int, rule: Rule, box: bool) -> _Spans:
    """The pixels of a polygon inside a rectangle."""
    if box and rule == "vot-toolkit":
        (left, top), (right, bottom) = np.maximum(corners[0], 0), corners[2]
        spans = np.array([[left]]), np.array([[min(right, width - 1.0)]])
        return _Spans(int(top), int(min(bottom, height - 1.0)), *spans)
    if rule == "pysot":
        corners = np.copysign(np.floor(np.abs(corners) + 0.5), corners)
    low, high = corners[:, 1].min(), corners[:, 1].max()
    top = max(int(np.floor(low)) + 1 if rule == "legacy" else int(np.ceil(low)), 0)
    bottom = min(int(np.floor(high)), height - 1)
    nodes, count = _nodes(corners, np.arange(top, min(bottom, top) + 1 if box else bottom + 1), rule)
    lefts, rights = [], []
    last = np.full(len(nodes), -1.0)
    node = np.zeros(len(nodes), int)
    while (rows := np.flatnonzero(node < count - 1)).size:
        left, right = nodes[rows, node[rows]], nodes[rows, node[rows] + 1]
        if rule == "legacy":
            fill, right = np.ones(len(rows), bool), np.where(right > width, width - 1, right) - 1
        elif rule == "pysot":
            fill = left != right
        else:
            fill = (left != right) | (node[rows] >= count[rows] - 2)
        lefts.append(last + 1)
        lefts[-1][rows] = np.maximum(left, lefts[-1][rows])
        rights.append(np.full(len(nodes), -1.0))
        rights[-1][rows] = np.where(fill, np.minimum(right, width - 1), -1)
        last = np.maximum(last, rights[-1])
        node[rows] += np.where(fill, 2, 1)
    empty = np.empty((len(nodes), 0))
    return _Spans(top, bottom, *(np.stack(ends, axis=1) if ends else empty for ends in (lefts, rights)))


def _nodes(corners: Floats, rows: Integers, rule: Rule) -> tuple[Floats, Integers]:
    """Where edges cross rows, sorted, (rows, V), and how many do: whole numbers, cut towards zero."""
    x, y = corners.T
    before_x, before_y = np.roll(x, 1), np.roll(y, 1)
    row = rows[:, None]
    low, high = np.minimum(y, before_y), np.maximum(y, before_y)
    if rule == "legacy":
        crosses = (low < row) & (row <= high)
    else:
        crosses = (low <= row) & (row <= high)
        if rule == "pysot":
            crosses &= low < high
    drop = before_y - y
    share = np.divide(row - y, drop, out=np.zeros((len(rows), len(x))), where=drop != 0)
    places = x + share * (before_x - x)
    if rule != "legacy":
        places += np.copysign(1e-7, places)  # whole numbers may come out a rounding error short
    return np.sort(np.where(crosses, np.trunc(places), np.inf), axis=1), crosses.sum(axis=1)
