"""Runs a network once, operation by operation, and learns which channels move together.

The network runs unmodified and in eager mode, on the meta device where it can (no compute, no memory), under a
`TorchDispatchMode` that keeps a shadow of channel ids beside every activation (see `ids`). What each operation does
to the ids stands in `rules`; this file holds what the rules work on.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from lwdna_core.shrink.errors import TraceError
from lwdna_core.shrink.graph import Layer
from lwdna_core.shrink.ids import Ids, core, nothing

FREEZE = "freeze"
Decisions = Mapping[str | int | tuple[str, int], int | str]
Inputs = Tensor | tuple[Any, ...] | Mapping[str, Any]


@dataclass
class ParamView:
    """A parameter or buffer as the forward sees it: `proxy` is the same view of a meta tensor of the same shape."""

    name: str
    proxy: Tensor


@dataclass
class Step:
    """One operation of the forward pass: what it is, where it stands, and what it puts out."""

    op: str
    line: str
    shapes: list[tuple[int, ...]]
    cores: list[Tensor | None]
    touched: list[Tensor]
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
    index: int = 0

    def tensors(self) -> list[Tensor]:
        return [t for t in tree_leaves(self.raw) if isinstance(t, Tensor)]

    def outputs(self) -> list[Tensor]:
        return [t for t in tree_leaves(self.out) if isinstance(t, Tensor)]


@dataclass
class Record:
    """All that one traced forward pass leaves behind.

    `labels[tensor, dim]` holds the ids that lie along a dimension of a parameter or buffer, in their order.
    """

    shapes: dict[str, tuple[int, ...]]
    ids: Ids = field(default_factory=Ids)
    labels: dict[tuple[str, int], Tensor] = field(default_factory=dict)
    roles: dict[tuple[str, int], str] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    terms: list[Term] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    mixed: list[tuple[Tensor, str]] = field(default_factory=list)
    leaving: list[Tensor] = field(default_factory=list)

    def label(self, name: str, dim: int, ids: Tensor, role: str = "follows") -> Tensor:
        """Note that `ids` lie along a dimension of a tensor, tying them to what is already known to lie there."""
        known = self.labels.get((name, dim))
        if known is None:
            self.labels[name, dim] = known = ids.clone()
        else:
            self.ids.tie(known, ids)
            self.labels[name, dim] = known = torch.where(known < 0, ids, known)
        if role != "follows":
            self.roles[name, dim] = role
        return known

    def made(self, name: str, dim: int, copies: int = 1) -> Tensor:
        """The ids that a layer makes: those of its earlier calls, or fresh ones, `copies` times over."""
        n = self.shapes[name][dim]
        fresh = self.labels.get((name, dim))
        return self.label(name, dim, self.ids.fresh(n // copies).repeat(copies) if fresh is None else fresh, "makes")


class Tracer(TorchDispatchMode):
    """Keeps a shadow beside every tensor while the network runs.

    Args:
        record: where findings go.
        names: name by identity of the tensors that stand for parameters and buffers during the run.
        decisions: for operations whose meaning the trace alone cannot tell (see `proof`): which reading to take, by
            line of code, or FREEZE; FREEZE for an operation's index, or for a (tensor, dim), freezes the channels there.
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
        out = func(*args, **kwargs)
        schema = [a.name for a in func._schema.arguments]
        op = Op(func._schema.name.removeprefix("aten::"), {**dict(zip(schema, args, strict=False)), **kwargs}, out, func,
                (args, kwargs), torch.Tag.pointwise in func.tags, len(self.record.steps))  # fmt: skip
        outputs, self.choices = op.outputs(), 0
        touched = [core(ids) for t in op.tensors() if (ids := self.ids_of(t)) is not None]
        apply(self, op)
        line = self.line()
        if self.decisions.get(op.index) == FREEZE or (self.choices and self.decisions.get(line) == FREEZE):
            for ids in (*touched, *(core(s) for t in outputs if (s := self.ids_of(t)) is not None)):
                self.ids.freeze(ids, f"{op.name} at sizes that do not follow the channels, {self.site()}")
        cores = [core(s) if isinstance(s := self.shadows.get(t), Tensor) else None for t in outputs]
        shapes = [tuple(t.shape) for t in outputs]
        self.record.steps.append(Step(op.name, line, shapes, cores, touched, self.choices))
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
    return "/torch/" in filename and "/torch/nn/modules/" not in filename or "/lwdna_core/shrink/" in filename \
        or filename.endswith(("/nn/modules/module.py", "/contextlib.py"))  # fmt: skip


def as_call(inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Example inputs as positional and keyword arguments of the forward."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)), {}


def input_shapes(inputs: Inputs) -> tuple[tuple[int, ...], ...]:
    """Shapes of all tensors among the example inputs."""
    return tuple(tuple(t.shape) for t in tree_leaves(as_call(inputs)) if isinstance(t, Tensor))


def run_forward(
    network: nn.Module, inputs: Inputs, mode: TorchDispatchMode, device: str | None, names: dict[int, str] | None = None
) -> Any:
    """One forward pass on stand-ins of all parameters and buffers, so that the network itself is left untouched.

    Args:
        mode: sees every operation.
        device: "meta", or None for copies where the tensors are.
        names: filled with the name of every stand-in by identity.
    """
    stand_ins: dict[str, Tensor] = {}
    for name, t in (*network.named_parameters(), *network.named_buffers()):
        stand_ins[name] = torch.empty(t.shape, dtype=t.dtype, device=device) if device else t.detach().clone()
        if names is not None:
            names[id(stand_ins[name])] = name
    args, kwargs = as_call(inputs)
    if device:
        args, kwargs = tree_map_only(Tensor, lambda t: t.detach().to(device), (args, kwargs))
    if isinstance(mode, Tracer):
        for t in tree_leaves((args, kwargs)):
            if isinstance(t, Tensor):
                _enter(mode, t)
    with torch.no_grad(), _same_randomness(), mode:
        return torch.func.functional_call(network, stand_ins, args, kwargs)


@contextmanager
def _same_randomness() -> Iterator[None]:
    """Stochastic depth and the like take the same path in every run, and the caller's generators go on undisturbed."""
    python, devices = random.getstate(), range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        random.seed(0)
        try:
            yield
        finally:
            random.setstate(python)


def _enter(tracer: Tracer, t: Tensor) -> None:
    """An input: what lies along its dimension 1 (the channels of an image) is fixed."""
    ids = tracer.ids.fresh(t.size(1) if t.dim() > 1 else 1)
    tracer.ids.freeze(ids, "the network's input")
    tracer.set(t, ids.reshape([1, -1] + [1] * (t.dim() - 2)) if t.dim() > 1 else ids)


def record_forward(network: nn.Module, inputs: Inputs, decisions: Decisions) -> tuple[Record, str | None]:
    """Trace the network in its present mode, and in the other one where parameters were left out (auxiliary heads).

    Returns the record, and the device that the passes ran on: "meta", or None where the network needs real values.

    Raises:
        TraceError: if the forward fails; names the innermost module, its input's shape and the reason.
    """
    errors: list[Exception] = []
    for device in ("meta", None):
        record = Record({n: tuple(t.shape) for n, t in (*network.named_parameters(), *network.named_buffers())})
        try:
            _pass(network, inputs, record, decisions, device)
        except TraceError as error:
            errors.append(error)
            continue
        for key in decisions:
            if isinstance(key, tuple) and key in record.labels:
                record.ids.freeze(record.labels[key], "the network fails when these channels change in number")
        if any(n not in {name for name, _ in record.labels} for n, p in network.named_parameters() if p.dim() > 1):
            _other_mode(network, inputs, record, decisions, device)
        return record, device
    raise errors[-1]


def _pass(network: nn.Module, inputs: Inputs, record: Record, decisions: Decisions, device: str | None) -> None:
    names: dict[int, str] = {}
    tracer = Tracer(record, names, decisions)
    try:
        with tracer.following(network):
            out = run_forward(network, inputs, tracer, device, names)
    except Exception as error:
        where, module = tracer.modules[-1] if tracer.modules else ("", network)
        raise TraceError(
            f"the network fails on example inputs of shape {', '.join(map(str, map(list, input_shapes(inputs))))}, in "
            f"layer {where or '(the network itself)'!r} ({_brief(module)}): {error}"
        ) from error
    for t in _tensors(out):
        if (shadow := tracer.ids_of(t)) is not None:
            record.leaving.append(core(shadow))
            record.ids.freeze(core(shadow), "the network's output")


def _other_mode(network: nn.Module, inputs: Inputs, record: Record, decisions: Decisions, device: str | None) -> None:
    """The same record goes on in the other mode; its products are not counted, and its failure does not matter."""
    modes = {m: m.training for m in network.modules()}
    steps, terms = len(record.steps), len(record.terms)
    network.train(not network.training)
    try:
        _pass(network, inputs, record, decisions, device)
    except TraceError:
        pass  # batch statistics of a single value, for one: what was learned until then still holds
    finally:
        for module, training in modes.items():
            module.training = training
        del record.steps[steps:], record.terms[terms:]


def _brief(module: nn.Module) -> str:
    extra = module.extra_repr()
    return f"{type(module).__name__}({extra})" if extra and "\n" not in extra else type(module).__name__


def _tensors(out: Any) -> list[Tensor]:
    """Every tensor in a network's output: tuples, lists, dicts, and objects that hold some."""
    found: list[Tensor] = []
    for leaf in tree_leaves(out):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif hasattr(leaf, "__dict__") and not isinstance(leaf, nn.Module):
            found += _tensors(list(vars(leaf).values()))
    return found
