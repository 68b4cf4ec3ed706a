"""ImageNet (ILSVRC 2012): folders of classes, or for validation the official archive with its development kit."""

from __future__ import annotations

import io
import os
import re
import tarfile
from functools import cache
from pathlib import Path

import numpy as np

from lwdna_core.errors import LwdnaError
from tasks.classification.data.folders import class_names, image_files
from tasks.classification.data.image_files import ImageFiles
from tasks.classification.data.image_table import ImageTable, check
from tasks.classification.data.labels import one_of
from tasks.classification.sources import IMAGENET

VAL = "ILSVRC2012_img_val.tar"
DEVKIT = "ILSVRC2012_devkit_t12.tar.gz"
_NAME = re.compile(r"(?:.*/)?ILSVRC2012_val_(\d{8})\.JPEG")
_META = "ILSVRC2012_devkit_t12/data/meta.mat"
_TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


@cache
def imagenet(split: str, size: int = 224) -> ImageFiles:
    """ImageNet in the folder `imagenet` of the data folder: `train/<class>/*.JPEG`, and `val/<class>/*.JPEG`.

    In place of the folder `val`, the official archive ILSVRC2012_img_val.tar is read as it is, with the ground truth in
    ILSVRC2012_devkit_t12.tar.gz. Classes are in the order of their WordNet identifiers, those of the training folder.

    Args:
        split: "train" or "val".
        size: height and width that images are decoded to.

    Raises LwdnaError, naming the file, for what is missing, another archive, an empty class, or a damaged image.
    """
    one_of("imagenet", split, "train", "val")
    folder = IMAGENET.require() / "imagenet"
    classes = class_names(folder / "train")
    if split == "train" or (folder / "val").is_dir():
        return image_files(folder / split, classes, size)
    for name in (VAL, DEVKIT):
        if not (folder / name).is_file():
            raise LwdnaError(f"{folder / name} is missing, and so is the folder val with one folder a class")
    images, numbers = _members(folder / VAL)
    names = ground_truth(folder / DEVKIT)
    if not np.array_equal(np.sort(numbers), np.arange(1, len(names) + 1)):
        raise LwdnaError(
            f"{folder / VAL}: has {len(images):,} validation images, {DEVKIT} has labels of {len(names):,}"
        )
    index = {name: label for label, name in enumerate(classes)}
    if unknown := sorted(set(names) - set(classes)):
        raise LwdnaError(f"{folder / 'train' / unknown[0]} is missing: {DEVKIT} has validation images of that class")
    images = images[np.argsort(numbers)]
    labels = np.array([index[name] for name in names], np.int64)
    return ImageFiles(images, check(images, str(folder / VAL)), labels, {"classes": classes}, size)


def _members(archive: Path) -> tuple[ImageTable, np.ndarray]:
    """The validation images in their archive, and their numbers."""
    try:
        with tarfile.open(archive, "r:") as tar:
            found = [(match, member) for member in tar if (match := _NAME.fullmatch(member.name)) and member.isfile()]
    except (tarfile.TarError, EOFError) as error:
        raise LwdnaError(f"{archive}: not the official archive, or a damaged one: {error}") from error
    if not found:
        raise LwdnaError(f"{archive}: not the official archive: no ILSVRC2012_val_00000001.JPEG in it")
    offsets, lengths = (np.array([getattr(m, key) for _, m in found], np.int64) for key in ("offset_data", "size"))
    modified = np.full(len(found), archive.stat().st_mtime_ns)
    table = ImageTable(np.array([os.fsencode(archive)] * len(found)), offsets, lengths, modified)
    return table, np.array([int(match[1]) for match, _ in found])


def ground_truth(devkit: Path) -> list[str]:
    """The WordNet identifiers of the validation images 1, 2, 3 ..., from the official development kit."""
    from scipy.io import loadmat

    try:
        with tarfile.open(devkit) as tar:
            meta, truth = (tar.extractfile(name) for name in (_META, _TRUTH))
            assert meta and truth
            synsets = loadmat(io.BytesIO(meta.read()), squeeze_me=True)["synsets"]
            names = dict(zip(map(int, synsets["ILSVRC2012_ID"]), map(str, synsets["WNID"]), strict=True))
            return [names[int(number)] for number in truth.read().split()]
    except Exception as error:  # a damaged archive, or another one: nearly anything
        raise LwdnaError(f"{devkit}: not the official development kit: {error!r}") from error
