"""Residual networks: ResNet for CIFAR and ImageNet, ResNeXt and wide ResNet for CIFAR."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from tasks.classification.networks.initialisation import draw_weights


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: y = relu(F(x) + x).

    Where the shapes differ the shortcut is a 1x1 projection, the paper's option B. (Its CIFAR networks pad with zeros,
    option A; that fixes the channels' positions, so that they could not be resized one by one.)
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = _projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and a shortcut: y = relu(F(x) + x).

    The 3x3 convolution has the stride, as in the networks that the published accuracies and costs belong to (ResNet-50
    at 224 pixels: 4.09 G MACs; with the stride in the first convolution, as in the paper, 3.86 G).

    Args:
        in_channels, channels: of the block's input and output.
        stride: of the block.
        width: channels inside; a quarter of the output's by default.
        groups: of the 3x3 convolution; the cardinality of ResNeXt.
    """

    def __init__(self, in_channels: int, channels: int, stride: int, width: int | None = None, groups: int = 1) -> None:
        super().__init__()
        width = width or channels // 4
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.shortcut = _projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.shortcut(x)
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + shortcut)


class WideBlock(nn.Module):
    """Two 3x3 convolutions, each after normalisation and relu, and a shortcut: y = F(x) + x.

    Where the shapes differ the shortcut is a 1x1 convolution of the activated input.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.bn1(x))
        y = self.conv1(activated)
        y = self.conv2(F.relu(self.bn2(y)))
        return y + (x if self.shortcut is None else self.shortcut(activated))  # type: ignore[no-any-return]


def _projection(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """The shortcut of a block: nothing where the shapes agree."""
    if stride == 1 and in_channels == channels:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


def _stage(
    block: type[nn.Module], in_channels: int, channels: int, blocks: int, stride: int, **options: int
) -> nn.Module:
    first = block(in_channels, channels, stride, **options)
    return nn.Sequential(first, *(block(channels, channels, 1, **options) for _ in range(blocks - 1)))


class _ThreeStages(nn.Module):
    """A convolution, three stages, a global mean, a linear layer."""

    conv1: nn.Conv2d
    bn1: nn.BatchNorm2d
    layer1: nn.Module
    layer2: nn.Module
    layer3: nn.Module
    fc: nn.Linear

    def init_weights(self) -> None:
        """See `draw_weights`."""
        draw_weights(self, fan="in")

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> scores (N, num_classes)."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


class CifarResNet(_ThreeStages):
    """A 3x3 convolution, three stages of `blocks` blocks with 16, 32 and 64 channels, a global mean, a linear layer.

    He et al., "Deep Residual Learning for Image Recognition" (2015), section 4.2: 6 * blocks + 2 layers with weights,
    projections not counted. With bottlenecks, 9 * blocks + 2, and four times the channels between blocks.

    Args:
        blocks: residual blocks per stage.
        num_classes: outputs.
        bottleneck: blocks are bottlenecks.
    """

    def __init__(self, blocks: int, num_classes: int = 10, bottleneck: bool = False) -> None:
        super().__init__()
        block, factor = (Bottleneck, 4) if bottleneck else (BasicBlock, 1)
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(block, 16, 16 * factor, blocks, stride=1)
        self.layer2 = _stage(block, 16 * factor, 32 * factor, blocks, stride=2)
        self.layer3 = _stage(block, 32 * factor, 64 * factor, blocks, stride=2)
        self.fc = nn.Linear(64 * factor, num_classes)
        self.init_weights()


class CifarResNeXt(_ThreeStages):
    """A 3x3 convolution, three stages of `blocks` bottlenecks with 256, 512 and 1024 channels, a mean, a linear layer.

    Xie et al., "Aggregated Residual Transformations for Deep Neural Networks" (2017), section 5.3; 9 * blocks + 2
    layers with weights.

    Args:
        blocks: residual blocks per stage.
        cardinality: groups of the 3x3 convolutions.
        width: channels of each group in the first stage; they double from stage to stage.
        num_classes: outputs.
    """

    def __init__(self, blocks: int, cardinality: int, width: int, num_classes: int = 10) -> None:
        super().__init__()
        inside = cardinality * width
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(Bottleneck, 64, 256, blocks, stride=1, width=inside, groups=cardinality)
        self.layer2 = _stage(Bottleneck, 256, 512, blocks, stride=2, width=2 * inside, groups=cardinality)
        self.layer3 = _stage(Bottleneck, 512, 1024, blocks, stride=2, width=4 * inside, groups=cardinality)
        self.fc = nn.Linear(1024, num_classes)
        self.init_weights()


class WideResNet(nn.Module):
    """A 3x3 convolution, three stages of wide blocks, normalisation and relu, a global mean, a linear layer.

    Zagoruyko and Komodakis, "Wide Residual Networks" (2016), table 1, without dropout.

    Args:
        depth: 6 * n + 4 for n blocks per stage.
        factor: the stages have 16, 32 and 64 times so many channels.
        num_classes: outputs.
    """

    def __init__(self, depth: int, factor: int, num_classes: int = 10) -> None:
        super().__init__()
        blocks, width = (depth - 4) // 6, 16 * factor
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.layer1 = _stage(WideBlock, 16, width, blocks, stride=1)
        self.layer2 = _stage(WideBlock, width, 2 * width, blocks, stride=2)
        self.layer3 = _stage(WideBlock, 2 * width, 4 * width, blocks, stride=2)
        self.bn = nn.BatchNorm2d(4 * width)
        self.fc = nn.Linear(4 * width, num_classes)
        self.init_weights()

    def init_weights(self) -> None:
        """See `draw_weights`."""
        draw_weights(self, fan="in")

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> scores (N, num_classes)."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        x = F.relu(self.bn(x))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """A 7x7 convolution and a maximum, both with stride 2, four stages of blocks, a global mean, a linear layer.

    He et al., "Deep Residual Learning for Image Recognition" (2015), table 1.

    Args:
        blocks: residual blocks of each stage.
        bottleneck: blocks are bottlenecks; the stages then have 256 to 2048 channels, else 64 to 512.
        num_classes: outputs.
    """

    def __init__(self, blocks: Sequence[int], bottleneck: bool, num_classes: int = 1000) -> None:
        super().__init__()
        block, width = (Bottleneck, 256) if bottleneck else (BasicBlock, 64)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _stage(block, 64, width, blocks[0], stride=1)
        self.layer2 = _stage(block, width, 2 * width, blocks[1], stride=2)
        self.layer3 = _stage(block, 2 * width, 4 * width, blocks[2], stride=2)
        self.layer4 = _stage(block, 4 * width, 8 * width, blocks[3], stride=2)
        self.fc = nn.Linear(8 * width, num_classes)
        self.init_weights()

    def init_weights(self) -> None:
        """See `draw_weights`."""
        draw_weights(self, fan="in")

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> scores (N, num_classes)."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


cifar_resnet20 = partial(CifarResNet, 3)
cifar_resnet32 = partial(CifarResNet, 5)
cifar_resnet44 = partial(CifarResNet, 7)
cifar_resnet56 = partial(CifarResNet, 9)
cifar_resnet110 = partial(CifarResNet, 18)
cifar_resnet164 = partial(CifarResNet, 18, bottleneck=True)
cifar_resnext29_32x4d = partial(CifarResNeXt, 3, 32, 4)
cifar_resnext29_8x64d = partial(CifarResNeXt, 3, 8, 64)
cifar_wrn28_10 = partial(WideResNet, 28, 10)
cifar_wrn40_4 = partial(WideResNet, 40, 4)
resnet18 = partial(ResNet, (2, 2, 2, 2), False)
resnet34 = partial(ResNet, (3, 4, 6, 3), False)
resnet50 = partial(ResNet, (3, 4, 6, 3), True)
resnet101 = partial(ResNet, (3, 4, 23, 3), True)
