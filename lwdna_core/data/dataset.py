"""What a data set must be able to do to be trained on and evaluated with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self

import torch


class Loader(Protocol):
    """Goes through a set in batches. What it yields is a function of (seed, epoch) alone."""

    dataset: Any

    @property
    def epoch(self) -> int:
        """The epoch (from 0) that the next iteration goes through."""
        ...

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...

    def __iter__(self) -> Iterator[Any]: ...

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        ...

    def samples(self, steps: int) -> int:
        """How many samples the first `steps` batches of a run hold."""
        ...


class DataSet(Protocol):
    """A set of samples. `metainfo` is what mmengine hands to metrics (class names, for one)."""

    @property
    def metainfo(self) -> Mapping[str, object]: ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 that changes with the contents."""
        ...

    def __len__(self) -> int:
        """Samples in an epoch."""
        ...

    def loader(
        self,
        batch_size: int,
        device: torch.device | str,
        *,
        seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        workers: int = 0,
    ) -> Loader:
        """Batches `{name of an argument of the model's forward: tensor or list}`.

        Args:
            batch_size: in total, over all processes.
            device: where the batches, or the decoded samples that they are made from, should lie.
            seed: of the order; None keeps the set's own order (evaluation).
            shard: (index, number) of this process: it gets every number-th sample of each batch, from the index-th on.
            workers: processes that read and decode, for a set that does not lie in memory.
        """
        ...

    def subset(self, fraction: float, seed: int) -> Self:
        """A part of the set for a study of its size: stratified by class where there are classes, drawn from the seed.

        The smaller of two fractions is part of the larger one. At least one sample a class.
        """
        ...
