"""One run: one config, one seed, one arm, in one folder that says which channels; through mmengine's Runner."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn

from lwdna_core.compare.checkpoints import CheckpointHook, allow_mmengine_checkpoints, last_checkpoint
from lwdna_core.compare.config import Experiment, load_experiment
from lwdna_core.compare.progress import Progress
from lwdna_core.compare.protocol import fingerprint, load_set, protocol
from lwdna_core.compare.randomness import NETWORK, RandomnessHook, reseed
from lwdna_core.compare.recorder import Recorder
from lwdna_core.compare.results import FORMAT, commit, environment, write_json
from lwdna_core.compare.schedule import Limited, scale_schedulers
from lwdna_core.data.resident import ResidentLoader
from lwdna_core.errors import LwdnaError
from lwdna_core.export import save
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig

_PASSES = 3  # a training step costs a forward pass and twice as much backwards (gradients of inputs and of weights)
_names = itertools.count()


@dataclass(frozen=True)
class Run:
    """A unit of work, as plain data. `folder` holds the arm's `channels.json` and receives all else.

    Attributes:
        task, config, options, max_steps: see `load_experiment`.
        fingerprint: of the protocol that the run belongs to.
        device: torch's name of it.
        command: the command line that asked for the run, for the record.
    """

    task: str
    config: str
    options: tuple[str, ...]
    max_steps: int | None
    seed: int
    arm: str
    folder: Path
    fingerprint: str
    device: str
    command: str


def train(run: Run, progress: Progress) -> dict[str, Any]:
    """Train a run to its end, from its folder's last checkpoint if there is one; `result.json` is written last of all.

    Returns what `result.json` holds.
    """
    experiment = load_experiment(run.task, run.config, run.options, run.max_steps)
    hashed = protocol(experiment)
    if run.fingerprint != fingerprint(hashed):
        raise LwdnaError(f"{run.config}: the config or its data changed while the comparison was running")
    channels = ChannelConfig.load(run.folder / "channels.json")
    network = build_arm(experiment, channels, run.seed)
    loader = training_loader(experiment, run.seed, run.device)
    recorder = Recorder(progress)
    runner = _build_runner(run, experiment, network, loader, recorder)
    try:
        runner.train()
    except Exception:
        runner.logger.exception("this run failed")
        raise
    finally:
        for handler in runner.logger.handlers:
            handler.close()
        runner.logger.handlers.clear()

    last = recorder.curve[-1]
    result = {
        "format": FORMAT,
        "task": run.task,
        "experiment": experiment.name,
        "arm": run.arm,
        "seed": run.seed,
        "fingerprint": fingerprint(hashed),
        "protocol": hashed,
        "command": run.command,
        "commit": commit(),
        "environment": environment(run.device),
        "metrics": {name: last.get(name) for name in experiment.task.metrics},
        "items": {},
        "curve": recorder.curve,
        "network": {"macs": channels.found.macs, "params": channels.found.params, "channels": channels.widths},
        "search": channels.to_dict()["search"],
        "train": {
            "seconds": recorder.seconds,
            "steps": last["step"],
            "steps_per_epoch": len(loader),
            "macs": _PASSES * channels.found.macs * loader.samples(int(last["step"])),
        },
    }
    save(network, channels, run.folder)
    write_json(run.folder / "result.json", result)
    return result


def build_arm(experiment: Experiment, channels: ChannelConfig, seed: int) -> nn.Module:
    """The experiment's network with these channels, all weights drawn by the network's own rule from the seed alone."""
    reseed(seed, NETWORK, 0)
    network = build_network(experiment.network)
    reseed(seed, NETWORK, 1)
    return channels.apply(network, initialise=True)


def training_loader(experiment: Experiment, seed: int, device: torch.device | str) -> ResidentLoader:
    """The config's training data on the device, in the order that belongs to the seed."""
    data = load_set(experiment, "train_dataloader").to(device)
    return ResidentLoader(data, experiment.cfg.train_dataloader.batch_size, seed)


def run_steps(experiment: Experiment) -> int:
    """How many optimiser steps a run takes."""
    images = len(load_set(experiment, "train_dataloader"))
    epochs: int = experiment.cfg.train_cfg.max_epochs
    return experiment.max_steps or epochs * -(-images // experiment.cfg.train_dataloader.batch_size)


class _Runner(Runner):  # type: ignore[misc]
    """mmengine's Runner, which keeps its log to its file, and the model on the device where it is."""

    def build_logger(self, *args: Any, **kwargs: Any) -> Any:
        logger = super().build_logger(*args, **kwargs)
        logger.handlers = [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
        return logger

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        return model

    def load_checkpoint(self, filename: str, *_: Any, **__: Any) -> dict[str, Any]:
        # mmengine's own says nothing of weights_only, skips tensors that do not fit, and prints.
        checkpoint: dict[str, Any] = torch.load(filename, map_location="cpu", weights_only=True)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        self.model.load_state_dict(checkpoint["state_dict"])
        return checkpoint


def _build_runner(
    run: Run, experiment: Experiment, network: nn.Module, loader: ResidentLoader, recorder: Recorder
) -> Runner:
    cfg = experiment.cfg
    train_cfg, schedulers = cfg.train_cfg.to_dict(), cfg.get("param_scheduler")
    batches: ResidentLoader | Limited = loader
    if steps := experiment.max_steps:
        schedulers = scale_schedulers(schedulers, train_cfg["max_epochs"], len(loader), steps)
        train_cfg["max_epochs"] = -(-steps // len(loader))
        batches = Limited(loader, steps)
    held_out = ResidentLoader(load_set(experiment, "val_dataloader").to(run.device), cfg.val_dataloader.batch_size)
    interval = cfg.get("default_hooks", {}).get("checkpoint", {}).get("interval", 1)
    allow_mmengine_checkpoints()
    reseed(run.seed, NETWORK, 2)  # building the network drew more or fewer numbers, arm by arm
    checkpoint = last_checkpoint(run.folder)
    return _Runner(
        model=MODELS.build(cfg.model, default_args={"network": network}).to(run.device),
        work_dir=str(run.folder),
        train_dataloader=batches,
        val_dataloader=held_out,
        train_cfg=train_cfg,
        val_cfg=cfg.val_cfg,
        val_evaluator=cfg.val_evaluator,
        optim_wrapper=cfg.optim_wrapper,
        param_scheduler=schedulers,
        # The recorder does what these four are for, once an epoch; at every step they would synchronise the device.
        default_hooks=dict.fromkeys(("runtime_info", "timer", "logger", "sampler_seed"))
        | {"checkpoint": CheckpointHook(interval)},
        custom_hooks=[*cfg.get("custom_hooks", []), RandomnessHook(run.seed), recorder],
        visualizer={"type": "Visualizer", "vis_backends": []},
        randomness={"seed": run.seed},
        # mmengine keeps loggers and message hubs by this name, for the life of the process.
        experiment_name=f"{experiment.name}_seed{run.seed}_{run.arm}_{next(_names)}",
        load_from=str(checkpoint) if checkpoint else None,
        resume=checkpoint is not None,
        cfg=cfg,
    )
