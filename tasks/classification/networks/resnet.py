"""The residual networks for CIFAR of He et al., "Deep Residual Learning for Image Recognition" (2015), section 4.2."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn


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
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.shortcut(x))


class CifarResNet(nn.Module):
    """A 3x3 convolution, three stages of `blocks` blocks with 16, 32 and 64 channels, a global mean, a linear layer.

    That makes 6 * blocks + 2 layers with weights, projections not counted.

    Args:
        blocks: residual blocks per stage.
        num_classes: outputs.
    """

    def __init__(self, blocks: int, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._stage(16, 16, blocks, stride=1)
        self.layer2 = self._stage(16, 32, blocks, stride=2)
        self.layer3 = self._stage(32, 64, blocks, stride=2)
        self.fc = nn.Linear(64, num_classes)
        self.init_weights()

    @staticmethod
    def _stage(in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
        first = BasicBlock(in_channels, channels, stride)
        return nn.Sequential(first, *(BasicBlock(channels, channels, 1) for _ in range(blocks - 1)))

    def init_weights(self) -> None:
        """Weights from N(0, 2 / fan-in) ("Delving Deep into Rectifiers"), biases 0, normalisation the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> scores (N, num_classes)."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


cifar_resnet20 = partial(CifarResNet, 3)
cifar_resnet32 = partial(CifarResNet, 5)
cifar_resnet44 = partial(CifarResNet, 7)
cifar_resnet56 = partial(CifarResNet, 9)
cifar_resnet110 = partial(CifarResNet, 18)
