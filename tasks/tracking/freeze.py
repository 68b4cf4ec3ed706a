"""A backbone that is not trained during the first epochs (Li et al., SiamRPN++, section 4.1)."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn


class FrozenBackbone(Hook):  # type: ignore[misc]
    """Takes the backbone out of training until an epoch; its normalisation keeps its statistics meanwhile.

    Args:
        until: the first epoch, counted from 0, in which it is trained.
    """

    def __init__(self, until: int) -> None:
        self.until = until

    def before_train_epoch(self, runner: Any) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        frozen = runner.epoch < self.until
        for parameter in model.network.backbone.parameters():
            parameter.requires_grad_(not frozen)
        for module in model.network.backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(not frozen)
