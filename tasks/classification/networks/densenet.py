"""Densely connected networks for CIFAR: Huang et al., "Densely Connected Convolutional Networks" (2017)."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.classification.networks.initialisation import draw_weights


class DenseLayer(nn.Module):
    """Normalisation, relu and a 3x3 convolution, whose output joins the input: y = [x, H(x)].

    Args:
        in_channels: of the input.
        growth: channels that join it.
        bottleneck: a 1x1 convolution to 4 * growth channels comes first (after normalisation and relu of its own).
    """

    def __init__(self, in_channels: int, growth: int, bottleneck: bool) -> None:
        super().__init__()
        self.reduce = nn.Sequential()
        if bottleneck:
            self.reduce = nn.Sequential(
                nn.BatchNorm2d(in_channels), nn.ReLU(), nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
            )
        inside = 4 * growth if bottleneck else in_channels
        self.bn = nn.BatchNorm2d(inside)
        self.conv = nn.Conv2d(inside, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(F.relu(self.bn(self.reduce(x))))
        return torch.cat([x, y], 1)


class CifarDenseNet(nn.Module):
    """A 3x3 convolution, three blocks of dense layers, normalisation and relu, a global mean, a linear layer.

    Between blocks: normalisation, relu, a 1x1 convolution, and a mean over 2x2 pixels. DenseNet-BC has bottlenecks, and
    its 1x1 convolutions between blocks halve the channels.

    Args:
        depth: layers with weights.
        growth: channels that every dense layer adds.
        bc: DenseNet-BC.
        num_classes: outputs.
    """

    def __init__(self, depth: int, growth: int, bc: bool = False, num_classes: int = 10) -> None:
        super().__init__()
        layers = (depth - 4) // (6 if bc else 3)
        channels = 2 * growth if bc else 16
        self.stem = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.blocks = nn.Sequential()
        for block in range(3):
            for _ in range(layers):
                self.blocks.append(DenseLayer(channels, growth, bc))
                channels += growth
            if block < 2:
                kept = channels // 2 if bc else channels
                self.blocks.extend(
                    [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, kept, 1, bias=False), nn.AvgPool2d(2)]
                )
                channels = kept
        self.bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, num_classes)
        self.init_weights()

    def init_weights(self) -> None:
        """See `draw_weights`."""
        draw_weights(self, fan="in")

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> scores (N, num_classes)."""
        x = F.relu(self.bn(self.blocks(self.stem(x))))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


cifar_densenet40_12 = partial(CifarDenseNet, 40, 12)
cifar_densenetbc100_12 = partial(CifarDenseNet, 100, 12, bc=True)
