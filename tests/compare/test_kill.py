"""SIGKILL at any moment, then the same command with --resume: the numbers are those of an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# The process kills itself: in the forward pass of a search, in that of a training step, half through a checkpoint.
PARTS = """
import os, signal
from mmengine.fileio import LocalBackend
from torch import nn

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Net(nn.Sequential):
    steps = 0
    def forward(self, x):
        if self.training and not x.is_meta:
            Net.steps += 1
            if os.environ.get("DIE") == ("search" if self[0].out_channels == 16 else f"step {Net.steps}"):
                die()
        return super().forward(x)

def build():
    return Net(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 10),
    )

put = LocalBackend.put
def half(self, content, path):
    if os.environ.get("DIE") == "checkpoint":
        put(self, content[: len(content) // 2], path)
        die()
    put(self, content, path)
LocalBackend.put = half
"""


@pytest.fixture
def command(tiny: Path, tmp_path: Path) -> list[str]:
    """The comparison in a process of its own, up to --work-dir."""
    (tmp_path / "tiny_parts.py").write_text(PARTS)
    tiny.write_text(tiny.read_text().replace('custom_hooks = [dict(type="tiny_parts.Trouble")]', ""))
    words = ["compare", "classification", str(tiny), "--device", "cpu", "--seeds", "1", "--threads", "1", "--resume"]
    return [sys.executable, "-m", "lwdna_core.cli", *words, "--work-dir"]


def start(command: list[str], folder: Path, die: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(folder.parent), "DIE": die}
    return subprocess.Popen([*command, str(folder)], env=environment, stdout=subprocess.DEVNULL, cwd=folder.parent)


def assert_same(one: Path, other: Path) -> None:
    for arm in ("baseline", "lwdna"):
        runs = [folder / "tiny" / "seed0" / arm for folder in (one, other)]
        results = [json.loads((run / "result.json").read_text()) for run in runs]
        for key in ("metrics", "curve", "network", "fingerprint"):
            assert results[0][key] == results[1][key]
        assert len({(run / "model.safetensors").read_bytes() for run in runs}) == 1
    comparisons = [json.loads((folder / "tiny" / "comparison.json").read_text()) for folder in (one, other)]
    assert comparisons[0] == comparisons[1]


def test_killed_in_the_search_in_a_checkpoint_and_in_a_step(command: list[str], tmp_path: Path) -> None:
    straight = start(command, tmp_path / "straight")
    for die in ("search", "checkpoint", "step 10"):
        assert start(command, tmp_path / "killed", die).wait(300) == -signal.SIGKILL
    assert start(command, tmp_path / "killed").wait(300) == 0
    assert straight.wait(300) == 0
    assert_same(tmp_path / "straight", tmp_path / "killed")


@pytest.mark.slow
def test_killed_at_random_moments(command: list[str], tmp_path: Path) -> None:
    begun = time.monotonic()
    assert start(command, tmp_path / "straight").wait(600) == 0
    whole = time.monotonic() - begun
    draw = random.Random(0)
    kills = 0
    while kills < 12:
        process = start(command, tmp_path / "killed")
        try:
            assert process.wait(draw.uniform(0.3, 1.0) * whole) == 0
            break  # what was left took less than that
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert start(command, tmp_path / "killed").wait(600) == 0
    assert_same(tmp_path / "straight", tmp_path / "killed")
