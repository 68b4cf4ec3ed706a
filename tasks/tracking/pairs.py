"""Training pairs: two frames of one sequence, at most so many frames apart, cut roughly around the target.

The exact crops, with their random shifts and scales, are made in batches on the device (`model.PairPreprocessor`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from lwdna_core.errors import LwdnaError
from tasks.tracking.crops import EXEMPLAR, SEARCH, context_side, to_centre
from tasks.tracking.evaluation.names import canonical
from tasks.tracking.same_files import same_file
from tasks.tracking.sequences import Sequence as Frames

LEAST_SIDE = 10
"""Pixels; a smaller target is not learned from."""
MARGIN = 1.8
"""How far the rough cut reaches, relative to the search image: the exact one is shifted and scaled."""
_MOST = round(2 * SEARCH * MARGIN)
"""Pixels of a rough cut's side at most, twice those of an exact one: a target that fills a large frame costs little."""


class PairSet:
    """Pairs drawn at random from sequences; see `lwdna_core.data.dataset.DataSet`.

    Args:
        sequences: a sequence of one frame, a still image, gives pairs of that frame with itself.
        pairs: samples in an epoch.
        distance: frames between the two, at most.

    Raises LwdnaError if no frame of a sequence has a box that can be learned from.
    """

    def __init__(self, sequences: Sequence[Frames], pairs: int, distance: int = 100) -> None:
        self.sequences, self.pairs, self.distance = tuple(sequences), pairs, distance
        self.metainfo: Mapping[str, object] = {}
        self._usable = []
        for sequence in self.sequences:
            sizes = sequence.boxes[:, 2:]
            usable = np.flatnonzero(np.isfinite(sequence.boxes).all(1) & (sizes >= LEAST_SIDE).all(1))
            if not len(usable):
                raise LwdnaError(f"sequence {sequence.name}: no box of at least {LEAST_SIDE} x {LEAST_SIDE} pixels")
            self._usable.append(usable)

    def __len__(self) -> int:
        return self.pairs

    @cached_property
    def fingerprint(self) -> str:
        parts = [f"{self.pairs} {self.distance}", *(sequence.fingerprint for sequence in self.sequences)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def subset(self, fraction: float, seed: int) -> PairSet:
        """So large a part of the sequences, and of the pairs of an epoch."""
        order = np.random.default_rng(seed).permutation(len(self.sequences))
        chosen = np.sort(order[: max(1, round(fraction * len(order)))])
        pairs = max(1, round(fraction * self.pairs))
        return PairSet([self.sequences[i] for i in chosen], pairs, self.distance)

    def loader(
        self,
        batch_size: int,
        device: torch.device | str,
        *,
        seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        workers: int = 0,
    ) -> PairLoader:
        return PairLoader(self, batch_size, device, seed or 0, shard, workers)

    def check_disjoint(self, tested: Any) -> None:
        """Raise LwdnaError if a sequence is tested as well: by its name, or by a frame that is the same file.

        Names are compared without case and joiner. Every frame is looked for among all those that are tested, so any
        part of a sequence is found under any name; the same footage in another compression is not.
        """
        names = {canonical(sequence.name): sequence for sequence in tested.sequences}
        contents = {sequence.fingerprint: sequence for sequence in tested.sequences}
        for sequence in self.sequences:
            other = names.get(canonical(sequence.name)) or contents.get(sequence.fingerprint)
            if other is not None:
                raise LwdnaError(f"training sequence {sequence.name} is tested as well, as {other.name}")
        own, others = ([file for s in side for file in s.files] for side in (self.sequences, tested.sequences))
        if same := same_file(own, others):
            raise LwdnaError(f"training frame {same[0]} is tested as well, as {same[1]}")

    def sample(self, seed: int, epoch: int, index: int) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Exemplar and search side of a pair: (rough cut (h, w, 3) uint8, box (x, y, w, h), 1-based, within it)."""
        random = np.random.default_rng((seed, epoch, index))
        which = int(random.integers(len(self.sequences)))
        sequence, usable = self.sequences[which], self._usable[which]
        first = int(random.choice(usable))
        near = usable[abs(usable - first) <= self.distance]
        return tuple(_rough_cut(sequence, frame) for frame in (first, int(random.choice(near))))


def _rough_cut(sequence: Frames, index: int) -> tuple[np.ndarray, np.ndarray]:
    """The surroundings of the target; beyond the frame, its mean colour."""
    frame, box = sequence.frame(index), sequence.boxes[index].astype(np.float64)
    x, y, w, h = to_centre(torch.from_numpy(box)).tolist()
    half = int(np.ceil(float(context_side(torch.tensor([w, h]))) * SEARCH / EXEMPLAR * MARGIN / 2))
    left, top = int(x) - half, int(y) - half
    cut: np.ndarray = np.empty((2 * half, 2 * half, 3), np.uint8)
    cut[:] = _mean_colour(frame)
    rows = slice(max(0, top), min(frame.shape[0], top + 2 * half))
    columns = slice(max(0, left), min(frame.shape[1], left + 2 * half))
    cut[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = frame[rows, columns]
    box -= [left, top, 0, 0]
    if len(cut) > _MOST:
        factor = _MOST / len(cut)
        cut = np.asarray(cv2.resize(cut, (_MOST, _MOST), interpolation=cv2.INTER_AREA), np.uint8)
        box = np.concatenate([(box[:2] - 0.5) * factor + 0.5, box[2:] * factor])  # pixel 1 begins at 0.5
    return cut, box


def _mean_colour(image: np.ndarray) -> np.ndarray:
    """(3,), of every fourth pixel."""
    mean: np.ndarray = image[::4, ::4].mean((0, 1)).round()
    return mean


class PairLoader:
    """Batches of pairs as a function of (seed, epoch); the next one is read while one is being used.

    A batch is {"exemplar", "search": frames (N, 3, H, W), uint8, each in the upper left corner of a common size, with
    its mean colour around it; "exemplar_boxes", "search_boxes": (N, 4), x, y, w, h, 1-based}, on the device.
    """

    def __init__(
        self, dataset: PairSet, batch_size: int, device: torch.device | str, seed: int, shard: tuple[int, int],
        workers: int,
    ) -> None:  # fmt: skip
        self.dataset, self.batch_size, self.device, self.seed = dataset, batch_size, torch.device(device), seed
        self.shard, self.workers = shard, workers
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def samples(self, steps: int) -> int:
        epochs, rest = divmod(steps, len(self))
        return epochs * len(self.dataset) + rest * self.batch_size

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        indices = range(len(self.dataset))
        batches = [indices[at : at + self.batch_size] for at in range(0, len(indices), self.batch_size)]
        with ThreadPoolExecutor(max(1, self.workers)) as readers:  # decoding and resampling release Python's lock

            def ahead(batch: range) -> list[Future[Any]]:
                own = batch[self.shard[0] :: self.shard[1]]
                return [readers.submit(self.dataset.sample, self.seed, self.epoch, index) for index in own]

            waiting = ahead(batches[0])
            for following in (*batches[1:], None):
                pairs = [future.result() for future in waiting]
                waiting = ahead(following) if following is not None else []
                yield self._collate(pairs)

    def _collate(self, pairs: list[Any]) -> dict[str, Tensor]:
        batch = {}
        for side, name in enumerate(("exemplar", "search")):
            cuts = [pair[side][0] for pair in pairs]
            size = max(len(cut) for cut in cuts)
            frames = np.empty((len(cuts), size, size, 3), np.uint8)
            for into, cut in zip(frames, cuts, strict=True):
                if len(cut) < size:
                    into[:] = _mean_colour(cut)
                into[: len(cut), : len(cut)] = cut
            batch[name] = torch.from_numpy(frames).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
            boxes = torch.from_numpy(np.stack([pair[side][1] for pair in pairs]))
            batch[f"{name}_boxes"] = boxes.float().to(self.device, non_blocking=True)
        return batch
