"""What two runs must have in common to stand in one table, and its fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lwdna_core.compare.config import Experiment
from lwdna_core.compare.randomness import NETWORK, reseed
from lwdna_core.compare.task import resolve
from lwdna_core.data.dataset import DataSet
from lwdna_core.errors import LwdnaError
from lwdna_core.networks import build_network, structure

# Where a run happens and what is written about it: no part of the protocol.
_OUTSIDE = (
    "work_dir", "device", "launcher", "env_cfg", "resume", "experiment_name",
    "default_hooks", "log_level", "log_processor", "visualizer", "vis_backends",
)  # fmt: skip
_OUTSIDE_ANYWHERE = ("num_workers", "persistent_workers", "pin_memory", "prefetch_factor", "data_root")
_OWN = "tasks."
"""Modules of this project, whose networks are known by their names, as those that its tasks register."""
_OUTSIDE_EXPERIMENT = ("arms", "seeds", "shrink")


def protocol(experiment: Experiment) -> dict[str, Any]:
    """Everything that decides a run's numbers except channels, seed and machine: config, length, data, the network.

    Loads the data (their contents are hashed). The result survives JSON unchanged. A training set that has a method
    `check_disjoint(tested)` may raise LwdnaError where it shares samples with what is tested.
    """
    config = {key: value for key, value in experiment.cfg.to_dict().items() if key not in _OUTSIDE}
    config["experiment"] = {k: v for k, v in config["experiment"].items() if k not in _OUTSIDE_EXPERIMENT}
    sets = {part: load_set(experiment, part) for part in ("train_dataloader", "val_dataloader")}
    if check := getattr(sets["train_dataloader"], "check_disjoint", None):
        check(sets["val_dataloader"])
    data = {part: data.fingerprint for part, data in sets.items()}
    stripped = {"config": _strip(config), "max_steps": experiment.max_steps, "data": data}
    if experiment.train_fraction is not None:
        stripped["train_fraction"] = experiment.train_fraction
    if ":" in experiment.network and not experiment.network.startswith(_OWN):  # code of the user's, or of a package
        stripped["network"] = _structure(experiment.network, experiment.options)
    return json.loads(json.dumps(stripped))  # type: ignore[no-any-return]


def check_network(result: Mapping[str, Any], folder: Path) -> None:
    """Raise LwdnaError where the network of one's own that a run has trained is made by other code by now."""
    stored, experiment = result["protocol"].get("network"), result["protocol"]["config"]["experiment"]
    if stored is not None and _structure(experiment["network"], experiment.get("options", {})) != stored:
        raise LwdnaError(f"{folder}: the modules of {experiment['network']}, or their code, are no longer the run's")


def _structure(network: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Of a network. Raises LwdnaError where its factory makes another one each time."""
    found = []
    for _ in range(2):
        reseed(0, NETWORK, 0)  # a weight may be part of what a network says of itself
        found.append(structure(build_network(network, **options)))
    first, second = found
    if first != second:
        raise LwdnaError(f"does {network} build the same network every time? {first}, then {second}")
    return first


def load_set(experiment: Experiment, loader: str) -> DataSet:
    """The data set of one of the config's loaders ("train_dataloader"), whole.

    Its `type` is a name among those of the task, or "package.module:function".
    """
    options = experiment.cfg[loader].dataset.to_dict()
    name = options.pop("type")
    data: DataSet = resolve(experiment.task.datasets.get(name, name))(**options)
    return data


def fingerprint(protocol: Mapping[str, Any]) -> str:
    """SHA-256 of a protocol, in hexadecimal."""
    return hashlib.sha256(json.dumps(protocol, sort_keys=True).encode()).hexdigest()


def differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[str]:
    """The keys in which two protocols differ, each with both values ("config.train_cfg.max_epochs: 20, 40")."""
    flat_left, flat_right = dict(_flatten(left)), dict(_flatten(right))
    keys = sorted(flat_left.keys() | flat_right.keys())
    absent = "(absent)"
    return [
        f"{key}: {flat_left.get(key, absent)}, {flat_right.get(key, absent)}"
        for key in keys
        if flat_left.get(key, absent) != flat_right.get(key, absent)
    ]


def _flatten(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict | list) and node:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def _strip(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _strip(value) for key, value in node.items() if key not in _OUTSIDE_ANYWHERE}
    return [_strip(value) for value in node] if isinstance(node, list | tuple) else node
