"""Scores of latent elements, and the criterion of the paper. `criteria` has the others, and the table of all.

A criterion is a function (network, graph, batches, loss, settings) -> score per element of every group. It may do with
the widened network what it likes. Scores are compared across all groups by one threshold, so they need one scale; only
their order counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lwdna_core.errors import LwdnaError
from lwdna_core.shrink.errors import LossError
from lwdna_core.shrink.graph import ChannelGraph
from lwdna_core.shrink.hypernet import Latents, Side, redraw

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

    @classmethod
    def of(cls, values: dict[str, Tensor], unscored: tuple[str, ...], batches: int) -> Scores:
        """From tensors on any device."""
        return cls({name: v.detach().double().cpu().numpy() for name, v in values.items()}, unscored, batches)


def gradient(network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings) -> Scores:
    """|dL/dz|, the criterion of the paper (section 3.2), in closed form on plain weights; see `gradient_score`.

    The weights are redrawn, and the gradient is averaged over the batches without updates.
    """
    latents = redraw(network, graph, embedding=settings.embedding, seed=settings.seed, classifier=settings.classifier)
    count = backward(network, batches, loss)
    return Scores.of(gradient_score(network, graph, latents), unread(graph, reached(network, latents.layers)), count)


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
    return by_group(graph, (total / latents.values).abs())


def by_group(graph: ChannelGraph, latents: Tensor) -> dict[str, Tensor]:
    """A value per latent variable, those of the free groups first, as a vector per group."""
    sizes = [g.size for g in graph.groups]
    return dict(zip(graph.widths, latents[: sum(sizes)].split(sizes), strict=True))


def reached(network: nn.Module, layers: Iterable[Side]) -> list[Side]:
    """The layers that the loss depends on: those whose weights have a gradient other than zero."""
    gradients = {name: p.grad for name, p in network.named_parameters()}
    return [side for side in layers if (g := gradients[side[0].tensor]) is not None and bool((g != 0).any())]


def unread(graph: ChannelGraph, layers: Iterable[Side]) -> tuple[str, ...]:
    """Groups that no generated layer reads: their score would be noise, since a layer before a normalisation is
    scale-invariant in what it makes.
    """
    read = {(layer.tensor, layer.in_dim) for layer, _, _ in layers}
    return tuple(
        g.name for g in graph.groups if not any((s.tensor, s.dim) in read for s in g.slots if s.role == "reads")
    )


def backward(network: nn.Module, batches: Iterable[Any], loss: Loss) -> int:
    """Average the gradient of the loss over batches into `.grad`; returns their number.

    Raises:
        LossError: if there is no batch, or the loss fails, is no scalar, not finite, or has no gradient.
    """
    network.zero_grad(set_to_none=True)
    count = 0
    for batch in batches:
        computed(loss, network, batch, count).backward()
        count += 1
    if not count:
        raise LossError("no batches: the score needs at least one")
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not gradients:
        raise LossError("the loss does not depend on the network that it was given: no parameter has a gradient")
    for g in gradients:
        g /= count
    return count


def computed(loss: Loss, network: nn.Module, batch: Any, index: int) -> Tensor:
    """The loss on a batch; the errors are those of `backward`."""
    try:
        value = loss(network, batch)
    except (LwdnaError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of a network that does not fit the batch, for one
        raise LossError(f"the loss fails on batch {index}: {type(error).__name__}: {error}") from error
    if not isinstance(value, Tensor) or value.numel() != 1:
        what = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise LossError(f"the loss must be one number in a tensor, got {what} on batch {index}")
    if not value.requires_grad:
        raise LossError(f"the loss on batch {index} has no gradient: it must depend on the network's parameters, "
                        "outside torch.no_grad() and without .item() or .detach()")  # fmt: skip
    if not torch.isfinite(value):
        raise LossError(f"the loss on batch {index} is {value.item()}: {_culprit(batch)}")
    return value


def _culprit(batch: Any) -> str:
    from torch.utils._pytree import tree_leaves

    bad = [i for i, t in enumerate(tree_leaves(batch)) if isinstance(t, Tensor) and not torch.isfinite(t).all()]
    return f"tensor {bad[0]} of the batch holds NaN or infinity" if bad else "the batch itself is finite"
