"""What processes that share every batch (torchrun) must agree on to train as one process with the whole batch would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.dist import all_reduce_params, get_dist_info
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from torch import Tensor

from lwdna_core.data.dataset import Loader
from lwdna_core.errors import LwdnaError


@dataclass(frozen=True)
class Share:
    """This process's part of a batch of `total` samples: every `number`-th, from the `index`-th on."""

    index: int
    number: int
    total: int

    @property
    def weight(self) -> float:
        """What the mean over this part counts in a mean over the processes that is to be one over all samples."""
        return len(range(self.index, self.total, self.number)) * self.number / self.total


_share: Share | None = None  # within a training step that is shared


def draw(
    count: int, *shape: int, law: Callable[..., Tensor] = torch.rand, device: torch.device | str = "cpu"
) -> Tensor:
    """For each of `count` samples, numbers of this shape from [0, 1) or by another law, such as `torch.randn`.

    They come from torch's generator of the device; that of the CPU, the default, gives the same on every machine. Of
    processes that share a batch each draws for all of it and gets the numbers of its own samples, so that the whole
    batch gets what one process would draw for it.
    """
    if _share is None:
        return law(count, *shape, device=device)
    return law(_share.total, *shape, device=device)[_share.index :: _share.number]


class SharedBatch(Hook):  # type: ignore[misc]
    """Tells `draw` and the wrapper of the model which part of the batch is this process's, during a training step.

    The running statistics of normalisations, which every process has from its own images, become their mean at the end
    of an epoch: the network that is evaluated is the one that is saved.
    """

    priority = "VERY_HIGH"

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        global _share
        index, number = get_dist_info()
        _share = Share(index, number, batch_size(runner.train_dataloader, batch_idx))

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        global _share
        _share = None

    def after_train_epoch(self, runner: Any) -> None:
        running = ("running_mean", "running_var")
        all_reduce_params([b for name, b in runner.model.named_buffers() if name.endswith(running)], op="mean")


class SharedModel(MMDistributedDataParallel):  # type: ignore[misc]
    """The mean of the processes' gradients, each weighted by its number of samples: the gradient of the whole batch."""

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """As mmengine's; the loss that is returned is weighted, too."""
        with optim_wrapper.optim_context(self):
            losses = self._run_forward(self.module.data_preprocessor(data, training=True), mode="loss")
        loss, shown = self.module.parse_losses(losses)
        weight = _share.weight if _share else 1.0
        optim_wrapper.update_params(loss * weight)
        return {name: value * weight for name, value in shown.items()}


def batch_size(loader: Loader, step: int) -> int:
    """How many samples the batch number `step` of an epoch holds, over all processes."""
    return loader.samples(step + 1) - loader.samples(step)


def check_shares(loader: Loader) -> None:
    """Raise LwdnaError where a batch of this training loader has fewer samples than there are processes."""
    processes, last = get_dist_info()[1], batch_size(loader, len(loader) - 1)
    if last < processes:
        raise LwdnaError(
            f"the last batch of an epoch has {last} of the {len(loader.dataset)} samples, for {processes} processes: "
            "choose another train_dataloader.batch_size, or fewer processes"
        )
