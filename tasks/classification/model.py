"""What mmengine trains: a network that classifies images, its loss, and its input made ready on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import get_dist_info
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor, nn

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

    def forward(self, data: dict[str, Tensor], training: bool = False) -> dict[str, Tensor]:
        """Images (N, 3, H, W) -> (N, 3, H, W), or (N, 3, size, size) in training; channels last."""
        images = data["inputs"].to(self.device, non_blocking=True)
        if training:
            images = self._crop(images)
        images = images.float().div(255)
        if training:
            images = self.colour(images)
        images = images.sub_(self.mean).div_(self.std)
        if training and self.cutout:
            images = self._blank(images)
        # 10 to 25 % faster than the default layout
        return {
            "inputs": images.contiguous(memory_format=torch.channels_last),
            "labels": data["labels"].to(self.device, non_blocking=True),
        }

    def _crop(self, images: Tensor) -> Tensor:
        """Shift and mirror every image for itself, in one gather (six times as fast as kornia's two steps)."""
        count, channels, height, width = images.shape
        rows, columns = (side + 2 * self.pad - self.size + 1 for side in (height, width))  # places for a crop
        if rows < 1 or columns < 1:
            raise LwdnaError(f"images of {height} x {width}, padded by {self.pad}, have no crop of size {self.size}")
        x, y = (self._draw(count).mul_(places).long() for places in (columns, rows))
        mirrored = self._draw(count) < 0.5 if self.flip else torch.zeros(count, dtype=torch.bool)
        if rows == columns == 1:
            mirrored = mirrored.to(images.device, non_blocking=True)
            return torch.where(mirrored[:, None, None, None], images.flip(3), images) if self.flip else images
        steps = torch.arange(self.size)
        across = torch.where(mirrored[:, None], self.size - 1 - steps, steps) + x[:, None]
        down = (steps + y[:, None]) * (width + 2 * self.pad)
        across, down = (part.to(images.device, non_blocking=True) for part in (across, down))
        places = (down[:, :, None] + across[:, None, :]).view(count, 1, -1).expand(-1, channels, -1)
        picked = F.pad(images, (self.pad,) * 4).flatten(2).gather(2, places)
        return picked.view(count, channels, self.size, self.size)

    def _blank(self, images: Tensor) -> Tensor:
        """Set a square of every image to 0, the mean; what of the square lies outside is lost."""
        steps = torch.arange(self.size)
        inside = []
        for _ in "yx":
            start = self._draw(len(images)).mul_(self.size).long()[:, None] - self.cutout // 2
            inside.append(((start <= steps) & (steps < start + self.cutout)).to(images.device, non_blocking=True))
        y, x = inside
        return images.masked_fill_((y[:, :, None] & x[:, None, :])[:, None], 0)

    @staticmethod
    def _draw(count: int) -> Tensor:
        """`count` numbers from [0, 1). Of processes that share a batch, each takes those of its own images."""
        rank, world = get_dist_info()
        return torch.rand(count * world)[rank::world]


def _kornia(type: str, **options: Any) -> nn.Module:
    import kornia.augmentation

    try:
        return getattr(kornia.augmentation, type)(**options)  # type: ignore[no-any-return]
    except (AttributeError, TypeError) as error:
        raise LwdnaError(f"data_preprocessor.colour: kornia.augmentation.{type}: {error}") from error


class ImageClassifier(BaseModel):  # type: ignore[misc]
    """The wrapper around a network (N, 3, H, W) -> (N, classes) that mmengine's loops call."""

    def __init__(self, network: nn.Module, data_preprocessor: dict[str, Any]) -> None:
        super().__init__(data_preprocessor)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def init_weights(self) -> None:
        """Nothing: the network arrives initialised, and mmengine must not draw it again."""

    def forward(self, inputs: Tensor, labels: Tensor, mode: str) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """In mode "loss" the loss; in mode "predict" one entry with the scores (N, classes) of the batch."""
        if mode == "loss":
            return {"loss": loss(self.network, {"inputs": inputs, "labels": labels})}
        return [{"scores": self.network(inputs)}]
