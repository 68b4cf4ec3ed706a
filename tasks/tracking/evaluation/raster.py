"""Overlap of regions as VOT counts it: in pixels, inside the image.

A region is drawn row by row. The edges that cross a row give its nodes, and the pixels from the first node to the
second are filled, both included. Three rules are in use:

- "pysot" (and the MATLAB toolkit since 2016): corners are rounded, halves away from zero; a box x, y, w, h has its
  corners at x and x + w, so that w + 1 pixels are filled; a row whose nodes are one pixel stays empty.
- "vot-toolkit": halves to even; a box fills w pixels; a row of one pixel is filled.
- "legacy" (the MATLAB toolkit until 2015): nothing is rounded, and the second node is left out.

Almost all regions are convex with up to four corners, and those of all frames are drawn at once: one span of pixels a
row (`raster_legacy` does it by the legacy rule). What is not convex is drawn pair by pair. The toolkits' rounding
errors are not followed: where an edge meets a row at a whole number, they may find the pixel before it (one overlap in
140 on VOT2018 differs, by 1e-4; scores by 1e-6).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.tracking.evaluation.raster_legacy import legacy_overlaps, one_span_a_row
from tasks.tracking.evaluation.raster_pairs import pair_overlap
from tasks.tracking.evaluation.shapes import Regions, Rule, extremes
from tasks.tracking.evaluation.spans import FRAMES_AT_ONCE, Blocks, Drawing, Floats, Integers, draw, shared_pixels

_UNBOUNDED = 1 << 15
"""Where there is no image: how far from the origin regions are drawn, in all directions."""


class Outline(NamedTuple):
    """Regions of N frames on the grid of pixels, by one rule.

    Attributes:
        corners: (N, V, 2) whole numbers; the pixels of the corners belong to the region.
        extent: (N, 4) left, top, right, bottom that decide whether two regions can meet at all, cut to the image.
        regular: (N,) convex, with up to four corners.
    """

    corners: Floats
    extent: Floats
    regular: NDArray[np.bool_]

    def take(self, frames: Integers) -> Outline:
        """Those of some frames."""
        return Outline(self.corners[frames], self.extent[frames], self.regular[frames])


class Truth:
    """Ground truth of N frames, drawn once for all trackers.

    Args:
        regions: of N frames.
        sizes: (N, 2) width and height of the images, nan where unknown: nothing is cut off then.
        rule: how regions are drawn.
    """

    def __init__(self, regions: Regions, sizes: Floats, rule: Rule) -> None:
        self.regions, self.rule = regions, rule
        self.bounded = ~np.isnan(sizes[:, 0])
        # Without an image everything moves to the middle of a large one.
        self.sizes = np.where(self.bounded[:, None], sizes, 2.0 * _UNBOUNDED)
        if rule != "legacy":
            self.outline = self._outline(regions, np.arange(len(sizes)))
            regular = self.outline.regular[:, None, None]
            self.drawing = draw(np.where(regular, self.outline.corners[:, :4], 0), self.sizes, rule != "pysot")

    def _outline(self, regions: Regions, frames: Integers) -> Outline:
        shift = np.where(self.bounded[frames], 0.0, _UNBOUNDED)
        return outline(regions, self.sizes[frames], shift, self.rule)

    def overlaps(self, found: Regions, frames: Integers) -> Floats:
        """Overlaps of regions with the truth of these frames.

        Args:
            found: (M) regions.
            frames: (M,) the index of each one's frame.

        Returns:
            (M,) intersection over union in pixels; nan where the frame has no truth.
        """
        result = np.full(len(frames), np.nan)
        known = ~np.isnan(self.regions.corners[frames, 0, 0])
        if not known.all():
            result[known] = self.overlaps(found.take(known), frames[known])
            return result
        if self.rule == "legacy":
            slow = ~(one_span_a_row(found.corners) & one_span_a_row(self.regions.corners[frames]))
            fast = np.flatnonzero(~slow)
        else:
            mine = self._outline(found, frames)
            meet = _can_meet(self.outline.extent[frames], mine.extent, self.sizes[frames], self.rule, result)
            slow = meet & ~(mine.regular & self.outline.regular[frames])
            fast = np.flatnonzero(meet & ~slow)
        for start in range(0, len(fast), FRAMES_AT_ONCE):
            part = fast[start : start + FRAMES_AT_ONCE]
            if self.rule == "legacy":
                limits = np.where(self.bounded[frames[part], None], self.sizes[frames[part]], np.nan)
                result[part] = legacy_overlaps(found.take(part), self.regions.take(frames[part]), limits)
            else:
                result[part] = self._meet(mine.take(part), found.is_box[part], frames[part])
        if slow.any():
            for index in np.flatnonzero(slow).tolist():
                frame = int(frames[index])
                size = self.sizes[frame] if self.bounded[frame] else None
                result[index] = pair_overlap(found.take([index]), self.regions.take([frame]), size, self.rule)
        return result

    def _meet(self, mine: Outline, is_box: NDArray[np.bool_], frames: Integers) -> Floats:
        """Intersection over union of regular regions with the truth of `frames`."""
        sizes = self.sizes[frames]
        other: Drawing | Blocks
        if is_box.all():
            other = _box_pixels(mine.corners, sizes, self.rule)
        else:
            other = draw(mine.corners[:, :4], sizes, self.rule != "pysot")
        shared = shared_pixels(self.drawing, frames, other)
        union = other.area + self.drawing.area[frames] - shared
        overlap: Floats = np.divide(shared, union, out=np.zeros(len(frames)), where=union > 0)
        return overlap


def outline(regions: Regions, sizes: Floats, shift: Floats, rule: Rule) -> Outline:
    """Regions on the grid of pixels, by any rule but "legacy".

    Args:
        regions: of N frames.
        sizes: (N, 2) width and height of the images.
        shift: (N,) added to all coordinates after rounding.
        rule: how regions are drawn.
    """
    # The toolkits keep single precision; where a corner lies at a half, it decides.
    corners = regions.corners.astype(np.float32).astype(np.float64)
    moved = shift.any()
    if rule == "pysot":
        low, high = extremes(corners)
        low, high = np.floor(low), np.ceil(high)
        rounded = np.floor(corners + 0.5)
        if (negative := corners < 0).any():
            # Halves go away from zero, but are rounded after the move into a frame where nothing is negative.
            negative &= (shift == 0)[:, None, None]
            rounded[negative] = -np.floor(0.5 - corners[negative])
        corners = rounded
        regular = _convex(corners)
    else:
        box = regions.is_box[:, None]
        start = np.round(corners[:, 0])
        extent = np.round((regions.corners[:, 2] - regions.corners[:, 0]).astype(np.float32)).astype(np.float64)
        end = start + extent - 1
        corners = np.where(box[:, :, None], start[:, None], np.round(corners))
        corners[:, 1:3, 0] = np.where(box, end[:, :1], corners[:, 1:3, 0])
        corners[:, 2:4, 1] = np.where(box, end[:, 1:], corners[:, 2:4, 1])
        low, high = extremes(corners)
        low, high = np.where(box, start, low), np.where(box, end, high)
        regular = _convex(corners) & (high[:, 1] > low[:, 1]) & (high[:, 0] >= low[:, 0])
    if moved:
        corners, low, high = corners + shift[:, None, None], low + shift[:, None], high + shift[:, None]
    if rule == "pysot":
        low, high = np.maximum(low, 0), np.minimum(high, sizes - 1)
    return Outline(corners, np.concatenate([low, high], axis=1), regular)


def _convex(corners: Floats) -> NDArray[np.bool_]:
    if corners.shape[1] > 4:
        return np.zeros(len(corners), bool)
    x, y = (np.ascontiguousarray(corners[..., axis].T) for axis in (0, 1))
    across, drop = x[[1, 2, 3, 0]] - x, y[[1, 2, 3, 0]] - y
    turns = across * drop[[1, 2, 3, 0]] - drop * across[[1, 2, 3, 0]]
    once = np.maximum(drop, 0).sum(axis=0) == y.max(axis=0) - y.min(axis=0)
    # Strictly: a corner within an edge is a node more, on which the rules for equal nodes depend.
    convex: NDArray[np.bool_] = ((turns > 0).all(axis=0) | (turns < 0).all(axis=0)) & once
    return convex


def _can_meet(truth: Floats, mine: Floats, sizes: Floats, rule: Rule, result: Floats) -> NDArray[np.bool_]:
    """Which pairs have to be drawn; the overlaps of the others go into `result`."""
    result[:] = 0
    if rule == "pysot":
        shared = np.minimum(truth[:, 2:], mine[:, 2:]) - np.maximum(truth[:, :2], mine[:, :2])
        alive = (truth[:, 2:] > truth[:, :2]) & (mine[:, 2:] > mine[:, :2]) & (shared > 0)
        both: NDArray[np.bool_] = np.all(alive, axis=1)
        return both
    low, high = np.minimum(truth[:, :2], mine[:, :2]), np.maximum(truth[:, 2:], mine[:, 2:])
    empty: NDArray[np.bool_] = np.any(low >= high, axis=1)
    result[empty] = 1  # two empty regions are the same one
    outside: NDArray[np.bool_] = np.any(np.maximum(low, 0) >= np.minimum(high, sizes - 1), axis=1)
    return ~empty & ~outside


def _box_pixels(corners: Floats, sizes: Floats, rule: Rule) -> Blocks:
    """What boxes fill inside the image."""
    one, other = corners[:, 0], corners[:, 2]
    if rule == "pysot":
        flat = (one == other).any(axis=1)
        low, high = np.minimum(one, other), np.maximum(one, other)
        high = np.where(flat[:, None], low - 1, high)
    else:
        low, high = one, other
    low, high = np.maximum(low, 0), np.minimum(high, sizes - 1)
    left, top = np.minimum(low, sizes).T.astype(np.int64)
    right, bottom = np.maximum(high, -1).T.astype(np.int64)
    return Blocks(left, top, right, bottom)
