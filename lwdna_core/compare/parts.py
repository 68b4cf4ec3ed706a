"""The parts of a config that mmengine builds by their type: each must lead somewhere before the work starts."""

from __future__ import annotations

from mmengine.registry import METRICS, MODELS, OPTIMIZERS, PARAM_SCHEDULERS

from lwdna_core.compare.config import Experiment
from lwdna_core.compare.task import unknown
from lwdna_core.errors import LwdnaError


def check_parts(experiment: Experiment) -> None:
    """Raise LwdnaError for a part of the config that has no type, or one that mmengine does not know."""
    cfg, path = experiment.cfg, experiment.cfg.filename
    if not isinstance(cfg.optim_wrapper, dict):
        raise LwdnaError(f"{path}: optim_wrapper: expected a dict, got {cfg.optim_wrapper!r}")
    for key, parts, registry in (
        ("model", cfg.model, MODELS),
        ("optim_wrapper.optimizer", cfg.optim_wrapper.get("optimizer"), OPTIMIZERS),
        ("param_scheduler", cfg.get("param_scheduler") or [], PARAM_SCHEDULERS),
        ("val_evaluator", cfg.val_evaluator, METRICS),
    ):
        for part in parts if isinstance(parts, list | tuple) else [parts]:
            name = part.get("type") if isinstance(part, dict) else None
            if not isinstance(name, str):
                raise LwdnaError(f"{path}: {key}: expected a dict with a type, got {part!r}")
            try:
                known = registry.get(name)
            except Exception as error:  # of a module that does not load
                raise LwdnaError(f"{path}: {key}.type {name!r}: {type(error).__name__}: {error}") from error
            if known is None and "." in name:
                raise LwdnaError(f"{path}: {key}.type {name!r} leads nowhere")
            if known is None:
                raise unknown(f"{key}.type in {path}:", name, registry.module_dict)
