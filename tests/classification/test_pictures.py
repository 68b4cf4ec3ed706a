"""The pictures of a comparison: what a run keeps is what they show."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import torch
from rich.console import Console

from lwdna_core.compare.config import Recipe
from lwdna_core.compare.experiment import Request, run_experiment
from lwdna_core.compare.results import read_json
from lwdna_core.compare.task import Picture
from tasks.classification.metrics import CLASSES, Accuracy
from tasks.classification.pictures import pictures


def keep(
    folder: Path, arm: str, seed: int, predicted: torch.Tensor, labels: torch.Tensor, names: list[str]
) -> dict[str, object]:
    """A run that took images of these labels for the predicted classes; returns its result, as far as it matters."""
    metric = Accuracy()
    metric.dataset_meta = {"classes": names}
    metric.process({"labels": labels}, [{"scores": torch.eye(len(names))[predicted]}])
    metric.evaluate(len(labels))
    home = folder / f"seed{seed}" / arm
    home.mkdir(parents=True)
    metric.keep(home)
    return {"arm": arm, "seed": seed}


def texts(picture: Picture) -> list[str]:
    """All words in the picture, which must be an SVG file."""
    root = ET.fromstring(picture.image)
    assert root.tag.endswith("svg")
    return ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("}text")]


def test_classes_and_confusions_are_those_of_all_seeds(tmp_path: Path) -> None:
    names = ["cat", "dog & <fox>", "owl$_1$"]  # letters that mean something to SVG, and to matplotlib
    labels = torch.tensor([0] * 4 + [1] * 4 + [2] * 2)
    results = [
        keep(tmp_path, "lwdna", 0, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2]), labels, names),
        keep(tmp_path, "lwdna", 1, torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 2]), labels, names),
        keep(tmp_path, "baseline", 0, torch.tensor([0, 0, 0, 1, 1, 1, 0, 0, 2, 0]), labels, names),
        keep(tmp_path, "baseline", 1, torch.tensor([0, 0, 0, 1, 1, 1, 0, 0, 2, 2]), labels, names),
        {"arm": "uniform", "seed": 0},  # it left nothing
    ]
    by_class, confusions = pictures(tmp_path, results)
    assert by_class.caption.endswith("(baseline 2, lwdna 2).")
    assert by_class.alt == (
        "Accuracy of every class. baseline: lowest dog & <fox>, 50.0 %; lwdna: lowest dog & <fox>, 87.5 %."
    )
    assert [text for text in texts(by_class) if text in names] == ["dog & <fox>", "cat", "owl$_1$"]  # worst first
    assert confusions.alt == (
        "baseline: most often 50.0 % of dog & <fox> taken for cat. "
        "lwdna: most often 12.5 % of dog & <fox> taken for owl$_1$."
    )
    words = texts(confusions)
    assert words.count("cat") == 4  # rows and columns of two arms
    baseline = [word for word in words[: words.index("baseline")] if word.isdecimal()]
    assert baseline == ["75", "25", "50", "50", "25", "75"]  # 0 is left out


@pytest.mark.parametrize(("count", "shown", "tables"), [(100, 100, 1), (150, 40, 0)])
def test_many_classes_are_cut_to_those_that_differ(tmp_path: Path, count: int, shown: int, tables: int) -> None:
    names = [f"class {index}" for index in range(count)]
    labels = torch.arange(count).repeat(10)
    results = []
    for arm in ("baseline", "lwdna"):
        predicted = labels.clone()
        wrong = torch.arange(0, count, 3) if arm == "lwdna" else torch.arange(0)  # a third, all of them at first
        predicted[wrong] = (predicted[wrong] + 1) % count
        results.append(keep(tmp_path, arm, 0, predicted, labels, names))
    by_class, *confusions = pictures(tmp_path, results)
    drawn = {text for text in texts(by_class) if text.startswith("class")}
    assert len(drawn) == shown and len(confusions) == tables
    assert drawn >= {f"class {index}" for index in range(0, 3 * min(shown, count // 3), 3)}


def test_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    labels = torch.arange(12) % 4
    results = [keep(tmp_path, "baseline", 0, labels.flip(0), labels, list("abcd"))]
    assert pictures(tmp_path, results) == pictures(tmp_path, results)


def test_no_runs_no_pictures(tmp_path: Path) -> None:
    assert pictures(tmp_path, [{"arm": "baseline", "seed": 0}]) == []


def test_a_comparison_leaves_what_the_pictures_show(tmp_path: Path) -> None:
    recipe = Recipe("resnet20_digits", max_steps=2)
    request = Request("classification", recipe, seeds=1, arms=("baseline",), work_dir=tmp_path, threads=1)
    assert run_experiment(request, Console(file=io.StringIO())) == 0
    folder = tmp_path / "resnet20_digits"
    results = [read_json(path) for path in sorted(folder.glob("seed0/*/result.json"))]
    for result in results:
        kept = read_json(folder / "seed0" / result["arm"] / CLASSES)
        assert kept["classes"] == list("0123456789") and sum(kept["images"]) == 1397
        assert 100 * sum(kept["correct"]) / 1397 == pytest.approx(result["metrics"]["accuracy/top1"])
        assert set(result["metrics"]) == {"accuracy/top1", "accuracy/top5", "loss/val"}
    assert len(pictures(folder, results)) == 2
