"""Data sets for classification, as uint8 images (N, 3, 32, 32) with labels (N)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from lwdna_core.data.resident import ResidentSet
from lwdna_core.data.unpickle import unpickle
from lwdna_core.errors import LwdnaError

_DIGITS_TRAINING = 40  # per class: 400 images; with more, every network saturates


@cache
def digits(split: str) -> ResidentSet:
    """The handwritten digits of scikit-learn: 8x8 gray images, scaled up to 32x32 and repeated in 3 channels.

    The split is fixed and uses no random numbers: of each digit 40 images, evenly spaced through the set (which
    goes from writer to writer), are for training, the other 1,397 images for testing.

    Args:
        split: "train" or "test".
    """
    from sklearn.datasets import load_digits

    source = load_digits()
    chosen = np.zeros(len(source.target), dtype=bool)
    for digit in range(10):
        places = np.flatnonzero(source.target == digit)
        chosen[places[np.arange(_DIGITS_TRAINING) * len(places) // _DIGITS_TRAINING]] = True
    picked = {"train": chosen, "test": ~chosen}[split]
    small = torch.from_numpy(source.images[picked]).float()[:, None]  # 0 .. 16
    large = F.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)  # in 64ths: exact everywhere
    images = (large * 255 / 16).round().to(torch.uint8).repeat(1, 3, 1, 1)
    labels = torch.from_numpy(source.target[picked].astype(np.int64))
    return ResidentSet({"inputs": images, "labels": labels}, {"classes": tuple("0123456789")})


@cache
def cifar10(split: str) -> ResidentSet:
    """CIFAR-10 from its official python batches, in the folder `cifar-10-batches-py` of the data folder.

    Args:
        split: "train" (50,000 images) or "test" (10,000).

    Raises LwdnaError where a file is missing or damaged.
    """
    names = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}[split]
    folder = data_folder() / "cifar-10-batches-py"
    for name in names:
        if not (folder / name).is_file():
            raise LwdnaError(
                f"{folder / name} is missing: LWDNA_DATA (now {os.environ.get('LWDNA_DATA', 'not set')}) must name the "
                "folder where cifar-10-python.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html was unpacked"
            )
    images, labels = [], []
    for name in names:
        batch = unpickle(folder / name)
        data = batch.get("data") if isinstance(batch, dict) else None
        if not isinstance(data, np.ndarray) or data.shape[1:] != (3072,) or len(batch.get("labels", ())) != len(data):
            raise LwdnaError(f"{folder / name}: expected 'data' (N, 3072) and N 'labels'")
        images.append(torch.from_numpy(data.reshape(-1, 3, 32, 32)))
        labels.append(torch.tensor(batch["labels"]))
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    return ResidentSet({"inputs": torch.cat(images), "labels": torch.cat(labels)}, {"classes": tuple(classes)})


def data_folder() -> Path:
    """Where data sets lie: the folder that LWDNA_DATA names, else `lwdna` in the user's cache folder."""
    cache_folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("LWDNA_DATA") or Path(cache_folder) / "lwdna")
