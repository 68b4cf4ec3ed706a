"""Luma as the restoration literature scores it: ITU-R BT.601 in 16 .. 235, MATLAB's rgb2ycbcr."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

Convention = Literal["y", "y-rounded", "rgb"]
CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
"""What is scored: Y unrounded (as BasicSR prints it), Y rounded (as MATLAB's rgb2ycbcr of uint8), or all channels."""


def luma(images: Tensor, *, rounded: bool = False) -> Tensor:
    """Y of RGB images, in float32, or float64 where they are.

    Not the full-range luma of JPEG, OpenCV's YCrCb or Pillow's YCbCr, which costs 1.3 dB.

    Args:
        images: (..., 3, H, W) in 0 .. 255.
        rounded: to integers, halves up.

    Returns: (..., 1, H, W) in 16 .. 235.
    """
    red, green, blue = (images if images.dtype == torch.float64 else images.float()).split(1, -3)
    # (65.481 R + 128.553 G + 24.966 B) / 255 in whole numbers as far as they go: for 8 bits halves come out exact.
    y: Tensor = (299 * red + 587 * green + 114 * blue) * 73 / 85000 + 16
    return (y + 0.5).floor() if rounded else y


def scored_channels(images: Tensor, convention: Convention) -> Tensor:
    """What of images (..., C, H, W) in 0 .. 255 a convention scores; a gray image (C = 1) as it is."""
    if convention == "rgb" or images.shape[-3] == 1:
        return images
    return luma(images, rounded=convention == "y-rounded")


def gray(images: Tensor) -> Tensor:
    """Full-range luma (..., 1, H, W) of RGB images (..., 3, H, W), in float64; of a gray image repeated, that image."""
    red, green, blue = images.double().split(1, -3)
    luma: Tensor = (299 * red + 587 * green + 114 * blue) / 1000
    return luma
