"""Random networks for hypothesis: a program is a list of block specifications and a head; it shrinks to a short one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn

from . import blocks, blocks_more
from .blocks import ADAPTIVE, Block, conv, space
from .masking import Inputs, randomise

KINDS: dict[str, type[Block]] = {
    kind.__name__: kind
    for module in (blocks, blocks_more)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Block) and kind.__module__ == module.__name__ and kind is not Block
}
FLAT_ONLY = {"PixelShuffle", "Unshuffle"}  # two dimensions only
HEADS = ("dense", "classify", "flatten", "many", "siamese", "depthwise-siamese")
SIZE = {1: (8,), 2: (8, 8), 3: (4, 4, 4)}
WIDEST = 40


@dataclass(frozen=True)
class Program:
    """What a random network is made of; `build()` makes it, always with the same weights."""

    dims: int
    blocks: tuple[tuple[str, int, bool], ...]
    head: str
    seed: int

    def build(self) -> Network:
        return randomise(Network(self), self.seed).eval()  # type: ignore[return-value]

    def inputs(self) -> Inputs:
        x = torch.zeros(2, 3, *SIZE[self.dims], dtype=torch.float64)
        if "siamese" in self.head:
            return x.new_zeros(2, 3, *[4] * self.dims), x
        return {"x": x} if self.head == "many" else x


class Network(nn.Module):
    """`free`: the groups that must be resizable; `silent`: see masking.masked."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        d, self.dims, self.head = program.dims, program.dims, program.head
        self.stem, width, made = conv(d, 3, 8), 8, []
        self.free, self.silent = [], []
        for kind, n, flag in program.blocks:
            if width > WIDEST:
                made.append(conv(d, width, 8, 1))
                width = 8
            block = KINDS[kind](d, width, n, flag)
            self.free += [f"blocks.{len(made)}.{name}".rstrip(".") for name in block.free]
            self.silent += [f"blocks.{len(made)}.{name}" for name in block.silent]
            made.append(block)
            width = block.out
        self.blocks = nn.Sequential(*made)
        if self.head == "classify":
            self.hidden, self.last = nn.Linear(width, 6), nn.Linear(6, 4)
        elif self.head == "flatten":
            self.hidden, self.last = nn.Linear(width * 2**d, 6), nn.Linear(6, 4)
        else:
            self.hidden = conv(d, width, 6, 1)
            self.last = conv(d, 6, 2)
        self.free.append("hidden")
        if self.head == "siamese":
            self.silent.append("hidden")

    def forward(self, *inputs: Tensor, x: Tensor | None = None) -> object:
        if "siamese" in self.head:
            z, y = (self.hidden(self.blocks(self.stem(t))) for t in inputs)
            return self.correlate(z, y)
        y = self.blocks(self.stem(inputs[0] if x is None else x))
        if self.head == "classify":
            return self.last(F.elu(self.hidden(y.mean(space(self.dims)))))
        if self.head == "flatten":
            return self.last(F.elu(self.hidden(torch.flatten(ADAPTIVE[self.dims](y, 2), 1))))
        y = F.elu(self.hidden(y))
        if self.head == "many":
            return {"map": self.last(y), "rest": [(self.last(y * 0.5), None)]}
        return self.last(y)

    def correlate(self, z: Tensor, x: Tensor) -> Tensor:
        apply = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[self.dims]
        b, c = x.shape[:2]
        if self.head == "siamese":
            y = apply(x.reshape(1, b * c, *x.shape[2:]), z, groups=b)
            return y.transpose(0, 1)
        y = apply(x.reshape(1, b * c, *x.shape[2:]), z.reshape(b * c, 1, *z.shape[2:]), groups=b * c)
        return self.last(y.reshape(b, c, *y.shape[2:]))


@st.composite
def programs(draw: st.DrawFn, longest: int = 5) -> Program:
    """A random network of up to `longest` blocks; the simplest is a stem and a head."""
    dims = draw(st.sampled_from((2, 1, 3)))
    kinds = [k for k in KINDS if dims == 2 or k not in FLAT_ONLY]
    spec = st.tuples(st.sampled_from(kinds), st.integers(1, 3), st.booleans())
    return Program(dims, tuple(draw(st.lists(spec, max_size=longest))), draw(st.sampled_from(HEADS)), draw(SEEDS))


SEEDS = st.integers(0, 999)
