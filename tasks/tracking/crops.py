"""Square crops around boxes, resampled on the device, many at once; what lies outside an image is its mean colour.

Boxes here are (centre x, centre y, width, height) in pixels, where the centre of the first pixel is (0, 0).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CONTEXT = 0.5
EXEMPLAR, SEARCH = 127, 255
"""Sides of the two images in pixels, as in all of the family since SiamFC; that of the search image may be set."""


def context_side(sizes: Tensor, context: float = CONTEXT) -> Tensor:
    """Side of the square that the exemplar image shows: sqrt((w + p)(h + p)) with p = context * (w + h).

    Bertinetto et al. 2016, section 3.1 (there p is a quarter of w + h on either side).

    Args:
        sizes: (..., 2), width and height.
    """
    margin = context * sizes.sum(-1, keepdim=True)
    return (sizes + margin).prod(-1).sqrt()


def crop(images: Tensor, means: Tensor, which: Tensor, centres: Tensor, sides: Tensor, size: int) -> Tensor:
    """Squares cut from images and resampled (bilinear) to `size` x `size`.

    Args:
        images: (M, 3, H, W), float, any range.
        means: (M, 3), what is outside of them.
        which: (N), the image that each crop is cut from.
        centres: (N, 2), x and y in pixels.
        sides: (N), in pixels.
        size: of the result.

    Returns: (N, 3, size, size)
    """
    height, width = images.shape[-2:]
    steps = (torch.arange(size, device=images.device, dtype=images.dtype) + 0.5) / size - 0.5
    x = centres[:, 0, None] + sides[:, None] * steps  # (N, size)
    y = centres[:, 1, None] + sides[:, None] * steps
    # grid_sample counts from -1 at the outer edge of the first pixel to 1 at that of the last
    grid = torch.stack(
        [
            ((2 * x + 1) / width - 1)[:, None, :].expand(-1, size, -1),
            ((2 * y + 1) / height - 1)[:, :, None].expand(-1, -1, size),
        ],
        dim=-1,
    )
    offsets = means[:, :, None, None]
    sources = images - offsets
    sources = sources.expand(len(which), -1, -1, -1) if len(images) == 1 else sources[which]  # one frame is not copied
    cut = F.grid_sample(sources, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return cut + offsets[which]


def to_centre(boxes: Tensor) -> Tensor:
    """(..., 4): x, y, width, height with 1-based corners, as annotations have them -> as boxes are here."""
    corner, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([corner - 1 + (size - 1) / 2, size], -1)


def to_corner(boxes: Tensor) -> Tensor:
    """The inverse of `to_centre`."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre + 1 - (size - 1) / 2, size], -1)
