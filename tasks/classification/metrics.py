"""Accuracy and loss of a classifier: functions, and the mmengine metric over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from torch import Tensor

from lwdna_core.compare.results import FORMAT, write_json

CLASSES = "classes.json"
"""The file that the last evaluation of a run leaves in its folder; `pictures` reads it."""
LARGEST = 100
"""Up to so many classes, every pair of classes is written down."""


def correct(scores: Tensor, labels: Tensor, k: int = 1) -> Tensor:
    """Which of N images have their label among the k highest scores.

    Args:
        scores: (N, classes).
        labels: (N), class indices.
        k: with fewer classes than that, all images count.

    Returns: (N), bool.
    """
    return (scores.topk(min(k, scores.size(1))).indices == labels[:, None]).any(1)


def confusion(scores: Tensor, labels: Tensor) -> Tensor:
    """How many of N images of each class (row) have their highest score at each class (column).

    Args:
        scores: (N, classes).
        labels: (N), class indices.

    Returns: (classes, classes), int64.
    """
    classes = scores.size(1)
    predicted = scores.topk(1).indices[:, 0]
    return torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, classes)


class Accuracy(BaseMetric):  # type: ignore[misc]
    """Share of images whose label has the highest score, or one of the five highest, in per cent; the mean loss.

    `accuracy/top1`, `accuracy/top5`, and `loss/val`, the cross-entropy in nats.
    """

    default_prefix = ""  # its metrics have two
    _confusion: Tensor | None = None

    def process(self, data_batch: dict[str, Tensor], data_samples: Sequence[dict[str, Tensor]]) -> None:
        """Count one batch. The counts stay on the device: one tuple for all batches."""
        (output,) = data_samples
        scores = output["scores"].float()
        labels = data_batch["labels"].to(scores.device)
        counts = (
            confusion(scores, labels),
            correct(scores, labels, 5).sum(),
            F.cross_entropy(scores, labels, reduction="sum"),
        )
        if not self.results:
            self.results.append(counts)
        else:
            for total, count in zip(self.results[0], counts, strict=True):
                total += count

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Add up what the processes counted."""
        table, top5, loss = (torch.stack(column).sum(0) for column in zip(*results, strict=True))
        self._confusion, images = table, int(table.sum())
        return {
            "accuracy/top1": 100 * int(table.trace()) / images,
            "accuracy/top5": 100 * int(top5) / images,
            "loss/val": float(loss) / images,
        }

    def keep(self, folder: Path) -> None:
        """Write `classes.json`: of the last evaluation, images and hits of every class, and which it was taken for."""
        if self._confusion is None:
            return  # a run that ended before, of which only its files were missing
        names = (self.dataset_meta or {}).get("classes", ())
        count = len(self._confusion)
        content = {
            "format": FORMAT,
            # the network may have more outputs than the set has classes
            "classes": [str(names[k]) if k < len(names) else str(k) for k in range(count)],
            "images": self._confusion.sum(1).tolist(),
            "correct": self._confusion.diagonal().tolist(),
            "confusion": self._confusion.tolist() if count <= LARGEST else None,
        }
        write_json(folder / CLASSES, content)
