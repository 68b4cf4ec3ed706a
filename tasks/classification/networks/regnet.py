"""RegNetX and RegNetY: Radosavovic et al., "Designing Network Design Spaces" (2020), tables 8 and 9 (appendix)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.classification.networks.initialisation import draw_weights


class Block(nn.Module):
    """1x1, grouped 3x3 and 1x1 convolutions of equal width and a shortcut: y = relu(F(x) + x).

    Args:
        in_channels, channels: of the block's input and output.
        stride: of the 3x3 convolution.
        group_width: channels of each of its groups.
        squeeze: channels of the squeeze-and-excitation after it; 0 for none (RegNetX).
    """

    def __init__(self, in_channels: int, channels: int, stride: int, group_width: int, squeeze: int) -> None:
        super().__init__()
        groups = max(1, channels // group_width)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.squeeze = nn.Conv2d(channels, squeeze, 1) if squeeze else None
        self.excite = nn.Conv2d(squeeze, channels, 1) if squeeze else None
        self.conv3 = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.shortcut(x)
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        if self.squeeze is not None and self.excite is not None:
            y = y * torch.sigmoid(self.excite(F.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        return F.relu(self.bn3(self.conv3(y)) + shortcut)


class RegNet(nn.Module):
    """A 3x3 convolution to 32 channels, four stages of blocks, a global mean, a linear layer.

    Args:
        depths, widths: blocks and channels of each stage.
        group_width: channels of each group of the 3x3 convolutions.
        excitation: squeeze-and-excitation to a quarter of every block's input channels (RegNetY).
        strides: of the first convolution, and of each stage.
        num_classes: outputs.
    """

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int],
        group_width: int,
        excitation: bool,
        strides: Sequence[int] = (2, 2, 2, 2, 2),
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        channels = 32
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 3, strides[0], 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.stages = nn.Sequential()
        for depth, width, stride in zip(depths, widths, strides[1:], strict=True):
            stage = nn.Sequential()
            for index in range(depth):
                squeeze = round(channels / 4) if excitation else 0
                stage.append(Block(channels, width, 1 if index else stride, group_width, squeeze))
                channels = width
            self.stages.append(stage)
        self.fc = nn.Linear(channels, num_classes)
        self.init_weights()

    def init_weights(self) -> None:
        """See `draw_weights`."""
        draw_weights(self, fan="out", linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> scores (N, num_classes)."""
        return self.fc(self.stages(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


# The published code of LW-DNA trains smaller images at 1/4 (CIFAR) and 1/16 of their size in the last stage, not 1/32.
_CIFAR = {"strides": (1, 1, 1, 2, 2), "num_classes": 10}
_TINY = {"strides": (1, 2, 2, 2, 2), "num_classes": 200}

regnetx_200mf = partial(RegNet, (1, 1, 4, 7), (24, 56, 152, 368), 8, False)
regnetx_400mf = partial(RegNet, (1, 2, 7, 12), (32, 64, 160, 384), 16, False)
regnetx_600mf = partial(RegNet, (1, 3, 5, 7), (48, 96, 240, 528), 24, False)
regnetx_800mf = partial(RegNet, (1, 3, 7, 5), (64, 128, 288, 672), 16, False)
regnetx_4gf = partial(RegNet, (2, 5, 14, 2), (80, 240, 560, 1360), 40, False)
regnetx_8gf = partial(RegNet, (2, 5, 15, 1), (80, 240, 720, 1920), 120, False)
regnety_200mf = partial(RegNet, (1, 1, 4, 7), (24, 56, 152, 368), 8, True)
regnety_400mf = partial(RegNet, (1, 3, 6, 6), (48, 104, 208, 440), 8, True)
regnety_600mf = partial(RegNet, (1, 3, 7, 4), (48, 112, 256, 608), 16, True)
regnety_800mf = partial(RegNet, (1, 3, 8, 2), (64, 128, 320, 768), 16, True)

cifar_regnetx_200mf = partial(regnetx_200mf, **_CIFAR)
cifar_regnetx_400mf = partial(regnetx_400mf, **_CIFAR)
cifar_regnetx_600mf = partial(regnetx_600mf, **_CIFAR)
cifar_regnetx_800mf = partial(regnetx_800mf, **_CIFAR)
cifar_regnety_200mf = partial(regnety_200mf, **_CIFAR)
cifar_regnety_400mf = partial(regnety_400mf, **_CIFAR)
cifar_regnety_600mf = partial(regnety_600mf, **_CIFAR)
cifar_regnety_800mf = partial(regnety_800mf, **_CIFAR)

tiny_regnetx_200mf = partial(regnetx_200mf, **_TINY)
tiny_regnetx_400mf = partial(regnetx_400mf, **_TINY)
tiny_regnety_200mf = partial(regnety_200mf, **_TINY)
tiny_regnety_400mf = partial(regnety_400mf, **_TINY)
