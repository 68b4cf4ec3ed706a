"""The judge: torch's eager output of real modules, in float64.

A shrunk network must equal the original in which everything that reads a dropped channel has weight zero.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from lwdna_core.shrink import ChannelGraph, resize

TOLERANCE = 1e-10

Inputs = Tensor | tuple[Any, ...] | dict[str, Any]


def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Makes the network double and every parameter and buffer random, so that no coincidence hides an error."""
    network.double()
    draw = torch.Generator().manual_seed(seed)

    def uniform(t: Tensor) -> Tensor:
        return torch.rand(t.shape, generator=draw, dtype=torch.float64) + 0.5

    def normal(t: Tensor, std: float) -> Tensor:
        return torch.randn(t.shape, generator=draw, dtype=torch.float64) * std

    with torch.no_grad():
        for name, p in network.named_parameters():
            if p.dim() > 1:
                p.copy_(normal(p, max(p[0].numel(), 1) ** -0.5))
            else:
                p.copy_(uniform(p) if name.endswith("weight") else normal(p, 0.3))
        for name, b in network.named_buffers():
            if b.is_floating_point():
                b.copy_(uniform(b) if name.endswith("var") else normal(b, 0.3))
    return network


def example(inputs: Inputs, seed: int = 0) -> Inputs:
    """Random float64 inputs of the same shapes and structure."""
    draw = torch.Generator().manual_seed(seed)
    return tree_map_only(Tensor, lambda t: torch.randn(t.shape, generator=draw, dtype=torch.float64), inputs)


def call(network: nn.Module, inputs: Inputs) -> Any:
    if isinstance(inputs, dict):
        return network(**inputs)
    return network(*inputs) if isinstance(inputs, tuple) else network(inputs)


def outputs(network: nn.Module, inputs: Inputs) -> list[Tensor]:
    """All output tensors, in a fixed order."""
    with torch.no_grad():
        return tensors(call(network, inputs))


def tensors(tree: Any) -> list[Tensor]:
    return [t for t in torch.utils._pytree.tree_leaves(tree) if isinstance(t, Tensor)]


def difference(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest deviation relative to the largest entry, over all outputs."""
    assert len(found) == len(expected) > 0
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and torch.isfinite(b).all()
        worst = max(worst, float((a - b).abs().max() / b.abs().max().clamp_min(1e-300)))
    return worst


def masked(
    network: nn.Module, graph: ChannelGraph, kept: Mapping[str, Sequence[int]], silent: Iterable[str] = ()
) -> nn.Module:
    """The original with the dropped channels' outgoing weights set to zero.

    Groups in `silent` are contracted by the product of two activations (cross-correlation, attention): no weight reads
    them, so there what makes the dropped channels is zeroed instead (exact where only 0-preserving operations follow).
    """
    network = copy.deepcopy(network)
    named = {
        **dict(network.named_parameters(remove_duplicate=False)),
        **dict(network.named_buffers(remove_duplicate=False)),
    }
    with torch.no_grad():
        for group in graph.groups:
            dropped = np.setdiff1d(np.arange(group.size), kept.get(group.name, range(group.size)))
            for slot in group.slots:
                assert slot.positions.shape[0] == group.size
                if dropped.size and (
                    slot.role == "reads" or (group.name in silent and not slot.tensor.endswith("_var"))
                ):
                    where = torch.as_tensor(slot.positions[dropped].reshape(-1))
                    assert int(where.min()) >= 0 and int(where.max()) < named[slot.tensor].shape[slot.dim]
                    named[slot.tensor].index_fill_(slot.dim, where, 0.0)
    return network


def subsets(graph: ChannelGraph, seed: int, names: Iterable[str] | None = None) -> dict[str, list[int]]:
    """A random non-empty subset of the elements of every group (or of those named), in order."""
    draw = np.random.default_rng(seed)
    chosen = {g.name for g in graph.groups} if names is None else set(names)
    kept = {}
    for g in graph.groups:
        subset = np.sort(draw.permutation(g.size)[: draw.integers(1, g.size + 1)]).tolist()
        if g.name in chosen:
            kept[g.name] = subset
    return kept


def exact_groups(graph: ChannelGraph) -> list[str]:
    """The groups that have a masked reference: nothing mixes their channels."""
    return [g.name for g in graph.groups if not g.mixed_by]


def assert_exact(
    network: nn.Module,
    graph: ChannelGraph,
    inputs: Inputs,
    kept: Mapping[str, Sequence[int]],
    silent: Iterable[str] = (),
) -> nn.Module:
    """resize(kept) equals the masked original on random inputs of the example's shape; returns the resized network."""
    small = resize(network, graph, kept)
    x = example(inputs, seed=1)
    found, expected = outputs(small, x), outputs(masked(network, graph, kept, silent), x)
    error = difference(found, expected)
    assert error <= TOLERANCE, f"differs by {error:.2e} from the masked original when keeping {dict(kept)}"
    return small


def assert_runs(network: nn.Module, inputs: Inputs) -> None:
    """Forward and backward run, and every trainable parameter that takes part gets a finite gradient."""
    network.zero_grad()
    loss = sum(t.square().mean() for t in tensors(call(network, example(inputs, seed=2))) if t.requires_grad)
    assert isinstance(loss, Tensor), "no output depends on a parameter"
    loss.backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    assert grads and all(torch.isfinite(g).all() for g in grads)
    network.zero_grad()


def counted(network: nn.Module, inputs: Inputs) -> tuple[int, int]:
    """(MACs, parameters) as torch's own counter and the parameters themselves say."""
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        call(copy.deepcopy(network), inputs)
    assert counter.get_total_flops() % 2 == 0
    return counter.get_total_flops() // 2, sum(p.numel() for p in network.parameters())


def changes(before: Mapping[str, Tensor], network: nn.Module) -> list[str]:
    """Names of what differs between a remembered state_dict and the network's."""
    after = network.state_dict()
    assert list(before) == list(after)
    return [k for k in before if before[k].shape != after[k].shape or not torch.equal(before[k], after[k])]


def remember(network: nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in network.state_dict().items()}
