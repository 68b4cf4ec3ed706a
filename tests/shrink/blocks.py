"""Building blocks of random networks. Every block keeps the spatial size and works in one, two or three dimensions.

A block is made from (dims, inp, n, flag): channels that come in, a small number that sets its widths, and a variant. It
tells how many channels leave (`out`) and which groups inside it must be free wherever it stands (`free`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
ADAPTIVE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
APPLY = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def conv(dims: int, inp: int, out: int, k: int = 3, **options: int) -> nn.Module:
    return CONV[dims](inp, out, k, padding=k // 2, **options)


def space(dims: int) -> tuple[int, ...]:
    """The spatial axes."""
    return tuple(range(2, 2 + dims))


class Block(nn.Module):
    free: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()  # see masking.masked

    def __init__(self, dims: int, inp: int, n: int, flag: bool) -> None:
        super().__init__()
        self.dims, self.flag, self.out = dims, flag, inp
        self.build(dims, inp, n, flag)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        pass


class Plain(Block):
    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.out = 4 * n
        self.body = nn.Sequential(
            conv(d, inp, self.out), NORM[d](self.out) if flag else nn.LeakyReLU(0.1, inplace=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Residual(Block):
    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.norm = conv(d, inp, n + 2, bias=not flag), NORM[d](n + 2)
        self.conv2 = conv(d, n + 2, inp)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.norm(self.conv1(x)), inplace=True))
        if self.flag:
            y += x
            return F.relu_(y)
        return torch.add(x, y, alpha=0.5)


class Projected(Block):
    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.out = 4 * n
        self.conv1, self.conv2 = conv(d, inp, n + 1), conv(d, n + 1, self.out)
        self.shortcut = nn.Sequential(conv(d, inp, self.out, 1), NORM[d](self.out))

    def forward(self, x: Tensor) -> Tensor:
        if self.flag:
            return torch.stack([self.conv2(F.relu(self.conv1(x))), self.shortcut(x)]).sum(0)
        return F.relu(sum([self.conv2(F.relu(self.conv1(x))), self.shortcut(x)]))


class Dense(Block):
    free = ("layers.0", "layers.1")

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.layers = nn.ModuleList(conv(d, inp + i * 2 * n, 2 * n) for i in (0, 1))
        self.last, self.out = conv(d, inp + 4 * n, 4 * n, 1), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            y = F.relu(layer(x))
            x = torch.cat([x, y] if self.flag else [y, x], 1)
        return self.last(x)


class Depthwise(Block):
    free = ("expand",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        mid, times = 2 * n, 2 if flag else 1
        self.expand = conv(d, inp, mid, 1)
        self.depthwise, self.norm = conv(d, mid, mid * times, groups=mid), NORM[d](mid * times)
        self.project, self.out = conv(d, mid * times, 4 * n, 1), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        return self.project(F.relu6(self.norm(self.depthwise(F.relu6(self.expand(x))))))


class Grouped(Block):
    free = ("first", "second")

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        groups = 2 if flag else 4
        self.first, self.out = conv(d, inp, 8 * n, 1), 4 * n
        self.second, self.third = conv(d, 8 * n, 8, groups=groups), conv(d, 8, 4 * n, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.third(F.relu(self.second(self.first(x))))


class GroupedTrunk(Block):
    """A grouped convolution that reads the trunk itself."""

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.body, self.out = conv(d, inp, 4 * n, groups=2 if flag else 4), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Squeeze(Block):
    free = ("reduce",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        if flag:
            self.reduce, self.expand = nn.Linear(inp, n + 1), nn.Linear(n + 1, inp)
        else:
            self.reduce, self.expand = conv(d, inp, n + 1, 1), conv(d, n + 1, inp, 1)

    def forward(self, x: Tensor) -> Tensor:
        s = x.mean(space(self.dims)) if self.flag else ADAPTIVE[self.dims](x, 1)
        s = torch.sigmoid(self.expand(F.relu(self.reduce(s))))
        return x * (s.view(*x.shape[:2], *[1] * self.dims) if self.flag else s)


class Shuffle(Block):
    def forward(self, x: Tensor) -> Tensor:
        b, c, *hw = x.shape
        g = 2 if self.flag else 4
        return x.reshape(b, g, c // g, *hw).transpose(1, 2).flatten(1, 2)


class Gate(Block):
    """Half of the channels gates the other half; by chunk, or by a split at sizes computed from the shape."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.conv2, self.out = conv(d, inp, 4 * n), conv(d, 2 * n, 4 * n, 1), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        a, b = x.split(x.shape[1] // 2, dim=1) if self.flag else x.chunk(2, 1)
        return self.conv2(a * torch.sigmoid(b))


class Partial(Block):
    """Cross-stage partial: one half is worked on, then both are joined again."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.conv2 = conv(d, inp // 2, n + 1), conv(d, n + 1, inp // 2)

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, 1)
        y = self.conv2(F.relu(self.conv1(b)))
        return torch.cat([a, b + y] if self.flag else [a, y], 1)


class Literal(Block):
    """A split at sizes written in Python, which freezes what goes through it; the branches stay free."""

    free = ("one", "two")

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.first, self.out = conv(d, inp, 6), 4 * n
        self.one, self.two, self.last = conv(d, 2, n + 1), conv(d, 4, n + 2), conv(d, 2 * n + 3, 4 * n, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        a, b = torch.split(x, [2, 4], 1) if self.flag else (x[:, :2], x[:, 2:])
        return self.last(torch.cat([self.one(a), self.two(b)], 1))


class PixelShuffle(Block):
    """Two dimensions; by the operation, or by a view and a permutation."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.conv2, self.out = conv(d, inp, 4 * (n + 1)), conv(d, n + 1, 4 * n, stride=2), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        if self.flag:
            b, c, h, w = x.shape
            x = x.view(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(b, c // 4, 2 * h, 2 * w)
        else:
            x = F.pixel_shuffle(x, 2)
        return self.conv2(x)


class Unshuffle(Block):
    """Two dimensions: space to depth, a convolution, and interpolation back."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.conv2, self.out = conv(d, inp, n + 1), conv(d, 4 * (n + 1), 4 * n), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        x = self.conv1(x)
        x = torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1) if self.flag else F.pixel_unshuffle(x, 2)
        return F.interpolate(self.conv2(x), size=size, mode="bilinear")


class PerChannelNorm(Block):
    """GroupNorm with one channel per group, or InstanceNorm: nothing mixes."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        instance = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[d]
        self.conv1, self.conv2, self.out = conv(d, inp, n + 2), conv(d, n + 2, 4 * n), 4 * n
        self.norm = instance(n + 2, affine=True) if flag else nn.GroupNorm(n + 2, n + 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.silu(self.norm(self.conv1(x))))


class MixingNorm(Block):
    """GroupNorm over several channels."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.norm = conv(d, inp, 4 * n), nn.GroupNorm(2 if flag else 1, 4 * n)
        self.conv2, self.out = conv(d, 4 * n, 4 * n), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.norm(self.conv1(x)))


class ChannelsLast(Block):
    """ConvNeXt: LayerNorm and linear layers over the last axis; with layer scale and without."""

    free = ("wide",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.depthwise, self.norm = conv(d, inp, inp, groups=inp), nn.LayerNorm(inp)
        self.wide, self.narrow = nn.Linear(inp, n + 3), nn.Linear(n + 3, inp)
        self.gamma = nn.Parameter(torch.ones(inp)) if flag else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(F.gelu(self.wide(self.norm(self.depthwise(x).movedim(1, -1)))))
        return x + (y if self.gamma is None else self.gamma * y).movedim(-1, 1)


class Slopes(Block):
    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.act = nn.PReLU(inp if flag else 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x)


class Scale(Block):
    """Parameters that meet activations outside any module: per channel, or one for all."""

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        shape = [1, inp] if flag else [1, 1]
        self.scale, self.shift = nn.Parameter(torch.ones(*shape, *[1] * d)), nn.Parameter(torch.zeros(inp, *[1] * d))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift
