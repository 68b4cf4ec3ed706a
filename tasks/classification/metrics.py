"""Accuracy: a function, and the thin mmengine metric over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric
from torch import Tensor


def correct(scores: Tensor, labels: Tensor) -> Tensor:
    """Which of N images have their label scored highest.

    Args:
        scores: (N, classes).
        labels: (N), class indices.

    Returns: (N), bool.
    """
    return scores.argmax(1) == labels


class Accuracy(BaseMetric):  # type: ignore[misc]
    """Share of images whose label has the highest score, in per cent: `accuracy/top1`."""

    default_prefix = "accuracy"

    def process(self, data_batch: dict[str, Tensor], data_samples: Sequence[dict[str, Tensor]]) -> None:
        (output,) = data_samples
        hits = correct(output["scores"], data_batch["labels"].to(output["scores"].device))
        self.results.append((int(hits.sum()), len(hits)))

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        hits, images = (sum(column) for column in zip(*results, strict=True))
        return {"top1": 100 * hits / images}
