"""A search without data: normal inputs, random targets, and a loss for any output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lwdna_core.shrink import LossError


class NoiseBatch(NamedTuple):
    """Inputs of a network, and the seed of the targets, whose shapes only the network knows."""

    inputs: tuple[Tensor, ...]
    seed: int


def noise_batches(
    shapes: Sequence[tuple[int, ...]], batches: int, batch_size: int, seed: int, device: str
) -> list[NoiseBatch]:
    """Draw `batches` batches of normal inputs of `shapes` (batch dimension left out), the same on every device."""
    generator = torch.Generator().manual_seed(seed)
    return [
        NoiseBatch(tuple(torch.randn(batch_size, *shape, generator=generator).to(device) for shape in shapes), number)
        for number in torch.randint(2**62, (batches,), generator=generator).tolist()
    ]


def noise_loss(network: nn.Module, batch: NoiseBatch) -> Tensor:
    """Cross-entropy with random labels for an N x K output, mean squared error against normal noise for any other.

    Summed over the floating-point tensors in the output (tuples, lists and mappings too). LossError: there are none.
    """
    generator = torch.Generator().manual_seed(batch.seed)
    losses = []
    for output in _floating_tensors(network(*batch.inputs)):
        if output.dim() == 2 and output.shape[1] > 1:  # cross-entropy over a single class is constant
            labels = torch.randint(output.shape[1], (len(output),), generator=generator)
            losses.append(functional.cross_entropy(output, labels.to(output.device)))
        else:
            losses.append(functional.mse_loss(output, torch.randn(output.shape, generator=generator).to(output)))
    if not losses:
        raise LossError("the network returns no floating-point tensor (looked for in tuples, lists and mappings)")
    return torch.stack(losses).sum()


def _floating_tensors(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, (Mapping, tuple, list)):
        for item in output.values() if isinstance(output, Mapping) else output:
            yield from _floating_tensors(item)
