"""Writes down what a run does: the curve, the metrics, the time. It costs one addition on the device per step."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook

from lwdna_core.compare.progress import Line
from lwdna_core.compare.task import Task
from lwdna_core.errors import LwdnaError


class Recorder(Hook):  # type: ignore[misc]
    """The record of one run; it travels in the checkpoints, so that it survives an interruption.

    Args:
        line: where progress is shown.
        owner: which run this is (protocol, arm, seed); a checkpoint of another one is foreign.
        where: what runs it now: `environment` and `commit`.
        task: whose metrics are expected.

    Attributes:
        curve: an entry an epoch: step, learning rate, mean training loss, and the metrics where it was validated.
        items: scores per item of the last evaluation, by metric.
        seconds: time in training steps, without validation and checkpoints, over all sittings.
        sittings: where the run was trained, from its first step on: `step`, `environment` and `commit`. A run that was
            interrupted has another entry where it went on elsewhere, or with other software.
    """

    priority = "LOW"

    def __init__(self, line: Line, owner: Sequence[str], where: dict[str, Any], task: Task) -> None:
        self.curve: list[dict[str, float]] = []
        self.items: dict[str, dict[str, float]] = {}
        self.seconds = 0.0
        self.sittings: list[dict[str, Any]] = []
        self.owner = list(owner)
        self._line = line
        self._where = where
        self._task = task

    def before_train(self, runner: Any) -> None:
        if not self.sittings or {**self.sittings[-1], **self._where} != self.sittings[-1]:
            self.sittings.append({"step": runner.iter, **self._where})
        self._line.advance(runner.iter)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if batch_idx == 0:
            self._loss = 0.0
            self._steps = 0
            self._lr = runner.optim_wrapper.param_groups[0]["lr"]
            self._started = time.perf_counter()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._last = outputs["loss"].detach()  # stays on the device: no synchronisation
        self._loss += self._last
        self._steps += 1
        self._line.advance(1)

    def after_train_epoch(self, runner: Any) -> None:
        losses = torch.stack([torch.as_tensor(loss).reshape(()) for loss in (self._loss / self._steps, self._last)])
        all_reduce(losses, "mean")  # over the processes that share the batches
        loss, last = losses.tolist()
        self.seconds += time.perf_counter() - self._started
        self.curve.append({"step": runner.iter, "epoch": runner.epoch + 1, "lr": self._lr, "loss": loss})
        self._publish(runner, {"train/lr": self._lr, "train/loss": loss})
        runner.logger.info(f"epoch {runner.epoch + 1}/{runner.max_epochs} lr {self._lr:g} loss {loss:.5f}")
        self._line.report(f"epoch {runner.epoch + 1}/{runner.max_epochs}", {"loss": loss})
        if not math.isfinite(last):  # one step alone may overflow in float16, whose gradients are then left out
            raise LwdnaError(
                f"the training loss is {last} at the end of epoch {runner.epoch + 1}: this recipe diverges here; a "
                "lower learning rate, a warm-up or optim_wrapper.clip_grad may help, for all arms alike"
            )

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        values = {name: float(value) for name, value in (metrics or {}).items()}
        if not any(map(self._task.metric, values)):  # the run could stand in no table
            raise LwdnaError(
                f"val_evaluator gives {', '.join(values) or 'nothing'}, none of {self._task.name}'s metrics: "
                f"{', '.join(self._task.metrics)}"
            )
        self.items = {}
        for metric in runner.val_loop.evaluator.metrics:
            self.items |= getattr(metric, "items", {})
        self.curve[-1] |= values
        self._publish(runner, {f"val/{name}": value for name, value in values.items()})
        runner.logger.info(" ".join(f"{name} {value:.4f}" for name, value in values.items()))
        self._line.report(f"epoch {runner.epoch}/{runner.max_epochs}", values)

    @staticmethod
    def _publish(runner: Any, values: dict[str, float]) -> None:
        runner.message_hub.update_scalars(values)
        runner.visualizer.add_scalars(values, step=runner.iter)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        record = {"curve": self.curve, "items": self.items, "seconds": self.seconds, "sittings": self.sittings}
        checkpoint["record"] = {**record, "owner": self.owner}

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        record = checkpoint["record"]
        self.curve, self.items, self.seconds = record["curve"], record["items"], record["seconds"]
        self.sittings = record.get("sittings", [])  # not in older checkpoints
