"""A whole experiment in seconds: a network of two convolutions on the digits, 4 epochs of 4 steps."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from rich.console import Console

from lwdna_core.compare.config import Recipe
from lwdna_core.compare.experiment import Request, run_experiment

PARTS = """
import os
from mmengine.hooks import Hook
from torch import nn

def build():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 10),
    )

class Trouble(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == int(os.environ.get("INTERRUPT_AT", -1)):
            raise KeyboardInterrupt
        if os.environ.get("FAIL", "nowhere") in runner.work_dir:
            raise RuntimeError("out of luck")
"""

CONFIG = """
_base_ = {base!r}
experiment = dict(network="tiny_parts:build", input=(3, 32, 32), arms=["baseline", "lwdna"], seeds=2)
train_dataloader = dict(batch_size=100)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.05, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[2, 3])]
train_cfg = dict(by_epoch=True, max_epochs=4, val_interval=2)
custom_hooks = [dict(type="tiny_parts.Trouble")]
"""


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config file of the experiment; it is called "tiny"."""
    from lwdna_core.compare.task import find_task

    (tmp_path / "tiny_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    base = find_task("classification").configs()["resnet20_digits"].parent / "_base_" / "digits.py"
    path = tmp_path / "tiny.py"
    path.write_text(CONFIG.format(base=str(base)))
    return path


Compare = Callable[..., tuple[int, str]]


@pytest.fixture
def compare(tiny: Path, tmp_path: Path) -> Compare:
    """Run the experiment into `tmp_path / "out"`; returns the number of failed runs and what was printed."""

    def run(**wishes: object) -> tuple[int, str]:
        printed = io.StringIO()
        words = {field.name: wishes.pop(field.name) for field in fields(Recipe) if field.name in wishes}
        recipe = Recipe(**{"config": str(tiny), **words})
        request = Request(**{"task": "classification", "recipe": recipe, "work_dir": tmp_path / "out", **wishes})
        return run_experiment(request, Console(file=printed, width=200)), printed.getvalue()

    return run
