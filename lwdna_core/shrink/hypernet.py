"""Latent vectors and the weight-generating hypernetwork (Li et al., CVPR 2021, section 3; DHP, ECCV 2020, section 3.2).

For a layer from channels with latents z_a to channels with latents z_b, and an embedding of dimension m:

    Z = z_a z_b^T + B0                        (C_in x C_out)
    E = Z[..., None] * W1 + B1                (C_in x C_out x m)
    W = W2 @ E + B2                           (C_in x C_out x k*k)

W1 ~ U(-sqrt 3, sqrt 3), W2 ~ U(-b, b) with b = sqrt(3 / (m C_in k^2)), so that the variance of W is 1 / fan-in; the
biases start at 0 and z ~ N(0, 1). Channels that are tied share one latent, wherever they appear.

`attach` puts the real hypernetwork under a network. `redraw` draws the weights that it would generate at the start
(W = z_a z_b^T * V, V = sum over m of W2 W1), layer by layer, and keeps nothing of it but the latents.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lwdna_core.shrink.graph import ChannelGraph, Layer

BLOCK = 1 << 17  # entries of W2 that are drawn at once

Side = tuple[Layer, Tensor, Tensor]
"""A layer with the latents that lie along its input side (C_in,) and output side (C_out,), as indices."""


@dataclass(frozen=True)
class Latents:
    """The latent variables of a network whose weights were redrawn, and the layers that they generate.

    Attributes:
        values: (latents,) the z of every channel that layers make or read, those of free groups first, in order; then
            one for each position on a side that carries no channels (the rest of a grouped kernel, a fixed input).
        layers: the generated layers with the indices into `values` of their input (C_in,) and output side (C_out,).
    """

    values: Tensor
    layers: tuple[Side, ...]


def sides(network: nn.Module, graph: ChannelGraph, classifier: bool) -> tuple[list[Side], int]:
    """Which latents lie along each side of every generated layer, and how many latents there are."""
    weights, count, found = dict(network.named_parameters()), graph.latents, []
    for layer in graph.layers:
        reads = graph.tokens.get((layer.tensor, layer.in_dim))
        if layer.linear and (reads is None or not (reads.element >= 0).any()):
            continue  # a linear layer that reads no group is no 1 x 1 convolution
        if layer.classifier and not classifier:
            continue
        both = []
        for dim in (layer.in_dim, layer.out_dim):
            n, token = weights[layer.tensor].size(dim), graph.tokens.get((layer.tensor, dim))
            index = torch.full((n,), -1) if token is None else torch.from_numpy(token.latent.copy())
            own = index < 0
            index[own] = torch.arange(count, count + int(own.sum()))
            count += int(own.sum())
            both.append(index)
        found.append((layer, both[0], both[1]))
    return found, count


def _draw(
    shape: Sequence[int], fan_in: float, m: int, like: Tensor, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """W1 (C_in, C_out) and W2 (C_in, C_out, k*k) of one embedding coordinate after the other."""
    bound = math.sqrt(3 / (m * fan_in))
    for _ in range(m):
        w1 = like.new_empty(shape[:2]).uniform_(-math.sqrt(3), math.sqrt(3), generator=generator)
        yield w1, like.new_empty(shape).uniform_(-bound, bound, generator=generator)


def _product(shape: Sequence[int], fan_in: float, m: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """V = sum over m of W2 W1, (C_in, C_out, k*k), of what `_draw` draws.

    On the CPU by a few rows of W2 at a time, which stay in the processor's cache: a generator draws the same numbers in
    pieces there.
    """
    bound, total = math.sqrt(3 / (m * fan_in)), like.new_zeros(shape)
    rows = shape[0] if total.is_cuda else max(1, BLOCK // (shape[1] * shape[2]))
    w1, w2 = like.new_empty(shape[:2]), like.new_empty((min(rows, shape[0]), *shape[1:]))
    for _ in range(m):
        w1.uniform_(-math.sqrt(3), math.sqrt(3), generator=generator)
        for some, factor in zip(total.split(rows), w1.split(rows), strict=True):
            some.addcmul_(w2[: len(some)].uniform_(-bound, bound, generator=generator), factor[..., None])
    return total


def _fan_in(layer: Layer, shape: Sequence[int]) -> float:
    """Entries that one output sums over, of a layer generated as (C_in, C_out, k*k); per group."""
    return shape[0] / layer.groups * shape[2]


def to_weight(generated: Tensor, layer: Layer, shape: torch.Size) -> Tensor:
    """(C_in, C_out, k*k) in the layout of the weight."""
    kernel = [n for d, n in enumerate(shape) if d not in (layer.in_dim, layer.out_dim)]
    unfolded = generated.reshape(*generated.shape[:2], *kernel)
    return unfolded.movedim((0, 1), (layer.in_dim, layer.out_dim))


def _latents(count: int, device: torch.device, dtype: torch.dtype, seed: int) -> tuple[Tensor, torch.Generator]:
    generator = torch.Generator(device).manual_seed(seed)
    return torch.empty(count, device=device, dtype=dtype).normal_(generator=generator), generator


@torch.no_grad()
def redraw(
    network: nn.Module, graph: ChannelGraph, *, embedding: int = 8, seed: int = 0, classifier: bool = True
) -> Latents:
    """Redraw weights in place as the hypernetwork would generate them at the start: W = z_a z_b^T * V.

    Args:
        network: its convolutions and its linear layers that read a group are redrawn; everything else stays.
        graph: its analysis.
        embedding: m.
        seed: the same seed draws what `attach` draws, on the same device.
        classifier: whether the layer that makes the network's output counts; False is what was published.
    """
    found, count = sides(network, graph, classifier)
    weights = dict(network.named_parameters())
    first = next(iter(weights.values()))
    z, generator = _latents(count, first.device, first.dtype, seed)
    for layer, ins, outs in found:
        weight = weights[layer.tensor]
        area = weight.numel() // (len(ins) * len(outs))
        shape = (len(ins), len(outs), area)
        total = _product(shape, _fan_in(layer, shape), embedding, z, generator)
        total *= (z[ins][:, None] * z[outs])[..., None]
        weight.copy_(to_weight(total, layer, weight.shape))
    return Latents(z, tuple(found))


class HyperWeight(nn.Module):
    """Generates one weight; a parametrization whose `original` is W2, so that nothing of the plain weight is left.

    Attributes:
        weight1 (C_in, C_out, m), weight2 (C_in, C_out, k*k, m), bias0 (C_in, C_out), bias1 (C_in, C_out, m),
        bias2 (C_in, C_out, k*k).
        tensor: name of the weight in the network.
        latents: the shared vector of all latents; ins, outs: which of them lie along the two sides.
    """

    ins: Tensor
    outs: Tensor

    def __init__(
        self,
        owner: nn.Module,
        name: str,
        layer: Layer,
        latents: nn.Parameter,
        ins: Tensor,
        outs: Tensor,
        weight1: Tensor,
        weight2: Tensor,
    ) -> None:
        super().__init__()
        self._owner, self._name = [owner], name  # in a list, or the owner would become a submodule
        shape = getattr(owner, name).shape
        self.layer, self.shape, self.tensor = layer, shape, layer.tensor
        self.latents = latents
        self.weight1 = nn.Parameter(weight1)
        self.bias0 = nn.Parameter(weight1.new_zeros(weight1.shape[:2]))
        self.bias1 = nn.Parameter(torch.zeros_like(weight1))
        self.bias2 = nn.Parameter(weight1.new_zeros(weight2.shape[:3]))
        self.register_buffer("ins", ins, persistent=False)
        self.register_buffer("outs", outs, persistent=False)
        self.start: Tensor | None = weight2

    @property
    def weight2(self) -> nn.Parameter:
        """(C_in, C_out, k*k, m)"""
        original: nn.Parameter = self._owner[0].parametrizations[self._name].original  # type: ignore[index,union-attr]
        return original

    @property
    def z_in(self) -> Tensor:
        """(C_in,)"""
        return self.latents[self.ins]

    @property
    def z_out(self) -> Tensor:
        """(C_out,)"""
        return self.latents[self.outs]

    def forward(self, weight2: Tensor) -> Tensor:
        """W2 (C_in, C_out, k*k, m) to the weight, in its own layout."""
        z = self.z_in[:, None] * self.z_out + self.bias0
        e = z[..., None] * self.weight1 + self.bias1
        return to_weight((weight2 @ e[..., None]).squeeze(-1) + self.bias2, self.layer, self.shape)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What `register_parametrization` stores in the plain weight's place: W2 as it was drawn."""
        if self.start is None:
            raise NotImplementedError("a generated weight cannot be set; set what generates it")
        start, self.start = self.start, None
        return start


class Hypernetwork:
    """The hypernetwork under a network.

    Attributes:
        latents: parameter of (latents,), as in `Latents.values`.
        layers: the parametrizations, in the order of `ChannelGraph.layers`.
        sides: the layers with the indices into `latents` of their input and output sides, as in `Latents.layers`.
    """

    def __init__(
        self, latents: nn.Parameter, layers: list[HyperWeight], graph: ChannelGraph, sides: list[Side]
    ) -> None:
        self.latents, self.layers, self.sides = latents, layers, sides
        ends = np.cumsum([g.size for g in graph.groups])
        self._where = {g.name: slice(int(end) - g.size, int(end)) for g, end in zip(graph.groups, ends, strict=True)}

    def latent(self, group: str) -> Tensor:
        """The latent vector of a group, (size,)."""
        return self.latents[self._where[group]]


def _owners(network: nn.Module, weight: Tensor) -> list[tuple[nn.Module, str]]:
    """Every module that holds a weight, with the weight's name in it."""
    return [(m, name) for m in network.modules() for name, p in m._parameters.items() if p is weight]


def attach(
    network: nn.Module, graph: ChannelGraph, *, embedding: int = 8, seed: int = 0, classifier: bool = True
) -> Hypernetwork:
    """Put the real hypernetwork under a network, in place; the arguments are those of `redraw`.

    It has (2 m + 1 + (m + 1) k^2) / k^2 parameters per weight: 10.9 for 3 x 3 and m = 8.
    """
    found, count = sides(network, graph, classifier)
    weights = dict(network.named_parameters())
    first = next(iter(weights.values()))
    z, generator = _latents(count, first.device, first.dtype, seed)
    latents, layers = nn.Parameter(z), []
    for layer, ins, outs in found:
        area = weights[layer.tensor].numel() // (len(ins) * len(outs))
        shape = (len(ins), len(outs), area)
        pairs = list(_draw(shape, _fan_in(layer, shape), embedding, z, generator))
        w1, w2 = torch.stack([a for a, _ in pairs], -1), torch.stack([b for _, b in pairs], -1)
        first_owner, *others = _owners(network, weights[layer.tensor])
        hyper = HyperWeight(*first_owner, layer, latents, ins.to(z.device), outs.to(z.device), w1, w2)
        parametrize.register_parametrization(*first_owner, hyper, unsafe=True)
        for module, name in others:  # a weight that is tied between modules is generated from one W2
            hyper.start = w2
            parametrize.register_parametrization(module, name, hyper, unsafe=True)
            module.parametrizations[name].original = hyper.weight2  # type: ignore[index,union-attr]
        layers.append(hyper)
    return Hypernetwork(latents, layers, graph, found)


@torch.no_grad()
def plain(network: nn.Module) -> nn.Module:
    """The network with its generated weights as plain ones, in place; one without a hypernetwork stays as it is."""
    made: dict[int, nn.Parameter] = {}  # a weight that is tied between modules stays one
    for module in list(network.modules()):
        for name, chain in list(getattr(module, "parametrizations", {}).items()):
            if isinstance(chain[0], HyperWeight):
                weight = made.setdefault(id(chain[0]), nn.Parameter(getattr(module, name).clone()))
                parametrize.remove_parametrizations(module, name, leave_parametrized=False)
                module._parameters[name] = weight
    return network
