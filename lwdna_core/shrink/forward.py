"""Runs a network forward under a dispatch mode, on stand-ins for its parameters, so that it is left as it was."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from lwdna_core.shrink.dispatch import apply
from lwdna_core.shrink.errors import TraceError
from lwdna_core.shrink.ids import core
from lwdna_core.shrink.provenance import COMPILED, Tracer
from lwdna_core.shrink.record import Decisions, Record
from lwdna_core.shrink.subject import Subject, is_parameter

Inputs = Tensor | tuple[Any, ...] | Mapping[str, Any]


def as_call(inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Example inputs as positional and keyword arguments of the forward."""
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)), {}


def input_shapes(inputs: Inputs) -> tuple[tuple[int, ...], ...]:
    """Shapes of all tensors among the example inputs."""
    return tuple(tuple(t.shape) for t in tree_leaves(as_call(inputs)) if isinstance(t, Tensor))


def run_forward(
    subject: Subject, inputs: Inputs, mode: TorchDispatchMode, device: str | None, *,
    names: dict[int, str] | None = None, shapes: Mapping[str, Sequence[int]] | None = None,
    prepare: Callable[[], object] = lambda: None,
) -> Any:  # fmt: skip
    """One forward pass on stand-ins of all parameters and buffers, so that the network itself is left untouched.

    Args:
        mode: sees every operation.
        device: "meta", or None for copies where the tensors are.
        names: filled with the name of every stand-in by identity.
        shapes: of stand-ins that differ from their tensors; on meta only.
        prepare: called before the pass, may change the attributes of modules.
    """
    stand_ins: dict[int, Tensor] = {}
    place, alike = torch.device(device) if device else None, dict[Any, Tensor]()
    for name, t in subject.tensors.items():
        if place is None:
            blank = t.detach().clone()
        else:
            key = (tuple(shapes[name]) if shapes is not None and name in shapes else t.shape), t.dtype
            if key not in alike:  # more tensors on one memory, of which there is none, are faster than their own
                alike[key] = torch.empty(key[0], dtype=t.dtype, device=place)
            blank = alike[key]
        if type(t) is nn.Parameter:
            blank = torch.Tensor._make_subclass(nn.Parameter, blank, False)  # as its constructor does, after checks
        elif is_parameter(t):
            blank = nn.Parameter(blank, requires_grad=False)
        elif place is not None:
            blank = blank.detach()
        stand_ins[id(t)] = blank
        if names is not None:
            names[id(blank)] = name
    args, kwargs = as_call(inputs)
    if device:
        args, kwargs = tree_map_only(Tensor, lambda t: t.detach().to(device), (args, kwargs))
    else:
        args, kwargs = tree_map_only(Tensor, lambda t: t.detach().clone(), (args, kwargs))
    if isinstance(mode, Tracer):
        for t in tree_leaves((args, kwargs)):
            if isinstance(t, Tensor):
                _enter(mode, t)
    with _any_batch(), subject.swapped(stand_ins), torch.no_grad(), _same_randomness(subject.generators):
        for m in subject.compiled:
            del m.__dict__[COMPILED]
        prepare()
        with mode:
            return subject.network(*args, **kwargs)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without Python's cyclic garbage collector, which takes a fifth of the time of a trace, and finds nothing."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@contextmanager
def _any_batch() -> Iterator[None]:
    """A single example at 1 x 1 has no batch statistics, which matters to training and not to an analysis."""
    module: Any = torch.nn.functional
    check, module._verify_batch_size = module._verify_batch_size, lambda size: None
    try:
        yield
    finally:
        module._verify_batch_size = check


@contextmanager
def _same_randomness(generators: Sequence[torch.Generator]) -> Iterator[None]:
    """Stochastic depth and the like take the same path in every run, and the caller's generators go on undisturbed."""
    # torch.manual_seed and fork_rng would also look at devices that are yet to be used
    used = [torch.default_generator, *(torch.cuda.default_generators if torch.cuda.is_initialized() else ())]
    used += generators
    python, numbers, states = random.getstate(), np.random.get_state(), [g.get_state() for g in used]
    random.seed(0)
    np.random.seed(0)
    for generator in used:
        generator.manual_seed(0)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)
        for generator, state in zip(used, states, strict=True):
            generator.set_state(state)


def _enter(tracer: Tracer, t: Tensor) -> None:
    """An input: whatever its layout, everything in it is fixed."""
    ids = tracer.ids.fresh(1)
    tracer.ids.freeze(ids, "the network's input")
    tracer.record.entering.append(int(ids))
    tracer.set(t, ids.reshape([1] * t.dim()))


def record_forward(subject: Subject, inputs: Inputs, decisions: Decisions) -> tuple[Record, str | None]:
    """Trace the network in its present mode, and in the other one where parameters were left out (auxiliary heads).

    Returns the record, and the device that the passes ran on: "meta", or None where the network needs real values.

    Raises:
        TraceError: if the forward fails; names the innermost module, its input's shape and the reason.
    """
    errors: list[Exception] = []
    parameters = subject.parameters
    for device in ("meta", None):
        record = Record({n: tuple(t.shape) for n, t in subject.tensors.items()})
        try:
            _pass(subject, inputs, record, decisions, device)
        except TraceError as error:
            errors.append(error)
            continue
        for weight, mask in record.masks:
            for d in range(len(record.shapes[weight])):
                if (weight, d) in record.labels:
                    record.label(mask, d, record.labels[weight, d])
        trained = {n for n, p in parameters.items() if p.requires_grad}
        for name, dim in record.roles:
            if trained and name not in trained:  # preprocessing (MeanShift of EDSR) is not the search's to change
                record.ids.freeze(record.labels[name, dim], f"{name} is not trained")
        for key in decisions:
            if isinstance(key, tuple) and key in record.labels:
                record.ids.freeze(record.labels[key], "the network fails when these channels change in number")
        seen = {name for name, _ in record.labels}
        if any(n not in seen for n, p in parameters.items() if p.dim() > 1):
            _other_mode(subject, inputs, record, decisions, device)
        return record, device
    raise errors[-1]


def _pass(
    subject: Subject, inputs: Inputs, record: Record, decisions: Decisions, device: str | None,
    other_mode: bool = False,
) -> None:  # fmt: skip
    names: dict[int, str] = {}
    tracer = Tracer(record, names, decisions, device, apply)

    def prepare() -> None:
        tracer.watch(subject.modules)
        if other_mode:
            subject.network.train(not subject.network.training)

    try:
        out = run_forward(subject, inputs, tracer, device, names=names, prepare=prepare)
    except Exception as error:
        where, module = tracer.modules[-1] if tracer.modules else ("", subject.network)
        raise TraceError(
            f"the network fails on example inputs of shape {', '.join(map(str, map(list, input_shapes(inputs))))}, in "
            f"layer {where or '(the network itself)'!r} ({_brief(module)}): {error}"
        ) from error
    record.outputs = [tuple(t.shape) for t in output_tensors(out)]
    for b in tracer.bounds:
        if isinstance(b.source, str):
            record.attributes.append((b.module, b.attribute, None, record.along(b.source, b.dim)))
    for t in output_tensors(out):
        if (shadow := tracer.ids_of(t)) is not None:
            record.leaving.append(core(shadow))
            record.ids.freeze(core(shadow), "the network's output")


def _other_mode(subject: Subject, inputs: Inputs, record: Record, decisions: Decisions, device: str | None) -> None:
    """The same record goes on in the other mode; its products are not counted, and its failure does not matter."""
    steps, terms, outputs = len(record.steps), len(record.terms), record.outputs
    try:
        _pass(subject, inputs, record, decisions, device, other_mode=True)
    except TraceError:
        pass  # batch statistics of a single value, for one: what was learned until then still holds
    finally:
        del record.steps[steps:], record.terms[terms:]
        record.outputs = outputs


def _brief(module: nn.Module) -> str:
    extra = module.extra_repr()
    return f"{type(module).__name__}({extra})" if extra and "\n" not in extra else type(module).__name__


def output_tensors(out: Any) -> list[Tensor]:
    """Every tensor in a network's output: tuples, lists, dicts, and objects that hold some."""
    found: list[Tensor] = []
    for leaf in tree_leaves(out):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif hasattr(leaf, "__dict__") and not isinstance(leaf, nn.Module):
            found += output_tensors(list(vars(leaf).values()))
    return found
