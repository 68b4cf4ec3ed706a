"""Parts of weights, and cuts at the full width: attributes of the network's own modules say where they fall."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lwdna_core.shrink import resize, trace

from .masking import assert_exact, counted, randomise, subsets
from .networks import conv

X = torch.randn(2, 3, 8, 8, dtype=torch.double)


class OctaveConv(nn.Conv2d):
    """Octave convolution (Chen et al., 2019): four convolutions with the four parts of one weight."""

    def __init__(self, inp: int, out: int, low_in: int, low_out: int, bias: bool) -> None:
        super().__init__(inp, out, 3, padding=1, bias=bias)
        self.high_in, self.high_out = inp - low_in, out - low_out

    def forward(self, high: Tensor, low: Tensor | None) -> tuple[Tensor, Tensor | None]:
        bias = None if self.bias is None else self.bias[: self.high_out]
        y = F.conv2d(high, self.weight[: self.high_out, : self.high_in], bias, padding=1)
        if low is not None:
            up = F.interpolate(low, scale_factor=2)
            y = y + F.conv2d(up, self.weight[: self.high_out, self.high_in :], padding=1)
        if self.high_out == self.out_channels:
            return y, None
        small = F.avg_pool2d(high, 2)
        bias = None if self.bias is None else self.bias[self.high_out :]
        z = F.conv2d(small, self.weight[self.high_out :, : self.high_in], bias, padding=1)
        if low is not None:
            z = z + F.conv2d(low, self.weight[self.high_out :, self.high_in :], padding=1)
        return y, z


class OctaveNet(nn.Module):
    """From one scale to two, and back; some parts are as wide as others, and some are the whole."""

    def __init__(self, middle: int, low: int, bias: bool) -> None:
        super().__init__()
        self.stem = conv(3, 6)
        self.first = OctaveConv(6, 8, 0, 4, bias)
        self.middle = OctaveConv(8, middle, 4, low, bias)
        self.last = OctaveConv(middle, 10, low, 0, bias)
        self.head = conv(10, 2)

    def forward(self, x: Tensor) -> Tensor:
        high, low = self.first(self.stem(x).relu(), None)
        high, low = self.middle(high.relu(), low.relu())
        high, _ = self.last(high.relu(), low.relu())
        return self.head(high.relu())


@pytest.mark.parametrize("middle, low", ((8, 4), (12, 4), (9, 3)))
@pytest.mark.parametrize("bias", (False, True))
def test_octave_convolutions_are_free_in_both_parts(middle: int, low: int, bias: bool) -> None:
    network = randomise(OctaveNet(middle, low, bias)).eval()
    graph = trace(network, X)
    assert sorted(graph.widths.values()) == sorted([6, 4, 4, middle - low, low, 10])
    assert_exact(network, graph, X, subsets(graph, 0))
    wide = resize(network, graph, {name: 2 * n for name, n in graph.widths.items()})
    assert wide.middle.high_out == 2 * (middle - low) and wide.first.high_in == 12
    assert trace(wide, X).widths == {name: 2 * n for name, n in graph.widths.items()}
    assert (graph.macs(), graph.params()) == counted(network, X)


class Ghost(nn.Module):
    """A ghost module as timm has it (Han et al., 2020): its last slice cuts nothing where the width is even."""

    def __init__(self, inp: int, out: int) -> None:
        super().__init__()
        self.out, self.padding = out, 1
        self.primary, self.cheap = (
            conv(inp, (out + 1) // 2),
            conv((out + 1) // 2, (out + 1) // 2, groups=(out + 1) // 2),
        )

    def forward(this, x: Tensor) -> Tensor:  # the analysis goes by no name
        x = this.primary(x).relu()
        return torch.cat([x, this.cheap(x).relu()], 1)[:, : this.out]


def test_a_cut_at_the_full_width_follows() -> None:
    network = randomise(nn.Sequential(conv(3, 6), Ghost(6, 8), Ghost(8, 10), conv(10, 2))).eval()
    graph = trace(network, X)
    assert sorted(graph.widths.values()) == [4, 5, 6]
    assert_exact(network, graph, X, subsets(graph, 0))
    wide = resize(network, graph, {name: 3 * n for name, n in graph.widths.items()})
    assert (wide[1].out, wide[2].out) == (24, 30)


class Literal(nn.Module):
    """The same with the width written in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = conv(3, 8), conv(8, 8), conv(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x).relu()[:, :8]).relu())


def test_a_cut_at_a_width_that_is_written_in_the_code_freezes() -> None:
    graph = trace(randomise(Literal()).eval(), X)
    assert graph.widths == {"b": 8}
    assert [f.name for f in graph.frozen] == ["a", "c"]


class Slimmable(nn.Module):
    """Reads as many rows of a weight as its input has channels, and of another a fixed part."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = conv(3, 4), conv(8, 6), conv(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x).relu()
        return self.c(F.conv2d(x, self.b.weight[:, : x.shape[1]], self.b.bias, padding=1).relu())


def test_a_part_that_follows_its_input() -> None:
    network = randomise(Slimmable()).eval()
    graph = trace(network, X)
    assert graph.widths["a"] == 4 and graph.widths["b"] == 6
    assert_exact(network, graph, X, subsets(graph, 0))


class Emptied(nn.Module):
    """Frees an activation that it does not need any more, as reversible networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = conv(3, 8), conv(8, 8), conv(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        y = self.b(x.relu())
        x.set_()
        return self.c(y.relu())


def test_an_activation_that_is_emptied() -> None:
    network = randomise(Emptied()).eval()
    graph = trace(network, X)
    assert graph.widths == {"b": 8}
    assert "set_" in next(f.reason for f in graph.frozen if f.name == "a")
    assert_exact(network, graph, X, subsets(graph, 0))
