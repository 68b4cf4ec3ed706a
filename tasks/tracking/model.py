"""What mmengine trains: a Siamese network, its loss, and pairs made ready on the device."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from kornia.enhance import adjust_brightness, adjust_contrast, adjust_saturation
from kornia.filters import filter2d_separable, gaussian_blur2d, get_gaussian_kernel1d
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.registry import MODELS
from torch import Tensor, nn

from lwdna_core.compare.config import Experiment
from lwdna_core.compare.search import baseline
from lwdna_core.compare.sharing import draw
from lwdna_core.compare.task import resolve, unknown
from lwdna_core.data.transfer import sent
from lwdna_core.errors import LwdnaError
from tasks.tracking.contract import check_network
from tasks.tracking.crops import EXEMPLAR, SEARCH, context_side, crop, to_centre
from tasks.tracking.experiments import PROTOCOLS, Tracker
from tasks.tracking.networks.siamfc import STRIDE
from tasks.tracking.pairs import MARGIN


class PairPreprocessor(BaseDataPreprocessor):  # type: ignore[misc]
    """Rough cuts and boxes -> exemplar and search images with the target's place in the latter.

    Args:
        shift: of the target from the centre of the search image, at most, in its pixels and in either direction.
        scale: of the search image, at most: a factor between 1 - scale and 1 + scale.
        exemplar_shift, exemplar_scale: the same for the exemplar.
        colour: brightness, contrast and saturation of either image change by so much at most.
        blur: share of the images that are blurred.
        negative: share of the pairs whose exemplar shows another pair's target, of those that this process has.
        search: side of the search image in pixels: 127 and a multiple of the stride of 8.
    """

    def __init__(
        self,
        shift: float = 12,
        scale: float = 0.05,
        exemplar_shift: float = 4,
        exemplar_scale: float = 0.05,
        colour: float = 0.2,
        blur: float = 0.2,
        negative: float = 0.0,
        search: int = SEARCH,
    ) -> None:
        super().__init__()
        self.shift, self.scale, self.negative, self.search = shift, scale, negative, search
        self.exemplar_shift, self.exemplar_scale = exemplar_shift, exemplar_scale
        self.colour, self.blur = colour, blur

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Sequences pass through; of pairs: exemplar (N, 3, 127, 127), search (N, 3, 255, 255) or as `search` says,
        in 0 .. 255, and boxes (N, 4): (centre x, centre y, w, h) of the target in pixels from the centre of the search
        image; positive (N): whether the exemplar shows the same target.
        """
        if not training:
            return data
        data = {name: sent(tensor, self.device) for name, tensor in data.items()}
        exemplar, _ = self._cut(
            data["exemplar"], data["exemplar_boxes"], EXEMPLAR, self.exemplar_shift, self.exemplar_scale
        )
        search, boxes = self._cut(data["search"], data["search_boxes"], self.search, self.shift, self.scale)
        positive = draw(len(boxes), device=self.device) >= (self.negative if len(boxes) > 1 else 0)
        exemplar = torch.where(positive[:, None, None, None], exemplar, exemplar.roll(1, 0))
        return {"exemplar": exemplar, "search": search, "boxes": boxes, "positive": positive}

    def _cut(self, frames: Tensor, boxes: Tensor, size: int, shift: float, scale: float) -> tuple[Tensor, Tensor]:
        images, target = frames.float(), to_centre(boxes)
        sides = context_side(target[:, 2:]) * (size / EXEMPLAR)
        chosen = draw(len(boxes), 3, device=self.device) * 2 - 1
        sides = sides * (1 + scale * chosen[:, 2])
        pixel = (sides / size)[:, None]  # of the crop, in pixels of the frame
        moved = shift * chosen[:, :2]
        which = torch.arange(len(boxes), device=images.device)
        means = images.mean((2, 3))
        cut = crop(images, means, which, target[:, :2] - moved * pixel, sides, size)
        return self._augment(cut / 255) * 255, torch.cat([moved, target[:, 2:] / pixel], 1)

    def _augment(self, images: Tensor) -> Tensor:
        """Colours and sharpness of images (N, 3, H, W) in 0 .. 1; kornia's own modules cannot share a batch."""
        chosen = draw(len(images), 5, device=images.device)
        if self.colour:
            brightness, contrast, saturation = (self.colour * (2 * chosen[:, :3] - 1)).unbind(1)
            images = adjust_contrast(adjust_brightness(images, brightness), 1 + contrast)
            images = adjust_saturation(images, 1 + saturation)
        if self.blur:
            blurred = chosen[:, 3] < self.blur
            sigma = 0.5 + 1.5 * chosen[:, 4]  # pixels
            images = torch.where(blurred[:, None, None, None], blur(images, sigma), images)
        return images


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur in windows of 5 pixels.

    Args:
        images: (N, C, H, W).
        sigma: (N), in pixels.
    """
    if images.device.type == "cpu":
        return gaussian_blur2d(images, (5, 5), sigma[:, None].expand(-1, 2))
    return _blur_without_waiting(images, sigma)


def _blur_without_waiting(images: Tensor, sigma: Tensor) -> Tensor:
    """As gaussian_blur2d of kornia without its look at sigma, for which the CPU would wait; slower on a CPU."""
    kernel = get_gaussian_kernel1d(5, sigma[:, None])
    return filter2d_separable(images, kernel, kernel)


def check_tracker(spec: Any) -> None:
    """Raise LwdnaError unless `model.tracker` of a config is a dict of a tracker's class and of what it takes."""
    if not isinstance(spec, Mapping) or not isinstance(spec.get("type"), str):
        raise LwdnaError(f'model.tracker: expected dict(type="module:class", ...), got {spec!r}')
    known = dict(list(inspect.signature(resolve(spec["type"])).parameters.items())[1:])  # the first is the network
    for key, value in spec.items():
        if key != "type" and key not in known and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            raise unknown("key of model.tracker", key, known)
        default = known[key].default if key in known else None
        number = isinstance(value, int if type(default) is int else int | float) and not isinstance(value, bool)
        if type(default) in (int, float) and not number:
            raise LwdnaError(f"model.tracker.{key}: expected a number such as {default}, got {value!r}")


def tracker_of(spec: Mapping[str, Any], network: nn.Module) -> Tracker:
    """The tracker that `model.tracker` of a config describes, around a network in eval mode.

    Raises LwdnaError for a key that its class does not know; see `check_tracker`.
    """
    check_tracker(spec)
    made: Tracker = resolve(spec["type"])(network, **{key: value for key, value in spec.items() if key != "type"})
    return made


def check_sides(experiment: Experiment) -> None:
    """Raise LwdnaError unless the sides of the search images in training and tracking go with `experiment.input`.

    It says what the network is trained on; the tracker's may be larger (pysot trains AlexNet on 255 pixels and tracks
    with 287). Classes of one's own that know no `search` are not asked.
    """
    trained = _side("model.data_preprocessor", MODELS.get, experiment.cfg.model.get("data_preprocessor"))
    tracked = _side("model.tracker", resolve, experiment.cfg.model.tracker)
    if trained is None:
        return
    given = experiment.cfg.model.data_preprocessor
    known = inspect.signature(MODELS.get(given.type)).parameters
    shift, scale = (given.get(key, known[key].default if key in known else 0) for key in ("shift", "scale"))
    if (trained / 2 + shift) * (1 + scale) > SEARCH * MARGIN / 2:
        raise LwdnaError(
            f"model.data_preprocessor.search: {trained} pixels, with shift={shift} and scale={scale}, are more than "
            f"the pairs show, {SEARCH * MARGIN:.0f}"
        )
    expected = ((3, EXEMPLAR, EXEMPLAR), (3, trained, trained))
    if experiment.inputs != expected:
        raise LwdnaError(
            f"experiment.input: expected {list(expected)}, as model.data_preprocessor.search is {trained}, "
            f"got {list(experiment.inputs)}"
        )
    if tracked is not None and tracked < trained:
        raise LwdnaError(
            f"model.tracker.search: expected {trained}, what the network is trained on, or more, got {tracked}"
        )


def _side(where: str, find: Callable[[str], Any], spec: Any) -> int | None:
    """`search` of a part of the config, or the default of its class; None where that has no such setting."""
    if not isinstance(spec, Mapping) or not isinstance(spec.get("type"), str) or (made := find(spec["type"])) is None:
        raise LwdnaError(f"{where}: expected a dict with the type of a class, got {spec!r}")
    setting = inspect.signature(made).parameters.get("search")
    if setting is None:
        return None
    side = spec.get("search", setting.default)
    if type(side) is not int or side <= EXEMPLAR or (side - EXEMPLAR) % STRIDE:
        raise LwdnaError(
            f"{where}.search: expected {EXEMPLAR} pixels and a multiple of {STRIDE}, such as 255 or 287, got {side!r}"
        )
    return side


class SiameseTracker(BaseModel):  # type: ignore[misc]
    """The wrapper around a network that mmengine's loops call.

    Args:
        network: see `contract.check_network`.
        loss: "module:function" of (network, batch).
        tracker: `type`, the "module:class" of a tracker that is made from the network and has the methods `init` and
            `update`, and what else that class takes: its test-time parameters.
    """

    def __init__(self, network: nn.Module, data_preprocessor: dict[str, Any], loss: str, tracker: Any) -> None:
        super().__init__(data_preprocessor)
        check_tracker(tracker)
        self.network = network
        self._loss, self._tracker = resolve(loss), tracker

    @staticmethod
    def check(experiment: Experiment) -> None:
        """Raise LwdnaError where `model` of a config holds what this class would refuse, or where the network cannot
        be tracked with, before any work.
        """
        check_tracker(experiment.cfg.model.get("tracker"))
        check_sides(experiment)
        network = baseline(experiment).eval()
        check_network(experiment.network, lambda: tracker_of(experiment.cfg.model.tracker, network))

    def init_weights(self) -> None:
        """Nothing: the network arrives initialised, and mmengine must not draw it again."""

    def forward(self, mode: str, **batch: Any) -> dict[str, Tensor] | list[dict[str, Any]]:
        """In mode "loss" the loss of preprocessed pairs; in mode "predict" what became of each trial, its `Track`s."""
        if mode == "loss":
            return {"loss": self._loss(self.network, batch)}
        tracker = tracker_of(self._tracker, self.network)
        return [{"trial": t, "tracks": PROTOCOLS[t.protocol](tracker, t.sequence)} for t in batch["trials"]]
