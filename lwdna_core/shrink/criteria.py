"""The criteria beside the paper's closed form: the published procedure to the letter, DHP's, a gate, the controls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from lwdna_core.shrink.errors import LossError
from lwdna_core.shrink.graph import ChannelGraph
from lwdna_core.shrink.hypernet import Hypernetwork, attach, redraw, sides
from lwdna_core.shrink.saliency import (
    Criterion,
    Loss,
    Scores,
    Settings,
    backward,
    by_group,
    computed,
    gradient,
    reached,
    unread,
)

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 1e-4
"""Of the published search: SGD on everything, latents and hypernetwork included."""
SPARSITY = 1e-4
"""DHP's weight of the l1 norm of the latents; its proximal step shrinks them by the learning rate times this."""


def hypernet(network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings) -> Scores:
    """|dL/dz| as the published code computes it (ofsoundof/Heterogeneity_Hypothesis, main_hh_grad.py).

    The real hypernetwork is trained by SGD, one step after each batch but the last, whose gradient alone is the score:
    with two batches, the gradient after one update. It takes 4 to 26 times the memory of the weights.
    """
    hyper, count = _train(network, graph, batches, loss, settings, last_step=False)
    gradient = hyper.latents.grad
    assert gradient is not None
    return Scores.of(by_group(graph, gradient.abs()), unread(graph, hyper.sides), count)


def value(network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings) -> Scores:
    """|z| itself, which the published ResNet path for ImageNet uses (resnet_imagenet_dhp.py ignores the gradient flag).

    Two batches move z by 1e-3 (correlation with the start: 1.0000), so this is the random initialisation: a control.
    """
    latents = redraw(network, graph, embedding=settings.embedding, seed=settings.seed, classifier=settings.classifier)
    return Scores.of(by_group(graph, latents.values.abs()), (), 0)


def magnitude(
    network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings
) -> Scores:
    """|z| after a warm-up with sparsity (DHP, Li et al., ECCV 2020, section 3.3).

    A proximal step of the l1 norm follows every SGD step. It is meant for many batches: with two it is `value`.
    """
    hyper, count = _train(network, graph, batches, loss, settings, last_step=True, sparsity=SPARSITY)
    return Scores.of(by_group(graph, hyper.latents.abs()), (), count)


def _train(
    network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings, *, last_step: bool,
    sparsity: float = 0.0,
) -> tuple[Hypernetwork, int]:  # fmt: skip
    """Train a network through its hypernetwork; the gradients of the last batch stay in `.grad`."""
    hyper = attach(network, graph, embedding=settings.embedding, seed=settings.seed, classifier=settings.classifier)
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)

    def step() -> None:
        optimizer.step()
        with torch.no_grad():  # soft threshold
            z = hyper.latents
            z.copy_(z.sign() * (z.abs() - LEARNING_RATE * sparsity).clamp_min(0))

    count = 0
    for batch in batches:
        if count and not last_step:
            step()
        optimizer.zero_grad()
        computed(loss, network, batch, count).backward()
        count += 1
        if last_step:
            step()
    if not count:
        raise LossError("no batches: the score needs at least one")
    if hyper.latents.grad is None:
        raise LossError("the loss does not depend on the network that it was given: no latent has a gradient")
    return hyper, count


def gate(network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings) -> Scores:
    """|dL/dg| of a gate g = 1 on every channel where it is read (Molchanov et al., CVPR 2019, section 3, Taylor-FO).

    A gate on an input channel of a layer scales the weights that read it, so dL/dg = sum of dL/dW * W over these, added
    up over the layers that read the channel. The network keeps the weights of its own initialisation.
    """
    read, latents = sides(network, graph, settings.classifier)
    count = backward(network, batches, loss)
    weights = dict(network.named_parameters())
    total = next(iter(weights.values())).detach().new_zeros(latents)
    for layer, ins, _ in read:
        weight = weights[layer.tensor]
        if weight.grad is not None:
            product = (weight.grad * weight.detach()).movedim(layer.in_dim, 0).flatten(1).sum(1)
            total.index_add_(0, ins.to(total.device), product)
    return Scores.of(by_group(graph, total.abs()), unread(graph, reached(network, read)), count)


def gate_per_mac(
    network: nn.Module, graph: ChannelGraph, batches: Iterable[Any], loss: Loss, settings: Settings
) -> Scores:
    """`gate` over the MACs that one channel of the group costs in the widened network.

    A budget of MACs is a knapsack, and that is filled in the order of value per cost; a threshold on the value alone
    takes a channel at full resolution for as cheap as one at a sixteenth of it.
    """
    scores, whole = gate(network, graph, batches, loss, settings), graph.macs()
    costs = {g.name: max(1, whole - graph.macs({g.name: g.size - 1})) for g in graph.groups}
    return Scores({name: v / costs[name] for name, v in scores.values.items()}, scores.unscored, scores.batches)


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


CRITERIA: dict[str, Criterion] = {
    "gradient": gradient, "hypernet": hypernet, "value": value, "magnitude": magnitude, "gate": gate,
    "gate_per_mac": gate_per_mac, "random": random, "uniform": uniform,
}  # fmt: skip
"""Every criterion by its name; "gradient" is the default."""
