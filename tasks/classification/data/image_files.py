"""Sets that are too large for memory: worker processes decode what the next batches need."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from lwdna_core.data.resident import stratified
from lwdna_core.errors import LwdnaError
from tasks.classification.data.decode import central_box, cut_out, random_box
from tasks.classification.data.image_table import Contents, ImageTable

_BOX = 4  # tells the random numbers of a box from those of an order: the last part of their key


@dataclass(frozen=True)
class ImageFiles:
    """Images in files with their labels, all of one size once decoded: uint8 batches (N, 3, size, size), channels last.

    A loader with a seed yields random boxes, each a function of (seed, epoch, index); one without, the centres.

    Attributes:
        images: N encoded images.
        contents: what they hold.
        labels: (N), int64.
        metainfo: `classes`, their names.
        size: height and width.
    """

    images: ImageTable
    contents: Contents
    labels: np.ndarray
    metainfo: Mapping[str, object]
    size: int

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all encoded images and labels, in order."""
        return hashlib.sha256(self.contents.digests.tobytes() + self.labels.astype("<i8").tobytes()).hexdigest()

    def loader(
        self,
        batch_size: int,
        device: torch.device | str,
        *,
        seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        workers: int = 0,
    ) -> FileLoader:
        """See `lwdna_core.data.dataset.DataSet`."""
        return FileLoader(self, batch_size, torch.device(device), seed, shard, workers)

    def subset(self, fraction: float, seed: int) -> ImageFiles:
        """See `lwdna_core.data.dataset.DataSet`."""
        chosen = stratified(self.labels, fraction, seed)
        contents = Contents(self.contents.digests[chosen], self.contents.sizes[chosen])
        return replace(self, images=self.images[chosen], contents=contents, labels=self.labels[chosen])


class _Decoder(Dataset[tuple[Tensor, Tensor]]):
    """What a worker process has: (epoch, index) pairs in, decoded images and labels out."""

    def __init__(self, data: ImageFiles, seed: int | None) -> None:
        self.data, self.seed = data, seed

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        data = self.data
        images = np.empty((len(keys), data.size, data.size, 3), np.uint8)
        for row, (epoch, index) in enumerate(keys):
            height, width = map(int, data.contents.sizes[index])
            if self.seed is None:
                box = central_box(height, width)
            else:
                box = random_box(height, width, np.random.default_rng((self.seed, epoch, index, _BOX)))
            try:
                images[row] = cut_out(data.images.read(index), box, (height, width), data.size)
            except (OSError, ValueError) as error:
                raise LwdnaError(f"{data.images.name(index)}: {error}") from error
        labels = data.labels[[index for _, index in keys]]
        return torch.from_numpy(images), torch.from_numpy(labels)


class _Batches(Sampler[list[tuple[int, int]]]):
    """The (epoch, index) pairs of this process's part of every batch.

    It knows nothing of its loader: in a cycle of references, workers take 10 seconds to end.
    """

    def __init__(self, count: int, batch_size: int, seed: int | None, shard: tuple[int, int]) -> None:
        self.count, self.batch_size, self.seed, self.shard = count, batch_size, seed, shard
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch, order = self.epoch, np.arange(self.count)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, epoch)).permutation(order)
        for start in range(0, self.count, self.batch_size):
            batch = order[start : start + self.batch_size]
            yield [(epoch, int(index)) for index in batch[self.shard[0] :: self.shard[1]]]


class FileLoader:
    """Iterates over ImageFiles in batches `{name: tensor}` on the device; the last one of an epoch may be smaller.

    Args:
        dataset: what to go through.
        batch_size: in total, over all processes.
        device: where batches go.
        seed: of order and boxes; None keeps the set's own order, and takes the centres.
        shard: (index, number) of this process among those that share every batch.
        workers: processes that decode, 0: this one. They live as long as the loader.
    """

    def __init__(
        self,
        dataset: ImageFiles,
        batch_size: int,
        device: torch.device,
        seed: int | None,
        shard: tuple[int, int],
        workers: int,
    ) -> None:
        self.dataset, self.device = dataset, device
        self._batches = _Batches(len(dataset), batch_size, seed, shard)
        self._decoded = DataLoader(
            _Decoder(dataset, seed),
            batch_sampler=self._batches,
            num_workers=workers,
            collate_fn=_as_it_is,
            pin_memory=device.type == "cuda",
            worker_init_fn=_one_thread,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # it would draw from the global one at every epoch
        )

    @property
    def epoch(self) -> int:
        """The epoch (from 0) that the next iteration goes through."""
        return self._batches.epoch

    def __len__(self) -> int:
        return len(self._batches)

    def samples(self, steps: int) -> int:
        """How many samples the first `steps` batches of a run hold."""
        epochs, rest = divmod(steps, len(self))
        return epochs * len(self.dataset) + rest * self._batches.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        self._batches.epoch = epoch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for images, labels in self._decoded:
            yield {
                "inputs": images.to(self.device, non_blocking=True).permute(0, 3, 1, 2),
                "labels": labels.to(self.device, non_blocking=True),
            }


def _as_it_is(batch: Any) -> Any:
    return batch


def _one_thread(_: int) -> None:
    cv2.setNumThreads(0)
