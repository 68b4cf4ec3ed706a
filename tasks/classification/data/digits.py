"""The digits that come with scikit-learn."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from lwdna_core.data.resident import ResidentSet
from tasks.classification.data.labels import one_of

_TRAINING = 40  # per class: 400 images; with more, every network saturates


@cache
def digits(split: str) -> ResidentSet:
    """The handwritten digits of scikit-learn: 8x8 gray images, scaled up to 32x32 and repeated in 3 channels.

    The split is fixed and uses no random numbers: of each digit 40 images, evenly spaced through the set (which
    goes from writer to writer), are for training, the other 1,397 images for testing.

    Args:
        split: "train" or "test".
    """
    from sklearn.datasets import load_digits

    one_of("digits", split, "train", "test")
    source = load_digits()
    chosen = np.zeros(len(source.target), dtype=bool)
    for digit in range(10):
        places = np.flatnonzero(source.target == digit)
        chosen[places[np.arange(_TRAINING) * len(places) // _TRAINING]] = True
    picked = chosen if split == "train" else ~chosen
    small = torch.from_numpy(source.images[picked]).float()[:, None]  # 0 .. 16
    large = F.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)  # in 64ths: exact everywhere
    images = (large * 255 / 16).round().to(torch.uint8).repeat(1, 3, 1, 1)
    labels = torch.from_numpy(source.target[picked].astype(np.int64))
    return ResidentSet({"inputs": images, "labels": labels}, {"classes": tuple("0123456789")})
