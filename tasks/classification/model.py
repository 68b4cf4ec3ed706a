"""What mmengine trains: a network that classifies images, its loss, and its input made ready on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import kornia.augmentation as K
import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor, BaseModel
from torch import Tensor, nn


def loss(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Mean cross-entropy of a preprocessed batch."""
    return F.cross_entropy(network(batch["inputs"]), batch["labels"])


class ImagePreprocessor(BaseDataPreprocessor):  # type: ignore[misc]
    """uint8 images -> normalised float32 images; in training, augmented before that, image by image.

    Args:
        mean, std: per channel, of images in [0, 1].
        pad: training images are cropped at random from an image with that many black pixels around it.
        flip: training images are mirrored at random.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], pad: int, flip: bool, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)
        # p=1: a random crop of every image
        mirror = [K.RandomHorizontalFlip()] if flip else []
        self.augment = K.AugmentationSequential(K.RandomCrop((size, size), padding=pad), *mirror, data_keys=["input"])

    def forward(self, data: dict[str, Tensor], training: bool = False) -> dict[str, Tensor]:
        images = data["inputs"].to(self.device).float() / 255
        if training:
            images = self.augment(images)
        images = (images - self.mean) / self.std
        # 10 to 25 % faster than the default layout
        return {
            "inputs": images.contiguous(memory_format=torch.channels_last),
            "labels": data["labels"].to(self.device),
        }


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
