"""What a finished run is good for: `lwdna test`, `predict`, `export`; and `lwdna eval`, which needs none."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import lwdna_core
from lwdna_core.cli import main
from lwdna_core.compare.evaluation import evaluate_run
from lwdna_core.compare.task import find_task

Compare = Callable[..., tuple[int, str]]

COMMAND = '''
"""Counts words."""

def add_arguments(parser):
    parser.add_argument("input")
    parser.add_argument("--out", required=True)

def run(args):
    print(sorted(vars(args).items()))
    return 3
'''


@pytest.fixture
def run_folder(compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run that was really trained."""
    compare(seeds=1, max_steps=6)
    capsys.readouterr()
    return tmp_path / "out" / "tiny" / "seed0" / "lwdna"


def test_a_run_evaluated_again_has_the_same_metrics(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in run_folder.iterdir()}
    result, metrics = evaluate_run(run_folder, "cpu")
    assert metrics == result["metrics"]
    assert {path.name: path.stat().st_mtime_ns for path in run_folder.iterdir()} == before
    assert main(["test", str(run_folder), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "tiny seed 0 lwdna" in printed and "same" in printed and "differs" not in printed


def test_it_is_the_stored_weights_that_are_evaluated(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lwdna_core.shrink import ChannelConfig

    network = lwdna_core.load(run_folder)
    with torch.no_grad():
        network[-1].bias[3] = 1e6  # everything is a three
    lwdna_core.save(network, ChannelConfig.load(run_folder / "channels.json"), run_folder)
    result, metrics = evaluate_run(run_folder, "cpu")
    assert 5 < metrics["accuracy/top1"] < 15
    assert metrics != result["metrics"]
    main(["test", str(run_folder), "--device", "cpu"])
    assert "differs" in capsys.readouterr().out


def test_another_config_than_the_runs_is_told(run_folder: Path, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.write_text(tiny.read_text().replace("lr=0.05", "lr=0.06"))
    assert main(["test", str(run_folder)]) == 2
    assert "config.optim_wrapper.optimizer.lr: 0.05, 0.06" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["test"], ["predict"], ["export", "--onnx", "x.onnx"]])
def test_a_folder_that_is_no_run_names_those_below(
    words: list[str], run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = run_folder.parents[1]
    assert main([words[0], str(top), *words[1:]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no result.json" in line and str(run_folder) in line
    assert main([words[0], "nowhere", *words[1:]]) == 2
    assert "there is no folder nowhere" in capsys.readouterr().err


def test_an_exported_run_computes_the_same(run_folder: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "run.onnx"
    assert main(["export", str(run_folder), "--onnx", str(path)]) == 0
    session = onnxruntime.InferenceSession(path)
    images = torch.randn(3, 3, 32, 32)
    (found,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), lwdna_core.load(run_folder)(images), rtol=1e-4, atol=1e-4)


def test_a_task_reads_the_words_after_the_run_itself(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "word_counter.py").write_text(textwrap.dedent(COMMAND))
    monkeypatch.syspath_prepend(tmp_path)
    task = dataclasses.replace(find_task("classification"), commands={"predict": "word_counter"})
    monkeypatch.setattr("lwdna_core.commands.handover.find_task", lambda name: task)
    assert main(["predict", str(run_folder), "--out", "there", "here"]) == 3
    assert capsys.readouterr().out == f"[('input', 'here'), ('out', 'there'), ('run_folder', {run_folder!r})]\n"
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(run_folder), "--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: lwdna predict {run_folder}") and "Counts words." in printed
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(run_folder), "here"])
    assert stop.value.code == 2


def test_a_task_without_the_command_says_who_has_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = dataclasses.replace(find_task("classification"), commands={})
    able = dataclasses.replace(bare, name="able", commands={"eval": "word_counter"})
    monkeypatch.setattr("lwdna_core.commands.handover.find_task", lambda name: bare)
    monkeypatch.setattr("lwdna_core.commands.handover.tasks", lambda: {"bare": bare, "able": able})
    assert main(["eval", "bare", "--gt", "x"]) == 2
    assert "tasks that have: able" in capsys.readouterr().err


def test_eval_hands_over_without_torch(tmp_path: Path) -> None:
    (tmp_path / "word_counter.py").write_text(textwrap.dedent(COMMAND))
    script = """
        import dataclasses, sys
        from lwdna_core.commands import handover
        from lwdna_core.compare.task import find_task
        task = dataclasses.replace(find_task("classification"), commands={"eval": "word_counter"})
        handover.find_task = lambda name: task
        from lwdna_core.cli import main
        status = main(["eval", "classification", "boxes", "--out", "there"])
        heavy = sorted({"torch", "numpy", "mmengine", "matplotlib", "kornia", "rich"} & set(sys.modules))
        print(status, heavy)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[('input', 'boxes'), ('out', 'there')]", "3 []"]


def test_a_result_without_its_weights_is_told(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run_folder / "model.safetensors").unlink()
    assert main(["test", str(run_folder)]) == 2
    assert "model.safetensors: No such file" in capsys.readouterr().err
    (run_folder / "result.json").write_text(json.dumps({"format": 99}))
    assert main(["test", str(run_folder)]) == 2
    assert 'expected a JSON object with "format": 1' in capsys.readouterr().err
