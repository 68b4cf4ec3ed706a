"""What the analysis of a network yields: its channel groups and closed forms of its cost. Plain data, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from lwdna_core.shrink.errors import ResizeError


class Slot(NamedTuple):
    """One dimension of one parameter or buffer, as far as a group governs it.

    Attributes:
        tensor: name of the parameter or buffer, as in `named_parameters` and `named_buffers`.
        dim: the dimension.
        role: "makes" (the output side of a layer), "reads" (a contracted input side) or "follows" (normalisation,
            depthwise convolution, bias and whatever else meets the channels one by one).
        positions: (elements, copies), the indices along `dim` that belong to each element of the group.
    """

    tensor: str
    dim: int
    role: str
    positions: np.ndarray


@dataclass(frozen=True, eq=False)
class ChannelGroup:
    """Channels whose number can change, and everything in the network that must change with them.

    Attributes:
        name: the first module that makes the channels (the parameter's own name, if no submodule owns it).
        size: number of elements, that is of channels that can be kept or dropped one by one.
        slots: every tensor dimension that the group governs.
        mixed_by: operations that compute across the channels of the group (LayerNorm, a mean over channels ...), for
            which no network with fewer channels can equal the one with masked channels.
        feeds_classifier: whether a linear layer reads the group to make the network's output.
    """

    name: str
    size: int
    slots: tuple[Slot, ...]
    mixed_by: tuple[str, ...] = ()
    feeds_classifier: bool = False


@dataclass(frozen=True)
class FrozenGroup:
    """Channels that keep their number: the module that makes them, how many they are, and why."""

    name: str
    size: int
    reason: str


@dataclass(frozen=True)
class Layer:
    """A weight that reads channels on one dimension and makes (or passes on) channels on another.

    Attributes:
        tensor: name of the weight.
        in_dim, out_dim: its input and output dimensions; the others are the kernel.
        groups: over how many groups the input side is split (transposed convolutions; others hold one group's side).
        linear: a matrix product, not a convolution.
        classifier: makes the network's output from a matrix product.
    """

    tensor: str
    in_dim: int
    out_dim: int
    groups: int = 1
    linear: bool = False
    classifier: bool = False


@dataclass(frozen=True, eq=False)
class Tokens:
    """Who lies along one dimension of a tensor, for all its indices.

    `element[i]` numbers the free element at index i, or -1 for a fixed one; `latent[i]` numbers the latent variable,
    which fixed indices have too. Elements are numbered through all groups, in order. `runs` says how the groups lie:
    (group, start, copies), all elements of the group in order, each `copies` times in a row.
    """

    element: np.ndarray
    latent: np.ndarray
    runs: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, eq=False)
class Cost:
    """Sizes as linear forms of the groups' widths, and a cost as a sum of products of them.

    size_f(w) = constant[f] + sum_g multiplicity[f, g] * w[g]
    cost(w) = sum_t factor[t] * prod_{f in terms[t]} size_f(w)
    """

    constant: np.ndarray
    multiplicity: np.ndarray
    factor: np.ndarray
    terms: np.ndarray  # (terms, width), filled up with the index of a form that is always 1

    def __call__(self, widths: np.ndarray) -> int:
        sizes = self.constant + self.multiplicity @ widths
        return int((self.factor * sizes[self.terms].prod(1)).sum())


Form = tuple[int, tuple[tuple[int, int], ...]]
"""A size as a linear form of the widths: a constant, and (group, multiplicity) pairs."""


@dataclass(frozen=True)
class Attribute:
    """An integer that a module keeps for its forward and that counts channels: `entry` of it, if it is a list."""

    module: str
    name: str
    entry: int | None
    form: Form


@dataclass(frozen=True, eq=False)
class Trail:
    """The operations of the traced forward pass, and the shape of each output as forms of the widths.

    Attributes:
        ops: names; lines: the lines of Python that asked for them.
        shapes: per operation and output, per dimension, its form; None where the analysis cannot tell.
        numbers: the Python numbers that each operation computes with.
        outputs: the shapes that leave the network.
        modes: by module, whether it was in training mode.
    """

    ops: list[str]
    lines: list[str]
    shapes: list[list[tuple[Form | None, ...]]]
    numbers: list[tuple[float, ...]]
    outputs: list[tuple[int, ...]]
    modes: Mapping[str, bool]


@dataclass(frozen=True, eq=False)
class ChannelGraph:
    """Which channels of a network move together, and what they cost.

    Attributes:
        groups: the groups that can be resized, in the order in which the forward pass makes them.
        frozen: what cannot be resized, with reasons.
        layers: the weights that can carry a hypernetwork.
        tokens: by (tensor, dim), who lies along it; for every dimension that carries channels, fixed ones included.
        attributes: integers of the network's own modules that have to follow the widths.
        latents: number of latent variables that the tokens refer to.
        inputs: shapes of the example inputs.
        example: the example inputs themselves, as meta tensors where the network runs on these.
        trail: what every operation must put out, at any widths.
        device: where the analysis ran the network: "meta", or None where it needs real values.
    """

    groups: tuple[ChannelGroup, ...]
    frozen: tuple[FrozenGroup, ...]
    layers: tuple[Layer, ...]
    tokens: Mapping[tuple[str, int], Tokens]
    attributes: tuple[Attribute, ...]
    latents: int
    inputs: tuple[tuple[int, ...], ...]
    example: Any = field(repr=False)
    trail: Trail = field(repr=False)
    device: str | None
    macs_form: Cost = field(repr=False)
    params_form: Cost = field(repr=False)

    @property
    def widths(self) -> dict[str, int]:
        """The groups' sizes by name, as traced."""
        return {g.name: g.size for g in self.groups}

    def vector(self, widths: Mapping[str, int] | None = None) -> np.ndarray:
        """`widths` as an array in the order of the groups; a group that is not named keeps its size.

        Raises:
            ResizeError: for a name that is no group of this graph.
        """
        check_names(widths or {}, [g.name for g in self.groups])
        return np.array([(widths or {}).get(g.name, g.size) for g in self.groups], dtype=np.int64)

    def macs(self, widths: Mapping[str, int] | None = None) -> int:
        """Multiply-accumulates of one forward pass on the example inputs (their batch dimension included).

        Counted are convolutions and matrix products, without biases, as half of what
        `torch.utils.flop_counter.FlopCounterMode` counts: ResNet-50 at 224 x 224 has 4.0892 G.
        """
        return self.macs_form(self.vector(widths))

    def params(self, widths: Mapping[str, int] | None = None) -> int:
        """Number of parameters (buffers are none)."""
        return self.params_form(self.vector(widths))


def check_names(given: Mapping[str, object], known: Sequence[str], error: type[Exception] = ResizeError) -> None:
    """Raise `error` for names that are no group, and show near ones."""
    import difflib

    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3) or list(known[:3])
            raise error(f"no channel group {name!r}; the network has {len(known)} groups, near ones: {', '.join(near)}")
