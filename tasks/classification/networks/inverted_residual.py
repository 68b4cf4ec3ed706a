"""Networks of inverted residuals: MobileNetV2 and V3, MNASNet, EfficientNet-B0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from tasks.classification.networks.initialisation import draw_weights

Activation = Callable[[Tensor], Tensor]


class Row(NamedTuple):
    """One inverted residual in the table of a paper.

    Attributes:
        kernel: size of the depthwise convolution.
        expanded: channels that it works on; those of the input need no expansion.
        channels: of the output.
        stride: of the depthwise convolution.
        squeeze: channels of the squeeze-and-excitation after it; 0 for none.
        activation: after the expansion and the depthwise convolution.
    """

    kernel: int
    expanded: int
    channels: int
    stride: int
    squeeze: int
    activation: Activation


class SqueezeExcitation(nn.Module):
    """Every channel times a gate that depends on the means of all: Hu et al., "Squeeze-and-Excitation Networks"."""

    def __init__(self, channels: int, squeeze: int, activation: Activation, gate: Activation) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.excite = nn.Conv2d(squeeze, channels, 1)
        self.activation, self.gate = activation, gate

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x * self.gate(self.excite(y))


class InvertedResidual(nn.Module):
    """A 1x1 expansion, a depthwise convolution, a linear 1x1 projection; y = F(x) + x where the shapes agree.

    Args:
        in_channels: of the input.
        row: the rest of the block's shape.
        excitation: activation and gate of the squeeze-and-excitation, where the row has one.
        drop: share of the images of a batch that skip the block's branch in training (stochastic depth).
    """

    def __init__(
        self, in_channels: int, row: Row, excitation: tuple[Activation, Activation], drop: float = 0.0
    ) -> None:
        super().__init__()
        self.expand = _convolution(in_channels, row.expanded, 1) if row.expanded != in_channels else None
        self.depthwise = _convolution(row.expanded, row.expanded, row.kernel, row.stride, groups=row.expanded)
        self.excitation = SqueezeExcitation(row.expanded, row.squeeze, *excitation) if row.squeeze else None
        self.project = _convolution(row.expanded, row.channels, 1)
        self.activation = row.activation
        self.residual = row.stride == 1 and in_channels == row.channels
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else self.activation(self.expand(x))
        y = self.activation(self.depthwise(y))
        y = self.project(y if self.excitation is None else self.excitation(y))
        if not self.residual:
            return y  # type: ignore[no-any-return]
        if self.drop and self.training:
            y = y * F.dropout(y.new_ones(len(y), 1, 1, 1), self.drop)
        return x + y  # type: ignore[no-any-return]


def _convolution(in_channels: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution and its normalisation."""
    padding = kernel // 2
    convolution = nn.Conv2d(in_channels, channels, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels))


class InvertedResidualNetwork(nn.Module):
    """A 3x3 convolution, inverted residuals, a 1x1 convolution, a global mean, dropout, a linear layer.

    The normalisations keep torch's constants: the papers' slow running means would not arrive in a short run.

    Args:
        rows: of the table of inverted residuals.
        stem: channels of the first convolution; stem_stride: its stride.
        head: channels of the last convolution.
        activation: of both.
        hidden: channels of one more linear layer, after the mean; 0 for none.
        excitation: see `InvertedResidual`.
        dropout: before the linear layer that makes the scores.
        drop: stochastic depth of the last block; that of the others rises to it linearly.
        num_classes: outputs.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        stem: int,
        head: int,
        activation: Activation,
        *,
        hidden: int = 0,
        excitation: tuple[Activation, Activation] = (F.relu, F.sigmoid),
        dropout: float = 0.2,
        drop: float = 0.0,
        stem_stride: int = 2,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        self.stem = _convolution(3, stem, 3, stem_stride)
        self.blocks = nn.Sequential()
        channels = stem
        for index, row in enumerate(rows):
            self.blocks.append(InvertedResidual(channels, row, excitation, drop * index / len(rows)))
            channels = row.channels
        self.head = _convolution(channels, head, 1)
        self.hidden = nn.Linear(head, hidden) if hidden else None
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden or head, num_classes)
        self.activation = activation
        self.init_weights()

    def init_weights(self) -> None:
        """See `draw_weights`."""
        draw_weights(self, fan="out", linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> scores (N, num_classes)."""
        x = self.blocks(self.activation(self.stem(x)))
        x = self.activation(self.head(x)).mean((2, 3))
        if self.hidden is not None:
            x = self.activation(self.hidden(x))
        return self.fc(self.dropout(x))  # type: ignore[no-any-return]


# Stages of equal rows: kernel, channels inside over those of the input, channels, repetitions.
_MOBILENETV2 = (
    (3, 1, 16, 1), (3, 6, 24, 2), (3, 6, 32, 3), (3, 6, 64, 4), (3, 6, 96, 3), (3, 6, 160, 3), (3, 6, 320, 1)
)  # fmt: skip
_MNASNET = ((3, 1, 16, 1), (3, 3, 24, 3), (5, 3, 40, 3), (5, 6, 80, 3), (3, 6, 96, 2), (5, 6, 192, 4), (3, 6, 320, 1))
_EFFICIENTNET = (
    (3, 1, 16, 1), (3, 6, 24, 2), (5, 6, 40, 2), (3, 6, 80, 3), (5, 6, 112, 3), (5, 6, 192, 4), (3, 6, 320, 1)
)  # fmt: skip
_STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)  # of the first convolution, and of every stage of the three

# Single rows: kernel, channels inside, channels, stride, excitation, activation.
_MOBILENETV3_LARGE = (
    (3, 16, 16, 1, False, F.relu), (3, 64, 24, 2, False, F.relu), (3, 72, 24, 1, False, F.relu),
    (5, 72, 40, 2, True, F.relu), (5, 120, 40, 1, True, F.relu), (5, 120, 40, 1, True, F.relu),
    (3, 240, 80, 2, False, F.hardswish), (3, 200, 80, 1, False, F.hardswish), (3, 184, 80, 1, False, F.hardswish),
    (3, 184, 80, 1, False, F.hardswish), (3, 480, 112, 1, True, F.hardswish), (3, 672, 112, 1, True, F.hardswish),
    (5, 672, 160, 2, True, F.hardswish), (5, 960, 160, 1, True, F.hardswish), (5, 960, 160, 1, True, F.hardswish),
)  # fmt: skip
_MOBILENETV3_SMALL = (
    (3, 16, 16, 2, True, F.relu), (3, 72, 24, 2, False, F.relu), (3, 88, 24, 1, False, F.relu),
    (5, 96, 40, 2, True, F.hardswish), (5, 240, 40, 1, True, F.hardswish), (5, 240, 40, 1, True, F.hardswish),
    (5, 120, 48, 1, True, F.hardswish), (5, 144, 48, 1, True, F.hardswish), (5, 288, 96, 2, True, F.hardswish),
    (5, 576, 96, 1, True, F.hardswish), (5, 576, 96, 1, True, F.hardswish),
)  # fmt: skip


def _rows(
    stages: Sequence[tuple[int, int, int, int]], strides: Sequence[int], activation: Activation, divisor: int = 0
) -> list[Row]:
    """The rows of stages after a stem of 32 channels; squeezed are the input's channels over `divisor`."""
    rows, channels = [], 32
    for (kernel, factor, out_channels, repetitions), stride in zip(stages, strides[1:], strict=True):
        for index in range(repetitions):
            squeeze = channels // divisor if divisor else 0
            rows.append(Row(kernel, factor * channels, out_channels, 1 if index else stride, squeeze, activation))
            channels = out_channels
    return rows


def mobilenetv2(strides: Sequence[int] = _STRIDES, **options: Any) -> InvertedResidualNetwork:
    """Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), table 2."""
    rows = _rows(_MOBILENETV2, strides, F.relu6)
    return InvertedResidualNetwork(rows, 32, 1280, F.relu6, stem_stride=strides[0], **options)


def mnasnet(strides: Sequence[int] = _STRIDES, **options: Any) -> InvertedResidualNetwork:
    """Tan et al., "MnasNet: Platform-Aware Neural Architecture Search for Mobile" (2019): B1, the one without SE."""
    rows = _rows(_MNASNET, strides, F.relu)
    return InvertedResidualNetwork(rows, 32, 1280, F.relu, stem_stride=strides[0], **options)


def efficientnet_b0(strides: Sequence[int] = _STRIDES, drop: float = 0.2, **options: Any) -> InvertedResidualNetwork:
    """Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), table 1."""
    rows = _rows(_EFFICIENTNET, strides, F.silu, divisor=4)
    options |= {"excitation": (F.silu, F.sigmoid), "stem_stride": strides[0]}
    return InvertedResidualNetwork(rows, 32, 1280, F.silu, drop=drop, **options)


def _mobilenetv3(table: Sequence[tuple[int, int, int, int, bool, Activation]], **options: Any) -> nn.Module:
    """Howard et al., "Searching for MobileNetV3" (2019), tables 1 and 2."""
    rows = [
        Row(kernel, expanded, channels, stride, _multiple_of_8(expanded / 4) if excitation else 0, activation)
        for kernel, expanded, channels, stride, excitation, activation in table
    ]
    options |= {"excitation": (F.relu, F.hardsigmoid)}
    return InvertedResidualNetwork(rows, 16, rows[-1].expanded, F.hardswish, **options)


def _multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8 that is not less than 90 %, as in the authors' code."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


mobilenetv3_large = partial(_mobilenetv3, _MOBILENETV3_LARGE, hidden=1280)
mobilenetv3_small = partial(_mobilenetv3, _MOBILENETV3_SMALL, hidden=1024)

# On smaller images with the strides and the regularisation of the published code of LW-DNA and DHP: the last features
# are 1/8 (MobileNetV2) or 1/4 of CIFAR's images in size, and 1/16 of Tiny-ImageNet's (MNASNet: 1/32).
cifar_mobilenetv2 = partial(mobilenetv2, (1, 1, 1, 2, 2, 1, 2, 1), num_classes=10)
cifar_efficientnet_b0 = partial(efficientnet_b0, (1, 1, 1, 1, 2, 1, 2, 1), drop=0.0, dropout=0.0, num_classes=10)
tiny_mobilenetv2 = partial(mobilenetv2, (2, 1, 1, 2, 2, 1, 2, 1), num_classes=200)
tiny_mobilenetv3_large = partial(mobilenetv3_large, stem_stride=1, dropout=0.0, num_classes=200)
tiny_mobilenetv3_small = partial(mobilenetv3_small, stem_stride=1, dropout=0.0, num_classes=200)
tiny_mnasnet = partial(mnasnet, num_classes=200)
tiny_efficientnet_b0 = partial(efficientnet_b0, (1, 1, 2, 2, 2, 1, 2, 1), drop=0.0, dropout=0.0, num_classes=200)
