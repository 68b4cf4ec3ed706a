"""Small networks with habits that break channel analysis: functional weights, ties, literals, unknown operations."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .networks import conv


class Between(nn.Module):
    """conv -> `middle` -> conv -> output: for operations that need no module of their own."""

    def __init__(self, middle: Callable[[Tensor], Tensor], width: int = 8, reads: int | None = None) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = conv(3, width), conv(reads or width, 6), conv(6, 2)
        self.middle = middle

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(F.relu(self.conv2(self.middle(self.conv1(x)))))


class Functional(nn.Module):
    """Weights held by the network itself and used through torch.nn.functional, some through views."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.bias = nn.Parameter(torch.randn(8, 3, 3, 3)), nn.Parameter(torch.randn(8))
        self.slope, self.shift = nn.Parameter(torch.rand(8)), nn.Parameter(torch.randn(1, 8, 1, 1))
        self.mean, self.var = nn.Parameter(torch.randn(8)), nn.Parameter(torch.rand(8))
        self.matrix, self.offset = nn.Parameter(torch.randn(8, 10)), nn.Parameter(torch.randn(10))
        self.classes = nn.Parameter(torch.randn(4, 10))
        self.register_buffer("running_mean", torch.zeros(8))
        self.register_buffer("running_var", torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        x = F.prelu(F.conv2d(x, self.kernel, self.bias, padding=1), self.slope) + self.shift
        x = F.batch_norm(x, self.running_mean, self.running_var, self.mean, self.var)
        x = F.relu(torch.addmm(self.offset, x.mean((2, 3)), self.matrix))
        return x @ self.classes.t()


class Tied(nn.Module):
    """One module used twice, and two modules that hold one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.twice = conv(3, 6), conv(6, 6)
        self.into, self.a, self.b, self.last = conv(6, 8), conv(8, 8), conv(8, 8), conv(8, 2)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.twice(F.relu(self.twice(self.stem(x)))))
        return self.last(self.b(F.relu(self.a(self.into(x)))))


class AutoEncoder(nn.Module):
    """A decoder that is the transpose of the encoder: one weight, read in both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.encode, self.last = conv(2, 6), nn.Conv2d(6, 9, 3, 2, 1), nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.encode(self.conv(x)))
        return self.last(F.conv_transpose2d(x, self.encode.weight, stride=2, padding=1, output_padding=1))


class Waves(nn.Module):
    """1-d: dilated gated convolutions with skip outputs, a transposed convolution at the end (WaveNet, HiFi-GAN)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, 6, 1)
        self.gated = nn.ModuleList(nn.Conv1d(6, 10, 3, padding=2**i, dilation=2**i) for i in range(2))
        self.res = nn.ModuleList(nn.Conv1d(5, 6, 1) for _ in range(2))
        self.skip = nn.ModuleList(nn.Conv1d(5, 7, 1) for _ in range(2))
        self.up = nn.ConvTranspose1d(7, 4, 4, 2, 1)
        self.last = nn.Conv1d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, total = self.first(x), torch.zeros(())
        for gated, res, skip in zip(self.gated, self.res, self.skip, strict=True):
            a, b = gated(x).chunk(2, 1)
            y = torch.tanh(a) * torch.sigmoid(b)
            x, total = x + res(y), total + skip(y)
        return self.last(F.elu(self.up(F.elu(total))))


class Volumes(nn.Module):
    """3-d: a residual block with instance normalisation, grouped transposed convolution, tuple output."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(1, 4, 3, padding=1)
        self.conv1, self.norm = nn.Conv3d(4, 6, 3, 2, 1), nn.InstanceNorm3d(6, affine=True)
        self.up, self.fuse = nn.ConvTranspose3d(6, 8, 2, 2, groups=2), nn.Conv3d(8, 4, 1)
        self.segment, self.classify = nn.Conv3d(4, 2, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        x = x + self.fuse(self.up(F.elu(self.norm(self.conv1(x)))))
        return self.segment(x), self.classify(F.adaptive_max_pool3d(x, 1).flatten(1))


class GroupNormed(nn.Module):
    def __init__(self, groups: int) -> None:
        super().__init__()
        self.conv1, self.norm, self.conv2 = conv(3, 8), nn.GroupNorm(groups, 8), conv(8, 6)
        self.conv3 = conv(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(F.relu(self.conv2(F.relu(self.norm(self.conv1(x))))))


class LiteralSplit(nn.Module):
    """Sizes written in Python: the split channels cannot change, those inside the branch can."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.one, self.two = conv(3, 8), conv(5, 6), conv(3, 6)
        self.last = conv(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        a, b = torch.split(self.conv1(x), [5, 3], dim=1)
        return self.last(self.one(a) + self.two(b))


class Remembered(nn.Module):
    """The size of a split is an attribute of the module, which has to follow; the parts are groups of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.dim, self.one, self.two = conv(3, 10), 5, conv(5, 6), conv(5, 6)
        self.last = conv(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        a, b = x[:, : self.dim], x[:, self.dim :]
        return self.last(self.one(a) * self.two(b))


class ManyOutputs(nn.Module):
    """A nested output; the middle feature leaves the network too, so its channels are fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3, self.head = conv(3, 5), conv(5, 6), conv(6, 7), conv(7, 2)

    def forward(self, x: Tensor, scale: float = 1.0) -> dict[str, object]:
        seen = self.conv2(F.relu(self.conv1(x)))
        return {"features": [seen], "out": (self.head(F.relu(self.conv3(F.relu(seen)))) * scale, None)}


class Crnn(nn.Module):
    """An LSTM after convolutions: an operation that a channel engine need not know."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(3, 5), conv(5, 6)
        self.lstm, self.fc = nn.LSTM(6, 7, batch_first=True), nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(F.relu(self.conv1(x))).mean(2).transpose(1, 2)
        return self.fc(self.lstm(x)[0])


class Tokens(nn.Module):
    """Patches as a sequence, with a class token, a position embedding, and the class read by an index."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.token, self.position = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.zeros(1, 5, 8))
        self.up, self.down, self.head = nn.Linear(8, 9), nn.Linear(9, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.position
        x = x + self.down(F.gelu(self.up(x)))
        return self.head(x[:, 0] + x[:, 1:].mean(1))


class WeightNormed(nn.Module):
    """The norm of a filter runs over its input channels: without them the remaining weights would change."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.utils.parametrizations.weight_norm(conv(3, 5))
        self.conv2 = nn.utils.parametrizations.weight_norm(conv(5, 6))
        self.conv3, self.last = conv(6, 7), conv(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.conv3(self.conv2(F.relu(self.conv1(x))))))


class StandardisedConv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        w = w / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, w, self.bias, self.stride, self.padding)


class WeightStandardised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = StandardisedConv(3, 5, 3, padding=1), StandardisedConv(5, 6, 3, padding=1)
        self.conv3, self.last = conv(6, 7), conv(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.conv3(self.conv2(F.relu(self.conv1(x))))))
