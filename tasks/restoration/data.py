"""Patches to train on, drawn on the fly from images in memory, and test images with their inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from lwdna_core.data.resident import stratified
from lwdna_core.data.transfer import sent
from lwdna_core.errors import LwdnaError
from tasks.restoration.store import ImageStore


@dataclass(frozen=True)
class PatchSet:
    """Squares out of images, and the same places of their low-resolution versions.

    Which ones is a function of (seed, epoch, step): an image uniformly among those chosen, a place uniformly in it.

    Attributes:
        hr: the images.
        lr: their low-resolution versions; None for denoising.
        size: side of a patch in `hr`.
        count: patches in an epoch.
        chosen: indices of the images that patches are drawn from.
        metainfo: "images" are the names of all images, "held_out" the test sets whose images are left out.
    """

    hr: ImageStore
    lr: ImageStore | None
    size: int
    count: int
    chosen: np.ndarray
    metainfo: Mapping[str, object]

    def __len__(self) -> int:
        return self.count

    @property
    def scale(self) -> int:
        return int(self.hr.sizes[0, 0] // self.lr.sizes[0, 0]) if self.lr else 1

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the images and of which are chosen; what is in the config is not repeated."""
        parts = [store.fingerprint for store in (self.hr, self.lr) if store]
        return hashlib.sha256(f"{parts} {self.chosen.tolist()}".encode()).hexdigest()

    def check_disjoint(self, tested: ImageSet) -> None:
        """Raise LwdnaError where the run is tested on a set whose images may be among those that are trained on."""
        held_out, sets = (cast(tuple[str, ...], about[key]) for about, key in (
            (self.metainfo, "held_out"), (tested.metainfo, "sets"),
        ))  # fmt: skip
        if open_ := [name for name in sets if name not in held_out]:
            raise LwdnaError(
                f"val_dataloader.dataset.sets has {', '.join(open_)}, train_dataloader.dataset.held_out does not: "
                "training images that show what these show would stay; name them there, too"
            )

    def loader(
        self,
        batch_size: int,
        device: torch.device | str,
        *,
        seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        workers: int = 0,
    ) -> PatchLoader:
        """See `lwdna_core.data.dataset.DataSet`; drawing patches takes no workers."""
        stores = {name: store.to(device) for name, store in (("inputs", self.lr), ("targets", self.hr)) if store}
        return PatchLoader(self, stores, batch_size, torch.device(device), seed or 0, shard)

    def subset(self, fraction: float, seed: int) -> PatchSet:
        """Patches of a part of the images, as many in an epoch as before: the recipe's length is counted in steps."""
        part = stratified(np.zeros(len(self.chosen), dtype=int), fraction, seed)
        return replace(self, chosen=self.chosen[part])


@dataclass
class PatchLoader:
    """Batches `{"inputs": (N, C, s, s), "targets": (N, C, S, S)}`, uint8, on the device; no inputs for denoising."""

    dataset: PatchSet
    stores: Mapping[str, ImageStore]
    batch_size: int
    device: torch.device
    seed: int
    shard: tuple[int, int]
    epoch: int = 0

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def samples(self, steps: int) -> int:
        """How many patches the first `steps` batches of a run hold."""
        epochs, rest = divmod(steps, len(self))
        return epochs * len(self.dataset) + rest * self.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) that the next iteration goes through."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for step in range(len(self)):
            yield self._batch(step)

    def _batch(self, step: int) -> dict[str, Tensor]:
        data, scale = self.dataset, self.dataset.scale
        random = np.random.default_rng((self.seed, self.epoch, step))
        images = random.choice(data.chosen, min(self.batch_size, len(data) - step * self.batch_size))
        # in units of low-resolution pixels
        tops, lefts = (random.integers(0, (data.hr.sizes[images, k] - data.size) // scale + 1) for k in (0, 1))
        own = slice(self.shard[0], None, self.shard[1])
        batch = {}
        for name, store in self.stores.items():
            unit = scale if name == "targets" else 1
            side = data.size if name == "targets" else data.size // scale
            patches = store.patches(images[own], unit * tops[own], unit * lefts[own], side)
            batch[name] = sent(patches, self.device)
        return batch


@dataclass(frozen=True)
class Pair:
    """An image, its name and set, and what the network gets: (C, h, w) in 0 .. 255."""

    name: str
    set: str
    inputs: Tensor
    target: Tensor


@dataclass(frozen=True)
class ImageSet:
    """Whole images of one or more sets, in order; see `tasks.restoration.metrics` for the batches."""

    images: tuple[Pair, ...]
    metainfo: Mapping[str, object]

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of names and contents."""
        digest = hashlib.sha256()
        for image in self.images:
            digest.update(f"{image.set}/{image.name} {image.target.shape} {image.inputs.shape}".encode())
            for tensor in (image.target, image.inputs):
                digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()

    def loader(
        self,
        batch_size: int,
        device: torch.device | str,
        *,
        seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        workers: int = 0,
    ) -> ImageLoader:
        """See `lwdna_core.data.dataset.DataSet`; the images stay in the host's memory until their turn comes."""
        return ImageLoader(self, batch_size, shard)

    def subset(self, fraction: float, seed: int) -> ImageSet:
        """A part of every set."""
        names = list(dict.fromkeys(image.set for image in self.images))
        chosen = stratified(np.array([names.index(image.set) for image in self.images]), fraction, seed)
        return replace(self, images=tuple(self.images[index] for index in chosen))


@dataclass
class ImageLoader:
    """Batches of images, as lists: their sizes differ."""

    dataset: ImageSet
    batch_size: int
    shard: tuple[int, int]
    epoch: int = 0

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def samples(self, steps: int) -> int:
        return min(steps * self.batch_size, len(self.dataset))

    def set_epoch(self, epoch: int) -> None:
        """The order is always the same."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[dict[str, list[Any]]]:
        images = self.dataset.images
        for start in range(0, len(images), self.batch_size):
            own = images[start : start + self.batch_size][self.shard[0] :: self.shard[1]]
            yield {
                "inputs": [image.inputs for image in own],
                "targets": [image.target for image in own],
                "name": [image.name for image in own],
                "set": [image.set for image in own],
            }
