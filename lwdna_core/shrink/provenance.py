"""Runs a network once, operation by operation, and learns which channels move together.

The network runs unmodified and in eager mode, on the meta device where it can (no compute, no memory), under a
`TorchDispatchMode` that keeps a shadow of channel ids beside every activation (see `ids`). What each operation does
to the ids stands in `rules`; this file holds what the rules work on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from lwdna_core.shrink.graph import Layer
from lwdna_core.shrink.ids import Ids, core, merge, nothing

FREEZE = "freeze"
Decisions = Mapping[str | int | tuple[str, int], int | str]


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
    cores: list[Tensor | None]
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
class Op:
    """A dispatched operation with its arguments by their names in the schema."""

    name: str
    args: dict[str, Any]
    out: Any
    func: Callable[..., Any]
    raw: tuple[tuple[Any, ...], dict[str, Any]]
    pointwise: bool

    @property
    def source(self) -> Tensor:
        """The tensor that is worked on."""
        source: Tensor = self.args["self" if "self" in self.args else "input"]
        return source

    def tensors(self) -> list[Tensor]:
        return [t for t in leaves((*self.raw[0], *self.raw[1].values())) if isinstance(t, Tensor)]

    def outputs(self) -> list[Tensor]:
        return [t for t in leaves((self.out,)) if isinstance(t, Tensor)]


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
            self.labels[name, dim] = known = ids.clone()
        else:
            self.ids.tie(known, ids)
            self.labels[name, dim] = known = torch.where(known < 0, ids, known)
        if role == "reads" or (role == "makes" and self.roles.get((name, dim)) != "reads"):
            self.roles[name, dim] = role
        return known

    def made(self, name: str, dim: int, copies: int = 1) -> Tensor:
        """The ids that a layer makes: those of its earlier calls, or fresh ones, `copies` times over."""
        known = self.labels.get((name, dim))
        if known is None:
            return self.label(name, dim, self.ids.fresh(self.shapes[name][dim] // copies).repeat(copies), "makes")
        if copies > 1:  # a gain on the weight has been there before
            merge(self.ids, known.unflatten(0, (copies, -1)), [0])
        return self.label(name, dim, known, "makes")


def name_of(func: Any) -> str:
    """`view` for aten::view.default."""
    name: str = func._schema.name
    return name.removeprefix("aten::")


def leaves(values: Iterable[Any]) -> list[Any]:
    """Arguments or results of an operation, with the lists among them opened; a fast pytree."""
    found: list[Any] = []
    for value in values:
        found += value if isinstance(value, (list, tuple)) else (value,)
    return found


def numbers_of(func: Any, args: Any, kwargs: Any) -> tuple[float, ...]:
    """The Python numbers that an operation computes with, entry by entry; sizes are none."""
    if torch.Tag.pointwise not in func.tags:
        return ()
    return tuple(
        n for n in leaves((*args, *kwargs.values())) if isinstance(n, (int, float)) and not isinstance(n, bool)
    )


_ACTIVATIONS = frozenset(("hardtanh", "leaky_relu", "silu", "hardswish", "hardsigmoid", "gelu", "mish", "elu"))


def execute(func: Any, args: Any, kwargs: Any) -> Any:
    """The operation itself. On the meta device, batch norm and some activations are decompositions in Python that take
    most of a trace's time, for shapes that are known.
    """
    name = name_of(func)
    if name.rstrip("_") in _ACTIVATIONS and args[0].device.type == "meta":
        return args[0] if name.endswith("_") else args[0].new_empty(args[0].shape)
    if func is torch.ops.aten.native_batch_norm.default and args[0].device.type == "meta":
        x, channels = args[0], args[0].size(1)
        return x.new_empty(x.shape), x.new_empty(channels), x.new_empty(channels)
    return func(*args, **kwargs)


class Tracer(TorchDispatchMode):
    """Keeps a shadow beside every tensor while the network runs.

    Args:
        record: where findings go.
        names: name by identity of the tensors that stand for parameters and buffers during the run.
        decisions: for operations whose meaning the trace alone cannot tell (see `proof`): which reading to take, by
            line of code, or FREEZE; FREEZE for an operation's index or a (tensor, dim) freezes the channels there.
    """

    def __init__(self, record: Record, names: dict[int, str], decisions: Decisions) -> None:
        super().__init__()
        self.record, self.ids, self.names, self.decisions = record, record.ids, names, decisions
        self.shadows: WeakIdKeyDictionary = WeakIdKeyDictionary()
        self.modules: list[tuple[str, nn.Module]] = []
        self.choices = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from lwdna_core.shrink.rules import apply

        kwargs = kwargs or {}
        out = execute(func, args, kwargs)
        schema = [a.name for a in func._schema.arguments]
        named = {**dict(zip(schema, args, strict=False)), **kwargs}
        op = Op(name_of(func), named, out, func, (args, kwargs), torch.Tag.pointwise in func.tags)
        outputs, self.choices = op.outputs(), 0
        touched = [core(s) for t in op.tensors() if isinstance(s := self.shadows.get(t), Tensor)]
        apply(self, op)
        line = self.line()
        if self.decisions.get(len(self.record.steps)) == FREEZE or (
            self.choices and self.decisions.get(line) == FREEZE
        ):
            for ids in (*touched, *(core(s) for t in outputs if (s := self.ids_of(t)) is not None)):
                self.ids.freeze(ids, f"{op.name} at sizes that do not follow the channels, {self.site()}")
        cores = [core(s) if isinstance(s := self.shadows.get(t), Tensor) else None for t in outputs]
        shapes = [tuple(t.shape) for t in outputs]
        weights = [v.name for t in op.tensors() if isinstance(v := self.shadows.get(t), ParamView)]
        numbers = numbers_of(func, args, kwargs)
        self.record.steps.append(Step(op.name, line, shapes, cores, touched, weights, numbers, self.choices))
        return out

    # what an operation's tensors carry

    def view_of(self, t: Any) -> ParamView | None:
        """The parameter that a tensor is a view of (or was computed from, entry by entry)."""
        if not isinstance(t, Tensor):
            return None
        known = self.shadows.get(t)
        if known is None and id(t) in self.names:
            name = self.names[id(t)]
            known = ParamView(name, torch.empty(self.record.shapes[name], device="meta"))
            self.shadows[t] = known
        return known if isinstance(known, ParamView) else None

    def ids_of(self, t: Any) -> Tensor | None:
        """The shadow of a tensor; None for a constant and for a parameter that has channels on several dimensions."""
        view = self.view_of(t)
        if view is None:
            return self.shadows.get(t) if isinstance(t, Tensor) else None
        # A parameter with one dimension that counts is an activation like any other: one id per entry.
        shape, strides, start = view.proxy.size(), view.proxy.stride(), view.proxy.storage_offset()
        real = [d for d, n in enumerate(self.record.shapes[view.name]) if n > 1]
        if len(real) != 1:
            return None if real else nothing(t.shape)
        axis = real[0]
        vector = self.record.labels.get((view.name, axis))
        if vector is None:
            vector = self.record.label(view.name, axis, self.ids.fresh(self.record.shapes[view.name][axis]))
        return vector[start:].as_strided(shape, strides)

    def set(self, t: Tensor, shadow: Tensor) -> None:
        """Give an output its shadow; expands to the output's shape."""
        if shadow.dim() < t.dim():
            shadow = shadow.reshape([1] * (t.dim() - shadow.dim()) + list(shadow.shape))
        self.shadows[t] = shadow.expand(t.shape)

    def choose(self, options: int) -> int:
        """Which of several readings of the current operation to take: the first until a proof says otherwise."""
        self.choices = options
        chosen = self.decisions.get(self.line(), 0)
        return chosen if isinstance(chosen, int) else 0

    def line(self) -> str:
        """The line of Python that asked for the current operation; modules of torch count as lines of their own."""
        frame = sys._getframe(1)
        while frame.f_back and _internal(frame.f_code.co_filename):
            frame = frame.f_back
        file = frame.f_code.co_filename
        own = f" in {self.modules[-1][0]}" if "/torch/" in file and self.modules else ""
        return f"{file}:{frame.f_lineno}{own}"

    def site(self) -> str:
        """Where the current operation stands, for people."""
        path = self.modules[-1][0] if self.modules else ""
        return f"{path or 'the network'} ({self.line().split(' in ')[0].rsplit('/', 1)[-1]})"

    @contextmanager
    def following(self, network: nn.Module) -> Iterator[None]:
        """Keep `modules`, the stack of modules being run; after an exception it shows where it was raised."""
        paths = {id(m): n for n, m in network.named_modules()}
        hooks = [
            register_module_forward_pre_hook(lambda m, _: self.modules.append((paths.get(id(m), "?"), m))),
            register_module_forward_hook(lambda m, _, __: self.modules.pop() and None),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def _internal(filename: str) -> bool:
    return ("/torch/" in filename and "/torch/nn/modules/" not in filename) or "/lwdna_core/shrink/" in filename \
        or filename.endswith(("/nn/modules/module.py", "/contextlib.py"))  # fmt: skip
