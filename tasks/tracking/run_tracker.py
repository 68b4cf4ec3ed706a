"""The tracker of a run: around the network that it trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.tracking.experiments import Tracker


def make_tracker(run_folder: Path, device: str) -> Tracker:
    """The tracker that a run's config describes, around the network that it trained. Raises LwdnaError for no run."""
    from lwdna_core import load
    from lwdna_core.compare.config import load_experiment
    from lwdna_core.compare.run_folder import read_run
    from tasks.tracking.model import tracker_of

    result = read_run(run_folder)
    experiment = load_experiment(result["task"], **result["request"])
    return tracker_of(experiment.cfg.model.tracker, load(run_folder).to(device))
