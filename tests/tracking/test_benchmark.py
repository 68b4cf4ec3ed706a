"""A data set tracked with a run: resumed, in processes, and without losing sequences to a bad one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lwdna_core.cli import main

Writer = Callable[..., Path]
NAME = "siamfc_small_composed_short-baseline-seed0"


def predict(*words: object) -> int:
    return main(["predict", *map(str, words)])


def test_results_are_those_that_eval_reads(
    comparison: Path, otb: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    otb("One", seed=0), otb("Two", seed=1)
    data, out, run = tmp_path / "OTB", tmp_path / "out", comparison / "seed0" / "baseline"
    shutil.copytree(data / "Two", data / "Bad")
    (data / "Bad" / "img" / "0002.jpg").unlink()
    assert predict(run, data, "--out", out, "--device", "cpu", "--parallel", 2) == 1
    said = capsys.readouterr().out
    assert "Bad failed: " in said and "3 frames, but 4 lines" in said
    assert "2 sequences tracked, 0 were there, 1 failed" in said
    assert sorted(file.name for file in (out / NAME).glob("*.txt")) == ["One.txt", "Two.txt"]
    assert len((out / NAME / "times" / "One_time.txt").read_text().split()) == 4

    kept = (out / NAME / "One.txt").stat().st_mtime_ns
    shutil.rmtree(data / "Bad")
    otb("Three", seed=2)
    assert predict(run, data, "--out", out, "--device", "cpu") == 0
    assert "1 sequences tracked, 2 were there, 0 failed" in capsys.readouterr().out
    assert (out / NAME / "One.txt").stat().st_mtime_ns == kept

    assert main(["eval", "tracking", str(out), "--annotations", str(data), "--json", str(tmp_path / "s.json")]) == 0
    (scores,) = json.loads((tmp_path / "s.json").read_text())["trackers"]
    assert scores["name"] == NAME and set(scores["sequences"]) == {"One", "Two", "Three"}
    assert 0 < scores["auc"] <= 20 / 21


def test_votes_layout_and_results_of_another_network(
    comparison: Path, tmp_path: Path, otb: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    home = otb("One")
    vot = tmp_path / "VOT" / "one"
    shutil.copytree(home / "img", vot / "color")
    shutil.copy(home / "groundtruth_rect.txt", vot / "groundtruth.txt")
    out, run = tmp_path / "out", comparison / "seed0" / "baseline"
    assert predict(run, tmp_path / "VOT", "--out", out, "--device", "cpu") == 0
    lines = (out / NAME / "baseline" / "one" / "one_001.txt").read_text().splitlines()
    assert len(lines) == 4 and lines[0] == "1"
    assert main(["eval", "tracking", str(out / NAME), "--annotations", str(tmp_path / "VOT")]) == 0

    other = tmp_path / "other"
    shutil.copytree(run, other)
    shutil.copy(comparison / "seed0" / "lwdna" / "model.safetensors", other)
    capsys.readouterr()
    assert predict(other, tmp_path / "VOT", "--out", out) == 2
    assert "holds results of another network or data set" in capsys.readouterr().err
