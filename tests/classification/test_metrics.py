"""Accuracy and loss against scikit-learn, over batches, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, top_k_accuracy_score
from torch import Tensor

from lwdna_core.compare.results import read_json
from tasks.classification.metrics import CLASSES, LARGEST, Accuracy, confusion, correct


def scored(count: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random scores (count, classes) and labels (count)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, classes, generator=generator), torch.randint(classes, (count,), generator=generator)


def evaluate(scores: Tensor, labels: Tensor, batch: int, metric: Accuracy | None = None) -> dict[str, float]:
    metric = metric or Accuracy()
    for part, its_labels in zip(scores.split(batch), labels.split(batch), strict=True):
        metric.process({"labels": its_labels}, [{"scores": part}])
    found: dict[str, float] = metric.evaluate(len(labels))
    return found


@given(st.integers(1, 60), st.integers(6, 12), st.integers(1, 20), st.integers(0, 10_000))
def test_metrics_are_scikit_learns_whatever_the_batches(count: int, classes: int, batch: int, seed: int) -> None:
    scores, labels = scored(count, classes, seed)
    names = np.arange(classes)
    assert evaluate(scores, labels, batch) == {
        "accuracy/top1": pytest.approx(100 * accuracy_score(labels, scores.argmax(1))),
        "accuracy/top5": pytest.approx(100 * top_k_accuracy_score(labels, scores, k=5, labels=names)),
        "loss/val": pytest.approx(log_loss(labels, scores.double().softmax(1), labels=names), rel=1e-4),
    }
    assert np.array_equal(confusion(scores, labels), confusion_matrix(labels, scores.argmax(1), labels=names))


def test_scores_in_half_precision_count_as_they_are() -> None:
    scores, labels = scored(200, 10)
    rounded = scores.bfloat16()
    assert evaluate(rounded, labels, 64) == evaluate(rounded.float(), labels, 64)


def test_equal_scores_are_no_hits_for_all() -> None:
    """A network that has died gives all classes the same score; it must not seem perfect."""
    labels = torch.arange(20) % 10
    assert evaluate(torch.zeros(20, 10), labels, 7)["accuracy/top1"] == 10
    assert correct(torch.zeros(20, 10), labels, 5).sum() == 10


def test_few_classes_are_all_among_the_five() -> None:
    assert evaluate(*scored(30, 3), 8)["accuracy/top5"] == 100


def test_processes_that_share_a_set_count_together() -> None:
    scores, labels = scored(101, 10)
    parts = [Accuracy(), Accuracy()]
    for index, metric in enumerate(parts):
        for start in range(0, 101, 20):  # the last batch leaves the second process without an image
            shard = slice(start + index, min(start + 20, 101), 2)
            metric.process({"labels": labels[shard]}, [{"scores": scores[shard]}])
    gathered = [metric.results[0] for metric in parts]  # what mmengine's collect_results hands over
    assert Accuracy().compute_metrics(gathered) == pytest.approx(evaluate(scores, labels, 50))


def test_the_last_evaluation_is_kept_class_by_class(tmp_path: Path) -> None:
    metric = Accuracy()
    metric.dataset_meta = {"classes": tuple("abcdefgh")}
    evaluate(*scored(50, 8, seed=1), 16, metric)
    scores, labels = scored(90, 8)
    top1 = evaluate(scores, labels, 16, metric)["accuracy/top1"]
    metric.keep(tmp_path)
    kept = read_json(tmp_path / CLASSES)
    assert kept["classes"] == list("abcdefgh")
    assert kept["images"] == torch.bincount(labels).tolist()
    assert 100 * sum(kept["correct"]) / 90 == pytest.approx(top1)
    assert np.array_equal(kept["confusion"], confusion_matrix(labels, scores.argmax(1)))


def test_many_classes_are_kept_without_their_pairs(tmp_path: Path) -> None:
    metric = Accuracy()
    metric.dataset_meta = {"classes": ("tench", "goldfish")}  # fewer names than the network has outputs
    evaluate(*scored(300, LARGEST + 1), 100, metric)
    metric.keep(tmp_path)
    kept = read_json(tmp_path / CLASSES)
    assert kept["confusion"] is None and len(kept["images"]) == len(kept["correct"]) == LARGEST + 1
    assert kept["classes"][:3] == ["tench", "goldfish", "2"]


def test_without_an_evaluation_nothing_is_kept(tmp_path: Path) -> None:
    Accuracy().keep(tmp_path)
    assert not list(tmp_path.iterdir())
