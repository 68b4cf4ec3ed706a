"""MATLAB's imresize, bicubic with antialiasing, in both of its dialects."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from lwdna_core.errors import LwdnaError
from tasks.restoration.quality import quantized

_DENOMINATOR = 100


def imresize(images: Tensor, scale: float) -> Tensor:
    """Images enlarged or shrunk as MATLAB's `imresize(images, scale)` does it; on any device.

    The type says which of its two dialects:

    - uint8 gives uint8, as older versions of MATLAB make it: the border replicated, the height first and rounded before
      the width. It made the low-resolution files of Set5, Set14, BSD100 and Urban100 that are in use.
    - Floating point stays what it is: the border mirrored, nothing rounded. It made those of DIV2K.

    Low resolution is to be cut out of a shrunk image, not made of a patch: the outer two pixels of that differ.

    Args:
        images: (..., H, W).
        scale: a fraction whose denominator is at most 100: 4, 1 / 3, 0.7.

    Returns: (..., ceil(scale H), ceil(scale W)), computed in float64.

    Raises LwdnaError for any other scale.
    """
    fraction = Fraction(scale).limit_denominator(_DENOMINATOR)
    if fraction <= 0 or abs(fraction - scale) > 1e-9 * fraction:
        raise LwdnaError(f"scale {scale}: expected a positive fraction whose denominator is at most {_DENOMINATOR}")
    batch = images.reshape(-1, 1, *images.shape[-2:]) if images.dim() != 4 else images
    eight_bits = images.dtype == torch.uint8
    for axis in (2, 3):
        batch = _resized(batch, fraction, axis, mirrored=not eight_bits)
        if eight_bits:
            batch = quantized(batch)
    return batch.to(images.dtype).reshape(*images.shape[:-2], *batch.shape[-2:])


def bicubic(images: Tensor, scale: int) -> Tensor:
    """8-bit images (..., h, w) enlarged to 8 bits, (..., scale h, scale w): what methods are compared with.

    In floating point and rounded once, whichever dialect made the images.
    """
    return quantized(imresize(images.double(), scale))


def _resized(images: Tensor, fraction: Fraction, axis: int, mirrored: bool) -> Tensor:
    """Images (N, C, H, W) resized along one axis, in float64.

    torch's antialiased kernel is MATLAB's (cubic, a = -0.5, as wide as the shrinking asks for), but for the border,
    where it is cut off: so the border comes first, of a width that keeps the pixels in phase.
    """
    reach = ceil(2 * max(Fraction(1), 1 / fraction)) + 1  # of the kernel, in pixels
    unit, length = fraction.denominator, images.shape[axis]
    before = -(-reach // unit) * unit
    total = -(-(before + length + reach) // unit) * unit
    places = torch.arange(-before, total - before, device=images.device)
    if mirrored:
        places %= 2 * length
        places = torch.minimum(places, 2 * length - 1 - places)
    bordered = images.index_select(axis, places.clamp(0, length - 1)).double()
    size = list(images.shape[2:])
    size[axis - 2] = int(total * fraction)
    resized = F.interpolate(bordered, size=size, mode="bicubic", antialias=True)
    return resized.narrow(axis, int(before * fraction), ceil(length * fraction))
