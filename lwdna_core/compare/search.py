"""The channels of a seed's arms: its searches, each with a folder of its own, and what follows from them."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Mapping
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from lwdna_core.compare.arms import LWDNA, SEARCH
from lwdna_core.compare.config import Experiment, load_experiment
from lwdna_core.compare.controls import control, widened
from lwdna_core.compare.progress import Display
from lwdna_core.compare.randomness import NETWORK, STEP, reseed
from lwdna_core.compare.runner import START, Run, training_loader
from lwdna_core.compare.settings import DATA, of_arm
from lwdna_core.compare.task import resolve, tasks, unknown
from lwdna_core.errors import LwdnaError
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig, describe, find
from lwdna_core.shrink.settings import BUDGET


class SearchMaterial(NamedTuple):
    """What `lwdna_core.shrink.find` takes: `find(*material)`."""

    network: nn.Module
    example_inputs: tuple[Tensor, ...]
    batches: list[Any]
    loss: Callable[[nn.Module, Any], Tensor]


def search_material(config: str, seed: int = 0, device: torch.device | str = "cpu") -> SearchMaterial:
    """Network, data and loss of an experiment, on the device.

    The batches are those that a run of this seed begins with, augmented alike; of another size where the
    shrink settings name one.

    Args:
        config: name of a config of any task, or a path; then its data set says which task it belongs to.
        seed: of the order of the data and of the augmentation.
        device: where the search will run.
    """
    if not config.endswith(".py"):
        known = {name: task for task in tasks().values() for name in task.configs()}
        if config not in known:
            raise unknown("config", config, known)
        experiment = load_experiment(known[config].name, config)
        return material(experiment, experiment.shrink, seed, device)
    reasons = []
    for task in tasks().values():
        try:
            experiment = load_experiment(task.name, config)
        except LwdnaError as error:  # its data set or metric is another task's
            reasons.append(f"{task.name}: {error}")
        else:
            return material(experiment, experiment.shrink, seed, device)
    raise LwdnaError(f"{config} is a config of no task: {'; '.join(reasons)}")


def material(
    experiment: Experiment, settings: Mapping[str, Any], seed: int, device: torch.device | str
) -> SearchMaterial:
    """What a search works on: the experiment's network and the first batches of this seed's training.

    Of the shrink settings, `batches` says how many, and `batch_size` of how many samples: by default as in training.
    """
    preprocessor = MODELS.build(experiment.cfg.model.data_preprocessor).to(device)
    batches = []
    loader = training_loader(experiment, seed, device, (0, 1), settings.get("batch_size"))
    for step, batch in enumerate(islice(loader, settings["batches"])):
        reseed(seed, STEP, 0, step)
        batches.append(preprocessor(batch, True))
    network = baseline(experiment, seed).to(device)
    return SearchMaterial(network, blank(experiment, device), batches, resolve(search_loss(experiment)))


def search_loss(experiment: Experiment) -> str:
    """Name of the loss that gives a search its gradients: the model's own where its config has "module:function"."""
    own = experiment.cfg.model.get("loss")
    return own if isinstance(own, str) and ":" in own else experiment.task.loss


def baseline(experiment: Experiment, seed: int = 0) -> nn.Module:
    """The experiment's network as it is, its weights drawn from the seed."""
    reseed(seed, NETWORK, 0)
    return build_network(experiment.network, **experiment.options)


def blank(experiment: Experiment, device: torch.device | str = "cpu") -> tuple[Tensor, ...]:
    """Inputs of the experiment's network, a batch of one."""
    return tuple(torch.zeros(1, *shape, device=device) for shape in experiment.inputs)


def choose_channels(run: Run, experiment: Experiment, display: Display) -> None:
    """Write the `channels.json` of a run, unless it is there; a search that it needs comes first."""
    path = run.folder / "channels.json"
    if path.exists():
        return
    arm, seeds_folder = experiment.known_arms[run.arm], run.folder.parent
    if arm.shrink is not None:
        channels = search(experiment, run.arm, run.seed, seeds_folder, run.device, display)
        if experiment.init == "hypernet":
            part = run.folder / f".{START}.part"
            shutil.copyfile(_search_folder(seeds_folder, run.arm) / START, part)
            os.replace(part, run.folder / START)
    elif arm.shares is not None:
        found = search(experiment, LWDNA, run.seed, seeds_folder, run.device, display)
        channels = control(found, arm.shares, baseline(experiment), blank(experiment))
    elif arm.widened:
        channels = widened(search(experiment, LWDNA, run.seed, seeds_folder, run.device, display))
    else:
        channels = describe(baseline(experiment), blank(experiment))
        channels = dataclasses.replace(
            channels, network=experiment.network, options=dict(experiment.options), seed=run.seed
        )
    channels.save(path)


def search(experiment: Experiment, arm: str, seed: int, folder: Path, device: str, display: Display) -> ChannelConfig:
    """What the search of an arm finds for this seed: read from its folder below `folder`, or found and written there.

    Raises LwdnaError where the folder holds the result of other settings.
    """
    home = _search_folder(folder, arm)
    path = home / "channels.json"
    settings = shrink_settings(experiment, arm)
    if path.exists():
        return check_search(path, settings)
    line = display.begin(f"{experiment.name} seed {seed} search" + f" for {arm}" * (arm != LWDNA))
    data = {key: settings.pop(key) for key in DATA if key in settings}
    home.mkdir(parents=True, exist_ok=True)

    def keep(network: nn.Module) -> None:
        """Store the generated weights; the search's `channels.json`, written later, says that they are whole."""
        from safetensors.torch import save_model

        save_model(network, str(home / START))

    receive = keep if experiment.init == "hypernet" else None
    found = find(*material(experiment, data, seed, device), **settings, seed=seed, receive=receive)
    found = dataclasses.replace(
        found, network=experiment.network, options=dict(experiment.options),
        settings={**found.settings, **data},
    )  # fmt: skip
    found.save(path)
    macs, params = (getattr(found.found, key) / getattr(found.baseline, key) for key in ("macs", "params"))
    at_floor = f"{sum(group.at_floor for group in found.groups)} of {len(found.groups)} groups at their floor"
    limits = f"; {found.limits}" if found.limits else ""
    line.end(f"{macs:.1%} of the MACs, {params:.1%} of the parameters, {at_floor}{limits}")
    return found


def searched_arm(experiment: Experiment, arm: str) -> str | None:
    """The arm whose search gives an arm its channels; None where it needs no search."""
    what = experiment.known_arms[arm]
    if what.shrink is not None:
        return arm
    return LWDNA if what.shares is not None or what.widened else None


def source(experiment: Experiment, run: Run) -> Path | None:
    """The `channels.json` of the search that the arm of a run follows from; None where it needs no search."""
    arm = searched_arm(experiment, run.arm)
    return None if arm is None else _search_folder(run.folder.parent, arm) / "channels.json"


def shrink_settings(experiment: Experiment, arm: str) -> dict[str, Any]:
    """What the search of an arm is asked for: the config's settings and the arm's own, one budget among them."""
    return of_arm(experiment.shrink, experiment.known_arms[arm].shrink or {})


def _search_folder(folder: Path, arm: str) -> Path:
    return folder / SEARCH if arm == LWDNA else folder / SEARCH / arm


def check_searches(folder: Path, experiment: Experiment) -> None:
    """Raise LwdnaError where a search below the comparison's folder was made with other settings than now."""
    for arm, what in experiment.known_arms.items():
        for seed in sorted(folder.glob("seed*")) if what.shrink is not None else ():
            if (path := _search_folder(seed, arm) / "channels.json").exists():
                check_search(path, shrink_settings(experiment, arm))


def check_search(path: Path, shrink: Mapping[str, Any]) -> ChannelConfig:
    """Read a search's result. Raises LwdnaError if it was made with other settings."""
    found = ChannelConfig.load(path)
    defaults = {
        k: p.default
        for k, p in signature(find).parameters.items()
        if p.default is not p.empty and k not in ("macs", "params")
    }
    stored = {**defaults, **found.settings}  # some are stored only where they differ
    wanted = {**dict.fromkeys(DATA), **defaults, **shrink}
    if wanted.get("macs") is None and wanted.get("params") is None:
        wanted["macs"] = BUDGET
    for key, value in wanted.items():
        if _plain(stored.get(key)) != _plain(value):
            raise LwdnaError(
                f"{path} was searched with {key}={stored.get(key)}, now {key}={value} is asked for: "
                "choose another --work-dir"
            )
    return found


def _plain(value: Any) -> Any:
    """As it survives JSON; settings that are empty are not stored."""
    return json.loads(json.dumps(value)) if value not in ((), [], {}) else None
