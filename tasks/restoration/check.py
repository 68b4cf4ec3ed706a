"""What is looked at before a comparison of restoration begins: whether its test can be made, and what it means."""

from __future__ import annotations

import contextlib
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
    """A test image without its pixels: a set may be larger than the memory."""

    name: str
    inputs: torch.Size
    target: torch.Size


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


def check_test(experiment: Experiment, tile: int, plain: bool) -> None:
    """Raise LwdnaError, naming the image, for one that the network or the metric cannot take, or of another scale.

    Warns of a border that is not the usual one. The network, untrained, sees a part of the smallest image; all of it
    where the part does not fit.

    Args:
        experiment: whose test images are looked at.
        tile: side of the largest square that is restored at once.
        plain: the network gets test images as they are; else only a preprocessor of one's own knows what it gets.
    """
    borders = list(_borders(experiment))  # none where the metric is one's own
    smallest: _Tested | None = None
    widest, pixels = 0, None
    for image, inputs in _images(experiment):
        if small := [border for border in borders if min(image.target[1:]) < WINDOW + 2 * border]:
            raise LwdnaError(
                f"{image.name} of val_dataloader: {_size(image.target)} pixels are too few: {WINDOW}x{WINDOW} must "
                f"remain inside val_evaluator.border={small[0]}"
            )
        widest = max(widest, *image.inputs[1:])
        if smallest is None or min(image.inputs[1:]) < min(smallest.inputs[1:]):
            smallest, pixels = image, inputs
    if smallest is None or pixels is None or not plain:
        return
    network = baseline(experiment)
    if borders:
        _check_scale(experiment, network, smallest, pixels)
    usual = smallest.target[-1] // smallest.inputs[-1] if smallest.target != smallest.inputs else 0
    for border in borders:
        if border != usual:
            _warn(f"val_evaluator.border={border}: published scores have {usual} (the scale; 0 for denoising)")
    if widest > tile:
        Tiles(network, tile).layout(len(pixels))


def _check_scale(experiment: Experiment, network: nn.Module, image: _Tested, inputs: Tensor) -> None:
    """Raise LwdnaError unless the network makes an image of the target's size of an input (C, h, w)."""
    path = experiment.cfg.filename
    part = inputs[:, :_PROBE, :_PROBE]
    with contextlib.suppress(Exception):  # it may want more than a part
        output = _sizes(network, part)
        if [out * whole for out, whole in zip(output[1:], image.inputs[1:], strict=True)] == [
            given * target for given, target in zip(part.shape[1:], image.target[1:], strict=True)
        ]:
            return
    try:
        output = _sizes(network, inputs)
    except Exception as error:  # the network is anybody's code
        raise LwdnaError(
            f"{path}: {experiment.network} fails on {image.name} of val_dataloader: {type(error).__name__}: {error}"
        ) from error
    if output[1:] != image.target[1:]:
        raise LwdnaError(
            f"{path}: {experiment.network} makes {_size(output)} pixels of {_size(image.inputs)}, but {image.name} of "
            f"val_dataloader has a target of {_size(image.target)}: val_dataloader.dataset.scale must be that of the "
            "network"
        )


@torch.no_grad()
def _sizes(network: nn.Module, inputs: Tensor) -> torch.Size:
    output: Tensor = network.eval()(inputs[None].float() / 255)
    return output.shape[1:]


def _images(experiment: Experiment) -> Iterator[tuple[_Tested, Tensor]]:
    for place, batch in enumerate(load_set(experiment, "val_dataloader").loader(1, "cpu")):
        # a set of one's own may have no names
        named = zip(batch.get("set", ["image"]), batch.get("name", [str(place)]), strict=True)
        for (of, name), inputs, target in zip(named, batch["inputs"], batch["targets"], strict=True):
            yield _Tested(f"{of}/{name}", inputs.shape, target.shape), inputs


def _borders(experiment: Experiment) -> Iterator[int]:
    """Of the metrics that are this task's. What is no number the metric itself refuses."""
    metrics = experiment.cfg.val_evaluator
    for metric in metrics if isinstance(metrics, list | tuple) else [metrics]:
        kind, border = METRICS.get(metric.type), metric.get("border")
        if isinstance(kind, type) and issubclass(kind, RestorationQuality) and type(border) is int:
            yield border


def _size(shape: torch.Size) -> str:
    return f"{shape[2]}x{shape[1]}"


@cache
def _warn(text: str) -> None:
    """On stderr, once: a comparison is checked more than once."""
    print(f"lwdna: warning: {text}", file=sys.stderr)
