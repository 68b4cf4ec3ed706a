"""What the default is for: a trained tracker follows its target."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from torch import Tensor

from lwdna_core.compare.config import Recipe
from lwdna_core.compare.experiment import Request, run_experiment
from lwdna_core.compare.results import read_json
from tasks.tracking import task
from tasks.tracking.data import composed
from tasks.tracking.experiments import one_pass
from tasks.tracking.metrics import TrackingScores
from tasks.tracking.run_tracker import make_tracker
from tasks.tracking.siamfc import SiamFCTracker


def test_training_and_tracking_with_search_images_of_287_pixels(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        f"_base_ = {str(task.configs()['siamfc_small_composed_short'])!r}\n"
        "train_dataloader = dict(dataset=dict(sequences=2, pairs=4), batch_size=2)\n"
        "val_dataloader = dict(dataset=dict(sequences=1, length=6, real=False))\n"
        "model = dict(data_preprocessor=dict(search=287), tracker=dict(search=287))\n"
        "experiment = dict(input=[(3, 127, 127), (3, 287, 287)])\n"
    )
    request = Request("tracking", Recipe(str(tmp_path / "own.py"), max_steps=1), seeds=1, work_dir=tmp_path, threads=1)
    assert run_experiment(request, Console(file=io.StringIO())) == 0
    run = tmp_path / "own" / "seed0" / "lwdna"
    (sequence,) = composed("test", 1, length=6).sequences
    lines = np.loadtxt(run / "tracks" / "composed" / f"{sequence.name}.txt", delimiter=",")
    tracker = make_tracker(run, "cpu")
    assert isinstance(tracker, SiamFCTracker) and tracker.search == 287
    assert np.stack(one_pass(tracker, sequence).lines) == pytest.approx(lines, abs=0.01)
    shorter = SiamFCTracker(tracker.network)
    assert np.abs(np.stack(one_pass(shorter, sequence).lines) - lines).max() > 0.01


class Stuck:
    """Stays where it was started."""

    def init(self, frame: Tensor, box: Tensor) -> None:
        self.box = box

    def update(self, frame: Tensor) -> Tensor:
        return self.box


@pytest.mark.slow
def test_the_trained_baseline_beats_a_box_that_never_moves(tmp_path: Path) -> None:
    recipe = Recipe("siamfc_small_composed_short", options=("val_dataloader.dataset.real=False",))
    request = Request("tracking", recipe, seeds=1, arms=("baseline",), work_dir=tmp_path)
    assert run_experiment(request, Console(file=io.StringIO())) == 0
    trained = read_json(tmp_path / "siamfc_small_composed_short" / "seed0" / "baseline" / "result.json")["metrics"]
    tests = composed("test", sequences=4, length=36)
    metric = TrackingScores()
    metric.dataset_meta = dict(tests.metainfo)  # type: ignore[union-attr]
    trials = [trial for trial in tests.trials if trial.protocol == "OPE"]  # type: ignore[union-attr]
    for trial in trials:
        metric.process({}, [{"trial": trial, "tracks": (one_pass(Stuck(), trial.sequence),)}])
    stuck = metric.evaluate(len(trials))
    assert trained["auc/composed"] > 1.5 * stuck["auc/composed"]
    assert np.isfinite(trained["accuracy/composed"])
