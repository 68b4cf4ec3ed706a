"""SRResNet: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a GAN" (CVPR 2017), section 2.1."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from tasks.restoration.networks.edsr import upsampler


class ResidualBlock(nn.Module):
    """x + bn(conv(prelu(bn(conv(x)))))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.act = nn.PReLU()
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(self.act(self.bn1(self.conv1(x)))))  # type: ignore[no-any-return]


class SrResNet(nn.Module):
    """A 9x9 convolution, 16 residual blocks of 64 channels under a long skip, sub-pixel upsampling, a convolution.

    Activations are PReLUs of one parameter, and the last convolution is 3x3, as in DHP's code, whose figures we compare
    with (1.54 M parameters at scale 4); the paper's is 9x9.

    Args:
        scale: 2, 3 or 4.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        channels = 64
        self.head = nn.Sequential(nn.Conv2d(3, channels, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(16)))
        self.fuse = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        layers = [(m, nn.PReLU()) if isinstance(m, nn.PixelShuffle) else (m,) for m in upsampler(channels, scale)]
        self.upsampler = nn.Sequential(*(m for each in layers for m in each))
        self.tail = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, 3, H, W) -> (N, 3, scale * H, scale * W)."""
        y = self.head(x)
        return self.tail(self.upsampler(y + self.fuse(self.blocks(y))))  # type: ignore[no-any-return]


srresnet_x2, srresnet_x3, srresnet_x4 = (partial(SrResNet, scale) for scale in (2, 3, 4))
