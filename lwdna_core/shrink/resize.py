"""Gives every channel group a new width. Widening and shrinking are this one operation, done by surgery on a copy.

Tensors that a group governs are re-indexed, the modules' own attributes follow, and the result is run once on the
meta device, where every operation must put out the shape that the graph predicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import nn

from lwdna_core.shrink.errors import ResizeError
from lwdna_core.shrink.follower import mismatch
from lwdna_core.shrink.forward import uncollected
from lwdna_core.shrink.graph import ChannelGraph, check_names
from lwdna_core.shrink.initialise import initialise_weights
from lwdna_core.shrink.subject import Subject
from lwdna_core.shrink.surgery import rebuild

Widths = Mapping[str, int | Sequence[int]]


@uncollected()
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
    resized = rebuild(Subject(network), graph, kept)
    fault = mismatch(resized, graph, {name: len(k) for name, k in kept.items()})
    if fault is not None:
        raise ResizeError(f"at the new widths the network does not do what its analysis says: {fault}")
    grown = [g for g in graph.groups if len(kept[g.name]) > g.size]
    result = resized.network
    if initialise:
        initialise_weights(result)
    elif grown:
        new = {slot.tensor for g in grown for slot in g.slots}
        own = {n: t.detach().clone() for n, t in result.state_dict().items() if n not in new}
        initialise_weights(result)
        result.load_state_dict(own, strict=False)
    return result


def _kept(graph: ChannelGraph, widths: Widths) -> dict[str, np.ndarray]:
    """For every group, which of its elements each new channel comes from; new ones repeat the old in order."""
    check_names(widths, [g.name for g in graph.groups])
    kept: dict[str, np.ndarray] = {}
    for g in graph.groups:
        wanted = widths.get(g.name, g.size)
        several = hasattr(wanted, "__len__") and getattr(wanted, "ndim", 1) == 1
        if isinstance(wanted, (bool, str, bytes, Mapping)) or not (several or isinstance(wanted, (int, np.integer))):
            raise ResizeError(f"group {g.name!r}: expected a number of channels or a list of elements, got {wanted!r}")
        if isinstance(wanted, (int, np.integer)):
            if wanted < 1:
                raise ResizeError(f"group {g.name!r} cannot have {wanted} channels, only 1 or more")
            kept[g.name] = np.arange(wanted) % g.size if wanted > g.size else np.arange(wanted)
        else:
            elements = [int(i) for i in wanted]
            if not elements or len(set(elements)) < len(elements) or min(elements) < 0 or max(elements) >= g.size:
                raise ResizeError(
                    f"group {g.name!r} has elements 0 to {g.size - 1}; each may be kept once, got {elements}"
                )
            kept[g.name] = np.array(elements)
    return kept
