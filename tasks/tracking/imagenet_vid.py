"""ImageNet-VID's training part as its owners lay it out: every object of a sequence is a target of its own.

Data/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000000.JPEG
Annotations/VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000/000000.xml
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.frame_files import by_number
from tasks.tracking.evaluation.shapes import Regions
from tasks.tracking.pairs import LEAST_SIDE
from tasks.tracking.sequences import Filmed

IMAGES, BOXES = Path("Data/VID/train"), Path("Annotations/VID/train")
# A million of these files: a pattern takes a fifth of the time of an XML reader.
_OBJECT = re.compile(rb"<object>(.*?)</object>", re.DOTALL)
_FIELD = re.compile(rb"<(trackid|xmin|ymin|xmax|ymax|occluded)>\s*([-+.\d]+)\s*</")
_NEEDED = (b"trackid", b"xmin", b"ymin", b"xmax", b"ymax")


def is_imagenet_vid(home: Path) -> bool:
    """Whether a folder holds the training part of ImageNet-VID."""
    return (home / BOXES).is_dir()


@lru_cache(1)
def read_imagenet_vid(home: Path) -> tuple[Filmed, ...]:
    """The targets of all sequences, SEQUENCE-TRACKID each.

    A frame in which a target is absent or occluded has no box (nan). A target that is never seen with at least 10 x 10
    pixels is left out.

    Raises LwdnaError with the file: for frames without annotations or the other way round, and for an object without
    trackid or box.
    """
    folders = sorted(path for path in (home / BOXES).glob("*/*") if path.is_dir())
    targets = [target for folder in folders for target in _targets(home, folder)]
    if not targets:
        raise LwdnaError(f"{home / BOXES}: expected folders of sequences with a .xml file a frame")
    return tuple(targets)


def _targets(home: Path, folder: Path) -> list[Filmed]:
    frames = home / IMAGES / folder.relative_to(home / BOXES)
    if not frames.is_dir():
        raise LwdnaError(f"{frames}: there is no such folder of frames, and {folder} annotates them")
    names = sorted(os.listdir(frames), key=by_number)
    images = {name.rpartition(".")[0]: name for name in names if name.upper().endswith(".JPEG")}
    files = {name.rpartition(".")[0]: name for name in os.listdir(folder) if name.endswith(".xml")}
    if odd := sorted(images.keys() ^ files.keys()):
        there, lacking = (
            (frames / images[odd[0]], "annotation") if odd[0] in images else (folder / files[odd[0]], "frame")
        )
        raise LwdnaError(f"{there}: there is no {lacking} that belongs to it")
    paths = tuple(frames / name for name in images.values())
    boxes: dict[int, np.ndarray] = {}
    for index, stem in enumerate(images):
        for track, box in _objects(folder / files[stem]):
            boxes.setdefault(track, np.full((len(paths), 4), np.nan))[index] = box
    return [
        Filmed(f"{folder.name}-{track}", found, Regions.of_boxes(found - [1, 1, 0, 0]), paths)
        for track, found in sorted(boxes.items())
        if (found[:, 2:] >= LEAST_SIDE).all(1).any()
    ]


def _objects(path: Path) -> list[tuple[int, list[float]]]:
    """Track and box (x, y, w, h, 1-based) of the objects in a frame that are to be seen."""
    objects = []
    for text in _OBJECT.findall(path.read_bytes()):
        fields = dict(_FIELD.findall(text))
        if missing := [name for name in _NEEDED if name not in fields]:
            raise LwdnaError(f"{path}: an object without {missing[0].decode()}")
        if int(fields.get(b"occluded", 0)):
            continue
        left, top, right, bottom = (float(fields[name]) for name in _NEEDED[1:])  # pixels from 0, the last one included
        objects.append((int(fields[b"trackid"]), [left + 1, top + 1, right - left + 1, bottom - top + 1]))
    return objects
