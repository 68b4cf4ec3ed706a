"""More building blocks of random networks: sharing, functional weights, attention, pooling, transposed convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import ADAPTIVE, APPLY, CONV, MAX, NORM, POOL, TRANSPOSED, Block, conv, space


class Shared(Block):
    """One module used twice, or one weight held by two modules."""

    free = ("first",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.first, self.a, self.last = conv(d, inp, n + 2), conv(d, n + 2, n + 2), conv(d, n + 2, 4 * n, 1)
        self.b = conv(d, n + 2, n + 2) if flag else self.a
        self.b.weight, self.out = self.a.weight, 4 * n

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.b(F.relu(self.a(self.first(x)))))


class Up(Block):
    """Transposed convolution, whole or grouped."""

    free = ("conv1", "up")

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        groups = 2 if flag else 1
        self.conv1, self.up = conv(d, inp, 4), TRANSPOSED[d](4, 4 * n, 4, 2, 1, groups=groups)
        self.last, self.out = conv(d, 4 * n, 4 * n, stride=2), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.up(self.conv1(x))))


class UpDepthwise(Block):
    """Learned upsampling channel by channel, then pooled back."""

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.up = TRANSPOSED[d](inp, inp, 4, 2, 1, groups=inp, bias=flag)

    def forward(self, x: Tensor) -> Tensor:
        return POOL[self.dims](self.up(x), 2)


class Functional(Block):
    """A kernel that the block holds itself, with a bias that is added by hand; the group has the block's own name."""

    free = ("",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.kernel, self.out = nn.Parameter(torch.zeros(n + 2, inp, *[3] * d)), 4 * n
        self.bias, self.last = nn.Parameter(torch.zeros(n + 2)), conv(d, n + 2, 4 * n, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.flag:
            y = APPLY[self.dims](x, self.kernel, padding=1) + self.bias.view(-1, *[1] * self.dims)
        else:
            y = APPLY[self.dims](x, self.kernel, self.bias, padding=1)
        return self.last(torch.tanh(y))


class Pools(Block):
    """Spatial pyramid pooling: pooled branches side by side."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.conv2, self.out = conv(d, inp, n + 1, 1), conv(d, 3 * (n + 1), 4 * n, 1), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        if self.flag:
            y = MAX[self.dims](x, 3, 1, 1)
            return self.conv2(torch.cat([x, y, MAX[self.dims](y, 3, 1, 1)], 1))
        wide = [F.interpolate(ADAPTIVE[self.dims](x, k), size=x.shape[2:]) for k in (1, 2)]
        return self.conv2(torch.cat([x, *wide], 1))


class Pyramid(Block):
    """Down, up again, and added or concatenated (a hourglass)."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.conv2 = CONV[d](inp, n + 1, 3, 2, 1), conv(d, n + 1, inp)
        self.out = 2 * inp if flag else inp

    def forward(self, x: Tensor) -> Tensor:
        y = F.interpolate(self.conv2(F.relu(self.conv1(x))), size=x.shape[2:])
        return torch.cat([x, y], 1) if self.flag else x + y


class Spatial(Block):
    """Spatial attention: a map of one channel meets all of them."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.conv2 = conv(d, inp, n + 1), conv(d, n + 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = torch.sigmoid(self.conv2(F.relu(self.conv1(x))))
        return x * a.expand_as(x) if self.flag else x * a


class Selective(Block):
    """Selective kernels: branches in a stack, weighted per branch and channel, summed."""

    free = ("small", "reduce")

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        mid = 2 * n
        self.small, self.large = conv(d, inp, mid), CONV[d](inp, mid, 3, padding=2, dilation=2)
        self.reduce, self.expand = nn.Linear(mid, mid if flag else n + 1), nn.Linear(mid if flag else n + 1, 2 * mid)
        self.last, self.out = conv(d, mid, 4 * n, 1), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        y = torch.stack([self.small(x), F.relu(self.large(x))], 1)
        z = F.relu(self.reduce(y.sum(1).flatten(2).mean(2)))
        weights = self.expand(z).view(x.size(0), 2, -1, *[1] * self.dims).softmax(1)
        return self.last((y * weights).sum(1))


class Attention(Block):
    """Attention over positions; theta and phi are contracted with each other."""

    free = ("theta", "value")
    silent = ("theta",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.theta, self.phi = conv(d, inp, n + 1, 1), conv(d, inp, n + 1, 1)
        self.value, self.project = conv(d, inp, n + 2, 1), conv(d, n + 2, inp, 1)

    def forward(self, x: Tensor) -> Tensor:
        theta, phi, value = (f(x).flatten(2) for f in (self.theta, self.phi, self.value))
        if self.flag:
            y = torch.einsum("bci,bcj,bdj->bdi", theta, phi, value) / value.shape[2]
        else:
            y = value @ (theta.transpose(1, 2) @ phi).softmax(-1).transpose(1, 2)
        return x + self.project(y.reshape(x.shape[0], -1, *x.shape[2:]))


class Tokens(Block):
    """Linear layers over a sequence of positions."""

    free = ("up",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.up, self.down, self.out = nn.Linear(inp, n + 2), nn.Linear(n + 2, 4 * n), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        t = x.flatten(2).transpose(1, 2)
        t = self.down(F.relu(self.up(t)))
        return t.transpose(1, 2).reshape(x.size(0), -1, *x.shape[2:])


class Crelu(Block):
    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.out = 2 * inp

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(torch.cat([x, -x], 1)) if self.flag else torch.cat([x, x.clamp(-1, 1)], 1)


class Mixed(Block):
    """Channels meet their own mean: no network with fewer of them can be equal."""

    free = ("conv1",)

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.conv1, self.conv2, self.out = conv(d, inp, n + 2), conv(d, n + 2, 4 * n, 1), 4 * n

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        return self.conv2(x.softmax(1) if self.flag else x - x.mean(1, keepdim=True))


class Cropped(Block):
    """Spatial slices, padding, flips and functional parts: nothing happens to the channels."""

    def build(self, d: int, inp: int, n: int, flag: bool) -> None:
        self.norm = nn.Sequential(NORM[d](inp), nn.Identity(), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        axis = space(self.dims)[-1]
        if self.flag:
            x = F.pad(x.narrow(axis, 1, x.size(axis) - 1), (1, 0))
        else:
            x = torch.stack(x.flip(axis).roll(1, axis).unbind(axis), -1)
        return self.norm(torch.where(x > 0, x, 0.2 * x))
