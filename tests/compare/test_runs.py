"""What makes the comparison fair: the same data for every arm, and the same numbers after an interruption."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

Compare = Callable[..., tuple[int, str]]
STEPS = 16


def first_inputs(work: Callable[[], object]) -> list[str]:
    """Hashes of all real batches that reach the first layer in training mode while `work` runs."""
    seen = []

    def look(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, nn.Conv2d) and module.in_channels == 3 and module.training and not inputs[0].is_meta:
            seen.append(hashlib.sha256(inputs[0].detach().contiguous().numpy().data).hexdigest())

    handle = register_module_forward_pre_hook(look)
    try:
        work()
    finally:
        handle.remove()
    return seen


def test_arms_see_the_same_batches_step_by_step(compare: Compare) -> None:
    baseline = first_inputs(lambda: compare(seeds=1, arms=("baseline",)))[-STEPS:]
    searched = first_inputs(lambda: compare(seeds=1, arms=("baseline", "lwdna")))
    search, lwdna = searched[:-STEPS], searched[-STEPS:]
    assert lwdna == baseline
    assert len(set(lwdna)) == STEPS  # no batch comes twice
    assert [batch for batch in search if batch in lwdna] == lwdna[:2]  # a search sees what the training begins with


def test_another_seed_sees_other_batches(compare: Compare) -> None:
    both = first_inputs(lambda: compare(seeds=2, arms=("baseline",), max_steps=2))[-4:]
    assert len(set(both)) == 4


@pytest.mark.parametrize("step", [2, 9])  # before the first checkpoint, and in the middle of the third epoch
def test_an_interrupted_run_ends_in_the_same_numbers(
    step: int,
    compare: Compare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    compare(seeds=1, arms=("lwdna",), work_dir=tmp_path / "straight")
    monkeypatch.setenv("INTERRUPT_AT", str(step))
    with pytest.raises(KeyboardInterrupt):
        compare(seeds=1, arms=("lwdna",), work_dir=tmp_path / "broken")
    monkeypatch.delenv("INTERRUPT_AT")
    run = tmp_path / "broken" / "tiny" / "seed0" / "lwdna"
    assert len(list(run.glob("epoch_*.pth"))) == step // 4
    assert not (run / "result.json").exists()
    capsys.readouterr()
    compare(seeds=1, arms=("lwdna",), work_dir=tmp_path / "broken", resume=True)
    assert capsys.readouterr().out == ""  # mmengine's messages stay in its log

    straight, broken = (result(tmp_path / name / "tiny" / "seed0" / "lwdna") for name in ("straight", "broken"))
    for key in ("metrics", "curve", "network", "fingerprint"):
        assert broken[key] == straight[key]
    assert [entry["step"] for entry in broken["curve"]] == [4, 8, 12, 16]
    assert [("accuracy/top1" in entry) for entry in broken["curve"]] == [False, True, False, True]
    weights = [(tmp_path / name / "tiny/seed0/lwdna/model.safetensors").read_bytes() for name in ("straight", "broken")]
    assert weights[0] == weights[1]


def test_max_steps_cuts_the_last_epoch_and_scales_the_schedule(compare: Compare, tmp_path: Path) -> None:
    compare(seeds=1, arms=("baseline",), max_steps=6)
    found = result(tmp_path / "out" / "tiny" / "seed0" / "baseline")
    assert found["train"]["steps"] == 6
    assert found["curve"][-1]["step"] == 6
    assert "accuracy/top1" in found["curve"][-1]
    assert found["train"]["macs"] == 3 * found["network"]["macs"] * 600
    # milestones 2 and 3 of 4 epochs are steps 3 and 4.5 of 6
    assert [round(entry["lr"], 6) for entry in found["curve"]] == [0.05, 0.0005]


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content
