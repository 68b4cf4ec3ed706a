"""On a GPU: the same as on the CPU, up to rounding; in mixed precision, compiled, and started by torchrun as well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lwdna_core.commands.options import usable_device
from lwdna_core.compare.evaluation import evaluate_run
from lwdna_core.compare.task import tasks
from lwdna_core.errors import LwdnaError

Compare = Callable[..., tuple[int, str]]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
ROUNDING = 0.02  # of a loss after a few steps: convolutions take TF32


def read(folder: Path, config: str = "tiny", arm: str = "baseline") -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / config / "seed0" / arm / "result.json").read_text())
    return result


def losses(result: dict[str, Any]) -> list[float]:
    return [entry["loss"] for entry in result["curve"]]


def test_a_run_follows_the_one_on_the_cpu(compare: Compare, tmp_path: Path) -> None:
    for device in ("cpu", "cuda"):
        assert compare(device=device, seeds=1, max_steps=8, work_dir=tmp_path / device)[0] == 0
    one, two = (read(tmp_path / device) for device in ("cpu", "cuda"))
    assert losses(two) == pytest.approx(losses(one), rel=ROUNDING)
    assert one["fingerprint"] == two["fingerprint"]
    assert two["environment"]["device"] == torch.cuda.get_device_name()
    assert two["train"]["peak_memory"] > 0
    assert read(tmp_path / "cuda", arm="lwdna")["network"]["macs"] < two["network"]["macs"]
    kept, again = evaluate_run(tmp_path / "cuda" / "tiny" / "seed0" / "lwdna", "cuda")
    assert again == pytest.approx(kept["metrics"], rel=1e-3)


@pytest.mark.parametrize(
    ("amp", "mode"), [("float16", None), ("bfloat16", None), (None, "default"), ("bfloat16", "reduce-overhead")]
)
def test_mixed_precision_and_compiled_networks_learn_alike(
    compare: Compare, tmp_path: Path, amp: str | None, mode: str | None
) -> None:
    wishes: dict[str, Any] = {"device": "cuda", "seeds": 1, "arms": ("baseline",), "max_steps": 8}
    assert compare(work_dir=tmp_path / "plain", **wishes)[0] == 0
    assert compare(work_dir=tmp_path / "other", amp=amp, compile=mode, **wishes)[0] == 0
    plain, other = (losses(read(tmp_path / name)) for name in ("plain", "other"))
    assert other == pytest.approx(plain, rel=2 * ROUNDING)


@pytest.mark.parametrize(
    ("task", "config"), [(task.name, config) for task in tasks().values() for config in task.defaults]
)
def test_the_defaults_of_every_task(compare: Compare, tmp_path: Path, task: str, config: str) -> None:
    for device in ("cpu", "cuda"):
        failed, printed = compare(
            task=task, config=config, device=device, seeds=1, max_steps=2, work_dir=tmp_path / device
        )
        assert failed == 0, printed
    one, two = (read(tmp_path / device, config) for device in ("cpu", "cuda"))
    assert losses(two) == pytest.approx(losses(one), rel=ROUNDING)
    assert read(tmp_path / "cuda", config, "lwdna")["search"]


def test_torchrun_with_nccl_trains_as_one_process_does(tiny: Path, tmp_path: Path) -> None:
    # of one process: NCCL wants a GPU for each
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "1", "-m"]
    for name, start, words in (("one", ["-m"], []), ("run", ["-m", *torchrun], ["--launcher", "pytorch"])):
        command = [sys.executable, *start, "lwdna_core.cli", "compare", "classification", str(tiny), "--seeds", "1"]
        command += ["--arms", "baseline", "--device", "cuda", "--work-dir", str(tmp_path / name), *words]
        path = os.pathsep.join([str(tiny.parent), *sys.path])
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    one, run = (losses(read(tmp_path / name)) for name in ("one", "run"))
    assert run == pytest.approx(one, rel=1e-3)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    device = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(LwdnaError, match=f"--device {device}: not usable here"):
        usable_device(device)
