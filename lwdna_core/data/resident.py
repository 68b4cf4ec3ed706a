"""Sets that live on the device as they are (images as uint8): batches by index, in an order that (seed, epoch) gives.

No workers, no copies from the host, no state: two arms, or a run and its resumption, see the same batches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

_AT_ONCE = 8  # batches


@dataclass(frozen=True)
class ResidentSet:
    """A data set in memory: arrays of the same length by the name that the model's `forward` gives them.

    `metainfo` is what mmengine hands to metrics and checkpoints (class names, for one).
    """

    arrays: Mapping[str, Tensor]
    metainfo: Mapping[str, object]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of names, types, shapes and contents."""
        digest = hashlib.sha256()
        for name, array in sorted(self.arrays.items()):
            digest.update(f"{name} {array.dtype} {tuple(array.shape)}".encode())
            digest.update(array.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def to(self, device: torch.device | str) -> ResidentSet:
        return ResidentSet({name: array.to(device) for name, array in self.arrays.items()}, self.metainfo)

    def loader(
        self,
        batch_size: int,
        device: torch.device | str,
        *,
        seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        workers: int = 0,
    ) -> ResidentLoader:
        """See `lwdna_core.data.dataset.DataSet`; a set in memory has no use for workers."""
        return ResidentLoader(self.to(device), batch_size, seed, shard)

    def subset(self, fraction: float, seed: int) -> ResidentSet:
        """See `lwdna_core.data.dataset.DataSet`; the classes are those in the array `labels`, where there is one."""
        labels = self.arrays["labels"].cpu().numpy() if "labels" in self.arrays else np.zeros(len(self), dtype=int)
        chosen = torch.from_numpy(stratified(labels, fraction, seed))
        return ResidentSet({name: array[chosen.to(array.device)] for name, array in self.arrays.items()}, self.metainfo)


def stratified(labels: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Ascending indices of `fraction` of the samples of every class (at least one each), drawn from the seed.

    Those of a smaller fraction are among those of a larger one.

    Args:
        labels: (N), integers.
        fraction: in (0, 1].
    """
    chosen = []
    for label in np.unique(labels):
        members = np.random.default_rng((seed, int(label))).permutation(np.flatnonzero(labels == label))
        chosen.append(members[: max(1, round(fraction * len(members)))])
    return np.sort(np.concatenate(chosen))


class ResidentLoader:
    """Iterates over a ResidentSet in batches `{name: tensor}`; the last one of an epoch may be smaller.

    Args:
        dataset: it determines the device.
        batch_size: in total, over all devices.
        seed: None keeps the set's own order (evaluation); otherwise (seed, epoch) determines an epoch's order.
        shard: (index, number) of this process among those that share every batch.
    """

    def __init__(
        self, dataset: ResidentSet, batch_size: int, seed: int | None = None, shard: tuple[int, int] = (0, 1)
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.shard = shard
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def samples(self, steps: int) -> int:
        """How many samples the first `steps` batches of a run hold."""
        epochs, rest = divmod(steps, len(self))
        return epochs * len(self.dataset) + rest * self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) that the next iteration goes through."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        arrays = self.dataset.arrays
        order = np.arange(len(self.dataset))
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        indices = torch.from_numpy(order).to(next(iter(arrays.values())).device)
        # several batches at once: a GPU is slower to start an operation than to do it
        for several in torch.split(indices, _AT_ONCE * self.batch_size):
            gathered = {name: array[several] for name, array in arrays.items()}
            for start in range(0, len(several), self.batch_size):
                own = slice(start + self.shard[0], start + self.batch_size, self.shard[1])
                yield {name: array[own] for name, array in gathered.items()}
