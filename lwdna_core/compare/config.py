"""Reads a config: an ordinary mmengine runner config plus one `experiment` dict, checked before any work starts."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict, DictAction

from lwdna_core.compare.arms import ARMS
from lwdna_core.compare.task import Task, find_task, unknown
from lwdna_core.errors import LwdnaError

_SHRINK: dict[str, type | tuple[type, ...]] = {
    "macs": (int, float), "params": (int, float, type(None)), "width": (int, float), "criterion": str,
    "floor": (int, float), "classifier_floor": (int, float), "floors": dict, "ceilings": dict, "min_channels": int,
    "align": int, "freeze": (list, tuple), "classifier": bool, "embedding": int, "batches": int,
}  # fmt: skip
"""What `experiment.shrink` may hold: arguments of `lwdna_core.shrink.find`, and the number of batches."""
_NEEDED = (
    "model", "train_dataloader.dataset.type", "train_dataloader.batch_size", "train_cfg.max_epochs", "optim_wrapper",
    "val_dataloader.dataset.type", "val_dataloader.batch_size", "val_cfg", "val_evaluator",
    "experiment.network", "experiment.input", "experiment.shrink", "experiment.arms", "experiment.seeds",
)  # fmt: skip


@dataclass(frozen=True)
class Experiment:
    """A config that was found, read and checked.

    Attributes:
        task: whose config it is.
        name: the config's name, without its folder and ending.
        cfg: what the file says, options merged in.
        network: the name that `lwdna_core.networks.build_network` knows it by.
        input: shape of one input, without the batch dimension.
        shrink: keyword arguments of `lwdna_core.shrink.find`, and `batches`: how many training batches it sees.
        arms, seeds: what to compare if the command line does not say.
        max_steps: length of a run in optimiser steps; None leaves the recipe's own.
    """

    task: Task
    name: str
    cfg: Config
    network: str
    input: tuple[int, ...]
    shrink: Mapping[str, Any]
    arms: tuple[str, ...]
    seeds: int
    max_steps: int | None = None


def load_experiment(task: str, config: str, options: Sequence[str] = (), max_steps: int | None = None) -> Experiment:
    """Read the config called `config` (a name among those of the task, or a path).

    Args:
        task: name of the task.
        config: name or path.
        options: "key.of.the.config=value", as mmengine writes them; every key must exist.
        max_steps: see `Experiment`.

    Raises:
        LwdnaError: for an unknown name (near ones are listed), a file that mmengine cannot read, a key that is missing,
            unknown or of the wrong kind.
    """
    plug = find_task(task)
    path = find_config(plug, config)
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # the file is Python text: anything can come out of it
        raise LwdnaError(f"{path}: cannot be read as a config: {type(error).__name__}: {error}") from error
    _merge(cfg, options)
    for key in _NEEDED:
        _look_up(cfg, key, path)
    if not cfg.train_cfg.get("by_epoch", "type" not in cfg.train_cfg):
        raise LwdnaError(f"{path}: train_cfg: expected by_epoch=True; runs are counted in epochs")
    for key in ("train_dataloader", "val_dataloader"):
        for name in cfg[key]:
            if name not in ("dataset", "batch_size"):
                raise LwdnaError(f"{path}: {key}.{name}: sets lie on the device and know only dataset and batch_size")
    settings = cfg.experiment
    if cfg.train_dataloader.dataset.type not in plug.datasets:
        raise unknown(f"data set of {path}:", cfg.train_dataloader.dataset.type, plug.datasets)
    for key in settings.shrink:
        if key not in _SHRINK:
            raise unknown(f"key of experiment.shrink in {path}:", key, _SHRINK)
        if not isinstance(settings.shrink[key], _SHRINK[key]):
            raise LwdnaError(f"{path}: experiment.shrink.{key} cannot be {settings.shrink[key]!r}")
    shrink = {"batches": 2, **settings.shrink.to_dict()}
    _expect(path, "experiment.shrink.batches", shrink["batches"], int)
    if shrink.get("params") is not None:
        shrink.pop("macs", None)  # one budget: that of parameters comes first
    return Experiment(
        task=plug,
        name=path.stem,
        cfg=cfg,
        network=_expect(path, "experiment.network", settings.network, str),
        input=tuple(_expect(path, "experiment.input", size, int) for size in settings.input),
        shrink=shrink,
        arms=check_arms(settings.arms),
        seeds=_expect(path, "experiment.seeds", settings.seeds, int),
        max_steps=max_steps,
    )


def find_config(task: Task, config: str) -> Path:
    """The file of a config that is given by name or by path. Raises LwdnaError with near names where there is none."""
    if config.endswith(".py"):
        path = Path(config)
        if not path.is_file():
            raise LwdnaError(f"there is no config file {config}")
        return path.resolve()
    known = task.configs()
    if config not in known:
        raise unknown(f"config of {task.name}:", config, known)
    return known[config]


def check_arms(arms: Sequence[str]) -> tuple[str, ...]:
    """`arms` without repetitions. Raises LwdnaError for one that is not registered, or where none is given."""
    for arm in arms:
        if arm not in ARMS:
            raise unknown("arm", arm, ARMS)
    if not arms:
        raise LwdnaError(f"no arms to compare; there are: {', '.join(ARMS)}")
    return tuple(dict.fromkeys(arms))


def _expect(path: Path, key: str, value: Any, kind: type) -> Any:
    if type(value) is not kind or value in (0, "") or (isinstance(value, int) and value < 0):
        raise LwdnaError(f"{path}: {key}: expected {'a positive int' if kind is int else 'a str'}, got {value!r}")
    return value


def _look_up(cfg: Config, key: str, path: Path) -> None:
    node: Any = cfg
    for index, part in enumerate(parts := key.split(".")):
        if not isinstance(node, Config | ConfigDict) or part not in node:
            raise LwdnaError(f"{path}: {'.'.join(parts[: index + 1])} is missing")
        node = node[part]


def _merge(cfg: Config, options: Sequence[str]) -> None:
    """Merge "a.b=value" options into `cfg`, where they must meet an existing key: a typing error would go unnoticed."""
    if not options:
        return
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    for option in options:
        key, equals, _ = option.partition("=")
        if not equals:
            raise LwdnaError(f"--cfg-options {option}: expected KEY=VALUE")
        node: Any = cfg
        for part in key.split("."):
            known = _keys(node)
            if part not in known:
                near = difflib.get_close_matches(part, known, n=3) or known or ["a plain value"]
                raise LwdnaError(f"--cfg-options {option}: no {part!r} in the config; there is: {', '.join(near)}")
            node = node[int(part)] if isinstance(node, list) else node[part]
    cfg.merge_from_dict(parser.parse_args(["--cfg-options", *options]).cfg_options)


def _keys(node: Any) -> list[str]:
    if isinstance(node, list):
        return [str(index) for index in range(len(node))]
    return list(node) if isinstance(node, Config | ConfigDict) else []
