"""MobileNet: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications"."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from tasks.classification.networks.initialisation import draw_weights

_LAYERS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels and stride of every separable convolution (table 1; the last stride is 1, as the sizes there say)."""


class MobileNetV1(nn.Module):
    """A 3x3 convolution and 13 separable ones, a global mean, dropout, a linear layer (table 1 of the paper).

    A separable convolution is a depthwise 3x3 and a 1x1 one, each with normalisation and relu.

    Args:
        num_classes: outputs.
        dropout: before the linear layer.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        channels = 32
        self.features = nn.Sequential(nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        for out_channels, stride in _LAYERS:
            self.features.extend(
                [
                    nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                    nn.Conv2d(channels, out_channels, 1, bias=False),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(),
                ]
            )
            channels = out_channels
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        self.init_weights()

    def init_weights(self) -> None:
        """See `draw_weights`."""
        draw_weights(self, fan="out", linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> scores (N, num_classes)."""
        return self.fc(self.dropout(self.features(x).mean((2, 3))))  # type: ignore[no-any-return]


mobilenetv1 = MobileNetV1
tiny_mobilenetv1 = partial(MobileNetV1, num_classes=200)
