"""A checkpoint is data: whatever code it carries is not executed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer

from lwdna_core.compare.checkpoints import allow_mmengine_checkpoints
from lwdna_core.compare.evaluation import evaluate_run

Compare = Callable[..., tuple[int, str]]


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.fixture
def interrupted(compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that was interrupted in its third epoch."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setenv("INTERRUPT_AT", "9")
        compare(seeds=1, arms=("baseline",))
    return tmp_path / "out" / "tiny" / "seed0" / "baseline"


def hostile(path: Path, tmp_path: Path) -> None:
    torch.save({"meta": Hostile(tmp_path / "executed")}, path)


def truncated(path: Path, tmp_path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def foreign(path: Path, tmp_path: Path) -> None:
    allow_mmengine_checkpoints()
    content = torch.load(path, weights_only=True)
    content["record"]["owner"][2] = "7"  # another seed's
    torch.save(content, path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(hostile, "UnpicklingError"), (truncated, "Error"), (foreign, "it belongs to another run")],
)
def test_an_unusable_checkpoint_is_reported_and_the_one_before_is_used(
    spoil: Callable[[Path, Path], None], reason: str, interrupted: Path, compare: Compare, tmp_path: Path
) -> None:
    assert {path.name for path in interrupted.glob("*.pth")} == {"epoch_1.pth", "epoch_2.pth"}
    spoil(interrupted / "epoch_2.pth", tmp_path)
    failed, printed = compare(seeds=1, arms=("baseline",), resume=True)
    assert failed == 0
    assert "epoch_2.pth cannot be used" in printed and reason in printed
    assert (interrupted / "epoch_2.pth.unusable").exists()
    assert not (tmp_path / "executed").exists()
    compare(seeds=1, arms=("baseline",), work_dir=tmp_path / "straight")
    straight, resumed = (
        json.loads((folder / "result.json").read_text())
        for folder in (tmp_path / "straight" / "tiny" / "seed0" / "baseline", interrupted)
    )
    assert resumed["curve"] == straight["curve"]


def test_a_run_that_ended_in_its_last_evaluation_goes_on_with_it(compare: Compare, tmp_path: Path) -> None:
    """As where a test frame cannot be read, or somebody has no more time: the training is not lost.

    mmengine's EMAHook puts its averaged weights in the network's place for evaluations.
    """
    (tmp_path / "evaluation_parts.py").write_text(EVALUATION)
    config = tmp_path / "tiny.py"
    config.write_text(config.read_text() + f"custom_hooks += [{EMA}, dict(type='evaluation_parts.Evaluation')]\n")
    compare(seeds=1, arms=("baseline",), work_dir=tmp_path / "straight")
    folder = tmp_path / "out" / "tiny" / "seed0" / "baseline"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIL_EVALUATION", "1")
        assert compare(seeds=1, arms=("baseline",))[0] == 1
    assert not (folder / "result.json").exists()
    assert compare(seeds=1, arms=("baseline",), resume=True)[0] == 0
    straight, resumed = (
        json.loads((home / "result.json").read_text())
        for home in (tmp_path / "straight" / "tiny" / "seed0" / "baseline", folder)
    )
    for key in ("curve", "metrics", "items"):
        assert resumed[key] == straight[key]
    assert evaluate_run(folder, "cpu")[1] == pytest.approx(resumed["metrics"])  # the averaged weights are kept
    assert [sitting["step"] for sitting in resumed["sittings"]] == [0]
    assert resumed["train"]["steps"] == straight["train"]["steps"] == 16


EMA = "dict(type='EMAHook', momentum=0.1)"
EVALUATION = """
import os
from mmengine.hooks import Hook

class Evaluation(Hook):
    def before_val_iter(self, runner, batch_idx, data_batch=None):
        if os.environ.get("FAIL_EVALUATION") and runner.epoch == 4:
            raise RuntimeError("no such frame")
"""


def test_where_a_run_went_on_stands_in_its_result(interrupted: Path, compare: Compare) -> None:
    threads = torch.get_num_threads()
    try:
        assert compare(seeds=1, arms=("baseline",), resume=True, threads=threads + 1)[0] == 0
    finally:
        torch.set_num_threads(threads)
    result = json.loads((interrupted / "result.json").read_text())
    steps = [(place["step"], place["environment"]["threads"]) for place in result["sittings"]]
    assert steps == [(0, threads), (8, threads + 1)]
    assert result["environment"] == result["sittings"][-1]["environment"]


def test_a_checkpoint_that_does_not_know_where_it_was_trained_is_resumed(interrupted: Path, compare: Compare) -> None:
    allow_mmengine_checkpoints()
    for path in interrupted.glob("*.pth"):
        content = torch.load(path, weights_only=True)
        del content["record"]["sittings"]
        torch.save(content, path)
    assert compare(seeds=1, arms=("baseline",), resume=True)[0] == 0
    assert [place["step"] for place in json.loads((interrupted / "result.json").read_text())["sittings"]] == [8]


def test_the_config_in_a_checkpoint_is_not_executed(interrupted: Path, compare: Compare, tmp_path: Path) -> None:
    checkpoint = interrupted / "epoch_2.pth"
    allow_mmengine_checkpoints()
    content = torch.load(checkpoint, weights_only=True)
    content["meta"]["config"] = f"open({str(tmp_path / 'executed')!r}, 'w')\n"
    torch.save(content, checkpoint)
    failed, _ = compare(seeds=1, arms=("baseline",), resume=True)
    assert failed == 0
    assert not (tmp_path / "executed").exists()


def test_the_allow_list_does_not_open_getattr(tmp_path: Path) -> None:
    class Reach:
        def __reduce__(self) -> tuple[object, ...]:
            return getattr, (HistoryBuffer, "__init__")

    torch.save(Reach(), tmp_path / "reach.pth")
    allow_mmengine_checkpoints()
    with pytest.raises(Exception, match="refused"):
        torch.load(tmp_path / "reach.pth", weights_only=True)
