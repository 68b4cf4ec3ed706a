"""A finished run evaluated again: its network, rebuilt from its folder, on the validation data of its config."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

from mmengine.registry import MODELS

from lwdna_core.compare.config import Experiment, load_experiment
from lwdna_core.compare.protocol import differences, fingerprint, protocol
from lwdna_core.compare.randomness import NETWORK, reseed
from lwdna_core.compare.run_folder import read_run
from lwdna_core.compare.runner import QuietRunner, held_out_loader
from lwdna_core.errors import LwdnaError
from lwdna_core.export import load

_names = itertools.count()


def evaluate_run(folder: Path, device: str) -> tuple[dict[str, Any], dict[str, float]]:
    """What `result.json` says of a run, and the metrics that its network has now, on this device.

    Raises:
        LwdnaError: if the folder holds no finished run, or the config or the data are no longer those of the run; names
            what differs.
    """
    result = read_run(folder)
    experiment = load_experiment(result["task"], **result["request"])
    now = protocol(experiment)
    if fingerprint(now) != result["fingerprint"]:
        keys = "; ".join(differences(result["protocol"], now))
        raise LwdnaError(f"{folder}: the config or its data are no longer those of the run (then, now): {keys}")
    return result, _evaluate(experiment, folder, int(result["seed"]), device)


def _evaluate(experiment: Experiment, folder: Path, seed: int, device: str) -> dict[str, float]:
    cfg = experiment.cfg
    network = load(folder)
    reseed(seed, NETWORK, 2)
    model = MODELS.build(cfg.model, default_args={"network": network}).to(device)
    with tempfile.TemporaryDirectory() as scratch:
        runner = QuietRunner(
            model=model,
            work_dir=scratch,
            val_dataloader=held_out_loader(experiment, device),
            val_cfg=cfg.val_cfg,
            val_evaluator=cfg.val_evaluator,
            default_hooks=dict.fromkeys(
                ("runtime_info", "timer", "logger", "sampler_seed", "param_scheduler", "checkpoint")
            ),
            visualizer={"type": "Visualizer", "vis_backends": []},
            experiment_name=f"{experiment.name}_again_{next(_names)}",
            cfg=cfg,
        )
        try:
            values = runner.val()
        finally:
            for handler in runner.logger.handlers:
                handler.close()
            runner.logger.handlers.clear()
    return {name: float(value) for name, value in values.items() if experiment.task.metric(name)}
