"""Small hand-written networks with branches: restoration, shuffles, attention, Siamese tracking."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .networks import conv


class DnCnn(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            conv(1, 6), nn.ReLU(True), conv(6, 7, bias=False), nn.BatchNorm2d(7), nn.ReLU(True), conv(7, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x - super().forward(x)


class UNet(nn.Module):
    """Two scales; transposed convolution upwards and concatenation with the skip."""

    def __init__(self) -> None:
        super().__init__()
        self.enc1 = nn.Sequential(conv(1, 4), nn.ReLU(True), conv(4, 5), nn.ReLU(True))
        self.enc2 = nn.Sequential(conv(5, 8), nn.LeakyReLU(0.2, True))
        self.mid = nn.Sequential(conv(8, 12), nn.ReLU(True))
        self.up2, self.dec2 = nn.ConvTranspose2d(12, 7, 2, 2), conv(7 + 8, 9)
        self.up1, self.dec1 = nn.ConvTranspose2d(9, 6, 4, 2, 1), conv(6 + 5, 5)
        self.last = nn.Conv2d(5, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        e1 = self.enc1(x)
        e2 = self.enc2(F.max_pool2d(e1, 2))
        y = self.mid(F.max_pool2d(e2, 2))
        y = F.relu(self.dec2(torch.cat([self.up2(y), e2], 1)))
        y = F.relu(self.dec1(torch.cat([self.up1(y), e1], 1)))
        return x + self.last(y)


class Rdb(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(width + i * growth, growth) for i in range(2))
        self.fuse = nn.Conv2d(width + 2 * growth, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self.convs:
            y = torch.cat((y, F.relu(layer(y))), 1)
        return self.fuse(y) + x


class Rdn(nn.Module):
    def __init__(self, width: int = 6, growth: int = 4) -> None:
        super().__init__()
        self.sfe1, self.sfe2 = conv(3, width), conv(width, width)
        self.rdbs = nn.ModuleList(Rdb(width, growth) for _ in range(2))
        self.gff = nn.Sequential(nn.Conv2d(2 * width, width, 1), conv(width, width))
        self.up = nn.Sequential(conv(width, 5 * 4), nn.PixelShuffle(2), conv(5, 3))

    def forward(self, x: Tensor) -> Tensor:
        first = self.sfe1(x)
        y, each = self.sfe2(first), []
        for rdb in self.rdbs:
            y = rdb(y)
            each.append(y)
        return self.up(self.gff(torch.cat(each, 1)) + first)


class FfdNet(nn.Module):
    """Pixel unshuffle, a noise map beside the image, pixel shuffle: the ends are fixed by input and output."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Sequential(conv(4 + 1, 6), nn.ReLU(True), conv(6, 7), nn.ReLU(True), conv(7, 4))

    def forward(self, image: Tensor, sigma: Tensor) -> Tensor:
        x = F.pixel_unshuffle(image, 2)
        m = sigma.expand(x.size(0), 1, x.size(2), x.size(3))
        return F.pixel_shuffle(self.model(torch.cat((x, m), 1)), 2)


class ShuffleUnit(nn.Module):
    """ShuffleNetV2: one half passes, the other goes through the branch, then the channels are shuffled."""

    def __init__(self, half: int, down: bool = False) -> None:
        super().__init__()
        inp = 2 * half if down else half
        self.side = nn.Sequential(conv(inp, inp, stride=2, groups=inp), nn.Conv2d(inp, half, 1)) if down else None
        self.branch = nn.Sequential(
            nn.Conv2d(inp, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(True),
            conv(half, half, groups=half, stride=2 if down else 1, bias=False), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(True),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        one, two = (self.side(x), x) if self.side is not None else x.chunk(2, dim=1)
        x = torch.cat((one, self.branch(two)), dim=1)
        b, c, h, w = x.shape
        return x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, -1, h, w)


class ShuffleNetV2(nn.Module):
    def __init__(self, half: int = 6) -> None:
        super().__init__()
        self.stem = conv(3, 2 * half)
        self.units = nn.Sequential(ShuffleUnit(half, down=True), ShuffleUnit(half), ShuffleUnit(half))
        self.last, self.fc = nn.Conv2d(2 * half, 9, 1), nn.Linear(9, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.last(self.units(self.stem(x)))).mean([2, 3]))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int, squeezed: int, linear: bool) -> None:
        super().__init__()
        kind = nn.Linear if linear else lambda i, o: nn.Conv2d(i, o, 1)
        self.reduce, self.expand, self.linear = kind(channels, squeezed), kind(squeezed, channels), linear

    def forward(self, x: Tensor) -> Tensor:
        s = F.adaptive_avg_pool2d(x, 1)
        if self.linear:
            b, c, _, _ = x.size()
            s = torch.sigmoid(self.expand(F.relu(self.reduce(s.view(b, c))))).view(b, c, 1, 1)
            return x * s.expand_as(x)
        return x * torch.sigmoid(self.expand(F.silu(self.reduce(s))))


class SeNet(nn.Module):
    def __init__(self, linear: bool) -> None:
        super().__init__()
        self.stem, self.conv1 = conv(3, 8), conv(8, 12, groups=4)
        self.se, self.conv2, self.fc = SqueezeExcite(12, 5, linear), conv(12, 8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.fc((x + self.conv2(self.se(self.conv1(x)))).mean((2, 3)))


class SkNet(nn.Module):
    """Selective kernels: the outputs of `reduce` and of `expand` have sizes that match others by coincidence."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 8)
        self.small, self.large = conv(8, 8), nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.reduce, self.bn, self.expand = nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 16)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        branches = torch.stack([F.relu(self.small(x)), F.relu(self.large(x))], 1)
        z = F.relu(self.bn(self.reduce(branches.sum(1).mean((-1, -2)))))
        weights = self.expand(z).view(x.size(0), 2, -1, 1, 1).softmax(1)
        return self.fc((branches * weights).sum(1).mean((2, 3)))


class RegNet(nn.Module):
    """An X block: 1 x 1, grouped 3 x 3, 1 x 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv1, self.conv2 = conv(3, 8), nn.Conv2d(8, 12, 1), conv(12, 12, groups=3)
        self.conv3, self.fc = nn.Conv2d(12, 8, 1), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return self.fc(F.relu(x + y).mean((2, 3)))


class ConvNeXt(nn.Module):
    """Depthwise, LayerNorm on channels last, two linear layers as 1 x 1 convolutions, layer scale."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depthwise, self.norm = conv(3, 8, 4, stride=4), conv(8, 8, 7, groups=8), nn.LayerNorm(8)
        self.pw1, self.pw2 = nn.Linear(8, 20), nn.Linear(20, 8)
        self.gamma, self.head = nn.Parameter(torch.ones(8)), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = (self.gamma * self.pw2(F.gelu(self.pw1(y)))).permute(0, 3, 1, 2)
        return self.head((x + y).mean((2, 3)))


class Backbone(nn.Sequential):
    def __init__(self, out: int) -> None:
        super().__init__(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(True), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, groups=2), nn.BatchNorm2d(8), nn.ReLU(True), nn.Conv2d(8, out, 3),
        )  # fmt: skip


class SiamFc(nn.Module):
    """One backbone called twice, and a cross-correlation that contracts the embedding's channels."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(7)
        self.gain, self.bias = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, exemplar: Tensor, search: Tensor) -> Tensor:
        z, x = self.backbone(exemplar), self.backbone(search)
        n, c, h, w = x.shape
        score = F.conv2d(x.reshape(1, n * c, h, w), z, groups=n)
        return score.view(n, 1, score.size(-2), score.size(-1)) * self.gain + self.bias


class SiamRpn(nn.Module):
    """Depthwise cross-correlation: the kernel is an activation, the channels pass through; two heads in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(8)
        self.kernel, self.search = nn.Conv2d(8, 6, 1), nn.Conv2d(8, 6, 1)
        self.cls, self.loc = nn.Sequential(conv(6, 5, 1), nn.ReLU(True), conv(5, 2, 1)), conv(6, 4, 1)

    def forward(self, exemplar: Tensor, search: Tensor) -> dict[str, Tensor]:
        z, x = self.kernel(self.backbone(exemplar)), self.search(self.backbone(search))
        b, c = z.shape[:2]
        y = F.conv2d(x.view(1, b * c, *x.shape[2:]), z.view(b * c, 1, *z.shape[2:]), groups=b * c)
        y = y.view(b, c, *y.shape[2:])
        return {"cls": self.cls(y), "loc": self.loc(y)}


class NonLocal(nn.Module):
    """Attention over positions: theta and phi are contracted with each other, so they share their channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.out, self.last = conv(3, 8), nn.Conv2d(5, 8, 1), nn.Conv2d(8, 2, 1)
        self.theta, self.phi, self.g = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        b, _, h, w = x.shape
        theta, phi, g = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        attention = torch.matmul(theta.transpose(1, 2), phi).softmax(-1)
        y = torch.bmm(g, attention.transpose(1, 2)).view(b, -1, h, w)
        return self.last(F.relu(x + self.out(y)))
