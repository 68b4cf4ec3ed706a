"""What mmengine trains: a network that restores images, its loss, and its input made ready on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.registry import MODELS
from torch import Tensor, nn

from lwdna_core.compare.config import Experiment
from lwdna_core.compare.sharing import draw
from lwdna_core.data.transfer import sent
from tasks.restoration.check import check_test, check_training_noise
from tasks.restoration.noise import training_levels
from tasks.restoration.tiles import Tiles, self_ensemble

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "mse": F.mse_loss}
_TILE = 1024


def loss(network: nn.Module, batch: dict[str, Any]) -> Tensor:
    """Mean error of a preprocessed batch, absolute or squared, on images in [0, 1]."""
    return LOSSES[batch["loss"]](network(batch["inputs"]), batch["targets"])


def augment(images: Sequence[Tensor], chosen: Tensor) -> list[Tensor]:
    """Flip and turn squares: each of the eight ways to lay one down.

    Args:
        images: tensors (N, C, S, S), of a size of their own each, whose samples belong together.
        chosen: (N, 3, 1, 1, 1), bool: which samples are mirrored left to right, upside down, and across the diagonal.
    """
    out = []
    for x in images:
        x = torch.where(chosen[:, 0], x.flip(-1), x)
        x = torch.where(chosen[:, 1], x.flip(-2), x)
        out.append(torch.where(chosen[:, 2], x.transpose(-1, -2), x))
    return out


class RestorationPreprocessor(BaseDataPreprocessor):  # type: ignore[misc]
    """Patches or images in 0 .. 255 -> float32 in [0, 1]; training patches are flipped, turned, and made noisy.

    Args:
        loss: "l1" or "mse", what `loss` computes of the batch.
        sigma: of the noise of training patches, in grey levels; 0 where there are low-resolution inputs. Of a pair
            (lowest, highest) each patch draws its own in between. It is neither clipped nor rounded. (Test images bring
            theirs along.)
    """

    def __init__(self, loss: str, sigma: float | Sequence[float] = 0) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise ValueError(f"expected a loss among {', '.join(LOSSES)}, got {loss!r}")
        self.loss, self.sigma = loss, sigma
        self.lowest, self.highest = training_levels(sigma)

    replayable = True
    """`forward` draws nothing once `draw` has, except for noise, by the device's own generator."""

    def draw(self, data: dict[str, Any]) -> dict[str, Any]:
        """A batch to train on, and what is drawn on the CPU: how its patches are turned, `chosen` of `augment`, and of
        a range of noise each one's sigma.
        """
        count = len(data["targets"])
        drawn = {"turned": draw(count, 3, 1, 1, 1) < 0.5}
        if self.lowest < self.highest:
            drawn["sigma"] = self.lowest + (self.highest - self.lowest) * draw(count, 1, 1, 1)
        return {**data, **{name: sent(tensor, self.device) for name, tensor in drawn.items()}}

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Training: batches of patches; with targets alone, inputs are these with noise. Else lists of images."""
        if not training:
            prepared = {name: [self._floats(x[None]) for x in data[name]] for name in ("inputs", "targets")}
            return {**prepared, "loss": self.loss}
        if "turned" not in data:
            data = self.draw(data)
        names = [name for name in ("inputs", "targets") if name in data]
        # as bytes: a quarter of the memory traffic
        turned = augment([data[name].to(self.device, non_blocking=True) for name in names], data["turned"])
        batch = {name: self._floats(x) for name, x in zip(names, turned, strict=True)}
        clean = batch["targets"]
        inputs = batch["inputs"] if "inputs" in batch else self._noisy(clean, data.get("sigma"))
        return {"inputs": inputs, "targets": clean, "loss": self.loss}

    def _noisy(self, clean: Tensor, sigma: Tensor | None) -> Tensor:
        noise = draw(len(clean), *clean.shape[1:], law=torch.randn, device=clean.device)
        noise = noise.contiguous(memory_format=torch.channels_last)
        if sigma is None:
            return torch.add(clean, noise, alpha=self.lowest / 255)
        return torch.addcmul(clean, noise, sigma, value=1 / 255)

    def _floats(self, images: Tensor) -> Tensor:
        images = images.to(self.device, non_blocking=True).float() / 255
        return images.contiguous(memory_format=torch.channels_last)  # 10 % faster than the default layout on a CPU


class Restorer(BaseModel):  # type: ignore[misc]
    """The wrapper around a network (N, C, h, w) -> (N, C, H, W), images in [0, 1], that mmengine's loops call.

    Args:
        network: the network.
        data_preprocessor: config of one, as mmengine takes it.
        tile: side of the largest square that it restores at once, in pixels of its input; see `Tiles`.
        ensemble: restore every test image eight times, turned and mirrored, and take the mean.
    """

    def __init__(
        self, network: nn.Module, data_preprocessor: dict[str, Any], tile: int = _TILE, ensemble: bool = False
    ) -> None:
        super().__init__(data_preprocessor)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.tile, self.ensemble = tile, ensemble
        self._restore: Callable[[Tensor], Tensor] | None = None

    @staticmethod
    def check(experiment: Experiment) -> None:
        """Raise LwdnaError, before any work, for what would fail at the test; see `tasks.restoration.check`."""
        preprocessor = experiment.cfg.model.get("data_preprocessor")
        named = preprocessor.get("type") if isinstance(preprocessor, dict) else None
        plain = isinstance(named, str) and MODELS.get(named) is RestorationPreprocessor
        if plain:
            check_training_noise(experiment)
        check_test(experiment, experiment.cfg.model.get("tile", _TILE), plain)

    def init_weights(self) -> None:
        """Nothing: the network arrives initialised, and mmengine must not draw it again."""

    def forward(self, inputs: Any, targets: Any, loss: str, mode: str) -> dict[str, Tensor] | list[dict[str, Any]]:
        """In mode "loss" the loss of a batch; in mode "predict" one entry, the restored images in 0 .. 255."""
        if mode == "loss":
            return {"loss": LOSSES[loss](self.network(inputs), targets)}
        self._restore = self._restore or restorer(self.network, self.tile, self.ensemble)
        return [{"images": [255 * self._restore(image)[0] for image in inputs]}]


def restorer(network: nn.Module, tile: int, ensemble: bool) -> Callable[[Tensor], Tensor]:
    """A network, as it restores images (N, C, h, w) in [0, 1] of any size; see `Restorer`."""
    tiles = Tiles(network.to(memory_format=torch.channels_last), tile)  # type: ignore[call-overload]
    return partial(self_ensemble, tiles) if ensemble else tiles
