"""Runs a network forward under a dispatch mode, on stand-ins for its parameters, so that it is left as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from lwdna_core.shrink.errors import TraceError
from lwdna_core.shrink.ids import core
from lwdna_core.shrink.provenance import Decisions, Record, Tracer

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
    network: nn.Module, inputs: Inputs, mode: TorchDispatchMode, device: str | None, names: dict[int, str] | None = None
) -> Any:
    """One forward pass on stand-ins of all parameters and buffers, so that the network itself is left untouched.

    Args:
        mode: sees every operation.
        device: "meta", or None for copies where the tensors are.
        names: filled with the name of every stand-in by identity.
    """
    stand_ins: dict[int, Tensor] = {}
    for name, t in (*network.named_parameters(), *network.named_buffers()):
        blank = torch.empty(t.shape, dtype=t.dtype, device=device) if device else t.detach().clone()
        stand_ins[id(t)] = nn.Parameter(blank, requires_grad=False) if isinstance(t, nn.Parameter) else blank
        if names is not None:
            names[id(stand_ins[id(t)])] = name
    args, kwargs = as_call(inputs)
    if device:
        args, kwargs = tree_map_only(Tensor, lambda t: t.detach().to(device), (args, kwargs))
    if isinstance(mode, Tracer):
        for t in tree_leaves((args, kwargs)):
            if isinstance(t, Tensor):
                _enter(mode, t)
    # A single example at 1 x 1 has no batch statistics, which matters to training and not to an analysis.
    any_batch = patch.object(torch.nn.functional, "_verify_batch_size", lambda size: None)
    with any_batch, _swapped(network, stand_ins), torch.no_grad(), _same_randomness(), mode:
        return network(*args, **kwargs)


@contextmanager
def _swapped(network: nn.Module, stand_ins: Mapping[int, Tensor]) -> Iterator[None]:
    """Every tensor of the network replaced by its stand-in, wherever it is registered, and put back afterwards.

    `torch.func.functional_call` does the same but for modules registered under two names, which it leaves broken.
    """
    modules = list(network.modules())
    held = [(own, dict(own)) for m in modules for own in (m._parameters, m._buffers)]
    # What the forward remembers (a grid, a counter, features) would be of the stand-ins' kind.
    remembered = [(m.__dict__, dict(m.__dict__)) for m in modules]
    lists = [(v, list(v)) for _, kept in remembered for k, v in kept.items() if type(v) is list and k[0] != "_"]
    try:
        for own, before in held:
            for name, t in before.items():
                if t is not None:
                    own[name] = stand_ins[id(t)]  # type: ignore[assignment]
        yield
    finally:
        for own, before in held:
            own.clear()
            own.update(before)  # type: ignore[arg-type]
        for now, kept in remembered:
            now.clear()
            now.update(kept)
        for now_list, entries in lists:
            now_list[:] = entries


@contextmanager
def _same_randomness() -> Iterator[None]:
    """Stochastic depth and the like take the same path in every run, and the caller's generators go on undisturbed."""
    python, devices = random.getstate(), range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        random.seed(0)
        try:
            yield
        finally:
            random.setstate(python)


def _enter(tracer: Tracer, t: Tensor) -> None:
    """An input: whatever its layout, everything in it is fixed."""
    ids = tracer.ids.fresh(1)
    tracer.ids.freeze(ids, "the network's input")
    tracer.record.entering.append(int(ids))
    tracer.set(t, ids.reshape([1] * t.dim()))


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
        for weight, mask in record.masks:
            for d in range(len(record.shapes[weight])):
                if (weight, d) in record.labels:
                    record.label(mask, d, record.labels[weight, d])
        trained = {n for n, p in network.named_parameters() if p.requires_grad}
        for name, dim in record.roles:
            if trained and name not in trained:  # preprocessing (MeanShift of EDSR) is not the search's to change
                record.ids.freeze(record.labels[name, dim], f"{name} is not trained")
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
    record.outputs = [tuple(t.shape) for t in output_tensors(out)]
    for t in output_tensors(out):
        if (shadow := tracer.ids_of(t)) is not None:
            record.leaving.append(core(shadow))
            record.ids.freeze(core(shadow), "the network's output")


def _other_mode(network: nn.Module, inputs: Inputs, record: Record, decisions: Decisions, device: str | None) -> None:
    """The same record goes on in the other mode; its products are not counted, and its failure does not matter."""
    modes = {m: m.training for m in network.modules()}
    steps, terms, outputs = len(record.steps), len(record.terms), record.outputs
    network.train(not network.training)
    try:
        _pass(network, inputs, record, decisions, device)
    except TraceError:
        pass  # batch statistics of a single value, for one: what was learned until then still holds
    finally:
        for module, training in modes.items():
            module.training = training
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
