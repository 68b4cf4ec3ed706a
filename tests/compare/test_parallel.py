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

from lwdna_core.compare.evaluation import evaluate_run

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


HANGS = """
import threading

def hang(display):
    print("at work", flush=True)
    threading.Event().wait()

if __name__ == "__main__":
    from rich.console import Console
    from lwdna_core.compare.progress import Progress
    from lwdna_core.compare.workers import Workers

    with Progress(Console(quiet=True), 1, 1) as display, Workers(1, 1, display) as workers:
        workers.submit(hang).result()
"""


def test_a_command_that_is_ended_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = tmp_path / "hangs.py"
    script.write_text(HANGS)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        process.terminate()
        process.communicate(timeout=60)  # ends when the last process that holds the output has ended
    assert process.returncode == 143


NORMLESS = """
from torch import nn

from lwdna_core.data.resident import ResidentSet
from tasks.classification.data import digits

def build():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )

def odd(split):
    data = digits(split)
    return ResidentSet({name: array[:-1] for name, array in data.arrays.items()}, data.metainfo)
"""


def launch(config: Path, work_dir: Path, processes: int, *words: str) -> None:
    """The command in a process of its own, or started twice by torchrun."""
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    command = [
        sys.executable,
        "-m",
        *(torchrun if processes > 1 else []),
        "lwdna_core.cli",
        "compare",
        "classification",
    ]
    command += [str(config), "--device", "cpu", "--work-dir", str(work_dir), *words]
    command += ["--launcher", "pytorch"] if processes > 1 else []
    environment = {**os.environ, "PYTHONPATH": str(config.parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=config.parent, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_processes_evaluate_the_network_that_they_save(tiny: Path, tmp_path: Path) -> None:
    # each has running statistics of its own images
    launch(tiny, tmp_path, 2, "--seeds", "1", "--arms", "baseline")
    result, again = evaluate_run(tmp_path / "tiny" / "seed0" / "baseline", "cpu")
    assert again == pytest.approx(result["metrics"], rel=1e-6)


@pytest.mark.slow
def test_two_processes_on_every_batch_train_as_one(tiny: Path, tmp_path: Path) -> None:
    # without normalisation, whose statistics are those of each process's part
    (tmp_path / "tiny_parts.py").write_text(NORMLESS)
    text = tiny.read_text().replace('custom_hooks = [dict(type="tiny_parts.Trouble")]', "")
    # 150, 150 and 99 of 399 images: the parts of the last batch differ in size
    text = text.replace("batch_size=100", "batch_size=150")
    text += "train_dataloader['dataset'] = dict(type='tiny_parts:odd', split='train', _delete_=True)\n"
    tiny.write_text(text)
    for name, processes in (("one", 1), ("two", 2)):
        launch(tiny, tmp_path / name, processes, "--seeds", "1")
    for arm in ("baseline", "lwdna"):
        one, two = (tmp_path / name / "tiny" / "seed0" / arm for name in ("one", "two"))
        first, second = (json.loads((folder / "result.json").read_text()) for folder in (one, two))
        assert [entry["loss"] for entry in second["curve"]] == pytest.approx(
            [entry["loss"] for entry in first["curve"]], rel=1e-4
        )
        assert second["metrics"]["accuracy/top1"] == pytest.approx(first["metrics"]["accuracy/top1"], abs=0.3)
        for name, weight in load_file(one / "model.safetensors").items():
            assert (weight - load_file(two / "model.safetensors")[name]).abs().max() < 1e-4
