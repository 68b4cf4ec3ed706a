"""A run of another length than its recipe's: the schedule scaled, the last epoch cut off (`--max-steps`)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import islice
from typing import Any

from lwdna_core.data.dataset import Loader
from lwdna_core.errors import LwdnaError

# Arguments of mmengine's schedulers that are points in time or durations.
_TIMES = ("begin", "end", "milestones", "step_size", "T_max", "periods", "total_steps")
_UNSCALABLE = ("ReduceOnPlateau",)


class Limited:
    """A loader that ends, in its last epoch, after `steps` batches counted from the start of the run."""

    def __init__(self, loader: Loader, steps: int) -> None:
        self.loader = loader
        self.dataset = loader.dataset
        self.steps = steps

    @property
    def epoch(self) -> int:
        return self.loader.epoch

    def __len__(self) -> int:
        return len(self.loader)

    def samples(self, steps: int) -> int:
        return self.loader.samples(steps)

    def set_epoch(self, epoch: int) -> None:
        self.loader.set_epoch(epoch)

    def __iter__(self) -> Iterator[Any]:
        return islice(self.loader, max(0, self.steps - self.loader.epoch * len(self.loader)))


def scale_schedulers(schedulers: Any, epochs: int, steps_per_epoch: int, steps: int) -> Any:
    """The `param_scheduler` of an mmengine config, made for `epochs` epochs, in steps and for a run of `steps` steps.

    >>> recipe = [dict(type="MultiStepLR", milestones=[150, 225], by_epoch=True)]
    >>> scale_schedulers(recipe, epochs=300, steps_per_epoch=782, steps=100)
    [{'type': 'MultiStepLR', 'milestones': [50, 75], 'by_epoch': False}]

    Raises LwdnaError for a scheduler whose meaning a scale does not preserve.
    """
    if schedulers is None:
        return None
    if isinstance(schedulers, dict):
        return scale_schedulers([schedulers], epochs, steps_per_epoch, steps)
    scaled = []
    for scheduler in map(copy.deepcopy, schedulers):
        if any(str(scheduler["type"]).startswith(name) for name in _UNSCALABLE):
            raise LwdnaError(f"--max-steps: the schedule {scheduler['type']} of this config cannot be scaled")
        by_epoch = scheduler.get("by_epoch", True) or scheduler.get("convert_to_iter_based", False)
        factor = steps / (epochs if by_epoch else epochs * steps_per_epoch)
        if str(scheduler["type"]).startswith("Exponential"):
            scheduler["gamma"] **= 1 / factor  # a decay per tick, and the ticks are others now
        for key in scheduler.keys() & _TIMES:
            scheduler[key] = _scale(scheduler[key], factor)
        scheduler.pop("convert_to_iter_based", None)
        scheduler["by_epoch"] = False
        # A part of the schedule that is over before it begins, or begins after the run, has nothing to say.
        begin = scheduler.get("begin", 0)
        if begin < min(steps, scheduler.get("end", steps)):
            if str(scheduler["type"]).startswith("Linear") and scheduler.get("end") == begin + 1:
                scheduler["end"] += 1  # it would keep its first factor for good: its last one comes with its last step
            scaled.append(scheduler)
    return scaled


def _scale(time: Any, factor: float) -> Any:
    if isinstance(time, list | tuple):
        return [_scale(part, factor) for part in time]
    return max(1, round(time * factor)) if time else 0
