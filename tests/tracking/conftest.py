"""A finished comparison, as short as can be, and small sequences on disk."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from lwdna_core.compare.config import Recipe
from lwdna_core.compare.experiment import Request, run_experiment
from tasks.tracking.sequences import Composed

OPTIONS = (
    "train_dataloader.dataset.sequences=2",
    "train_dataloader.dataset.pairs=4",
    "train_dataloader.batch_size=2",
    "val_dataloader.dataset.sequences=1",
    "val_dataloader.dataset.length=6",
    "val_dataloader.dataset.real=False",
)


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a comparison whose arms were trained for one step."""
    home = tmp_path_factory.mktemp("comparison")
    recipe = Recipe("siamfc_small_composed_short", options=OPTIONS, max_steps=1)
    request = Request("tracking", recipe, seeds=1, work_dir=home, threads=1)
    assert run_experiment(request, Console(file=io.StringIO())) == 0
    return home / "siamfc_small_composed_short"


@pytest.fixture
def otb(tmp_path: Path) -> Callable[..., Path]:
    """Writes a composed sequence in OTB's layout below `tmp_path / "OTB"`, and returns its folder."""

    def write(name: str, seed: int = 0, length: int = 4, split: str = "test") -> Path:
        made, home = Composed(split, seed, length), tmp_path / "OTB" / name
        (home / "img").mkdir(parents=True)
        for index in range(length):
            cv2.imwrite(str(home / "img" / f"{index + 1:04}.jpg"), np.ascontiguousarray(made.frame(index)[:, :, ::-1]))
        lines = [",".join(f"{n:.2f}" for n in box) for box in made.boxes]
        (home / "groundtruth_rect.txt").write_text("\n".join(lines) + "\n")
        return home

    return write
