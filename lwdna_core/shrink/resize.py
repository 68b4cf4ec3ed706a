"""Gives every channel group a new width. Widening and shrinking are this one operation, done by surgery on a copy.

Tensors that a group governs are re-indexed, the modules' own attributes follow, and the result is run once on the
meta device, where every operation must put out the shape that the graph predicts.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lwdna_core.shrink.errors import ResizeError
from lwdna_core.shrink.graph import ChannelGraph, Tokens, check_names
from lwdna_core.shrink.proof import mismatch

Widths = Mapping[str, int | Sequence[int]]


def resize(network: nn.Module, graph: ChannelGraph, widths: Widths, *, initialise: bool = False) -> nn.Module:
    """A network of the same classes in which groups have other widths; `network` itself is not modified.

    Args:
        network: the network that `graph` was traced from (or one built alike).
        widths: by group name, either how many channels (the first ones stay, or new ones are added), or which elements
            stay, in this order. Groups that are not named keep their channels.
        initialise: draw all parameters afresh by the network's own rule (see `initialise_weights`). Without it, tensors
            that only shrink keep their values, and those that grow are drawn afresh.

    Raises:
        ResizeError: for unknown groups, widths below 1, elements out of range or named twice, tensors whose shape is
            not the graph's, and for a network that does not behave as the graph predicts at the new widths.
    """
    kept = _kept(graph, widths)
    resized = rebuild(network, graph, kept)
    fault = mismatch(resized, graph, {name: len(k) for name, k in kept.items()})
    if fault is not None:
        raise ResizeError(f"at the new widths the network does not do what its analysis says: {fault}")
    grown = [g for g in graph.groups if len(kept[g.name]) > g.size]
    if initialise:
        initialise_weights(resized)
    elif grown:
        new = {slot.tensor for g in grown for slot in g.slots}
        own = {n: t.detach().clone() for n, t in resized.state_dict().items() if n not in new}
        initialise_weights(resized)
        resized.load_state_dict(own, strict=False)
    return resized


@torch.no_grad()
def initialise_weights(network: nn.Module) -> None:
    """Draw all trained parameters by the network's own rule.

    That is the `reset_parameters()` of every module, then `init_weights()` of the outermost modules that have it, by
    which a network says more. A network that initialises in its constructor says nothing, and gets torch's defaults.
    Parameters outside such modules stay, and so do those that are not trained (preprocessing with fixed weights).
    """
    trained = any(p.requires_grad for p in network.parameters())
    fixed = {p: p.clone() for p in network.parameters() if trained and not p.requires_grad}
    for module in network.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
    _init_weights(network)
    for p, values in fixed.items():
        p.copy_(values)


def _init_weights(module: nn.Module) -> None:
    if callable(own := getattr(module, "init_weights", None)):
        own()
    else:
        for child in module.children():
            _init_weights(child)


def _kept(graph: ChannelGraph, widths: Widths) -> dict[str, list[int]]:
    """For every group, which of its elements each new channel comes from; new ones repeat the old in order."""
    check_names(widths, [g.name for g in graph.groups])
    kept = {}
    for g in graph.groups:
        wanted = widths.get(g.name, g.size)
        if isinstance(wanted, (int, np.integer)):
            if wanted < 1:
                raise ResizeError(f"group {g.name!r} cannot have {wanted} channels, only 1 or more")
            kept[g.name] = [i % g.size for i in range(int(wanted))]
        else:
            elements = [int(i) for i in wanted]
            if not elements or len(set(elements)) < len(elements) or min(elements) < 0 or max(elements) >= g.size:
                raise ResizeError(
                    f"group {g.name!r} has elements 0 to {g.size - 1}; each may be kept once, got {elements}"
                )
            kept[g.name] = elements
    return kept


def rebuild(
    network: nn.Module, graph: ChannelGraph, kept: Mapping[str, Sequence[int]], device: str | None = None
) -> nn.Module:
    """The surgery alone, without a check. `device="meta"` makes a copy without data."""
    memo: dict[int, Any] = {}
    changed: set[str] = set()
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    lists = [np.asarray(kept[g.name]) for g in graph.groups]
    for (name, dim), token in graph.tokens.items():
        if name not in tensors or tensors[name].size(dim) != len(token.element):
            found = list(tensors[name].shape) if name in tensors else "nothing"
            raise ResizeError(f"{name}: expected {len(token.element)} channels on dimension {dim}, found {found}")
    for name, t in tensors.items():
        new, shape = t.detach(), list(t.shape)
        for dim in range(t.dim()):
            if (name, dim) in graph.tokens and (token := graph.tokens[name, dim]).runs:
                changed.add(name)
                if device == "meta":
                    shape[dim] += sum(copies * (len(lists[g]) - graph.groups[g].size) for g, _, copies in token.runs)
                else:
                    new = new.index_select(dim, torch.from_numpy(_index(graph, token, lists)).to(new.device))
        if device == "meta":
            new = torch.empty(shape, dtype=t.dtype, device=device)
        if device or name in changed:
            memo[id(t)] = nn.Parameter(new, t.requires_grad) if isinstance(t, nn.Parameter) else new
    result = copy.deepcopy(network, memo)
    for path, module in result.named_modules():
        prefix = f"{path}." if path else ""
        if any(prefix + n.rpartition(".")[0] in (prefix, prefix + "parametrizations.weight") or "." not in n
               for n in _own(module) if prefix + n in changed):  # fmt: skip
            _follow(module)
    for a in graph.attributes:
        size = a.form[0] + sum(n * len(kept[graph.groups[g].name]) for g, n in a.form[1])
        module = result.get_submodule(a.module)
        if a.entry is None:
            setattr(module, a.name, size)
        else:
            held = list(getattr(module, a.name))
            held[a.entry] = size
            setattr(module, a.name, type(getattr(module, a.name))(held))
    return result


def _own(module: nn.Module) -> list[str]:
    """Names of a module's own tensors, those behind parametrizations included."""
    names = [*module._parameters, *module._buffers]
    if (hidden := getattr(module, "parametrizations", None)) is not None:
        names += [f"parametrizations.{n}" for n, _ in (*hidden.named_parameters(), *hidden.named_buffers())]
    return names


def _index(graph: ChannelGraph, token: Tokens, kept: list[np.ndarray]) -> np.ndarray:
    """Which old index every new index along a dimension comes from: run by run, fixed entries stay."""
    pieces, at = [], 0
    for g, start, copies in token.runs:
        pieces += [np.arange(at, start), (start + copies * kept[g][:, None] + np.arange(copies)).ravel()]
        at = start + copies * graph.groups[g].size
    return np.concatenate([*pieces, np.arange(at, len(token.element))])


def _follow(module: nn.Module) -> None:
    """A module's own attributes, from the shapes of its tensors."""
    weight = getattr(module, "weight", None)
    weight = weight if isinstance(weight, Tensor) else None
    if isinstance(module, nn.modules.conv._ConvNd) and weight is not None:
        ins, outs = (0, 1) if module.transposed else (1, 0)
        if module.groups == module.in_channels and module.groups > 1:  # depthwise
            multiplier = module.out_channels // module.in_channels
            module.groups = weight.size(0) if module.transposed else weight.size(0) // multiplier
        module.in_channels = weight.size(ins) * (1 if module.transposed else module.groups)
        module.out_channels = weight.size(outs) * (module.groups if module.transposed else 1)
    elif isinstance(module, nn.Linear) and weight is not None:
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, nn.modules.batchnorm._NormBase):
        own = next((t for t in (weight, module.running_mean) if t is not None), None)
        module.num_features = module.num_features if own is None else own.numel()
    elif isinstance(module, nn.GroupNorm) and weight is not None:
        if module.num_groups == module.num_channels:
            module.num_groups = weight.numel()
        module.num_channels = weight.numel()
    elif isinstance(module, (nn.LayerNorm, nn.RMSNorm)) and weight is not None:
        module.normalized_shape = tuple(weight.shape)
    elif isinstance(module, nn.PReLU) and weight is not None:
        module.num_parameters = weight.numel()
