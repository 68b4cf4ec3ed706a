"""EDSR: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution" (CVPR workshops 2017)."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions without normalisation: x + conv(relu(conv(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))  # type: ignore[no-any-return]


def upsampler(channels: int, scale: int) -> nn.Sequential:
    """Sub-pixel convolutions, one for each factor of 2 or 3 in the scale: 3x3, then pixel shuffle."""
    factors = {2: [2], 3: [3], 4: [2, 2]}[scale]
    layers = [(nn.Conv2d(channels, channels * n * n, 3, padding=1), nn.PixelShuffle(n)) for n in factors]
    return nn.Sequential(*(layer for pair in layers for layer in pair))


class Edsr(nn.Module):
    """Mean shift, a convolution, residual blocks under a long skip, sub-pixel upsampling, a convolution, mean shift.

    Args:
        blocks: number of residual blocks.
        channels: of the trunk.
        scale: 2, 3 or 4.
        bicubic_skip: the network adds to the bicubic enlargement, and begins as that: its last convolution is zero at
            first. A small network then passes bicubic interpolation within seconds instead of many minutes.
    """

    mean: Tensor

    def __init__(self, blocks: int, channels: int, scale: int, bicubic_skip: bool = False) -> None:
        super().__init__()
        self.scale, self.bicubic_skip = scale, bicubic_skip
        mean = torch.tensor([0.4488, 0.4371, 0.4040]).view(3, 1, 1)  # of DIV2K
        self.register_buffer("mean", mean, persistent=False)
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.fuse = nn.Conv2d(channels, channels, 3, padding=1)
        self.upsampler = upsampler(channels, scale)
        self.tail = nn.Conv2d(channels, 3, 3, padding=1)
        self.init_weights()

    def init_weights(self) -> None:
        """As torch does it, like the authors' code; but see `bicubic_skip`."""
        if self.bicubic_skip:
            for parameter in self.tail.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> (N, 3, scale * H, scale * W)."""
        y = self.head(x - self.mean)
        y = self.tail(self.upsampler(y + self.fuse(self.blocks(y))))
        if self.bicubic_skip:
            return y + F.interpolate(x, scale_factor=self.scale, mode="bicubic")  # type: ignore[no-any-return]
        return y + self.mean  # type: ignore[no-any-return]


edsr_x2, edsr_x3, edsr_x4 = (partial(Edsr, 16, 64, scale) for scale in (2, 3, 4))
"""The paper's baseline."""
edsr_8x128_x2, edsr_8x128_x3, edsr_8x128_x4 = (partial(Edsr, 8, 128, scale) for scale in (2, 3, 4))
"""The baseline of DHP (Li et al., "DHP: Differentiable Meta Pruning via HyperNetworks", ECCV 2020)."""
edsr_small_x2, edsr_small_x3, edsr_small_x4 = (partial(Edsr, 8, 32, scale, bicubic_skip=True) for scale in (2, 3, 4))
"""Ours, for a CPU."""
