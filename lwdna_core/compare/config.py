"""Reads a config: an ordinary mmengine runner config plus one `experiment` dict, checked before any work starts."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict, DictAction

from lwdna_core.compare.arms import ARMS, Arm, searched
from lwdna_core.compare.settings import check_arm, check_kinds, one_budget
from lwdna_core.compare.task import Task, find_task, resolve, unknown
from lwdna_core.errors import LwdnaError

_EXPERIMENT = ("network", "options", "input", "init", "shrink", "arms", "seeds")
_LOADER = ("dataset", "batch_size", "num_workers")
_MAY_BE_NEW = ("train_dataloader.num_workers", "val_dataloader.num_workers", "sync_bn", "env_cfg.cudnn_benchmark")
_NEEDED = (
    "model", "train_dataloader.dataset.type", "train_dataloader.batch_size", "train_cfg.max_epochs", "optim_wrapper",
    "val_dataloader.dataset.type", "val_dataloader.batch_size", "val_cfg", "val_evaluator",
    "experiment.network", "experiment.input", "experiment.shrink", "experiment.arms", "experiment.seeds",
)  # fmt: skip
_UNREAD = (
    "load_from", "resume", "randomness", "auto_scale_lr", "runner_type", "model_wrapper_cfg",
    "test_dataloader", "test_cfg", "test_evaluator",
)  # fmt: skip
"""Keys of an mmengine config that would change a run's numbers there, and do nothing here."""
INITS = ("fresh", "hypernet")


@dataclass(frozen=True)
class Recipe:
    """The words of a command line that belong to the protocol; see `load_experiment`. Plain data, for `result.json`."""

    config: str
    options: tuple[str, ...] = ()
    max_steps: int | None = None
    train_fraction: float | None = None
    amp: str | None = None
    compile: str | None = None


@dataclass(frozen=True)
class Experiment:
    """A config that was found, read and checked.

    Attributes:
        task: whose config it is.
        name: the config's name, without its folder and ending.
        cfg: what the file says, options merged in.
        network: the name that `lwdna_core.networks.build_network` knows it by.
        options: what the network's factory gets.
        inputs: shapes of the network's inputs, without the batch dimension.
        init: weights of a searched arm at step 0: "fresh" draws them by the network's own rule, "hypernet" takes those
            that the hypernetwork generated in the search.
        shrink: keyword arguments of `lwdna_core.shrink.find`, and `batches`: how many training batches it sees; where
            `batch_size` is there, they are of that size instead of the training's.
        arms, seeds: what to compare if the command line does not say.
        known_arms: the registered arms and the config's own.
        max_steps: length of a run in optimiser steps; None leaves the recipe's own.
        train_fraction: the share of the training set that is used.
    """

    task: Task
    name: str
    cfg: Config
    network: str
    options: Mapping[str, Any]
    inputs: tuple[tuple[int, ...], ...]
    init: str
    shrink: Mapping[str, Any]
    arms: tuple[str, ...]
    known_arms: Mapping[str, Arm]
    seeds: int
    max_steps: int | None = None
    train_fraction: float | None = None


def load_experiment(
    task: str,
    config: str,
    options: Sequence[str] = (),
    max_steps: int | None = None,
    train_fraction: float | None = None,
    amp: str | None = None,
    compile: str | None = None,
) -> Experiment:
    """Read the config called `config` (a name among those of the task, or a path).

    Args:
        task: name of the task.
        config: name or path.
        options: "key.of.the.config=value", as mmengine writes them; every key must exist.
        max_steps, train_fraction: see `Experiment`.
        amp: "float16" or "bfloat16": the forward passes of training run under torch.autocast.
        compile: the network is compiled by `torch.compile`, in this mode of it.

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
    for key in _UNREAD:
        expected = "no such key: runs start from scratch and end with val_evaluator"
        _expect(path, key, cfg.get(key) is None, expected, cfg.get(key))
    hooks = cfg.get("default_hooks", {})
    _expect(path, "default_hooks", isinstance(hooks, dict), "a dict", hooks)
    for key, value in hooks.items():
        sound = key == "checkpoint"
        _expect(path, f"default_hooks.{key}", sound, "checkpoint alone; other hooks are custom_hooks", value)
        only = isinstance(value, dict) and value.keys() <= {"type", "interval"}
        _expect(path, f"default_hooks.{key}", only, "a dict with interval alone: the last weights are kept", value)
    for key in ("max_epochs", "val_interval"):
        value = cfg.train_cfg.get(key, 1)
        _expect(path, f"train_cfg.{key}", _positive(value), "a positive int", value)
    _expect(path, "sync_bn", cfg.get("sync_bn") in (None, "torch"), "'torch' or nothing", cfg.get("sync_bn"))
    if not cfg.train_cfg.get("by_epoch", "type" not in cfg.train_cfg):
        raise LwdnaError(f"{path}: train_cfg: expected by_epoch=True; runs are counted in epochs")
    for key in ("train_dataloader", "val_dataloader"):
        for name in cfg[key]:
            if name not in _LOADER:
                raise LwdnaError(f"{path}: {key}.{name}: a data set's own loader knows only {', '.join(_LOADER)}")
        size, workers = cfg[key].batch_size, cfg[key].get("num_workers", 0)
        _expect(path, f"{key}.batch_size", _positive(size), "a positive int", size)
        _expect(path, f"{key}.num_workers", type(workers) is int and workers >= 0, "an int from 0 on", workers)
        _expect(path, f"{key}.dataset.type", isinstance(cfg[key].dataset.type, str), "a name", cfg[key].dataset.type)
        if cfg[key].dataset.type not in plug.datasets and ":" not in cfg[key].dataset.type:
            raise unknown(f"data set of {path}:", cfg[key].dataset.type, plug.datasets)
    if amp:
        # bfloat16 has float32's range: no scale, and no wait for the device at every step to learn whether it held
        scale = {"loss_scale": "dynamic" if amp == "float16" else {"enabled": False}}
        cfg.optim_wrapper = {**cfg.optim_wrapper, "type": "AmpOptimWrapper", "dtype": amp, **scale}
    if compile:
        cfg.compile = compile
    settings = cfg.experiment
    for key in settings:
        if key not in _EXPERIMENT:
            raise unknown(f"key of experiment in {path}:", key, _EXPERIMENT)
    shrink = one_budget({"batches": 2, **check_kinds(path, "experiment.shrink", settings.shrink)}, options)
    network_options = settings.get("options", {})
    sound = isinstance(network_options, dict) or network_options is None
    _expect(path, "experiment.options", sound, "a dict", network_options)
    init = settings.get("init", "fresh")
    _expect(path, "experiment.init", init in INITS, f"one of {', '.join(INITS)}", init)
    _expect(path, "experiment.network", isinstance(settings.network, str), "a str", settings.network)
    _expect(path, "experiment.seeds", _positive(settings.seeds), "a positive int", settings.seeds)
    known, arms = dict(ARMS), []
    sound = isinstance(settings.arms, list | tuple) and all(isinstance(arm, str | dict) for arm in settings.arms)
    _expect(path, "experiment.arms", sound, "a list of names, or dicts of a name and shrink settings", settings.arms)
    for arm in settings.arms:
        if isinstance(arm, dict):
            name, own = arm.get("name", ""), {key: value for key, value in arm.items() if key != "name"}
            check_arm(path, name, own)
            known[name] = searched(name, check_kinds(path, "experiment.arms", own))
        arms.append(arm if isinstance(arm, str) else arm["name"])
    return Experiment(
        task=plug,
        name=path.stem,
        cfg=cfg,
        network=settings.network,
        options=dict(network_options or {}),
        inputs=_inputs(path, settings.input),
        init=init,
        shrink=shrink,
        arms=check_arms(arms, known),
        known_arms=known,
        seeds=settings.seeds,
        max_steps=max_steps,
        train_fraction=train_fraction,
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


def check_arms(arms: Sequence[str], known: Mapping[str, Arm]) -> tuple[str, ...]:
    """`arms` without repetitions. Raises LwdnaError for one that is not among the known, or where none is given."""
    for arm in arms:
        if arm not in known:
            raise unknown("arm", arm, known)
    if not arms:
        raise LwdnaError(f"no arms to compare; there are: {', '.join(known)}")
    return tuple(dict.fromkeys(arms))


def _inputs(path: Path, value: Any) -> tuple[tuple[int, ...], ...]:
    """One shape, or a list of shapes."""
    listed = isinstance(value, list | tuple) and bool(value)
    shapes = [value] if listed and not isinstance(value[0], list | tuple) else value
    sound = listed and all(isinstance(shape, list | tuple) and shape and all(map(_positive, shape)) for shape in shapes)
    _expect(path, "experiment.input", sound, "a shape such as (3, 32, 32), or several", value)
    return tuple(tuple(shape) for shape in shapes)


def _positive(value: Any) -> bool:
    return type(value) is int and value > 0


def _expect(path: Path, key: str, sound: Any, expected: str, value: Any = None) -> None:
    if not sound:
        raise LwdnaError(f"{path}: {key}: expected {expected}, got {value!r}")


def _look_up(cfg: Config, key: str, path: Path) -> None:
    node: Any = cfg
    for index, part in enumerate(parts := key.split(".")):
        if not isinstance(node, Config | ConfigDict) or part not in node:
            raise LwdnaError(f"{path}: {'.'.join(parts[: index + 1])} is missing")
        node = node[part]


def _merge(cfg: Config, options: Sequence[str]) -> None:
    """Merge "a.b=value" options into `cfg`, where they must meet an existing key: a typing error would go unnoticed.

    Those that have a default need not be there, nor the arguments of a class that the config names.
    """
    if not options:
        return
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    for option in options:
        key, equals, _ = option.partition("=")
        if not equals:
            raise LwdnaError(f"--cfg-options {option}: expected KEY=VALUE")
        node: Any = cfg
        parts = key.split(".")
        if (parts[0] == "experiment" and parts[1:2] in (["init"], ["options"], ["shrink"])) or key in _MAY_BE_NEW:
            continue  # what they may be called is checked with the rest of the config
        for part in parts[:-1]:
            node = _step(node, part, _keys(node), option)
        _step(node, parts[-1], _keys(node) + _arguments(node), option)
    cfg.merge_from_dict(parser.parse_args(["--cfg-options", *options]).cfg_options)


def _step(node: Any, part: str, known: list[str], option: str) -> Any:
    """What lies below `node` under this name; None for one that may be new."""
    if part not in known:
        near = difflib.get_close_matches(part, known, n=3) or known or ["a plain value"]
        raise LwdnaError(f"--cfg-options {option}: no {part!r} in the config; there is: {', '.join(near)}")
    return node[int(part)] if isinstance(node, list) else node.get(part)


def _arguments(node: Any) -> list[str]:
    """What else the class may be told that a dict with a `type` describes: a model's part, or an optimiser."""
    if not (isinstance(node, ConfigDict) and isinstance(node.get("type"), str)):
        return []
    import mmengine.optim  # noqa: F401 - registers the optimisers
    from mmengine.registry import MODELS, OPTIMIZERS

    named = node["type"]
    kind = resolve(named) if ":" in named else MODELS.get(named) or OPTIMIZERS.get(named)
    return [] if kind is None else list(signature(kind).parameters)


def _keys(node: Any) -> list[str]:
    if isinstance(node, list):
        return [str(index) for index in range(len(node))]
    return list(node) if isinstance(node, Config | ConfigDict) else []
