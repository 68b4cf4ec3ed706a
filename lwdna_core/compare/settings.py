"""`experiment.shrink` of a config and the settings of its arms: their kinds, and the one budget among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict

from lwdna_core.compare.task import unknown
from lwdna_core.errors import LwdnaError

DATA = ("batches", "batch_size")
"""The settings that are not arguments of `lwdna_core.shrink.find`: how many batches it sees, and their size."""
_BUDGETS = ("params", "macs")
_KINDS: dict[str, type | tuple[type, ...]] = {
    "macs": (int, float), "params": (int, float, type(None)), "width": (int, float), "criterion": str,
    "floor": (int, float), "classifier_floor": (int, float), "floors": dict, "ceilings": dict, "min_channels": int,
    "align": int, "freeze": (list, tuple), "classifier": bool, "embedding": int, "rounds": int,
    "batches": int, "batch_size": int,
}  # fmt: skip


def check_kinds(path: Path, where: str, settings: Any) -> dict[str, Any]:
    """Settings as plain data. Raises LwdnaError for a key of `where` in `path` that is unknown or of the wrong kind."""
    if not isinstance(settings, dict):
        raise LwdnaError(f"{path}: {where}: expected a dict, got {settings!r}")
    plain: dict[str, Any] = settings.to_dict() if isinstance(settings, ConfigDict) else dict(settings)
    for key, value in plain.items():
        if key not in _KINDS:
            raise unknown(f"key of {where} in {path}:", key, _KINDS)
        if not isinstance(value, _KINDS[key]) or (isinstance(value, bool) and _KINDS[key] is not bool):
            raise LwdnaError(f"{path}: {where}.{key} cannot be {value!r}")
        if key in DATA and plain[key] < 1:
            raise LwdnaError(f"{path}: {where}.{key}: expected a positive int, got {value!r}")
    return plain


def one_budget(settings: Mapping[str, Any], options: Sequence[str]) -> dict[str, Any]:
    """The settings of a config without the budget that gives way to the one that `options` name, or to parameters.

    A config inherits a budget of MACs, which one of its own of parameters cannot take away. Raises LwdnaError where the
    options name both.
    """
    given = [key for key in _BUDGETS if settings.get(key) is not None]
    named = [key for key in given if any(option.startswith(f"experiment.shrink.{key}=") for option in options)]
    if len(named) > 1:
        raise LwdnaError(f"--cfg-options: experiment.shrink has one budget, {' or '.join(named)}, not both")
    return _with_budget(settings, named or given)


def of_arm(settings: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A config's settings with those of an arm in their place; an arm's own budget replaces the config's."""
    return _with_budget({**settings, **own}, [k for s in (own, settings) for k in _BUDGETS if s.get(k) is not None])


def check_arm(path: Path, name: str, own: Mapping[str, Any]) -> None:
    """Raise LwdnaError for an arm with two budgets."""
    if all(own.get(key) is not None for key in _BUDGETS):
        raise LwdnaError(f"{path}: experiment.arms: {name!r} has one budget, {' or '.join(_BUDGETS)}, not both")


def _with_budget(settings: Mapping[str, Any], budgets: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in _BUDGETS or key in budgets[:1]}
