"""PSNR and SSIM as the restoration literature reports them, on any device."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lwdna_core.errors import LwdnaError
from tasks.restoration.colour import CONVENTIONS, Convention, scored_channels

WINDOW = 11
"""Side of SSIM's Gaussian window, whose sigma is 1.5; only its places wholly inside the image count."""

_BAND = 2**16  # pixels at a time: the maps of a band stay in the cache of a core

_weights = [math.exp(-(x**2) / 4.5) for x in range(-(WINDOW // 2), WINDOW // 2 + 1)]
_GAUSSIAN = [weight / sum(_weights) for weight in _weights]


def psnr(output: Tensor, target: Tensor, convention: Convention = "y", border: int = 0) -> Tensor:
    """Peak signal-to-noise ratio of every image in dB, for values of 0 .. 255; infinite for identical ones.

    Nothing is rounded here: an output is scored as 8 bits if it comes as `quantized` makes it.

    Args:
        output, target: (..., C, H, W), C being 1 or 3, uint8 or floating point.
        convention: what of a colour image is scored; for "rgb" the error is the mean over the three channels.
        border: pixels cut from every side first.

    Returns: (...), float64.
    """
    _check(output, target, convention, border, 1)
    a, b = (scored_channels(_inner(images, border), convention) for images in (output, target))
    errors = _each(_mean_square, a.reshape(-1, *a.shape[-3:]), b.reshape(-1, *b.shape[-3:]))
    return 10 * torch.log10(255**2 / errors.view(a.shape[:-3]))


def ssim(output: Tensor, target: Tensor, convention: Convention = "y", border: int = 0) -> Tensor:
    """Structural similarity of every image (Wang et al. 2004: Gaussian 11x11, sigma 1.5, K 0.01 and 0.03, no padding).

    For "rgb" the mean of the three channels. It equals scikit-image's with `gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=255`; arguments are those of `psnr`.

    Returns: (...), float64; the maps are float32, their mean is not.
    """
    _check(output, target, convention, border, WINDOW)
    a, b = (scored_channels(_inner(images, border), convention) for images in (output, target))
    return _each(_mean_ssim, a.flatten(0, -3), b.flatten(0, -3)).view(a.shape[:-2]).mean(-1)


def quantized(images: Tensor) -> Tensor:
    """Images in 0 .. 255 as 8 bits: rounded, halves up as MATLAB does it, and clipped."""
    if images.dtype == torch.uint8:
        return images
    # The hair more: a half stays one in whatever order, on whatever device, a filter's float64 products are summed.
    return (images + (0.5 + 1e-9)).clamp_(0, 255).to(torch.uint8)  # which cuts fractions off


def check_scoring(convention: Any, border: Any) -> None:
    """Raise LwdnaError for arguments of `psnr` that are none."""
    if convention not in CONVENTIONS:
        raise LwdnaError(f"convention: expected one of {', '.join(CONVENTIONS)}, got {convention!r}")
    if isinstance(border, bool) or not isinstance(border, int) or border < 0:
        raise LwdnaError(f"border: expected a number of pixels from 0 on, got {border!r}")


def _check(output: Tensor, target: Tensor, convention: Convention, border: int, least: int) -> None:
    check_scoring(convention, border)
    if output.shape != target.shape:
        raise LwdnaError(f"the output is {_size(output)}, the target {_size(target)} (height x width x channels)")
    if min(target.shape[-2:]) < 2 * border + least:
        raise LwdnaError(f"the image is {_size(target)}, less than {least} pixels wide with {border} cut at each side")


def _size(images: Tensor) -> str:
    channels, height, width = images.shape[-3:]
    return f"{height} x {width} x {channels}"


def _inner(images: Tensor, border: int) -> Tensor:
    return images[..., border : images.shape[-2] - border, border : images.shape[-1] - border]


def _each(score: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Tensor:
    """Scores (N) of a batch, image by image; on a processor in one thread.

    A band is too little to be divided: several threads spend on waiting for each other what they win.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return torch.stack([score(x, y) for x, y in zip(a, b, strict=True)])
    finally:
        torch.set_num_threads(threads)


def _mean_square(a: Tensor, b: Tensor) -> Tensor:
    kind = torch.promote_types(a.dtype, torch.float32)  # differences of 8 bits, and their squares, are exact
    return (a.to(kind) - b.to(kind)).square_().mean(dtype=torch.float64)


def _mean_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean of the SSIM map of two planes (H, W), in bands of rows."""
    height, width = (side - WINDOW + 1 for side in a.shape)
    rows = max(2 * WINDOW, _BAND // a.shape[1])
    total = torch.zeros((), dtype=torch.float64, device=a.device)
    for top in range(0, height, rows):
        band = slice(top, min(top + rows, height) + WINDOW - 1)
        total += _ssim_map(a[band].float(), b[band].float()).sum(dtype=torch.float64)
    return total / (height * width)


def _ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of two planes (H, W): (H - 10, W - 10).

    From sum s and difference d of the planes: 4 ab = ss - dd, and 2 (aa + bb) = ss + dd, so four maps are filtered
    instead of five, and for equal planes numerator and denominator are the same to the last bit.
    """
    height, width = a.shape
    # oneDNN takes half the time for numbers of rows and columns that fill its vectors.
    maps = a.new_empty(4, _up(height - WINDOW + 1, 8) + WINDOW - 1, _up(width, 16))
    maps[:, height:] = 0
    maps[:, :, width:] = 0
    inner = maps[:, :height, :width]
    torch.add(a, b, out=inner[0]).sub_(256)  # around 0, where squares are small and their differences exact
    torch.sub(a, b, out=inner[1])
    torch.square(inner[:2], out=inner[2:])
    maps = (depthwise if maps.is_cpu and torch.backends.mkldnn.is_available() else shifted)(maps)
    means, variances = maps[:2], maps[2:].addcmul_(maps[:2], maps[:2], value=-1)
    means[0] += 256
    s, d = means.square_()
    ss, dd = variances
    s += 2 * (0.01 * 255) ** 2
    ss += 2 * (0.03 * 255) ** 2
    similarity: Tensor = (s - d).mul_(ss - dd).div_((s + d).mul_(ss + dd))
    return similarity[: height - WINDOW + 1, : width - WINDOW + 1]


def _up(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def shifted(maps: Tensor) -> Tensor:
    """Maps (K, L, M) filtered by the Gaussian, as sums of shifted maps: (K, L - 10, M - 10)."""
    for axis in (1, 2):
        length = maps.shape[axis] - WINDOW + 1
        filtered = maps.narrow(axis, 0, length) * _GAUSSIAN[0]
        for shift, weight in enumerate(_GAUSSIAN[1:], 1):
            filtered.add_(maps.narrow(axis, shift, length), alpha=weight)
        maps = filtered
    return maps


def depthwise(maps: Tensor) -> Tensor:
    """What `shifted` does, several times as fast where oneDNN is: every column, then every row, is a channel by itself.

    K (L - 10) must be a multiple of 32: so many rows are the channels of a convolution.
    """
    kernel = maps.new_tensor(_GAUSSIAN).view(1, 1, 1, WINDOW)
    with torch.autocast("cpu", enabled=False):
        columns = maps.transpose(1, 2).unsqueeze(2)
        down = F.conv2d(columns, kernel.expand(maps.shape[2], -1, -1, -1), groups=maps.shape[2])
        rows = down.squeeze(2).transpose(1, 2).reshape(-1, 32, 1, maps.shape[2])
        across = F.conv2d(rows, kernel.expand(32, -1, -1, -1), groups=32)
    return across.view(maps.shape[0], -1, across.shape[3])
