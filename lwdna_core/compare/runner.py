"""One run: one config, one seed, one arm, in one folder that says which channels; through mmengine's Runner."""

from __future__ import annotations

import copy
import itertools
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_dist_info
from mmengine.hooks import EMAHook
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn

from lwdna_core.compare.checkpoints import CheckpointHook, allow_mmengine_checkpoints, usable_checkpoint
from lwdna_core.compare.config import Experiment, Recipe, load_experiment
from lwdna_core.compare.cuda_graph import GraphedStep
from lwdna_core.compare.progress import Line
from lwdna_core.compare.protocol import fingerprint, load_set, protocol
from lwdna_core.compare.randomness import NETWORK, RandomnessHook, reseed
from lwdna_core.compare.recorder import Recorder
from lwdna_core.compare.results import FORMAT, commit, environment, write_json
from lwdna_core.compare.schedule import Limited, scale_schedulers
from lwdna_core.compare.sharing import SharedBatch, SharedModel
from lwdna_core.compare.workers import own_cores
from lwdna_core.data.dataset import Loader
from lwdna_core.errors import LwdnaError
from lwdna_core.export import save
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig

_MOST_WORKERS = 16  # that start unasked; training and validation have their own
_PASSES = 3  # a training step costs a forward pass and twice as much backwards (gradients of inputs and of weights)
_names = itertools.count()


@dataclass(frozen=True)
class Run:
    """A unit of work, as plain data. `folder` holds the arm's `channels.json` and receives all else.

    Attributes:
        task, recipe: see `load_experiment`.
        fingerprint: of the protocol that the run belongs to.
        device: torch's name of it.
        command: the command line that asked for the run, for the record.
        cuda_graph: steps are captured as a CUDA graph and replayed; the numbers stay the same.
        vis: mmengine's visualization backend ("tensorboard"), or None.
    """

    task: str
    recipe: Recipe
    seed: int
    arm: str
    folder: Path
    fingerprint: str
    device: str
    command: str
    cuda_graph: bool = False
    vis: str | None = None


def train(run: Run, line: Line) -> dict[str, Any]:
    """Train a run to its end, from its folder's last checkpoint if there is one; `result.json` is written last of all.

    Returns what `result.json` holds.
    """
    experiment = load_experiment(run.task, **asdict(run.recipe))
    hashed = protocol(experiment)
    if run.fingerprint != fingerprint(hashed):
        raise LwdnaError(
            f"{run.recipe.config}: config, data or {experiment.network} changed while the comparison was running"
        )
    channels = ChannelConfig.load(run.folder / "channels.json")
    network = build_arm(experiment, channels, run)
    loader = training_loader(experiment, run.seed, run.device)
    where = {"environment": environment(run.device), "commit": commit()}
    recorder = Recorder(line, (run.fingerprint, run.arm, str(run.seed)), where, experiment.task)
    on_gpu = run.device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(run.device)
    runner = _build_runner(run, experiment, network, loader, recorder, line)
    try:
        runner.train()
    except Exception:
        runner.logger.exception("this run failed")
        raise
    finally:
        runner.visualizer.close()
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
        "fingerprint": run.fingerprint,
        "protocol": hashed,
        "request": asdict(run.recipe),
        "init": "hypernet" if experiment.init == "hypernet" and (run.folder / START).exists() else "fresh",
        "command": run.command,
        "date": time.strftime("%Y-%m-%d"),
        **where,
        "sittings": recorder.sittings,
        "metrics": {name: value for name, value in last.items() if experiment.task.metric(name)},
        "items": recorder.items,
        "curve": recorder.curve,
        "network": {"macs": channels.found.macs, "params": channels.found.params, "channels": channels.widths},
        "search": channels.to_dict()["search"],
        "train": {
            "seconds": recorder.seconds,
            "steps": last["step"],
            "steps_per_epoch": len(loader),
            "macs": _PASSES * channels.found.macs * loader.samples(int(last["step"])),
            "peak_memory": torch.cuda.max_memory_allocated(run.device) if on_gpu else None,
        },
    }
    if get_dist_info()[0] == 0:
        for metric in runner.val_loop.evaluator.metrics:
            if hasattr(metric, "keep"):
                metric.keep(run.folder)
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                hook.before_val_epoch(runner)  # it has put the weights back that were not evaluated
        save(network, channels, run.folder)
        write_json(run.folder / "result.json", result)
    return result


START = "start.safetensors"
"""Weights that the search's hypernetwork generated, in the folder of an arm that starts from them."""


def build_arm(experiment: Experiment, channels: ChannelConfig, run: Run) -> nn.Module:
    """The experiment's network with these channels.

    All weights are drawn by the network's own rule from the seed alone, unless the run's folder holds those to start
    from.
    """
    reseed(run.seed, NETWORK, 0)
    network = build_network(experiment.network, **experiment.options)
    reseed(run.seed, NETWORK, 1)
    network = channels.apply(network, initialise=True)
    params = sum(parameter.numel() for parameter in network.parameters())
    if params != channels.found.params:
        raise LwdnaError(
            f"{run.folder / 'channels.json'}: the network has {params:,} parameters with these channels, and had "
            f"{channels.found.params:,} before: does {experiment.network} build the same network every time?"
        )
    start = run.folder / START
    if experiment.init == "hypernet" and start.exists():
        from safetensors.torch import load_model

        load_model(network, str(start))
    return network


def training_loader(
    experiment: Experiment,
    seed: int,
    device: torch.device | str,
    shard: tuple[int, int] | None = None,
    batch_size: int | None = None,
) -> Loader:
    """The config's training data (this process's part of every batch), in the order that belongs to the seed.

    `batch_size` is the config's where it is not given.
    """
    settings, data = experiment.cfg.train_dataloader, load_set(experiment, "train_dataloader")
    if experiment.train_fraction is not None:
        data = data.subset(experiment.train_fraction, seed)
    size = batch_size or settings.batch_size
    return data.loader(size, device, seed=seed, shard=shard or get_dist_info(), workers=_workers(settings))


def held_out_loader(experiment: Experiment, device: torch.device | str) -> Loader:
    """The config's validation data (this process's part), in their own order."""
    settings, data = experiment.cfg.val_dataloader, load_set(experiment, "val_dataloader")
    return data.loader(settings.batch_size, device, shard=get_dist_info(), workers=_workers(settings))


def _workers(settings: Mapping[str, Any]) -> int:
    """`num_workers`, by default the cores that this process has for itself."""
    return int(settings.get("num_workers", min(_MOST_WORKERS, own_cores())))


def run_steps(experiment: Experiment) -> int:
    """How many optimiser steps a run takes."""
    epochs: int = experiment.cfg.train_cfg.max_epochs
    return experiment.max_steps or epochs * len(training_loader(experiment, 0, "cpu"))


class QuietRunner(Runner):  # type: ignore[misc]
    """mmengine's Runner, which keeps its log to its file, and the model on the device where it is."""

    def build_logger(self, *args: Any, **kwargs: Any) -> Any:
        logger = super().build_logger(*args, **kwargs)
        logger.handlers = [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
        return logger

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        if get_dist_info()[1] == 1:
            return model
        if self.cfg.get("sync_bn"):
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        device = next(model.parameters()).device
        wrapped: nn.Module = SharedModel(
            module=model, device_ids=[device.index] if device.type == "cuda" else None, broadcast_buffers=False
        )
        return wrapped

    def load_checkpoint(self, filename: str, *_: Any, **__: Any) -> dict[str, Any]:
        # mmengine's own says nothing of weights_only, skips tensors that do not fit, and prints.
        checkpoint: dict[str, Any] = torch.load(filename, map_location="cpu", weights_only=True)
        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        model.load_state_dict(checkpoint["state_dict"])
        return checkpoint


def compile_network(network: nn.Module, mode: str) -> None:
    """Compile a network in place, in a mode of `torch.compile`, the same way whatever this process compiled before.

    The compiler's cache belongs to the code of a forward: after a few networks of one class the next ones would run
    eagerly. And a last batch that is smaller must not turn the graph of all others into one for any size.
    """
    torch.compiler.reset()
    network.compile(dynamic=False, mode=mode)


def build_model(cfg: Config, network: nn.Module, device: str, cuda_graph: bool) -> BaseModel:
    """The model of mmengine around a network, as runs train it: on the device, compiled, its steps captured as asked.

    Takes the key `compile` out of the config, or mmengine would compile the whole step as well.
    """
    if device.startswith("cuda"):
        torch.cuda.set_device(torch.device(device).index or 0)  # or pinned memory and kernels would go by another
    if mode := cfg.pop("compile", None):
        compile_network(network, mode)
    model: BaseModel = MODELS.build(cfg.model, default_args={"network": network}).to(device)
    if cuda_graph:
        model.train_step = GraphedStep(model)
    return model


def _build_runner(
    run: Run, experiment: Experiment, network: nn.Module, loader: Loader, recorder: Recorder, line: Line
) -> Runner:
    cfg = copy.deepcopy(experiment.cfg)
    train_cfg, schedulers = cfg.train_cfg.to_dict(), cfg.get("param_scheduler")
    batches: Loader = loader
    if steps := experiment.max_steps:
        schedulers = scale_schedulers(schedulers, train_cfg["max_epochs"], len(loader), steps)
        train_cfg["max_epochs"] = -(-steps // len(loader))
        train_cfg["val_begin"] = min(train_cfg.get("val_begin", 1), train_cfg["max_epochs"])
        batches = Limited(loader, steps)
    interval = cfg.get("default_hooks", {}).get("checkpoint", {}).get("interval", 1)
    processes = get_dist_info()[1]
    sharing = [SharedBatch()] if processes > 1 else []
    allow_mmengine_checkpoints()
    reseed(run.seed, NETWORK, 2)  # building the network drew more or fewer numbers, arm by arm
    model = build_model(cfg, network, run.device, run.cuda_graph)
    checkpoint = usable_checkpoint(run.folder, recorder.owner, line.note)
    backends = [{"type": "TensorboardVisBackend", "save_dir": str(run.folder)}] if run.vis == "tensorboard" else []
    return QuietRunner(
        model=model,
        work_dir=str(run.folder),
        train_dataloader=batches,
        val_dataloader=held_out_loader(experiment, run.device),
        train_cfg=train_cfg,
        val_cfg=cfg.val_cfg,
        val_evaluator=cfg.val_evaluator,
        optim_wrapper=cfg.optim_wrapper,
        param_scheduler=schedulers,
        # The recorder does what these four are for, once an epoch; at every step they would synchronise the device.
        default_hooks=dict.fromkeys(("runtime_info", "timer", "logger", "sampler_seed"))
        | {"checkpoint": CheckpointHook(interval)},
        custom_hooks=[*cfg.get("custom_hooks", []), RandomnessHook(run.seed), *sharing, recorder],
        visualizer={"type": "Visualizer", "vis_backends": backends},
        randomness={"seed": run.seed},
        launcher="pytorch" if processes > 1 else "none",
        env_cfg=cfg.get("env_cfg", {}),
        # mmengine keeps loggers and message hubs by this name, for the life of the process.
        experiment_name=f"{experiment.name}_seed{run.seed}_{run.arm}_{next(_names)}",
        load_from=str(checkpoint) if checkpoint else None,
        resume=checkpoint is not None,
        cfg=cfg,
    )
