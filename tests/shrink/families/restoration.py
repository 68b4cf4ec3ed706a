"""Restoration networks and a Siamese tracker in the sizes of their papers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..branched import FfdNet
from ..networks import Edsr, SrBlock, conv


def edsr_baseline() -> Edsr:
    """EDSR-baseline x2: 16 blocks of 64 channels (Lim et al., 2017)."""
    return Edsr(16, 64, 2)


def edsr() -> Edsr:
    """EDSR x4: 32 blocks of 256 channels, residuals scaled by 0.1."""
    return Edsr(32, 256, 4, 0.1)


class SrResNet(nn.Module):
    """SRResNet x4: 16 blocks of 64 channels (Ledig et al., 2017)."""

    def __init__(self, blocks: int = 16, width: int = 64) -> None:
        super().__init__()
        self.head = nn.Sequential(conv(3, width, 9), nn.PReLU())
        self.body = nn.Sequential(*(SrBlock(width, 1) for _ in range(blocks)))
        self.conv2, self.bn2 = conv(width, width), nn.BatchNorm2d(width)
        self.up = nn.Sequential(
            *(m for _ in range(2) for m in (conv(width, 4 * width), nn.PixelShuffle(2), nn.PReLU()))
        )
        self.tail = conv(width, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x)
        return self.tail(self.up(x + self.bn2(self.conv2(self.body(x)))))


class DenseBlock(nn.Module):
    """Every convolution reads all that was made before it in the block."""

    def __init__(self, width: int, growth: int, layers: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(width + i * growth, growth) for i in range(layers))
        self.fuse = nn.Conv2d(width + layers * growth, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        each = [x]
        for layer in self.convs:
            each.append(F.relu(layer(torch.cat(each, 1))))
        return x + self.fuse(torch.cat(each, 1))


class Rdn(nn.Module):
    """RDN x2, setting D = 16, C = 8, G = 64 (Zhang et al., 2018)."""

    def __init__(self, blocks: int = 16, layers: int = 8, growth: int = 64, width: int = 64) -> None:
        super().__init__()
        self.shallow1, self.shallow2 = conv(3, width), conv(width, width)
        self.blocks = nn.ModuleList(DenseBlock(width, growth, layers) for _ in range(blocks))
        self.fuse = nn.Sequential(nn.Conv2d(blocks * width, width, 1), conv(width, width))
        self.up = nn.Sequential(conv(width, 4 * width), nn.PixelShuffle(2), conv(width, 3))

    def forward(self, x: Tensor) -> Tensor:
        shallow = self.shallow1(x)
        y, each = self.shallow2(shallow), []
        for block in self.blocks:
            y = block(y)
            each.append(y)
        return self.up(self.fuse(torch.cat(each, 1)) + shallow)


class DnCnn(nn.Sequential):
    """DnCNN: 17 layers of 64 channels predict the noise (Zhang et al., 2017)."""

    def __init__(self, layers: int = 17, width: int = 64) -> None:
        middle = [
            m
            for _ in range(layers - 2)
            for m in (conv(width, width, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
        ]
        super().__init__(conv(1, width), nn.ReLU(inplace=True), *middle, conv(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x - super().forward(x)


def ffdnet() -> FfdNet:
    """FFDNet for grey images: 15 layers of 64 channels between pixel unshuffle and shuffle (Zhang et al., 2018)."""
    network = FfdNet()
    middle = [m for _ in range(13) for m in (conv(64, 64), nn.ReLU(inplace=True))]
    network.model = nn.Sequential(conv(5, 64), nn.ReLU(inplace=True), *middle, conv(64, 4))
    return network


def twice(inp: int, out: int) -> nn.Sequential:
    return nn.Sequential(conv(inp, out), nn.LeakyReLU(0.2, True), conv(out, out), nn.LeakyReLU(0.2, True))


class UNet(nn.Module):
    """U-Net with long skips, from a Bayer pattern to RGB by pixel shuffle (See in the Dark, Chen et al., 2018)."""

    def __init__(self, width: int = 32, scales: int = 4) -> None:
        super().__init__()
        sizes = [width * 2**i for i in range(scales + 1)]
        self.down = nn.ModuleList(twice(i, o) for i, o in zip([4, *sizes], sizes, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * n, n, 2, 2) for n in reversed(sizes[:-1]))
        self.merge = nn.ModuleList(twice(2 * n, n) for n in reversed(sizes[:-1]))
        self.last = nn.Sequential(nn.Conv2d(width, 12, 1), nn.PixelShuffle(2))

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            x = merge(torch.cat([up(x), skip], 1))
        return self.last(x)


class ShuffleUNet(nn.Module):
    """A U-Net whose scales change by pixel unshuffle and pixel shuffle, with sums as long skips."""

    def __init__(self, width: int = 48, scales: int = 3) -> None:
        super().__init__()
        sizes = [width * 2**i for i in range(scales + 1)]
        self.first, self.last = conv(3, width), conv(width, 3)
        self.encoders = nn.ModuleList(twice(n, n) for n in sizes)
        self.decoders = nn.ModuleList(twice(n, n) for n in reversed(sizes[:-1]))
        self.down = nn.ModuleList(nn.Sequential(conv(n, n // 2, bias=False), nn.PixelUnshuffle(2)) for n in sizes[:-1])
        self.up = nn.ModuleList(
            nn.Sequential(conv(2 * n, 4 * n, bias=False), nn.PixelShuffle(2)) for n in reversed(sizes[:-1])
        )

    def forward(self, image: Tensor) -> Tensor:
        x, skips = self.first(image), []
        for encoder, down in zip(self.encoders, self.down, strict=False):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.encoders[-1](x)
        for up, decoder, skip in zip(self.up, self.decoders, reversed(skips), strict=True):
            x = decoder(up(x) + skip)
        return image + self.last(x)


class SiamFc(nn.Module):
    """SiamFC: AlexNet's convolutions on exemplar and search image, then cross-correlation (Bertinetto et al., 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 11, 2), nn.BatchNorm2d(96), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(96, 256, 5, groups=2), nn.BatchNorm2d(256), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(256, 384, 3), nn.BatchNorm2d(384), nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, 3, groups=2), nn.BatchNorm2d(384), nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, groups=2),
        )  # fmt: skip

    def forward(self, exemplar: Tensor, search: Tensor) -> Tensor:
        z, x = self.features(exemplar), self.features(search)
        n, c, h, w = x.shape
        response = F.conv2d(x.reshape(1, n * c, h, w), z, groups=n)
        return 0.001 * response.view(n, 1, *response.shape[-2:])


class SiamRpn(nn.Module):
    """SiamRPN: two heads on correlations whose kernels are activations (Li et al., 2018), with 5 anchors."""

    def __init__(self, anchors: int = 5) -> None:
        super().__init__()
        self.backbone = SiamFc().features
        self.kernels = nn.ModuleList(nn.Conv2d(256, 256, 3) for _ in range(2))
        self.searches = nn.ModuleList(nn.Conv2d(256, 256, 3) for _ in range(2))
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(256, 256, 1), nn.BatchNorm2d(256), nn.ReLU(inplace=True), nn.Conv2d(256, n * anchors, 1)
            )
            for n in (2, 4)
        )

    def forward(self, exemplar: Tensor, search: Tensor) -> list[Tensor]:
        z, x = self.backbone(exemplar), self.backbone(search)
        return [self.correlate(k(z), s(x), h) for k, s, h in zip(self.kernels, self.searches, self.heads, strict=True)]

    @staticmethod
    def correlate(z: Tensor, x: Tensor, head: nn.Module) -> Tensor:
        """Channel by channel."""
        b, c = z.shape[:2]
        y = F.conv2d(x.reshape(1, b * c, *x.shape[2:]), z.reshape(b * c, 1, *z.shape[2:]), groups=b * c)
        return head(y.view(b, c, *y.shape[2:]))
