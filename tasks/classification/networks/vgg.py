"""VGG with batch normalisation for CIFAR."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor, nn

from tasks.classification.networks.initialisation import draw_weights


class CifarVGG(nn.Module):
    """Stages of 3x3 convolutions with normalisation and relu, a maximum over 2x2 pixels after each, a linear layer.

    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2015), table 1. Its
    hidden linear layers, made for features of 7x7 pixels, have no place where one pixel is left of an image of 32x32.

    Args:
        stages: the channels of the convolutions of each stage.
        num_classes: outputs.
    """

    def __init__(self, stages: Sequence[Sequence[int]], num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential()
        in_channels = 3
        for stage in stages:
            for channels in stage:
                convolution = nn.Conv2d(in_channels, channels, 3, padding=1)
                self.features.extend([convolution, nn.BatchNorm2d(channels), nn.ReLU()])
                in_channels = channels
            self.features.append(nn.MaxPool2d(2))
        self.fc = nn.Linear(in_channels, num_classes)
        self.init_weights()

    def init_weights(self) -> None:
        """See `draw_weights`."""
        draw_weights(self, fan="in")

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) of at least 32x32 pixels -> scores (N, num_classes)."""
        return self.fc(self.features(x).mean((2, 3)))  # type: ignore[no-any-return]


cifar_vgg16_bn = partial(CifarVGG, ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3))
