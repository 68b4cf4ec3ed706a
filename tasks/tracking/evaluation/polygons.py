"""Exact overlap of polygons, as got10k has it, by areas instead of pixels."""

from __future__ import annotations

import numpy as np

from tasks.tracking.evaluation.shapes import Regions
from tasks.tracking.evaluation.spans import Floats

_EVERYWHERE = 1e7
"""Where there is no image: a rectangle that nothing leaves."""


def exact_overlaps(found: Regions, truth: Regions, sizes: Floats) -> Floats:
    """Intersection over union inside the image, by areas.

    Args:
        found: N boxes and convex polygons.
        truth: N boxes and simple polygons.
        sizes: (N, 2) width and height of the images, nan where unknown.

    Returns:
        (N,); nan where there is no region.
    """
    low = np.where(np.isnan(sizes), -_EVERYWHERE, 0)
    high = np.where(np.isnan(sizes), _EVERYWHERE, sizes)
    shared = np.empty(len(low))
    boxes, others = np.flatnonzero(found.is_box), np.flatnonzero(~found.is_box)
    one, other = found.corners[boxes, 0], found.corners[boxes, 2]
    shared[boxes] = _area_inside(
        truth.corners[boxes],
        np.maximum(low[boxes], np.minimum(one, other)),
        np.minimum(high[boxes], np.maximum(one, other)),
    )
    if len(others):
        corners, clip = truth.corners[others], found.corners[others]
        turn = np.sign(_signed_area(clip))[:, None]
        for start, end in zip(clip.swapaxes(0, 1), np.roll(clip, -1, axis=1).swapaxes(0, 1), strict=True):
            corners = _keep_side(corners, start, turn * (end - start))
        shared[others] = _area_inside(corners, low[others], high[others])
    union = _area_inside(found.corners, low, high) + _area_inside(truth.corners, low, high) - shared
    with np.errstate(invalid="ignore"):
        return np.clip(shared / (union + np.finfo(float).eps), 0, 1)


def _signed_area(corners: Floats) -> Floats:
    following = np.roll(corners, -1, axis=1)
    products = corners[..., 0] * following[..., 1] - corners[..., 1] * following[..., 0]
    area: Floats = products.sum(axis=1) / 2
    return area


def _keep_side(corners: Floats, origin: Floats, direction: Floats) -> Floats:
    """What lies left of a line (in a right-handed plane), as twice as many corners.

    Where an edge crosses the line, a corner is added there; then corners on the wrong side are moved to the line, which
    adds no area.
    """
    length = np.sqrt(np.square(direction).sum(axis=1, keepdims=True))
    direction = np.divide(direction, length, out=np.zeros_like(direction), where=length > 0)
    normal = np.stack([-direction[:, 1], direction[:, 0]], axis=1)
    height = ((corners - origin[:, None]) * normal[:, None]).sum(axis=2)
    following, next_height = np.roll(corners, -1, axis=1), np.roll(height, -1, axis=1)
    crosses = height * next_height < 0
    share = np.divide(height, height - next_height, out=np.zeros_like(height), where=crosses)
    crossing = corners + share[..., None] * (following - corners)
    moved = corners + np.maximum(-height, 0)[..., None] * normal[:, None]
    return np.stack([moved, crossing * crosses[..., None] + moved * ~crosses[..., None]], axis=2).reshape(
        len(corners), -1, 2
    )


def _area_inside(corners: Floats, low: Floats, high: Floats) -> Floats:
    """Area of polygons inside rectangles: along every edge, how far it lies right of the rectangle's left side."""
    x, y = np.clip(corners[..., 0], -_EVERYWHERE, _EVERYWHERE), corners[..., 1]
    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    high = np.maximum(low, high)
    left, top, right, bottom = low[:, :1], low[:, 1:], high[:, :1], high[:, 1:]
    drop = next_y - y
    slope = np.divide(next_x - x, drop, out=np.zeros_like(x), where=drop != 0)
    start, end = np.clip(y, top, bottom), np.clip(next_y, top, bottom)
    from_x, to_x = x + slope * (start - y), x + slope * (end - y)
    across = to_x - from_x
    leftmost, rightmost = np.minimum(from_x, to_x), np.maximum(from_x, to_x)
    # The mean of clip(x, left, right) - left between two places: at their middle where neither side is between them or
    # they are as good as one place, else by its integral.
    straight = (rightmost <= left) | (leftmost >= right) | ((leftmost >= left) & (rightmost <= right))
    straight |= rightmost - leftmost < 1e-6
    mean = np.divide(
        _integral(to_x, left, right) - _integral(from_x, left, right), across, out=np.zeros_like(x), where=~straight
    )
    mean = np.where(straight, np.clip((from_x + to_x) / 2, left, right) - left, mean)
    area: Floats = np.abs((mean * (end - start)).sum(axis=1))
    area[area < 1e-9] = 0  # rounding, where nothing is inside
    return area


def _integral(x: Floats, left: Floats, right: Floats) -> Floats:
    inside = np.clip(x, left, right) - left
    area: Floats = inside**2 / 2 + (right - left) * np.maximum(x - right, 0)
    return area
