"""What is looked at before a comparison of restoration begins: whether its test can be made, and what it means."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import torch
from mmengine.registry import METRICS
from torch import Tensor, nn

from lwdna_core.compare.config import Experiment
from lwdna_core.compare.protocol import load_set
from lwdna_core.compare.search import baseline
from lwdna_core.errors import LwdnaError
from tasks.restoration.metrics import RestorationQuality
from tasks.restoration.noise import evaluation_levels, training_levels
from tasks.restoration.quality import WINDOW
from tasks.restoration.tiles import Tiles

_PROBE = 64  # pixels: the side of a part of a test image that tells how a network enlarges


class _Tested(NamedTuple):
    name: str
    inputs: Tensor
    target: Tensor


def check_training_noise(experiment: Experiment) -> None:
    """Raise LwdnaError for noise that the recipe has no use for; warn of test noise that it does not train on."""
    train, tested = (experiment.cfg[part].dataset for part in ("train_dataloader", "val_dataloader"))
    if (train.type, tested.type) != ("patches", "images"):
        return  # a set of one's own knows noise of its own
    given = experiment.cfg.model.data_preprocessor.get("sigma", 0)
    lowest, highest = training_levels(given)
    scale = train.get("scale", 1)
    if scale > 1 and highest:
        raise LwdnaError(f"model.data_preprocessor.sigma={given!r}: expected 0 at scale {scale}: noise is for scale 1")
    levels = evaluation_levels(tested.get("sigma", 0)).values()
    if unseen := [f"{level:g}" for level in levels if not lowest <= level <= highest]:
        _warn(
            f"val_dataloader.dataset.sigma: the test has noise of {', '.join(unseen)}, which training does not have: "
            f"model.data_preprocessor.sigma={given!r}"
        )


def check_test(experiment: Experiment, tile: int) -> None:
    """Raise LwdnaError, naming the image, for one that the network or the metric cannot take, or of another scale.

    Warns of a border that is not the usual one. The network, untrained, sees a part of the smallest image alone.

    Args:
        experiment: whose test images are looked at.
        tile: side of the largest square that is restored at once.
    """
    path, borders = experiment.cfg.filename, list(_borders(experiment))
    images = list(_images(experiment))
    for name, _, target in images:
        if small := [border for border in borders if min(target.shape[1:]) < WINDOW + 2 * border]:
            raise LwdnaError(
                f"{name} of val_dataloader: {_size(target)} pixels are too few: {WINDOW}x{WINDOW} must remain inside "
                f"val_evaluator.border={small[0]}"
            )
    network = baseline(experiment)
    smallest = min(images, key=lambda image: min(image.inputs.shape[1:]))
    part = smallest.inputs[:, :_PROBE, :_PROBE]
    try:
        with torch.no_grad():
            output = network.eval()(part[None].float() / 255)[0]
        height, width = (out / given for out, given in zip(output.shape[1:], part.shape[1:], strict=True))
    except Exception as error:  # the network is anybody's code
        raise LwdnaError(
            f"{path}: {experiment.network} fails on {smallest.name} of val_dataloader: {type(error).__name__}: {error}"
        ) from error
    for name, inputs, target in images:
        if target.shape[1:] != (inputs.shape[1] * height, inputs.shape[2] * width):
            raise LwdnaError(
                f"{path}: {experiment.network} makes {_size(output)} pixels of {_size(part)}, but {name} of "
                f"val_dataloader has a target of {_size(target)} for an input of {_size(inputs)}: "
                "val_dataloader.dataset.scale must be that of the network"
            )
    usual = int(height) if height > 1 else 0
    for border in borders:
        if border != usual:
            _warn(f"val_evaluator.border={border}: published scores have {usual} (the scale; 0 for denoising)")
    _check_tiles(network, images, tile)


def _check_tiles(network: nn.Module, images: list[_Tested], tile: int) -> None:
    """Raise LwdnaError where an image is larger than a tile and the network cannot tile."""
    for _, inputs, _ in images:
        if max(inputs.shape[1:]) > tile:
            Tiles(network, tile).layout(len(inputs))
            return


def _images(experiment: Experiment) -> Iterator[_Tested]:
    for batch in load_set(experiment, "val_dataloader").loader(1, "cpu"):
        columns = (batch[key] for key in ("set", "name", "inputs", "targets"))
        for of, name, inputs, target in zip(*columns, strict=True):
            yield _Tested(f"{of}/{name}", inputs, target)


def _borders(experiment: Experiment) -> Iterator[int]:
    """Of the metrics that are this task's. What is no number the metric itself refuses."""
    metrics = experiment.cfg.val_evaluator
    for metric in metrics if isinstance(metrics, list | tuple) else [metrics]:
        kind, border = METRICS.get(metric.type), metric.get("border")
        if isinstance(kind, type) and issubclass(kind, RestorationQuality) and type(border) is int:
            yield border


def _size(image: Tensor) -> str:
    return f"{image.shape[2]}x{image.shape[1]}"


@cache
def _warn(text: str) -> None:
    """On stderr, once: a comparison is checked more than once."""
    print(f"lwdna: warning: {text}", file=sys.stderr)
