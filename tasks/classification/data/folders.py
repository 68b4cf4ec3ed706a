"""Trees of images with one folder a class: train/<class>/*.jpg, val/<class>/*.jpg."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np

from lwdna_core.data.sources import data_folder
from lwdna_core.errors import LwdnaError
from tasks.classification.data.image_files import ImageFiles
from tasks.classification.data.image_table import SUFFIXES, ImageTable, check
from tasks.classification.data.labels import check_classes


@cache
def image_folder(folder: str, split: str, size: int = 224) -> ImageFiles:
    """Any set in the layout <folder>/<split>/<class>/...: JPEG, PNG, BMP and WebP at any depth below a class.

    The classes are the folders below `train`, in alphabetical order, for all splits.

    Args:
        folder: absolute, or below the data folder.
        split: the name of a folder: "train", "val", ...
        size: height and width that images are decoded to.

    Raises LwdnaError for a missing folder or split, an empty or unknown class, and a damaged image; it names them.
    """
    home = data_folder() / folder
    part = home / split
    if not part.is_dir():
        there = ", ".join(sorted(path.name for path in home.iterdir() if path.is_dir())) if home.is_dir() else ""
        raise LwdnaError(f"{part}: there is no such folder" + (f"; splits there: {there}" if there else ""))
    classes = class_names(home / "train" if (home / "train").is_dir() else part)
    return image_files(part, classes, size)


def class_names(folder: Path) -> tuple[str, ...]:
    """The names of the folders in a folder, sorted. Raises LwdnaError where there are none."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise LwdnaError(f"{folder}: expected one folder a class, found none")
    return tuple(names)


def image_files(folder: Path, classes: tuple[str, ...], size: int) -> ImageFiles:
    """The images in the folder's folders, which are called as the classes, checked."""
    unknown = sorted(set(class_names(folder)) - set(classes))
    if unknown:
        raise LwdnaError(f"{folder / unknown[0]}: there is no such class among the {len(classes)} of the training set")
    paths: list[str] = []
    counts = []
    for name in classes:
        before = len(paths)
        for where, folders, files in os.walk(folder / name, followlinks=True):
            folders.sort()
            paths += (os.path.join(where, file) for file in sorted(files) if file.lower().endswith(SUFFIXES))
        counts.append(len(paths) - before)
    labels = np.repeat(np.arange(len(classes)), counts)
    check_classes(labels, classes, folder)
    images = ImageTable.of_files(paths)
    return ImageFiles(images, check(images, str(folder)), labels, {"classes": classes}, size)
