"""Writes down what a run does: the curve, the metrics, the time. It costs one addition on the device per step."""

from __future__ import annotations

import time
from typing import Any

from mmengine.hooks import Hook

from lwdna_core.compare.progress import Progress


class Recorder(Hook):  # type: ignore[misc]
    """The record of one run; it travels in the checkpoints, so that it survives an interruption.

    Attributes:
        curve: an entry an epoch: step, learning rate, mean training loss, and the metrics where it was validated.
        seconds: time in training steps, without validation and checkpoints, over all sittings.
    """

    priority = "LOW"

    def __init__(self, progress: Progress) -> None:
        self.curve: list[dict[str, float]] = []
        self.seconds = 0.0
        self._progress = progress

    def before_train(self, runner: Any) -> None:
        self._progress.advance(runner.iter)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 0:
            self._loss = 0.0
            self._steps = 0
            self._lr = runner.optim_wrapper.param_groups[0]["lr"]
            self._started = time.perf_counter()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._loss += outputs["loss"].detach()  # stays on the device: no synchronisation
        self._steps += 1
        self._progress.advance(1)

    def after_train_epoch(self, runner: Any) -> None:
        loss = float(self._loss) / self._steps
        self.seconds += time.perf_counter() - self._started
        self.curve.append({"step": runner.iter, "epoch": runner.epoch + 1, "lr": self._lr, "loss": loss})
        runner.message_hub.update_scalars({"train/lr": self._lr, "train/loss": loss})
        runner.logger.info(f"epoch {runner.epoch + 1}/{runner.max_epochs} lr {self._lr:g} loss {loss:.5f}")
        self._progress.report(f"epoch {runner.epoch + 1}/{runner.max_epochs}", {"loss": loss})

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        values = {name: float(value) for name, value in (metrics or {}).items()}
        self.curve[-1] |= values
        runner.message_hub.update_scalars({f"val/{name}": value for name, value in values.items()})
        runner.logger.info(" ".join(f"{name} {value:.4f}" for name, value in values.items()))
        self._progress.report(f"epoch {runner.epoch}/{runner.max_epochs}", values)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["record"] = {"curve": self.curve, "seconds": self.seconds}

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        self.curve = checkpoint["record"]["curve"]
        self.seconds = checkpoint["record"]["seconds"]
