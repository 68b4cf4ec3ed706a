"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) from their official python archives."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lwdna_core.data.resident import ResidentSet
from lwdna_core.data.unpickle import unpickle
from lwdna_core.errors import LwdnaError
from tasks.classification.data.labels import check_classes, check_range, one_of
from tasks.classification.sources import CIFAR10, CIFAR100

_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@cache
def cifar10(split: str) -> ResidentSet:
    """CIFAR-10: 32x32 images of 10 classes, in the folder `cifar-10-batches-py` of the data folder.

    Args:
        split: "train" (50,000 images) or "test" (10,000).

    Raises LwdnaError where a file is missing or damaged.
    """
    one_of("cifar10", split, "train", "test")
    names = [f"data_batch_{k}" for k in range(1, 6)] if split == "train" else ["test_batch"]
    folder = CIFAR10.require() / "cifar-10-batches-py"
    return _read([folder / name for name in names], "labels", _CIFAR10)


@cache
def cifar100(split: str) -> ResidentSet:
    """CIFAR-100: 32x32 images of 100 classes (the fine labels), in the folder `cifar-100-python` of the data folder.

    Args:
        split: "train" (50,000 images) or "test" (10,000).

    Raises LwdnaError where a file is missing or damaged.
    """
    one_of("cifar100", split, "train", "test")
    folder = CIFAR100.require() / "cifar-100-python"
    meta = unpickle(folder / "meta")
    classes = meta.get("fine_label_names") if isinstance(meta, dict) else None
    if not isinstance(classes, list) or len(classes) != 100:
        raise LwdnaError(f"{folder / 'meta'}: expected 100 'fine_label_names'")
    return _read([folder / split], "fine_labels", tuple(map(str, classes)))


def _read(paths: list[Path], key: str, classes: tuple[str, ...]) -> ResidentSet:
    images, labels = [], []
    for path in paths:
        batch: Any = unpickle(path)
        data, numbers = (batch.get(name) if isinstance(batch, dict) else None for name in ("data", key))
        if not (
            isinstance(data, np.ndarray)
            and data.dtype == np.uint8
            and data.shape[1:] == (3072,)
            and isinstance(numbers, list)
            and len(numbers) == len(data) > 0
            and all(isinstance(number, int) and abs(number) < 2**31 for number in numbers)
        ):
            raise LwdnaError(f"{path}: expected 'data', N x 3072 bytes, and N {key!r}, whole numbers")
        check_range(np.asarray(numbers, dtype=np.int64), classes, path)
        images.append(torch.from_numpy(data.reshape(-1, 3, 32, 32)))  # red, green, blue; row by row
        labels.append(torch.tensor(numbers))
    everything = torch.cat(labels)
    check_classes(everything.numpy(), classes, paths[0].parent)
    return ResidentSet({"inputs": torch.cat(images), "labels": everything}, {"classes": classes})
