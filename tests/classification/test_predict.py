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
