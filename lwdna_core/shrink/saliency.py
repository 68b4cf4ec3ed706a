"""Scores of latent elements. A criterion is a function (network, graph, batches, loss, settings) -> score per element.

Scores are compared across all groups by one threshold, so they need one scale; only their order counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lwdna_core.shrink.errors import LossError
from lwdna_core.shrink.graph import ChannelGraph
from lwdna_core.shrink.hypernet import Latents, redraw

Loss = Callable[[nn.Module, Any], Tensor]


@dataclass(frozen=True)
class Settings:
    """What a criterion may depend on: m, whether the classifier counts as a reader, and the seed of all draws."""

    embedding: int = 8
    classifier: bool = True
    seed: int = 0


Criterion = Callable[[nn.Module, ChannelGraph, Iterable[Any], Loss, Settings], "Scores"]


@dataclass(frozen=True)
class Scores:
    """Score per element by group, the groups that no scored layer reads, and the number of batches used."""

    values: dict[str, np.ndarray]
    unscored: tuple[str, ...]
    batches: int


def gradient(network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings) -> Scores:
    """|dL/dz|, the criterion of the paper (section 3.2), in closed form on plain weights; see `gradient_score`.

    The weights are redrawn, and the gradient is averaged over the batches without updates.
    """
    latents = redraw(network, graph, embedding=settings.embedding, seed=settings.seed, classifier=settings.classifier)
    count = backward(network, batches, loss)
    scores = gradient_score(network, graph, latents)
    return Scores({n: s.cpu().numpy() for n, s in scores.items()}, unread(graph, latents), count)


def gradient_score(network: nn.Module, graph: ChannelGraph, latents: Latents) -> dict[str, Tensor]:
    """|dL/dz| per element of every group, from the gradients that the redrawn weights hold.

    With the hypernetwork's biases at 0, W = z_a z_b^T * V, hence dL/dz_b[j] = sum over i, k of
    (dL/dW * W)[j, i, k] / z_b[j], and alike for z_a; the contributions of all layers that share a latent add up.
    """
    weights = dict(network.named_parameters())
    total = torch.zeros_like(latents.values)
    for layer, ins, outs in latents.layers:
        weight = weights[layer.tensor]
        if weight.grad is None:
            continue
        product = (weight.grad * weight.detach()).movedim((layer.in_dim, layer.out_dim), (0, 1))
        product = product.reshape(*product.shape[:2], -1).sum(2)
        total.index_add_(0, ins.to(total.device), product.sum(1))
        total.index_add_(0, outs.to(total.device), product.sum(0))
    score, found, start = (total / latents.values).abs(), {}, 0
    for g in graph.groups:
        found[g.name], start = score[start : start + g.size], start + g.size
    return found


def unread(graph: ChannelGraph, latents: Latents) -> tuple[str, ...]:
    """Groups that no generated layer reads: their score would be noise (a layer before a normalisation is
    scale-invariant in what it makes).
    """
    read = {(layer.tensor, layer.in_dim) for layer, _, _ in latents.layers}
    return tuple(
        g.name for g in graph.groups if not any((s.tensor, s.dim) in read for s in g.slots if s.role == "reads")
    )


def uniform(network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings) -> Scores:
    """A control: every group keeps the same share."""
    return _shares(graph, np.ones(len(graph.groups)))


def random(network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings) -> Scores:
    """A control: one keep ratio ~ U(0, 1) per group, then scaled for all groups alike until the budget is met.

    Independent scores per channel would give a nearly uniform network.
    """
    return _shares(graph, np.random.default_rng(settings.seed).uniform(size=len(graph.groups)))


def _shares(graph: ChannelGraph, ratios: np.ndarray) -> Scores:
    """Scores under which any threshold keeps the groups' shares in proportion to `ratios`: -(j / n) / ratio."""
    return Scores({g.name: -np.arange(g.size) / (g.size * r) for g, r in zip(graph.groups, ratios, strict=True)}, (), 0)


CRITERIA: dict[str, Criterion] = {"gradient": gradient, "random": random, "uniform": uniform}


def backward(network: nn.Module, batches: Iterable[Any], loss: Loss) -> int:
    """Average the gradient of the loss over batches into `.grad`; returns their number.

    Raises:
        LossError: if there is no batch, or the loss is no scalar, not finite, or has no gradient.
    """
    network.zero_grad(set_to_none=True)
    count = 0
    for batch in batches:
        value = loss(network, batch)
        if not isinstance(value, Tensor) or value.numel() != 1:
            what = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise LossError(f"the loss must be one number in a tensor, got {what} on batch {count}")
        if not value.requires_grad:
            raise LossError(f"the loss on batch {count} has no gradient: it must depend on the network's parameters, "
                            "outside torch.no_grad() and without .item() or .detach()")  # fmt: skip
        if not torch.isfinite(value):
            raise LossError(f"the loss on batch {count} is {value.item()}: {_culprit(batch)}")
        value.backward()
        count += 1
    if not count:
        raise LossError("no batches: the score needs at least one")
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not gradients:
        raise LossError("the loss does not depend on the network that it was given: no parameter has a gradient")
    for g in gradients:
        g /= count
    return count


def _culprit(batch: Any) -> str:
    from torch.utils._pytree import tree_leaves

    bad = [i for i, t in enumerate(tree_leaves(batch)) if isinstance(t, Tensor) and not torch.isfinite(t).all()]
    return f"tensor {bad[0]} of the batch holds NaN or infinity" if bad else "the batch itself is finite"
