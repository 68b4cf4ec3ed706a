"""What one traced forward pass leaves behind, from which `assemble` makes the channel graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lwdna_core.shrink.graph import Layer
from lwdna_core.shrink.ids import Ids, holes, merge

FREEZE = "freeze"


@dataclass(frozen=True)
class Bound:
    """An attribute of a module by which something is cut at its full width, which leaves no trace in a forward pass:
    `x[:, : self.channels]`.

    Attributes:
        module: its path.
        attribute: the name in it.
        source: what is cut: a tensor's name, or an operation's index and which of its outputs.
        dim: along which dimension.
    """

    module: str
    attribute: str
    source: str | tuple[int, int]
    dim: int


Decisions = Mapping[str | int | tuple[str, int] | Bound, int | str]


@dataclass
class ParamView:
    """A parameter or buffer as the forward sees it: `proxy` is the same view of a meta tensor of the same shape."""

    name: str
    proxy: Tensor


@dataclass
class Step:
    """One operation of the forward pass: what it is, where it stands, what it works on and what it puts out."""

    op: str
    line: str
    shapes: list[tuple[int, ...]]
    cores: list[Tensor | ParamView | None]
    touched: list[Tensor]
    weights: list[str]
    numbers: tuple[float, ...]
    choices: int = 0


@dataclass
class Term:
    """MACs of one product: the entries of `shape` (ids `small`) times the entries of the vectors times `factor`."""

    shape: tuple[int, ...]
    small: Tensor
    vectors: list[Tensor]
    factor: int


@dataclass
class Record:
    """All that one traced forward pass leaves behind.

    `labels[tensor, dim]` holds the ids that lie along a dimension of a parameter or buffer, in their order;
    `standardised` says by which operation a weight is normalised over a dimension; `opaque` what layers with computed
    weights make; `masks` which weights meet a tensor of their own shape; `tied` which operation tied the channels of
    one axis to each other; `attributes` which attribute of a module (or which entry of it) counts which ids, and
    `following` the lines of code that read them.
    """

    shapes: dict[str, tuple[int, ...]]
    ids: Ids = field(default_factory=Ids)
    labels: dict[tuple[str, int], Tensor] = field(default_factory=dict)
    roles: dict[tuple[str, int], str] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    terms: list[Term] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    mixed: list[tuple[Tensor, str]] = field(default_factory=list)
    standardised: dict[tuple[str, int], str] = field(default_factory=dict)
    opaque: dict[str, tuple[int, str]] = field(default_factory=dict)
    attributes: list[tuple[str, str, int | None, Tensor]] = field(default_factory=list)
    following: set[str] = field(default_factory=set)
    entering: list[int] = field(default_factory=list)
    leaving: list[Tensor] = field(default_factory=list)
    outputs: list[tuple[int, ...]] = field(default_factory=list)
    tied: list[tuple[Tensor, str]] = field(default_factory=list)
    masks: list[tuple[str, str]] = field(default_factory=list)

    def label(self, name: str, dim: int, ids: Tensor, role: str = "follows") -> Tensor:
        """Note that `ids` lie along a dimension of a tensor, tying them to what is already known to lie there."""
        known = self.labels.get((name, dim))
        if known is None:
            self.labels[name, dim] = known = ids
        elif known is not ids:
            self.ids.tie(known, ids)
            if holes(known):
                self.labels[name, dim] = known = torch.where(known < 0, ids, known)
        if role == "reads" or (role == "makes" and self.roles.get((name, dim)) != "reads"):
            self.roles[name, dim] = role
        return known

    def along(self, name: str, dim: int) -> Tensor:
        """The ids along a dimension of a tensor, fresh ones if nobody knows any."""
        known = self.labels.get((name, dim))
        return self.label(name, dim, self.ids.fresh(self.shapes[name][dim])) if known is None else known

    def made(self, name: str, dim: int, copies: int = 1) -> Tensor:
        """The ids that a layer makes: those of its earlier calls, or fresh ones, `copies` times over."""
        known = self.labels.get((name, dim))
        if known is None:
            fresh = self.ids.fresh(self.shapes[name][dim] // copies)
            return self.label(name, dim, fresh.repeat(copies) if copies > 1 else fresh, "makes")
        if copies > 1:  # a gain on the weight has been there before
            merge(self.ids, known.unflatten(0, (copies, -1)), [0])
        return self.label(name, dim, known, "makes")
