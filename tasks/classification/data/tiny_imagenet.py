"""Tiny-ImageNet (Stanford's course CS231n, 2015) in its official layout, decoded once and kept that way."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch

from lwdna_core.data.kept import kept
from lwdna_core.data.resident import ResidentSet
from lwdna_core.errors import LwdnaError
from tasks.classification.data.decode import decode
from tasks.classification.data.image_table import ImageTable, check
from tasks.classification.data.labels import check_classes, one_of
from tasks.classification.sources import TINY_IMAGENET

_SIZE = 64
_CHUNK = 500  # images that a thread decodes at a time


@cache
def tiny_imagenet(split: str) -> ResidentSet:
    """Tiny-ImageNet: 64x64 images of 200 classes, in the folder `tiny-imagenet-200` of the data folder.

    The classes are those of `wnids.txt`, in its order. All images together take 1.4 GB, in the user's cache folder and,
    once for all processes, in memory.

    Args:
        split: "train" (100,000 images) or "val" (10,000, labelled by `val_annotations.txt`). The test images have no
            labels.

    Raises LwdnaError, naming the file, for what is missing, a damaged image, an unknown or an empty class.
    """
    one_of("tiny_imagenet", split, "train", "val")
    folder = TINY_IMAGENET.require() / "tiny-imagenet-200"
    wnids = _text(folder / "wnids.txt").split()
    if not wnids:
        raise LwdnaError(f"{folder / 'wnids.txt'}: expected a class a line, found none")
    number = {wnid: index for index, wnid in enumerate(wnids)}
    if split == "train":
        found = [(path, wnid) for wnid in wnids for path in sorted((folder / "train" / wnid).glob("images/*.JPEG"))]
    else:
        found = _annotations(folder / "val")
    for path, wnid in found:
        if wnid not in number:
            raise LwdnaError(f"{path}: its class {wnid} is not in {folder / 'wnids.txt'}")
    labels = np.array([number[wnid] for _, wnid in found], np.int64)
    check_classes(labels, wnids, folder / split)
    table = ImageTable.of_files([str(path) for path, _ in found])
    contents = check(table, str(folder / split))
    odd = np.flatnonzero((contents.sizes != _SIZE).any(1))
    if len(odd):
        raise LwdnaError(f"{table.name(odd[0])}: expected an image of {_SIZE} x {_SIZE}")
    # decoders differ in the last bit of some pixels
    key = f"tiny_imagenet {hashlib.sha256(contents.digests.tobytes()).hexdigest()} OpenCV {cv2.__version__}"
    arrays = {"inputs": torch.from_numpy(kept(key, lambda: _decoded(table))), "labels": torch.from_numpy(labels)}
    return ResidentSet(arrays, {"classes": _words(folder, wnids)})


def _decoded(table: ImageTable) -> np.ndarray:
    """(N, 3, 64, 64), uint8."""
    images = np.empty((len(table), 3, _SIZE, _SIZE), np.uint8)

    def fill(start: int) -> None:
        for index in range(start, min(start + _CHUNK, len(table))):
            images[index] = decode(table.read(index)).transpose(2, 0, 1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, range(0, len(table), _CHUNK)))
    return images


def _annotations(folder: Path) -> list[tuple[Path, str]]:
    """The validation images and their classes; lines of name, class and a box, with tabs between."""
    path = folder / "val_annotations.txt"
    found: dict[Path, str] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        name, _, rest = line.partition("\t")
        image = folder / "images" / name
        if not rest or not image.is_file():
            raise LwdnaError(f"{path}: line {number}: expected the name of a file in {folder / 'images'} and its class")
        if image in found:
            raise LwdnaError(f"{path}: line {number}: {name} again; expected every image once")
        found[image] = rest.partition("\t")[0]
    unnamed = sorted(set((folder / "images").glob("*.JPEG")) - found.keys())
    if unnamed:
        raise LwdnaError(f"{path}: no line for {unnamed[0].name} ({len(unnamed)} images are left out)")
    return list(found.items())


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise LwdnaError(f"{path}: cannot be read as text: {error}") from error


def _words(folder: Path, wnids: list[str]) -> tuple[str, ...]:
    """The classes in words, as far as `words.txt` has them: the first of several names."""
    path = folder / "words.txt"
    lines = _text(path).splitlines() if path.is_file() else []
    words = dict(line.split("\t", 1) for line in lines if "\t" in line)
    return tuple(words.get(wnid, wnid).partition(",")[0] for wnid in wnids)
