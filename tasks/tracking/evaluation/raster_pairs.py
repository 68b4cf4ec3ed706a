"""The drawing rules of `raster` for one pair of regions of any shape: rows, nodes, spans, pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.tracking.evaluation.raster import Regions, Rule
from tasks.tracking.evaluation.spans import Floats


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
    masks = [
        _fill(shape - origin, int(width), int(height), rule, box=bool(region.is_box[0]))
        for shape, region in zip(shapes, (one, other), strict=True)
    ]
    union = int((masks[0] | masks[1]).sum())
    return int((masks[0] & masks[1]).sum()) / union if union else 0.0


def _rounded_half_even(region: Regions) -> Floats:
    corners = region.corners[0]
    if not region.is_box[0]:
        rounded: Floats = np.round(corners.astype(np.float32)).astype(np.float64)
        return rounded
    start = np.round(corners[0].astype(np.float32)).astype(np.float64)
    end = start + np.round((corners[2] - corners[0]).astype(np.float32)) - 1
    return np.array([start, [end[0], start[1]], end, [start[0], end[1]]])


def _fill(corners: Floats, width: int, height: int, rule: Rule, box: bool) -> NDArray[np.bool_]:
    """The pixels (height, width) of a polygon."""
    mask = np.zeros((height, width), bool)
    if box and rule == "vot-toolkit":
        (left, top), (right, bottom) = np.maximum(corners[0], 0).astype(int), corners[2].astype(int)
        if right >= 0 and bottom >= 0:
            mask[top : bottom + 1, left : right + 1] = True
        return mask
    if rule == "pysot":
        corners = np.copysign(np.floor(np.abs(corners) + 0.5), corners)
    nodes, count = _nodes(corners, height, rule)
    columns = np.arange(width)
    node = np.zeros(height, int)
    while (rows := np.flatnonzero(node < count - 1)).size:
        left, right = nodes[rows, node[rows]], nodes[rows, node[rows] + 1]
        if rule == "legacy":
            fill, right = np.ones(len(rows), bool), np.where(right > width, width - 1, right) - 1
        elif rule == "pysot":
            fill = left != right
        else:
            fill = (left != right) | (node[rows] >= count[rows] - 2)
        mask[rows] |= fill[:, None] & (columns >= left[:, None]) & (columns <= right[:, None])
        node[rows] += np.where(fill, 2, 1)
    return mask


def _nodes(corners: Floats, height: int, rule: Rule) -> tuple[Floats, NDArray[np.int64]]:
    """Where edges cross each row, sorted, (height, V), and how many do: whole numbers, cut towards zero."""
    x, y = corners.T
    before_x, before_y = np.roll(x, 1), np.roll(y, 1)
    row = np.arange(height)[:, None]
    low, high = np.minimum(y, before_y), np.maximum(y, before_y)
    if rule == "legacy":
        crosses = (low < row) & (row <= high)
    else:
        crosses = (low <= row) & (row <= high)
        if rule == "pysot":
            crosses &= low < high
    drop = before_y - y
    share = np.divide(row - y, drop, out=np.zeros((height, len(x))), where=drop != 0)
    places = x + share * (before_x - x)
    if rule != "legacy":
        places += np.copysign(1e-7, places)  # whole numbers may come out a rounding error short
    return np.sort(np.where(crosses, np.trunc(places), np.inf), axis=1), crosses.sum(axis=1)
