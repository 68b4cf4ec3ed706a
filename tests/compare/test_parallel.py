"""Several processes: at once on a grid of runs, or together on every batch. The numbers are those of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

Compare = Callable[..., tuple[int, str]]


def test_runs_at_once_give_the_results_of_runs_one_after_another(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # the workers import the network from there
    monkeypatch.setenv("FAIL", "seed1/lwdna")
    arms = ("baseline", "lwdna", "shuffled")
    for name, parallel in (("one", 1), ("two", 2)):
        failed, printed = compare(
            seeds=2, arms=arms, max_steps=6, work_dir=tmp_path / name, parallel=parallel, threads=1
        )
        assert failed == 1
        assert printed.count("out of luck") == 1
    for seed in (0, 1):
        for arm in arms if seed == 0 else ("baseline", "shuffled"):
            one, two = (tmp_path / name / "tiny" / f"seed{seed}" / arm for name in ("one", "two"))
            assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
            first, second = (json.loads((folder / "result.json").read_text()) for folder in (one, two))
            for key in ("metrics", "curve", "network", "fingerprint", "protocol"):
                assert first[key] == second[key]


NORMLESS = """
from torch import nn

def build():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )
"""


@pytest.mark.slow
def test_two_processes_on_every_batch_train_as_one(tiny: Path, tmp_path: Path) -> None:
    # without normalisation, whose statistics are those of each process's part
    (tmp_path / "tiny_parts.py").write_text(NORMLESS)
    text = tiny.read_text().replace('custom_hooks = [dict(type="tiny_parts.Trouble")]', "")
    tiny.write_text(text)
    words = ["compare", "classification", str(tiny), "--device", "cpu", "--seeds", "1"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for start, end in (([sys.executable], []), (launch, ["--launcher", "pytorch"])):
        work_dir = str(tmp_path / ("two" if end else "one"))
        command = [*start, "-m", "lwdna_core.cli", *words, "--work-dir", work_dir, *end]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    for arm in ("baseline", "lwdna"):
        one, two = (tmp_path / name / "tiny" / "seed0" / arm for name in ("one", "two"))
        first, second = (json.loads((folder / "result.json").read_text()) for folder in (one, two))
        assert [entry["loss"] for entry in second["curve"]] == pytest.approx(
            [entry["loss"] for entry in first["curve"]], rel=1e-4
        )
        assert second["metrics"]["accuracy/top1"] == pytest.approx(first["metrics"]["accuracy/top1"], abs=0.3)
        for name, weight in load_file(one / "model.safetensors").items():
            assert (weight - load_file(two / "model.safetensors")[name]).abs().max() < 1e-4
