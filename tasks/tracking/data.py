"""The sets of the configs: pairs to train on, and sequences to test on."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from lwdna_core.compare.task import unknown
from lwdna_core.data.sources import data_folder, set_title
from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.annotations import Annotations, read_annotations
from tasks.tracking.evaluation.frame_files import IMAGES
from tasks.tracking.evaluation.image_size import image_size
from tasks.tracking.evaluation.names import canonical
from tasks.tracking.evaluation.sequence import Sequence as Annotated
from tasks.tracking.evaluation.textfiles import Rows
from tasks.tracking.experiments import FROM_ZERO, PROTOCOLS, later_frames, upright
from tasks.tracking.imagenet_vid import is_imagenet_vid, read_imagenet_vid
from tasks.tracking.pairs import PairSet
from tasks.tracking.sequences import Composed, Filmed, Still, check_whole
from tasks.tracking.sequences import Sequence as Frames


class Trial(NamedTuple):
    """One sequence under one protocol ("OPE", "SRE", "TRE", "VOT"), as part of the set that results call `set`."""

    set: str
    protocol: str
    sequence: Frames


class TrialSet:
    """Sequences to test on, of one or several sets; see `lwdna_core.data.dataset.DataSet`.

    A batch is {"trials": [Trial]}, always of one. `metainfo` holds the annotations by (set, protocol), for
    the metric.
    """

    def __init__(self, trials: Sequence[Trial], annotations: Mapping[tuple[str, str], Annotations]) -> None:
        self.trials = tuple(trials)
        self.sequences = list({(trial.set, trial.sequence.name): trial.sequence for trial in self.trials}.values())
        self.annotations = dict(annotations)
        self.metainfo: Mapping[str, object] = {"annotations": self.annotations}

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def fingerprint(self) -> str:
        parts = [f"{trial.set} {trial.protocol} {trial.sequence.fingerprint}" for trial in self.trials]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def subset(self, fraction: float, seed: int) -> TrialSet:
        order = np.random.default_rng(seed).permutation(len(self.trials))
        chosen = np.sort(order[: max(1, round(fraction * len(order)))])
        return TrialSet([self.trials[i] for i in chosen], self.annotations)

    def loader(
        self,
        batch_size: int,
        device: torch.device | str,
        *,
        seed: int | None = None,
        shard: tuple[int, int] = (0, 1),
        workers: int = 0,
    ) -> TrialLoader:
        return TrialLoader(self, self.trials[shard[0] :: shard[1]])


class TrialLoader:
    """One trial after the other; the tracker puts the frames on its device."""

    def __init__(self, dataset: TrialSet, trials: Sequence[Trial]) -> None:
        self.dataset, self._trials = dataset, trials
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._trials)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def samples(self, steps: int) -> int:
        return steps

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for trial in self._trials:
            yield {"trials": [trial]}


def composed(split: str, sequences: int, length: int = 60, pairs: int = 0, real: bool = False) -> PairSet | TrialSet:
    """Targets from scikit-image's photographs that move over others; training and test photographs are disjoint.

    Args:
        split: "train": pairs, "test": sequences under both protocols.
        sequences: how many, of `length` frames.
        pairs: in an epoch of training.
        real: test on the sequences of OTB and VOT as well, where they lie in the data folder.
    """
    made = [Composed(split, seed, length) for seed in range(sequences)]
    if split == "train":
        return PairSet(made, pairs)
    annotated = {s.name: Annotated(s.name, _rows(s.boxes), "composed", size=lambda: (320.0, 240.0)) for s in made}
    zero_based = {name: dataclasses.replace(s, rows=_rows(s.boxes() - FROM_ZERO)) for name, s in annotated.items()}
    annotations = {
        ("composed", "OPE"): Annotations("composed", "OTB", annotated),
        ("composed", "VOT"): Annotations("composed", "VOT", zero_based),
    }
    trials = [Trial("composed", "OPE", sequence) for sequence in made]
    trials += [Trial("composed", "VOT", sequence) for sequence in made]
    for name in ("OTB", "VOT") if real else ():
        if (data_folder() / name).is_dir():
            found = benchmark(name)
            trials += found.trials
            annotations |= found.annotations
    return TrialSet(trials, annotations)


def benchmark(name: str | Sequence[str], protocols: Sequence[str] = ()) -> TrialSet:
    """Sets in their official layouts below the data folder: "OTB", "VOT", "GOT-10k/val", "LaSOT" ...

    Of LaSOT, where its `testing_set.txt` is there, the sequences that are in it.

    Args:
        name: of the folder, or several.
        protocols: "OPE", "SRE", "TRE", "VOT"; by default what is usual for each set: VOT's resets for VOT, else OPE.

    Raises LwdnaError where the folder, a frame or a line of ground truth is missing or wrong; names it. See `tested`.
    The same where two folders have one title: results could not tell them apart.
    """
    trials, known = [], {}
    titles: dict[str, str] = {}
    for folder in [name] if isinstance(name, str) else name:
        title = set_title(folder) or (data_folder() / folder).resolve().name  # "." has none
        if title in titles:
            raise LwdnaError(f"the sets {titles[title]} and {folder} are both called {title} in results; expected one")
        titles[title] = folder
        annotations = own_split(_read(folder), data_folder() / folder, tested=True)
        wanted = protocols or (usual_protocol(annotations),)
        for protocol in wanted:
            check_protocol(protocol, annotations)
        made = [tested(sequence) for sequence in annotations.sequences.values()]
        for protocol in wanted:
            for sequence in made if protocol == "TRE" else ():
                later_frames(sequence)  # raises where there are too few
            trials += [Trial(title, protocol, sequence) for sequence in made]
            known[title, protocol] = annotations
    return TrialSet(trials, known)


def usual_protocol(annotations: Annotations) -> str:
    """By which a tracker is driven over a set where nobody says how."""
    return "VOT" if annotations.kind == "VOT" else "OPE"


def check_protocol(protocol: str, annotations: Annotations) -> None:
    """Raise LwdnaError for a protocol that there is not, or not on this kind of set."""
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    if protocol in ("SRE", "TRE") and annotations.kind in ("VOT", "GOT-10k"):
        raise LwdnaError(f"protocol {protocol} is OTB's, and {annotations.name} is a set of {annotations.kind}")
    if protocol == "VOT" and annotations.kind != "VOT":
        raise LwdnaError(f"protocol VOT is for sets of VOT, and {annotations.name} is one of {annotations.kind}")


def videos(name: str, pairs: int, distance: int = 100) -> PairSet:
    """Training pairs from sequences in an official layout: GOT-10k, ImageNet-VID, LaSOT, OTB, VOT.

    Of LaSOT, where its `testing_set.txt` is there, the sequences that are not in it.

    Args:
        name: of the folder below the data folder, "GOT-10k/train" or "ILSVRC2015" for one.
        pairs: in an epoch.
        distance: frames between the two of a pair, at most.
    """
    if is_imagenet_vid(data_folder() / name):
        return PairSet(read_imagenet_vid(data_folder() / name), pairs, distance)
    annotations = own_split(_read(name), data_folder() / name, tested=False)
    return PairSet([_learned(sequence) for sequence in annotations.sequences.values()], pairs, distance)


def stills(folder: str, pairs: int, boxes: int = 1) -> PairSet:
    """Training pairs from still images: two different augmentations of one box.

    Args:
        folder: of images, below the data folder.
        pairs: in an epoch.
        boxes: in each image, at random places.
    """
    home = data_folder() / folder
    files = sorted(file for file in home.glob("**/*") if file.suffix.lower() in IMAGES)
    if not files:
        raise LwdnaError(f"{home}: no images to train on")
    return PairSet([Still(file, index * boxes + k) for index, file in enumerate(files) for k in range(boxes)], pairs)


def _read(name: str) -> Annotations:
    home = data_folder() / name
    if not home.is_dir():
        raise LwdnaError(f"{home}: there is no such folder of sequences; LWDNA_DATA names the folder of all sets")
    return read_annotations(home)


def own_split(annotations: Annotations, home: Path, tested: bool) -> Annotations:
    """LaSOT's own division into what is trained on and what is tested; other sets are whole.

    Args:
        annotations: of all sequences.
        home: the folder, in which `testing_set.txt` lies; without it the set is whole.
        tested: the sequences that are in it, else those that are not.

    Raises LwdnaError where no sequence is left.
    """
    listed = home / "testing_set.txt"
    if annotations.kind != "LaSOT" or not listed.is_file():
        return annotations
    names = {canonical(line.strip()) for line in listed.read_text(encoding="utf-8-sig").splitlines()}
    chosen = {n: s for n, s in annotations.sequences.items() if (canonical(n) in names) == tested}
    if not chosen:
        raise LwdnaError(f"{home}: no sequence that {'is' if tested else 'is not'} in {listed.name}")
    return dataclasses.replace(annotations, sequences=chosen)


def tested(sequence: Annotated) -> Filmed:
    """A sequence to track: it can be started, and all its frames are of one size.

    Raises LwdnaError with the file, and with the line of ground truth: for a frame that is missing or too many, damaged
    at its beginning, cut, or of another size than the first; for a first box that is not a number, of zero size, or
    outside the frame. What later lines hold is the convention's business.
    """
    filmed = _filmed(sequence)
    sizes = {file: _whole_size(file, file.stat().st_mtime_ns) for file in filmed.files}
    width, height = size = sizes[filmed.files[0]]
    if wrong := next((file for file in filmed.files if sizes[file] != size), None):
        told, first = ("{:.0f} x {:.0f}".format(*of) for of in (sizes[wrong], size))
        raise LwdnaError(f"{wrong}: the frame is of {told} pixels, the first one of {first}")
    x, y, w, h = box = filmed.boxes[0]
    if not np.isfinite(box).all() or min(w, h) <= 0 or x + w <= 1 or y + h <= 1 or x > width or y > height:
        told = ", ".join(f"{number:g}" for number in box)
        raise LwdnaError(
            f"{sequence.source}, line 1: a tracker cannot start with the box {told} in a frame of "
            f"{width:.0f} x {height:.0f} pixels"
        )
    return filmed


@cache
def _whole_size(file: Path, changed: int) -> tuple[float, float]:
    """(width, height) of an image that is not cut. A comparison asks for its test set once for each run."""
    check_whole(file)
    return image_size(file)


def _learned(sequence: Annotated) -> Filmed:
    """A sequence to train on, without the boxes of targets that are hidden or whose centre is outside the frame."""
    filmed, size = _filmed(sequence), sequence.size()
    seen = np.ones(len(filmed), bool) if sequence.present is None else sequence.present
    if size is not None:
        centres = filmed.boxes[:, :2] + filmed.boxes[:, 2:] / 2
        seen = seen & (centres >= 1).all(1) & (centres <= np.array(size) + 1).all(1)
    filmed.boxes = np.where(seen[:, None], filmed.boxes, np.nan)
    return filmed


def _filmed(sequence: Annotated) -> Filmed:
    regions = sequence.regions()
    if regions.is_box.all():
        boxes = sequence.boxes()
    else:
        boxes = np.stack([upright(regions.take([t])) for t in range(len(sequence))])
    boxes = boxes + FROM_ZERO * (1 - sequence.origin)
    return Filmed(sequence.name, boxes, regions, tuple(sequence.frames()), sequence.first_frame, sequence.origin)


def _rows(boxes: np.ndarray) -> Rows:
    return Rows(boxes.ravel().astype(np.float64), np.full(len(boxes), 4))
