"""Small hand-written networks in the shapes that people use: classification and restoration."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv(inp: int, out: int, k: int = 3, **options: int) -> nn.Conv2d:
    return nn.Conv2d(inp, out, k, padding=k // 2, **options)


class Chain(nn.Module):
    """conv-bn-relu twice, pooled into a linear classifier; the reader of the last group is the classifier alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 8, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = conv(8, 12, stride=2), nn.BatchNorm2d(12)
        self.fc = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = torch.relu_(self.bn2(self.conv2(x)))
        return self.fc(x.mean((2, 3)))


class Vgg(nn.Sequential):
    """Flatten into linear layers: every channel of the last convolution is read at 2 x 2 places."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(conv(3, 6), nn.ReLU(True), nn.MaxPool2d(2), conv(6, 10), nn.ReLU(True), nn.MaxPool2d(2)),
            nn.Flatten(),
            nn.Sequential(nn.Linear(10 * 2 * 2, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, 5)),
        )


class BasicBlock(nn.Module):
    def __init__(self, inp: int, out: int, stride: int, option: str) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inp, out, stride=stride, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = conv(out, out, bias=False), nn.BatchNorm2d(out)
        self.pad = (out - inp) // 2 if option == "A" else 0
        self.stride = stride
        self.shortcut: nn.Module | None = None
        if option == "C" and (stride > 1 or inp != out):
            self.shortcut = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.shortcut is not None:
            x = self.shortcut(x)
        elif self.pad:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        y += x
        return F.relu(y, inplace=True)


class CifarResNet(nn.Module):
    """ResNet-20 of He et al., with one block a stage by default; `option`: shortcut A pads with zeros, C projects."""

    def __init__(self, blocks: int = 1, width: int = 8, option: str = "C") -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, width, bias=False), nn.BatchNorm2d(width)
        inp = width
        for stage in range(3):
            out = width * 2**stage
            layers = [
                BasicBlock(inp if i == 0 else out, out, 2 if stage and i == 0 else 1, option) for i in range(blocks)
            ]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
            inp = out
        self.fc = nn.Linear(inp, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Bottleneck(nn.Module):
    def __init__(self, inp: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(inp, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, stride=stride, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.downsample: nn.Module | None = None
        if stride > 1 or inp != out:
            self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """ResNet-50 v1.5 (the stride is on the 3 x 3), as torchvision defines it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inp = 64
        for stage, depth in enumerate((3, 4, 6, 3)):
            width = 64 * 2**stage
            layers = []
            for i in range(depth):
                layers.append(Bottleneck(inp, width, 2 if stage and i == 0 else 1))
                inp = 4 * width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(inp, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class DenseLayer(nn.Module):
    def __init__(self, inp: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inp), nn.Conv2d(inp, 2 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(2 * growth), conv(2 * growth, growth, bias=False)

    def forward(self, x: list[Tensor]) -> Tensor:
        y = self.conv1(F.relu(self.norm1(torch.cat(x, 1))))
        return self.conv2(F.relu(self.norm2(y)))


class DenseNet(nn.Module):
    def __init__(self, growth: int = 4) -> None:
        super().__init__()
        self.conv0 = conv(3, 6)
        self.layer1, self.layer2 = DenseLayer(6, growth), DenseLayer(6 + growth, growth)
        self.norm, self.transition = nn.BatchNorm2d(6 + 2 * growth), nn.Conv2d(6 + 2 * growth, 7, 1)
        self.layer3 = DenseLayer(7, growth)
        self.last, self.classifier = nn.BatchNorm2d(7 + growth), nn.Linear(7 + growth, 5)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.conv0(x)]
        features.append(self.layer1(features))
        features.append(self.layer2(features))
        x = F.avg_pool2d(self.transition(F.relu(self.norm(torch.cat(features, 1)))), 2)
        x = F.relu(self.last(torch.cat([x, self.layer3([x])], 1)))
        return self.classifier(x.mean((2, 3)))


class InvertedResidual(nn.Module):
    def __init__(self, inp: int, out: int, stride: int, expand: int) -> None:
        super().__init__()
        mid, layers = inp * expand, OrderedDict[str, nn.Module]()
        if expand > 1:
            layers["expand"] = nn.Conv2d(inp, mid, 1, bias=False)
            layers["bn1"], layers["act1"] = nn.BatchNorm2d(mid), nn.ReLU6(True)
        layers["depthwise"] = conv(mid, mid, stride=stride, groups=mid, bias=False)
        layers["bn2"], layers["act2"] = nn.BatchNorm2d(mid), nn.ReLU6(True)
        layers["project"], layers["bn3"] = nn.Conv2d(mid, out, 1, bias=False), nn.BatchNorm2d(out)
        self.conv, self.skip = nn.Sequential(layers), stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.skip else self.conv(x)


class MobileNetV2(nn.Module):
    """`settings`: rows of (expand, channels, repeats, stride), as in the paper's table 2."""

    def __init__(self, settings: tuple[tuple[int, int, int, int], ...], stem: int, last: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, stem, stride=2, bias=False), nn.BatchNorm2d(stem), nn.ReLU6(True))
        blocks, inp = [], stem
        for expand, out, repeats, stride in settings:
            for i in range(repeats):
                blocks.append(InvertedResidual(inp, out, stride if i == 0 else 1, expand))
                inp = out
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(nn.Conv2d(inp, last, 1, bias=False), nn.BatchNorm2d(last), nn.ReLU6(True))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.last(self.blocks(self.stem(x))).mean([2, 3]))


def mobilenet_v2() -> MobileNetV2:
    """The full network of the paper: 0.3008 GMACs at 224."""
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    return MobileNetV2(rows, 32, 1280, 1000)


class MeanShift(nn.Conv2d):
    """EDSR's fixed 1 x 1 convolution that subtracts the mean of the data set."""

    def __init__(self) -> None:
        super().__init__(3, 3, 1)
        self.requires_grad_(False)


class ResBlock(nn.Module):
    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.body = nn.Sequential(conv(width, width), nn.ReLU(True), conv(width, width))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mul(self.scale) + x


class Edsr(nn.Module):
    def __init__(self, blocks: int, width: int, scale: int, res_scale: float = 1.0) -> None:
        super().__init__()
        self.sub_mean, self.add_mean = MeanShift(), MeanShift()
        self.head = conv(3, width)
        self.body = nn.Sequential(*(ResBlock(width, res_scale) for _ in range(blocks)), conv(width, width))
        steps = [2, 2] if scale == 4 else [scale]
        self.upsample = nn.Sequential(
            *(layer for r in steps for layer in (conv(width, width * r * r), nn.PixelShuffle(r)))
        )
        self.tail = conv(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.sub_mean(x))
        return self.add_mean(self.tail(self.upsample(self.body(x) + x)))


class SrBlock(nn.Module):
    def __init__(self, width: int, slopes: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.prelu = conv(width, width), nn.BatchNorm2d(width), nn.PReLU(slopes)
        self.conv2, self.bn2 = conv(width, width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(x)))))


class SrResNet(nn.Module):
    """SRResNet x2 with one slope for all channels, or with one slope per channel."""

    def __init__(self, per_channel: bool, width: int = 6) -> None:
        super().__init__()
        slopes = width if per_channel else 1
        self.head = nn.Sequential(conv(3, width, 9), nn.PReLU(slopes))
        self.body = nn.Sequential(SrBlock(width, slopes), SrBlock(width, slopes))
        self.conv2, self.bn2 = conv(width, width), nn.BatchNorm2d(width)
        self.up = nn.Sequential(conv(width, 4 * width), nn.PixelShuffle(2), nn.PReLU(slopes))
        self.tail = conv(width, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x)
        return torch.tanh(self.tail(self.up(x + self.bn2(self.conv2(self.body(x))))))
