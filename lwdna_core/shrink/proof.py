"""Analysis proved by trial: the network is resized on the meta device, and every operation is held to its prediction.

A trace alone cannot tell `x.view(n, 2, c // 2)` from `x.view(n, 2, 32)`. So the analysis takes a reading, shrinks and
grows every group, and runs the result. The first operation whose output has another shape than predicted is given its
next reading, or the channels that flow through it are frozen; then the analysis starts again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lwdna_core.shrink.assemble import assemble
from lwdna_core.shrink.errors import TraceError
from lwdna_core.shrink.forward import Inputs, output_tensors, record_forward, run_forward
from lwdna_core.shrink.graph import ChannelGraph, Form
from lwdna_core.shrink.provenance import FREEZE, Record, execute, leaves, name_of, numbers_of

ROUNDS = 200


class Mismatch(Exception):
    """An operation did not put out what was predicted; `index` is its place on the trail, or where that was left."""

    def __init__(self, index: int, message: str, left: bool = False) -> None:
        super().__init__(message)
        self.index, self.left = index, left


class _Follower(TorchDispatchMode):
    """Holds every operation to the trail."""

    def __init__(self, graph: ChannelGraph, widths: Sequence[int]) -> None:
        super().__init__()
        self.trail, self.widths, self.index = graph.trail, widths, 0
        self.scaled: list[int] = []
        self.lost = any(w == 1 < g.size for g, w in zip(graph.groups, widths, strict=True))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out, i = execute(func, args, kwargs or {}), self.index
        name = name_of(func)
        # At some widths PyTorch takes another way (einsum, a single channel): from there on, only the outputs can tell.
        self.lost = self.lost or i >= len(self.trail.ops) or name != self.trail.ops[i]
        if self.lost:
            return out
        outputs = [t for t in leaves((out,)) if isinstance(t, Tensor)]
        for t, forms in zip(outputs, self.trail.shapes[i], strict=True):
            expected = [self._size(f) for f in forms]
            if len(expected) != t.dim() or any(
                e is not None and e != n for e, n in zip(expected, t.shape, strict=True)
            ):
                raise Mismatch(i, f"{name} ({self.trail.lines[i]}) gives {list(t.shape)}, expected {expected}")
        if numbers_of(func, args, kwargs or {}) != self.trail.numbers[i]:
            self.scaled.append(i)
        self.index += 1
        return out

    def _size(self, form: Form | None) -> int | None:
        return None if form is None else form[0] + sum(n * self.widths[g] for g, n in form[1])


def mismatch(
    network: nn.Module, graph: ChannelGraph, widths: Mapping[str, int], scaled: list[int] | None = None
) -> Mismatch | None:
    """Run a resized network once, on stand-ins; the first deviation from the graph's predictions, if there is any.

    `scaled` receives the indices of operations that compute with another Python number than at the traced widths.
    """
    follower = _Follower(graph, [widths.get(g.name, g.size) for g in graph.groups])
    args, kwargs = graph.example
    modes = {m: m.training for m in network.modules()}
    try:
        for path, module in network.named_modules():
            module.training = graph.trail.modes.get(path, module.training)
        out = run_forward(network, kwargs or args, follower, graph.device)
    except Mismatch as found:
        return found
    except Exception as error:  # whatever the network's own code raises at sizes that it does not expect
        line = graph.trail.lines[min(follower.index, len(graph.trail.lines) - 1)]
        return Mismatch(follower.index, f"{line}: {error}", follower.lost)
    finally:
        for module, training in modes.items():
            module.training = training
    if scaled is not None:
        scaled += follower.scaled
    shapes = [tuple(t.shape) for t in output_tensors(out)]
    if shapes != graph.trail.outputs:
        message = f"the network puts out {shapes}, expected {graph.trail.outputs}"
        return Mismatch(follower.index, message, follower.lost)
    return None


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
    best, record, decisions = _settle(network, example_inputs, {})
    for line, readings in _untried(best, record).items():
        for reading in range(1, readings):
            other, found, made = _settle(network, example_inputs, {**decisions, line: reading})
            if sum(g.size for g in other.groups) > sum(g.size for g in best.groups):
                best, record, decisions = other, found, made
    if not best.groups:
        raise TraceError(_nothing(best))
    return best


Decided = dict[Any, int | str]


def _settle(network: nn.Module, inputs: Inputs, decisions: Decided) -> tuple[ChannelGraph, Record, Decided]:
    """Analyse and prove in turn, until nothing is left to object to."""
    for _ in range(ROUNDS):
        record, device = record_forward(network, inputs, decisions)
        graph = assemble(record, network, inputs, device)
        scaled: list[int] = []
        fault = next((f for probe in _probes(graph) if (f := _try(network, graph, probe, scaled)) is not None), None)
        if fault is not None:
            _decide(network, graph, record, fault, decisions)
        elif record.following and _computes(graph, scaled):
            decisions = {**decisions, **dict.fromkeys(record.following, FREEZE)}
        else:
            if scaled:  # attention scaled by a width, for one: at fewer channels it computes something else
                _note_scaled(record, set(scaled))
                graph = assemble(record, network, inputs, device)
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
    ends = [r for r, reason in record.ids.frozen().items() if reason.startswith("the network's ")]
    return {
        s.line: s.choices for s in record.steps
        if s.choices > 1 and not _free(graph, record, s.touched)
        and not all(np.isin(record.ids.find(ids), [-1, *ends]).all() for ids in s.touched)
    }  # fmt: skip


def _probes(graph: ChannelGraph) -> list[dict[str, int]]:
    """Widths below and above the present ones, by numbers that differ from group to group; never a single channel, for
    which PyTorch may take other operations.
    """
    if not graph.groups:
        return []
    fewer = {g.name: max(min(2, g.size), g.size - 1 - i % max(1, g.size // 2)) for i, g in enumerate(graph.groups)}
    more = {g.name: g.size + 1 + i for i, g in enumerate(graph.groups)}
    return [fewer, more]


def _try(
    network: nn.Module, graph: ChannelGraph, widths: Mapping[str, int], scaled: list[int] | None = None
) -> Mismatch | None:
    from lwdna_core.shrink.resize import rebuild

    kept = {g.name: [i % g.size for i in range(widths.get(g.name, g.size))] for g in graph.groups}
    return mismatch(rebuild(network, graph, kept, graph.device), graph, widths, scaled)


def _decide(
    network: nn.Module, graph: ChannelGraph, record: Record, fault: Mismatch, decisions: dict[Any, int | str]
) -> None:
    """Give the operation at fault its next reading, or freeze what flows through it, or find the groups at fault."""
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
        if decisions.get(index) != FREEZE and _free(graph, record, [*step.touched, *step.cores]):
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
        if any(_try(network, graph, {g.name: n}) for n in (max(min(2, g.size), g.size // 2), g.size + 1))
    ]
    for g in guilty or graph.groups:
        decisions[g.slots[0].tensor, g.slots[0].dim] = FREEZE


def _free(graph: ChannelGraph, record: Record, ids: Sequence[Tensor | None]) -> bool:
    """Whether any of these ids belongs to a group that can be resized."""
    free = {
        int(r)
        for g in graph.groups
        for r in record.ids.find(record.labels[g.slots[0].tensor, g.slots[0].dim])[g.slots[0].positions[:, 0]]
    }
    return any(not free.isdisjoint(record.ids.find(i).ravel().tolist()) for i in ids if i is not None)


def _nothing(graph: ChannelGraph) -> str:
    why = "; ".join(f"{f.name}: {f.reason}" for f in graph.frozen[:5]) or "no convolution or linear layer was run"
    return f"nothing in this network can be resized on inputs {list(map(list, graph.inputs))} ({why})"
