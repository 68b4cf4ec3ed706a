"""The first moments of a comparison, tried before it starts: what would otherwise be found after hours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from mmengine.config import Config
from mmengine.dist import get_world_size
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, METRICS, MODELS, PARAM_SCHEDULERS
from torch import Tensor, nn

from lwdna_core.compare.config import Experiment
from lwdna_core.compare.protocol import load_set
from lwdna_core.compare.search import baseline, blank, search_loss, searched_arm, shrink_settings
from lwdna_core.compare.settings import DATA
from lwdna_core.compare.task import resolve
from lwdna_core.errors import LwdnaError
from lwdna_core.shrink import trace
from lwdna_core.shrink.settings import check_settings

_SAMPLES = 2  # in train mode normalisations need more than one
_OF_PRECISION = ("type", "dtype", "loss_scale")  # of AmpOptimWrapper: nothing that the CPU would take


def check_searches_asked(experiment: Experiment, arms: Sequence[str]) -> None:
    """Raise LwdnaError where the engine cannot read the network, or an arm's search is asked for what it cannot do."""
    groups = trace(baseline(experiment), blank(experiment)).widths
    for arm in dict.fromkeys(searched_arm(experiment, arm) for arm in arms):
        if arm is None:
            continue
        settings = {key: value for key, value in shrink_settings(experiment, arm).items() if key not in DATA}
        try:
            check_settings(settings, groups)
        except LwdnaError as error:
            raise LwdnaError(f"{experiment.cfg.filename}: experiment.shrink for {arm}: {error}") from error


def check_step(experiment: Experiment, arms: Sequence[str]) -> None:
    """Raise LwdnaError where a part that mmengine makes of the config cannot be made, or where two training samples
    give no loss: the model's, and the search's where an arm needs one.
    """
    cfg, network = copy.deepcopy(experiment.cfg), baseline(experiment)
    cfg.pop("compile", None)
    model = _made(cfg, "model", lambda: MODELS.build(cfg.model, default_args={"network": network}))
    wrapper = dict(cfg.optim_wrapper)
    if wrapper.get("type") == "AmpOptimWrapper":
        wrapper = {key: value for key, value in wrapper.items() if key not in _OF_PRECISION}
    optimizer = _made(cfg, "optim_wrapper", lambda: build_optim_wrapper(model, wrapper))
    data = load_set(experiment, "train_dataloader")
    epochs, epoch = cfg.train_cfg.max_epochs, -(-len(data) // cfg.train_dataloader.batch_size)
    for scheduler in _several(cfg.get("param_scheduler")):
        end = epochs if scheduler.get("by_epoch", True) else epochs * epoch
        given = {"optimizer": optimizer, "epoch_length": epoch, "end": end}
        _made(cfg, "param_scheduler", lambda: PARAM_SCHEDULERS.build(scheduler, default_args=given))  # noqa: B023
    for key, registry in (("val_evaluator", METRICS), ("custom_hooks", HOOKS)):
        for part in _several(cfg.get(key)):
            own = {name: value for name, value in part.items() if name != "priority"}  # that is the runner's
            _made(cfg, key, lambda: registry.build(own))  # noqa: B023
    if get_world_size() > 1 and any(isinstance(module, nn.SyncBatchNorm) for module in network.modules()):
        return  # it works on GPUs alone

    model.train()
    for size in (_SAMPLES, cfg.train_dataloader.batch_size):  # some losses take the worst so many samples of a batch
        try:
            (raw,) = islice(data.loader(size, "cpu", seed=0), 1)
            batch = model.data_preprocessor(raw, True)
            losses = {"model's": model.parse_losses(model._run_forward(batch, mode="loss"))[0]}
            if any(searched_arm(experiment, arm) for arm in arms):
                losses["search's"] = resolve(search_loss(experiment))(network, batch)
            break
        except LwdnaError:
            raise
        except Exception as error:  # the network, the loss and the data are anybody's code
            failed = error
    else:
        raise LwdnaError(
            f"{cfg.filename}: {experiment.network} cannot be trained on the batches of train_dataloader: "
            f"{type(failed).__name__}: {failed}"
        ) from failed
    for whose, loss in losses.items():
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            what = f"a tensor of shape {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise LwdnaError(f"{cfg.filename}: the {whose} loss must be one number in a tensor, got {what}")


def _made(cfg: Config, key: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # whatever the class's own code does
        reason = str(error) if isinstance(error, LwdnaError) else f"{type(error).__name__}: {error}"
        raise LwdnaError(f"{cfg.filename}: {key}: {reason}") from error


def _several(parts: Any) -> list[Any]:
    return list(parts) if isinstance(parts, list | tuple) else [] if parts is None else [parts]
