"""mmengine's checkpoints, read without executing what they carry, and written so that there is always a whole one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer

_NAME = re.compile(r"epoch_(\d+)\.pth")


def _history_getattr(owner: object, name: str) -> object:
    """Stands in for the `getattr` that HistoryBuffer's pickles call; plain getattr would reach everything."""
    if owner is not HistoryBuffer or name not in ("mean", "max", "min", "current"):
        raise TypeError(f"refused {owner}.{name}")
    return getattr(owner, name)


def allow_mmengine_checkpoints() -> None:
    """Let `torch.load(..., weights_only=True)` read mmengine's log buffers, and nothing more than that."""
    multiarray: Any = import_module("numpy._core.multiarray")
    numbers = [np.ndarray, np.dtype, np.dtypes.Float64DType, np.dtypes.Int64DType]
    makers = [multiarray._reconstruct, multiarray.scalar, (_history_getattr, "builtins.getattr")]
    torch.serialization.add_safe_globals([HistoryBuffer, *numbers, *makers])


def usable_checkpoint(folder: Path, owner: Sequence[str], report: Callable[[str], None]) -> Path | None:
    """The latest checkpoint in a run's folder that is whole, carries no code, and is this run's own.

    Others are reported and renamed, so that they are neither used nor lost.

    Args:
        folder: of the run.
        owner: what the run's recorder wrote into its checkpoints.
        report: takes a sentence for the user.
    """
    for path in sorted(folder.glob("epoch_*.pth"), key=_epoch, reverse=True):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            if list(content["record"]["owner"]) != list(owner):
                raise ValueError("it belongs to another run")
            content["state_dict"], content["optimizer"], content["meta"]["epoch"], content["meta"]["iter"]
            return path
        except Exception as error:  # a damaged file raises nearly anything
            reason = str(error).splitlines()[0] if str(error) else ""
            aside = path.with_name(f"{path.name}.unusable")
            if get_rank() == 0:
                os.replace(path, aside)
            report(f"{path.name} cannot be used ({type(error).__name__}: {reason}); now {aside.name}")
    return None


def _epoch(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


class CheckpointHook(Hook):  # type: ignore[misc]
    """Saves every `interval` epochs, aside first and then under its name, and keeps the last two.

    It saves after an epoch's validation; mmengine's own hook saves before it, so that a resumed run would lack it. The
    last validation has nothing after it: what it is of is saved before, and a run that ended in it goes on with it.
    """

    priority = "VERY_LOW"

    def __init__(self, interval: int = 1) -> None:
        self.interval = interval

    def before_train(self, runner: Any) -> None:
        if runner.epoch == runner.max_epochs:  # else the loop would end without it
            runner.val_loop.run()

    def before_train_epoch(self, runner: Any) -> None:
        if runner.epoch and runner.epoch % self.interval == 0:
            self._save(runner)

    def before_val(self, runner: Any) -> None:  # before_val_epoch may exchange the weights: EMAHook
        if runner.epoch == runner.max_epochs:
            self._save(runner)

    @staticmethod
    def _save(runner: Any) -> None:
        folder = Path(runner.work_dir)
        path = folder / f"epoch_{runner.epoch}.pth"
        if path.exists():
            return
        aside = path.with_suffix(".part")
        runner.save_checkpoint(str(folder), aside.name, meta={"epoch": runner.epoch, "iter": runner.iter})
        if get_rank() != 0:
            return
        os.replace(aside, path)
        for old in sorted(folder.glob("epoch_*.pth"), key=_epoch)[:-2]:
            old.unlink()

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        # mmengine executes this entry as Python. It does not write it any more: it can only be foreign.
        checkpoint["meta"].pop("config", None)
