"""The search of a seed: what it needs, and its result in a folder of its own, before that seed's arms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from lwdna_core.compare.config import Experiment, load_experiment
from lwdna_core.compare.randomness import NETWORK, STEP, reseed
from lwdna_core.compare.runner import training_loader
from lwdna_core.compare.task import resolve, tasks, unknown
from lwdna_core.errors import LwdnaError
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig, find


class SearchMaterial(NamedTuple):
    """What `lwdna_core.shrink.find` takes: `find(*material)`."""

    network: nn.Module
    example_inputs: Tensor
    batches: list[Any]
    loss: Callable[[nn.Module, Any], Tensor]


def search_material(config: str, seed: int = 0, device: torch.device | str = "cpu") -> SearchMaterial:
    """Network, data and loss of an experiment, on the device.

    The batches are those that a run of this seed begins with, augmented alike.

    Args:
        config: name of a config of any task, or a path; then its network's name says which task it belongs to.
        seed: of the order of the data and of the augmentation.
        device: where the search will run.
    """
    if not config.endswith(".py"):
        known = {name: task for task in tasks().values() for name in task.configs()}
        if config not in known:
            raise unknown("config", config, known)
        experiment = load_experiment(known[config].name, config)
        return material(experiment, experiment.shrink["batches"], seed, device)
    for task in tasks().values():
        experiment = load_experiment(task.name, config)
        if experiment.network in task.networks:
            return material(experiment, experiment.shrink["batches"], seed, device)
    raise LwdnaError(f"{config}: no task registers its network {experiment.network!r}")


def material(experiment: Experiment, count: int, seed: int, device: torch.device | str) -> SearchMaterial:
    """What a search works on: the experiment's network and the first `count` batches of this seed's training."""
    reseed(seed, NETWORK, 0)
    network = build_network(experiment.network).to(device)
    preprocessor = MODELS.build(experiment.cfg.model.data_preprocessor).to(device)
    batches = []
    for step, batch in enumerate(islice(training_loader(experiment, seed, device), count)):
        reseed(seed, STEP, 0, step)
        batches.append(preprocessor(batch, True))
    example = torch.zeros(1, *experiment.input, device=device)
    return SearchMaterial(network, example, batches, resolve(experiment.task.loss))


def search(experiment: Experiment, shrink: Mapping[str, Any], seed: int, folder: Path, device: str) -> ChannelConfig:
    """The LW-DNA of this seed: found and written to `folder`, or read from there. `shrink` is `Experiment.shrink`.

    Raises LwdnaError where the folder holds the result of other settings.
    """
    path = folder / "channels.json"
    if path.exists():
        return check_search(path, shrink)
    settings = dict(shrink)
    batches = settings.pop("batches")
    found = find(*material(experiment, batches, seed, device), **settings, seed=seed)
    found = dataclasses.replace(found, network=experiment.network, settings={**found.settings, "batches": batches})
    folder.mkdir(parents=True, exist_ok=True)
    found.save(path)
    return found


def check_search(path: Path, shrink: Mapping[str, Any]) -> ChannelConfig:
    """Read a search's result. Raises LwdnaError if it was made with other settings."""
    found = ChannelConfig.load(path)
    defaults = {
        k: p.default
        for k, p in signature(find).parameters.items()
        if k in found.settings and k not in ("macs", "params")
    }
    for key, value in {**defaults, **shrink}.items():
        if found.settings.get(key) != value:
            raise LwdnaError(
                f"{path} was searched with {key}={found.settings.get(key)}, now {key}={value} is asked for: "
                "choose another --work-dir"
            )
    return found
