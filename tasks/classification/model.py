"""What mmengine trains: a network that classifies images, its loss, and its input made ready on the device."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.registry import MODELS
from torch import Tensor, nn

from lwdna_core.compare.config import Experiment
from lwdna_core.compare.protocol import load_set
from lwdna_core.compare.search import baseline, blank
from lwdna_core.compare.sharing import draw
from lwdna_core.data.transfer import sent
from lwdna_core.errors import LwdnaError


def loss(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Mean cross-entropy of a preprocessed batch."""
    return F.cross_entropy(network(batch["inputs"]), batch["labels"])


class ImagePreprocessor(BaseDataPreprocessor):  # type: ignore[misc]
    """uint8 images -> normalised float32 images; in training, augmented before that, image by image, on the device.

    What is drawn comes from torch's generator of the CPU, so that it is the same on every device.

    Args:
        mean, std: per channel, of images in [0, 1].
        size: height and width of training images.
        pad: training images are cut out at random from an image with that many black pixels around it.
        flip: training images are mirrored at random.
        cutout: side of a square that is blanked out in training images, around a random pixel (DeVries and Taylor,
            "Improved Regularization of Convolutional Neural Networks with Cutout", 2017); 0: none.
        colour: what else happens to training images, in [0, 1], after the crop: classes of `kornia.augmentation`, each
            as a dict of its name `type` and its arguments (`dict(type="ColorJiggle", brightness=0.4)`).
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        size: int,
        pad: int = 0,
        flip: bool = False,
        cutout: int = 0,
        colour: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)
        self.size, self.pad, self.flip, self.cutout = size, pad, flip, cutout
        self.colour = nn.Sequential(*(_kornia(**options) for options in colour))

    @property
    def replayable(self) -> bool:
        """Whether `forward` draws nothing once `draw` has; kornia's classes draw for themselves."""
        return not len(self.colour)

    def draw(self, data: dict[str, Any]) -> dict[str, Any]:
        """A batch to train on, and what is random about it, on the device: rows and columns to take, cutout's corners.

        Drawn and worked out on the CPU, by numpy: a GPU takes longer to start an operation than all of this takes.
        """
        count, _, height, width = data["inputs"].shape
        rows, columns = (side + 2 * self.pad - self.size + 1 for side in (height, width))  # places for a crop
        if rows < 1 or columns < 1:
            raise LwdnaError(f"images of {height} x {width}, padded by {self.pad}, have no crop of size {self.size}")
        x, y = ((draw(count).numpy() * places).astype(np.int64)[:, None] for places in (columns, rows))
        mirrored = draw(count).numpy()[:, None] < 0.5 if self.flip else np.zeros((count, 1), bool)
        drawn: dict[str, np.ndarray] = {}
        if rows > 1 or columns > 1:
            steps = np.arange(self.size)
            across, down = np.where(mirrored, steps[::-1], steps) + x, (steps + y) * (width + 2 * self.pad)
            drawn["taken"] = np.stack([down, across])
        elif self.flip:
            drawn["mirrored"] = mirrored
        if self.cutout and self.replayable:
            drawn["blanked"] = self._corners(count)
        on_device = {name: sent(torch.from_numpy(array), self.device) for name, array in drawn.items()}
        return {**data, **on_device, "drawn": True}

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Tensor]:
        """Images (N, 3, H, W) -> (N, 3, H, W), or (N, 3, size, size) in training; channels last."""
        if training and "drawn" not in data:
            data = self.draw(data)
        images = data["inputs"].to(self.device, non_blocking=True)
        labels = data["labels"].to(self.device, non_blocking=True)
        if "mirrored" in data:
            images = torch.where(data["mirrored"][..., None, None], images.flip(3), images)
        if "taken" in data:
            images = self._crop(images, *data["taken"])
        images = images.div(255)
        if training:
            images = self.colour(images)
        images = images.sub_(self.mean).div_(self.std)
        if training and self.cutout:
            corners = data.get("blanked")
            if corners is None:  # kornia's colours are drawn before
                corners = sent(torch.from_numpy(self._corners(len(images))), self.device)
            images = self._blank(images, corners)
        # 10 to 25 % faster than the default layout
        return {"inputs": images.contiguous(memory_format=torch.channels_last), "labels": labels}

    def _crop(self, images: Tensor, down: Tensor, across: Tensor) -> Tensor:
        """Shift and mirror every image for itself, in one gather (six times as fast as kornia's two steps)."""
        count, channels = images.shape[:2]
        places = (down[:, :, None] + across[:, None, :]).view(count, 1, -1).expand(-1, channels, -1)
        picked = F.pad(images, (self.pad,) * 4).flatten(2).gather(2, places)
        return picked.view(count, channels, self.size, self.size)

    def _corners(self, count: int) -> np.ndarray:
        """(2, count): first row and column of every image's square."""
        centres = [(draw(count).numpy() * self.size).astype(np.int64) for _ in "yx"]
        return np.stack(centres) - self.cutout // 2

    def _blank(self, images: Tensor, corners: Tensor) -> Tensor:
        """Set a square of every image to 0, the mean; what of the square lies outside is lost."""
        steps = torch.arange(self.size, device=images.device)
        starts = corners[:, :, None]
        y, x = (starts <= steps) & (steps < starts + self.cutout)
        return images.masked_fill_((y[:, :, None] & x[:, None, :])[:, None], 0)


def _kornia(type: str, **options: Any) -> nn.Module:
    import kornia.augmentation

    try:
        return getattr(kornia.augmentation, type)(**options)  # type: ignore[no-any-return]
    except (AttributeError, TypeError) as error:
        raise LwdnaError(f"data_preprocessor.colour: kornia.augmentation.{type}: {error}") from error


def _shapes(experiment: Experiment) -> dict[str, list[int]]:
    """By loader, the shape of an image as the preprocessor leaves it; of validation's, where that is another one."""
    preprocessor = MODELS.build(experiment.cfg.model.data_preprocessor)
    shapes: dict[str, list[int]] = {}
    for loader, training in (("train_dataloader", True), ("val_dataloader", False)):
        (batch,) = islice(load_set(experiment, loader).loader(1, "cpu"), 1)
        shape = list(preprocessor(batch, training)["inputs"].shape[1:])
        if shape not in shapes.values():
            shapes[loader] = shape
    return shapes


class ImageClassifier(BaseModel):  # type: ignore[misc]
    """The wrapper around a network (N, 3, H, W) -> (N, classes) that mmengine's loops call."""

    def __init__(self, network: nn.Module, data_preprocessor: dict[str, Any]) -> None:
        super().__init__(data_preprocessor)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @staticmethod
    def check(experiment: Experiment) -> None:
        """Raise LwdnaError, before any work, for a network without a score for every class, or with others, and for an
        `experiment.input` that is neither what training nor what validation gives the network: MACs are counted on it.
        """
        classes = cast(Sequence[str], load_set(experiment, "train_dataloader").metainfo.get("classes", ()))
        got = ", ".join(str(list(shape)) for shape in experiment.inputs)
        try:
            with torch.no_grad():
                scores = baseline(experiment).eval()(*blank(experiment))
        except LwdnaError:  # there is no such network
            raise
        except Exception as error:  # the network is anybody's code
            reason = f"{type(error).__name__}: {error}"
            raise LwdnaError(
                f"{experiment.network}: it takes no images of experiment.input, {got}: {reason}"
            ) from error
        shapes = _shapes(experiment)
        if len(experiment.inputs) != 1 or list(experiment.inputs[0]) not in shapes.values():
            expected = " or ".join(f"{shape}, what {loader}'s images become" for loader, shape in shapes.items())
            raise LwdnaError(f"{experiment.cfg.filename}: experiment.input: expected {expected}, got {got}")
        outputs = scores.size(1) if isinstance(scores, Tensor) and scores.dim() == 2 else 0
        wanted = "num_classes" in experiment.cfg.experiment.get("options", {})  # then there may be more than classes
        if outputs < len(classes) or (outputs > len(classes) and not wanted):
            given = f"a tensor of shape {list(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
            raise LwdnaError(
                f"{experiment.network}: expected scores of shape [1, {len(classes)}] for the classes of "
                f"train_dataloader, got {given}; `experiment.options` go to the network's factory: "
                f"--cfg-options experiment.options.num_classes={len(classes)}"
            )

    def init_weights(self) -> None:
        """Nothing: the network arrives initialised, and mmengine must not draw it again."""

    def forward(self, inputs: Tensor, labels: Tensor, mode: str) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """In mode "loss" the loss; in mode "predict" one entry with the scores (N, classes) of the batch."""
        if mode == "loss":
            return {"loss": loss(self.network, {"inputs": inputs, "labels": labels})}
        return [{"scores": self.network(inputs)}]

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, which is one number: mmengine's mean of it and sum with nothing are work for a GPU all the same."""
        return losses["loss"], losses
