"""Runs a network once, operation by operation, and learns which channels move together.

The network runs unmodified and in eager mode, on the meta device where it can (no compute, no memory), under a
`TorchDispatchMode` that keeps a shadow of channel ids beside every activation (see `ids`). What each operation does
to the ids stands in `rules`; this file holds what the rules work on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from lwdna_core.shrink.direct import shortcuts
from lwdna_core.shrink.ids import core, nothing
from lwdna_core.shrink.record import FREEZE, Bound, Decisions, ParamView, Record, Step
from lwdna_core.shrink.shapes import execute

EMPTY = torch.ops.aten.empty.memory_format
"""Memory that nothing has been written to, for which batch normalisation asks at every call: it carries nothing."""
COMPILED = "_compiled_call_impl"
"""The attribute of a module that is called in place of its forward and hooks, where `torch.compile` has set it."""


@dataclass(frozen=True)
class Signature:
    """What is known of an operation before it runs: its name (`view` for aten::view.default), and those of its
    arguments.
    """

    name: str
    arguments: tuple[str, ...]
    pointwise: bool


_signatures: dict[int, Signature] = {}  # by identity, as overloads live for ever, and are slow to hash


def signature(func: Any) -> Signature:
    """Of an overload of an operation."""
    known = _signatures.get(id(func))
    if known is None:
        schema = func._schema
        name, arguments = schema.name.removeprefix("aten::"), tuple(a.name for a in schema.arguments)
        known = _signatures[id(func)] = Signature(name, arguments, torch.Tag.pointwise in func.tags)
    return known


class Op:
    """A dispatched operation with its arguments by their names in the schema."""

    def __init__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        known = signature(func)
        self.name, self.pointwise = known.name, known.pointwise
        self.func, self.raw, self.out = func, (args, kwargs), out
        self.args = dict(zip(known.arguments, args, strict=False))
        if kwargs:
            self.args |= kwargs
        self.tensors = tensors((*args, *kwargs.values()) if kwargs else args)
        self.outputs = [out] if isinstance(out, Tensor) else tensors((out,))

    @property
    def source(self) -> Tensor:
        """The tensor that is worked on."""
        source: Tensor = self.args["self" if "self" in self.args else "input"]
        return source


def leaves(values: Iterable[Any]) -> list[Any]:
    """Arguments or results of an operation, with the lists among them opened; a fast pytree."""
    found: list[Any] = []
    for value in values:
        found += value if isinstance(value, (list, tuple)) else (value,)
    return found


def tensors(values: Iterable[Any]) -> list[Tensor]:
    """Those among arguments or results, with lists opened."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += [t for t in value if isinstance(t, Tensor)]
    return found


def numbers_of(func: Any, args: Any, kwargs: Any) -> tuple[float, ...]:
    """The Python numbers that an operation computes with, entry by entry; sizes are none."""
    if not signature(func).pointwise or (len(args) == 1 and not kwargs):
        return ()
    return tuple(
        n for n in leaves((*args, *kwargs.values())) if isinstance(n, (int, float)) and not isinstance(n, bool)
    )


class _Shadows:
    """By identity of a tensor, which is kept."""

    def __init__(self) -> None:
        self._shadows: dict[int, Tensor | ParamView] = {}
        self._kept: list[Tensor] = []

    def get(self, t: Tensor) -> Tensor | ParamView | None:
        return self._shadows.get(id(t))

    def __setitem__(self, t: Tensor, shadow: Tensor | ParamView) -> None:
        self._shadows[id(t)] = shadow
        self._kept.append(t)


class Tracer(TorchDispatchMode):
    """Keeps a shadow beside every tensor while the network runs.

    Args:
        record: where findings go.
        names: name by identity of the tensors that stand for parameters and buffers during the run.
        decisions: for operations whose meaning the trace alone cannot tell (see `proof`): which reading to take, by
            line of code, or FREEZE; FREEZE for an operation's index or a (tensor, dim) freezes the channels there.
        device: where the network runs.
        apply: gives the outputs of an operation their shadows.
    """

    def __init__(
        self,
        record: Record,
        names: dict[int, str],
        decisions: Decisions,
        device: str | None,
        apply: Callable[[Tracer, Op], None],
    ) -> None:
        super().__init__()
        self.apply = apply
        self.record, self.ids, self.names, self.decisions = record, record.ids, names, decisions
        # By identity. Tensors are kept where they cost no memory, which is faster than to watch them go.
        self.shadows: Any = _Shadows() if device == "meta" else WeakIdKeyDictionary()
        self.modules: list[tuple[str, nn.Module]] = []
        self.choices = 0
        self._full: dict[tuple[int, torch.Size], Tensor] = {}
        self.bounds = [d for d in decisions if isinstance(d, Bound)]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is EMPTY:
            out = func(*args, **kwargs)
            self.set(out, nothing(out.shape))
            return out
        op = Op(func, args, kwargs, execute(func, args, kwargs))
        shadows, self.choices = self.shadows, 0
        touched = [core(s) for t in op.tensors if isinstance(s := shadows.get(t), Tensor)]
        self.apply(self, op)
        cores: list[Tensor | ParamView | None] = []
        shapes = [tuple(t.shape) for t in op.outputs]
        for t, shape in zip(op.outputs, shapes, strict=True):
            shadow = shadows.get(t)
            if isinstance(shadow, Tensor):
                shadow = core(shadow if shadow.shape == shape else self.set(t, nothing(shape)))  # emptied in place
            cores.append(shadow)
        line = self.line()
        if self.decisions and (
            self.decisions.get(len(self.record.steps)) == FREEZE
            or (self.choices and self.decisions.get(line) == FREEZE)
        ):
            for ids in (*touched, *(core(s) for t in op.outputs if (s := self.ids_of(t)) is not None)):
                self.ids.freeze(ids, f"{op.name} at sizes that do not follow the channels, {self.site()}")
        weights = [name for t in op.tensors if (name := self.name_of(t)) is not None]
        numbers = numbers_of(func, args, kwargs) if op.pointwise else ()
        self.record.steps.append(Step(op.name, line, shapes, cores, touched, weights, numbers, self.choices))
        return op.out

    @classmethod
    def _should_skip_dynamo(cls) -> bool:  # a guard against torch.compile that costs more than all the rest
        return False

    # what an operation's tensors carry

    def name_of(self, t: Tensor) -> str | None:
        """The parameter that a tensor is, or is a view of."""
        if (name := self.names.get(id(t))) is not None:
            return name
        known = self.shadows.get(t)
        return known.name if isinstance(known, ParamView) else None

    def view_of(self, t: Any) -> ParamView | None:
        """The parameter that a tensor is a view of (or was computed from, entry by entry)."""
        if not isinstance(t, Tensor):
            return None
        known = self.shadows.get(t)
        if known is None and id(t) in self.names:
            name = self.names[id(t)]
            known = ParamView(name, t.detach() if t.is_meta else torch.empty(self.record.shapes[name], device="meta"))
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
        return self.record.along(view.name, axis)[start:].as_strided(shape, strides)

    def set(self, t: Tensor, shadow: Tensor) -> Tensor:
        """Give an output its shadow, expanded to the output's shape."""
        small, shape = core(shadow), t.shape
        full = self._full.get((id(small), shape))  # it holds its core, whose identity thus stays its own
        if full is None:
            wide = small
            if small.dim() < len(shape):
                wide = core(small.reshape([1] * (len(shape) - small.dim()) + list(small.shape)))
            full = wide.expand(shape)
            vars(full)["core"], vars(full)["of"] = wide, small
            self._full[id(small), shape] = full
        self.shadows[t] = full
        return full

    def choose(self, options: int) -> int:
        """Which of several readings of the current operation to take: the first until a proof says otherwise."""
        self.choices = options
        chosen = self.decisions.get(self.line(), 0)
        return chosen if isinstance(chosen, int) else 0

    def line(self) -> str:
        """The line of Python that asked for the current operation; modules of torch count as lines of their own."""
        frame = caller()
        file = frame.f_code.co_filename
        own = f" in {self.modules[-1][0]}" if "/torch/" in file and self.modules else ""
        return f"{file}:{frame.f_lineno}{own}"

    def site(self) -> str:
        """Where the current operation stands, for people."""
        path = self.modules[-1][0] if self.modules else ""
        return f"{path or 'the network'} ({self.line().split(' in ')[0].rsplit('/', 1)[-1]})"

    def watch(self, modules: Mapping[str, nn.Module]) -> None:
        """Keep `self.modules`, the stack of those being run; after an exception it shows where it was raised.

        Where `torch.compile` puts a module's compiled call: global hooks cost ten times as much, and a method put into
        `nn.Module` empties the caches of all its subclasses. To be undone by whoever runs the network.
        """
        short = shortcuts(modules.values(), self)
        for path, module in modules.items():
            run = short.get(module) or module._call_impl
            module.__dict__[COMPILED] = partial(self._call, (path, module), run)

    def _call(self, entry: tuple[str, nn.Module], run: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.modules.append(entry)
        out = run(*args, **kwargs)
        self.modules.pop()
        return out


def caller() -> FrameType:
    """The code that asked for the current operation: the network's own, or a module of torch."""
    frame = sys._getframe(1)
    while frame.f_back and _internal(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


@cache
def _internal(filename: str) -> bool:
    return ("/torch/" in filename and "/torch/nn/modules/" not in filename) or "/lwdna_core/shrink/" in filename \
        or filename.endswith(("/nn/modules/module.py", "/contextlib.py"))  # fmt: skip
