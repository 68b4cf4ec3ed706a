"""`lwdna predict` names the classes of images as the evaluation of the run does."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lwdna_core.cli import main
from tasks.classification.data import digits


def test_the_images_of_the_test_set_get_the_accuracy_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "classification", "--arms", "baseline", "--seeds", "1", "--max-steps", "24", "--device", "cpu"]
    assert main([*words, "--work-dir", str(tmp_path)]) == 0
    run = tmp_path / "resnet20_digits" / "seed0" / "baseline"
    data = digits("test")
    folder = tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(data.arrays["inputs"].numpy()):
        cv2.imwrite(str(folder / f"{index:04d}.png"), np.ascontiguousarray(image.transpose(1, 2, 0)[..., ::-1]))
    assert main(["predict", str(run), str(folder), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").open()))
    first = [row for row in rows if row["rank"] == "1"]
    hits = np.array([int(row["class"]) for row in first]) == data.arrays["labels"].numpy()
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    assert 100 * hits.mean() == pytest.approx(metrics["accuracy/top1"], abs=0.08)
    assert len(rows) == 5 * len(data)
    whole = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert all(0 < entry["classes"][0]["probability"] <= 1 for entry in whole)

    capsys.readouterr()
    (folder / "0000.png").write_bytes(b"no image")
    for words, message in (
        ([str(folder / "nothing")], "there is no such image or folder"),
        ([str(folder / "0000.png")], "0000.png: cannot be decoded"),
        ([str(run)], "no images in it"),
    ):
        assert main(["predict", str(run), *words, "--out", str(tmp_path / "out"), "--device", "cpu"]) == 2
        assert message in capsys.readouterr().err


OWN = """
model = dict(
    type="tasks.classification.model.ImageClassifier",
    data_preprocessor=dict(
        type="tasks.classification.model.ImagePreprocessor", mean=[0.3] * 3, std=[0.4] * 3, size=24, pad=0, flip=False
    ),
)
train_dataloader = dict(dataset=dict(type="image_folder", folder={folder!r}, split="train", size=24), batch_size=16)
val_dataloader = dict(dataset=dict(type="image_folder", folder={folder!r}, split="val", size=32), batch_size=16)
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=2)
val_cfg = dict()
val_evaluator = dict(type="tasks.classification.metrics.Accuracy")
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.05, momentum=0.9))
experiment = dict(
    network="predicted:Own", input=(3, 24, 24), shrink=dict(macs=0.9), arms=["baseline", "lwdna"], seeds=1
)
"""
NETWORK = """
from torch import nn


class Own(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 5, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)
        )
"""


def test_images_of_a_folder_are_cut_as_their_evaluation_cuts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where it sees another size than the training; of a network of one's own as long as it is the same."""
    random = np.random.default_rng(0)
    for split, count in (("train", 16), ("val", 40)):
        for label in range(3):
            folder = tmp_path / "own" / split / f"c{label}"
            folder.mkdir(parents=True)
            for index in range(count):  # what tells the classes is in the middle, other colours are around it
                image = random.integers(0, 256, (40, 48, 3))
                image[8:32, 12:36] = image[8:32, 12:36] // 4 + 60 * label
                cv2.imwrite(str(folder / f"{index}.png"), image)
    config = tmp_path / "own.py"
    config.write_text(OWN.format(folder=str(tmp_path / "own")))
    (tmp_path / "predicted.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["compare", "classification", str(config), "--arms", "baseline", "--seeds", "1", "--device", "cpu"]
    assert main([*words, "--work-dir", str(tmp_path / "runs")]) == 0
    run = tmp_path / "runs" / "own" / "seed0" / "baseline"
    config.unlink()
    predict = ["predict", str(run), str(tmp_path / "own" / "val"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(predict) == 0
    first = [row for row in csv.DictReader((tmp_path / "out" / "predictions.csv").open()) if row["rank"] == "1"]
    hits = np.array([Path(row["image"]).parent.name == row["class"] for row in first])
    metrics = json.loads((run / "result.json").read_text())["metrics"]
    assert len(hits) == 120 and 100 * hits.mean() == pytest.approx(metrics["accuracy/top1"], abs=1e-3)

    import predicted  # type: ignore[import-not-found]

    class Own(predicted.Own):  # type: ignore[misc, name-defined]
        def forward(self, x: object) -> object:
            return -super().forward(x)

    monkeypatch.setattr(predicted, "Own", Own)
    for command in (predict, ["export", str(run), "--onnx", str(tmp_path / "own.onnx")]):
        assert main(command) == 2
        assert "the modules of predicted:Own, or their code, are no longer the run's" in capsys.readouterr().err
