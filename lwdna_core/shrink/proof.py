"""Analysis proved by trial: the network is resized on the meta device, and every operation is held to its prediction.

A trace alone cannot tell `x.view(n, 2, c // 2)` from `x.view(n, 2, 32)`. So the analysis takes a reading, resizes every
group, and runs the result (`follower`). The first operation whose output has another shape than predicted is given its
next reading, or the channels that flow through it are frozen; then the analysis starts again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lwdna_core.shrink.assemble import assemble
from lwdna_core.shrink.errors import TraceError
from lwdna_core.shrink.follower import Mismatch, mismatch
from lwdna_core.shrink.forward import Inputs, record_forward, uncollected
from lwdna_core.shrink.graph import ChannelGraph
from lwdna_core.shrink.ids import varying
from lwdna_core.shrink.record import FREEZE, Record
from lwdna_core.shrink.subject import Subject
from lwdna_core.shrink.surgery import Plan, rebuild

ROUNDS = 200


@uncollected()
def trace(network: nn.Module, example_inputs: Inputs) -> ChannelGraph:
    """Analyse a network: which of its channels move together, which can change in number, and what they cost.

    The network is run in its present mode on stand-ins of its parameters, and left as it was.

    Args:
        network: any module whose forward runs in eager mode.
        example_inputs: a tensor, a tuple of positional inputs, or a dict of keyword inputs. With a meta-device forward
            (the rule) their values do not matter, and large sizes cost nothing.

    Raises:
        TraceError: if the forward fails on the inputs (names the layer), or if nothing in the network can be resized
            (names the first reasons), or if the analysis comes to no end.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
        >>> [(g.name, g.size) for g in trace(net, torch.zeros(1, 3, 9, 9)).groups]
        [('0', 8)]
    """
    subject = Subject(network)
    _check(subject)
    best, record, decisions = _settle(subject, example_inputs, {})
    for line, readings in _untried(best, record).items():
        for reading in range(1, readings):
            other, found, made = _settle(subject, example_inputs, {**decisions, line: reading})
            if sum(g.size for g in other.groups) > sum(g.size for g in best.groups):
                best, record, decisions = other, found, made
    if not best.groups:
        raise TraceError(_nothing(best))
    return best


def _check(subject: Subject) -> None:
    """Raise TraceError for networks that show nothing of their channels."""
    if type(subject.network).__module__.startswith("torch._dynamo"):
        raise TraceError("the network is wrapped by torch.compile; expected the one that it came from (`_orig_mod`)")
    kinds = {type(m) for m in subject.modules.values()} | {type(t) for t in subject.tensors.values()}
    if not any(
        issubclass(kind, (torch.jit.ScriptModule, nn.UninitializedParameter, nn.UninitializedBuffer)) for kind in kinds
    ):
        return
    for path, module in subject.modules.items():
        where = f"layer {path!r}" if path else "the network"
        if isinstance(module, torch.jit.ScriptModule):
            raise TraceError(
                f"{where} is TorchScript, whose widths are fixed; expected the nn.Module that it came from"
            )
        if any(is_lazy(t) for own in (module._parameters, module._buffers) for t in own.values()):
            raise TraceError(
                f"{where} ({type(module).__name__}) is lazy and has no shape yet; run the network once first"
            )


Decided = dict[Any, int | str]


def _settle(subject: Subject, inputs: Inputs, decisions: Decided) -> tuple[ChannelGraph, Record, Decided]:
    """Analyse and prove in turn, until nothing is left to object to."""
    for _ in range(ROUNDS):
        record, device = record_forward(subject, inputs, decisions)
        graph = assemble(record, subject, inputs, device)
        scaled: list[int] = []
        fault = next(
            (f for probe in _probes(graph, record) if (f := _try(subject, graph, probe, scaled)) is not None), None
        )
        if fault is not None:
            _decide(subject, graph, record, fault, decisions)
        elif record.following and _computes(graph, scaled):
            decisions = {**decisions, **dict.fromkeys(record.following, FREEZE)}
        else:
            if scaled:  # attention scaled by a width, for one: at fewer channels it computes something else
                _note_scaled(record, set(scaled))
                graph = assemble(record, subject, inputs, device)
            return graph, record, decisions
    raise TraceError(f"the network is too strange to analyse: {ROUNDS} readings of it failed, the last at {fault}")


def _computes(graph: ChannelGraph, scaled: list[int]) -> bool:
    """Whether the forward also computes with a number that was rewritten as a size: then it is more than a size."""
    sizes = {a.form[0] + sum(n * graph.groups[g].size for g, n in a.form[1]) for a in graph.attributes}
    return any(n in sizes for i in scaled for n in graph.trail.numbers[i])


def _note_scaled(record: Record, indices: set[int]) -> None:
    for step in (record.steps[i] for i in indices):
        reason = f"{step.op} with a number computed from a width, {step.line.rsplit('/', 1)[-1]}"
        read = [ids for (name, dim), ids in record.labels.items() if name in step.weights]
        record.mixed += [(ids, reason) for ids in (*step.touched, *read)]


def _untried(graph: ChannelGraph, record: Record) -> dict[str, int]:
    """Lines of code with several readings, the present one of which leaves nothing that could be resized."""
    several = [s for s in record.steps if s.choices > 1]
    if not several:
        return {}
    ends = [r for r, reason in record.ids.frozen().items() if reason.startswith("the network's ")]
    return {
        s.line: s.choices for s in several
        if not _free(graph, record, s.touched)
        and not all(np.isin(record.ids.find(ids), [-1, *ends]).all() for ids in s.touched)
    }  # fmt: skip


_CUTS = frozenset((
    "slice", "split", "split_with_sizes", "select", "narrow", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk",
    "unsafe_split_with_sizes", "constant_pad_nd", "index_select", "as_strided",
))  # fmt: skip


def _probes(graph: ChannelGraph, record: Record) -> list[dict[str, int]]:
    """Widths below and above the present ones, by numbers that differ from group to group; never a single channel, for
    which PyTorch may take other operations.

    More is the harder trial: of fewer than 32 channels, `x[:, :32]` cuts nothing. Both are tried where something is
    cut.
    """
    if not graph.groups:
        return []
    fewer = {g.name: max(min(2, g.size), g.size - 1 - i % max(1, g.size // 2)) for i, g in enumerate(graph.groups)}
    more = {g.name: g.size + 1 + i for i, g in enumerate(graph.groups)}
    if any(s.op in _CUTS and (s.weights or any(varying(ids) for ids in s.touched)) for s in record.steps):
        return [fewer, more]
    return [more]


def _try(
    subject: Subject, graph: ChannelGraph, widths: Mapping[str, int], scaled: list[int] | None = None
) -> Mismatch | None:
    if graph.device:
        return mismatch(subject, graph, widths, scaled, Plan(subject, graph, widths))
    kept = {g.name: [i % g.size for i in range(widths.get(g.name, g.size))] for g in graph.groups}
    return mismatch(rebuild(subject, graph, kept), graph, widths, scaled)


def _decide(
    subject: Subject, graph: ChannelGraph, record: Record, fault: Mismatch, decisions: dict[Any, int | str]
) -> None:
    """Give the operation at fault its next reading, or freeze what flows through it, or find the groups at fault."""
    if new := [bound for bound in fault.bounds if bound not in decisions]:
        decisions.update(dict.fromkeys(new, 0))
        return
    for index in (fault.index, fault.index - 1):
        step = record.steps[index] if 0 <= index < len(record.steps) else None
        if step is None:
            continue
        if step.choices and decisions.get(step.line) != FREEZE:
            reading = int(decisions.get(step.line, 0)) + 1
            decisions[step.line] = reading if reading < step.choices else FREEZE
            return
        if fault.left:
            break  # the fault is somewhere behind
        if decisions.get(index) != FREEZE and _free(
            graph, record, [*step.touched, *(c for c in step.cores if isinstance(c, Tensor))]
        ):
            decisions[index] = FREEZE
            return
        sides = [key for key in record.labels if key[0] in step.weights and decisions.get(key) != FREEZE]
        if sides := [key for key in sides if _free(graph, record, [record.labels[key]])]:
            decisions.update(dict.fromkeys(sides, FREEZE))
            return
        if step.touched or step.weights:
            break  # the operation before it is innocent
    guilty = [
        g
        for g in graph.groups
        if any(_try(subject, graph, {g.name: n}) for n in (max(min(2, g.size), g.size // 2), g.size + 1))
    ]
    for g in guilty or graph.groups:
        decisions[g.slots[0].tensor, g.slots[0].dim] = FREEZE


def _free(graph: ChannelGraph, record: Record, ids: Sequence[Tensor | None]) -> bool:
    """Whether any of these ids belongs to a group that can be resized."""
    free = np.zeros(record.ids.count + 1, dtype=bool)
    for g in graph.groups:
        slot = g.slots[0]
        free[record.ids.find(record.labels[slot.tensor, slot.dim])[slot.positions[:, 0]]] = True
    return any(bool(free[record.ids.find(i)].any()) for i in ids if i is not None)


def _nothing(graph: ChannelGraph) -> str:
    why = "; ".join(f"{f.name}: {f.reason}" for f in graph.frozen[:5]) or "no convolution or linear layer was run"
    return f"nothing in this network can be resized on inputs {list(map(list, graph.inputs))} ({why})"
