"""What every set is asked before it is used: whether it has the split, and whether its labels can be right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lwdna_core.errors import LwdnaError


def one_of(name: str, split: str, *splits: str) -> None:
    """Raise LwdnaError if the set has no such split."""
    if split not in splits:
        raise LwdnaError(f"{name} has no split {split!r}; it has: {', '.join(splits)}")


def check_range(labels: np.ndarray, classes: Sequence[str], where: Path) -> None:
    """Raise LwdnaError, naming the file, for a label (of N) that stands for no class."""
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        first = int(wrong[0])
        raise LwdnaError(f"{where}: label {labels[first]} of image {first}: expected 0 .. {len(classes) - 1}")


def check_classes(labels: np.ndarray, classes: Sequence[str], where: Path) -> None:
    """Raise LwdnaError, naming the folder, for a class without images (N labels)."""
    empty = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
    if len(empty):
        raise LwdnaError(f"{where}: class {classes[empty[0]]!r} has no images")
