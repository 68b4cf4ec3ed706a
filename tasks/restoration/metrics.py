"""PSNR and SSIM of a run, set by set: the mmengine metric over `tasks.restoration.quality`.

The contract between the loader of test images, the model, and this metric. A batch of the loader is

    {
        "inputs":  what the network gets: list of N tensors (C, h, w) or one (N, C, h, w), uint8 or float in 0 .. 255
                   (a noisy image unclipped),
        "targets": what it should become: list of N uint8 tensors (C, H, W) or one (N, C, H, W); C is 1 or 3,
        "name":    list of N names, unique in their set ("baby"),
        "set":     list of N titles of sets ("Set5"), see `lwdna_core.data.sources.set_title`,
    }

and `model(mode="predict")` returns `[{"images": ...}]`: list of N tensors (C, H, W) or one (N, C, H, W), in 0 .. 255,
uint8 or float; floats are rounded to 8 bits here. Where the target is gray and the output is not (a network for colour
images got the gray one three times), the output's gray is scored.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from lwdna_core.compare.results import FORMAT, write_json
from lwdna_core.data.sources import set_title
from lwdna_core.errors import LwdnaError
from tasks.restoration.colour import Convention, gray
from tasks.restoration.images import write_image
from tasks.restoration.imresize import bicubic
from tasks.restoration.quality import check_scoring, psnr, quantized, ssim

KEPT = "restored"
"""The folder of a run in which its restored images lie, with `index.json`."""


def kept_place(run: Path, of: str, name: str) -> Path:
    """Where a run's kept image of this set and name is, without the ending: in the run's folder, whatever they are."""
    return run / KEPT / set_title(of) / set_title(name)


class _Kept(NamedTuple):
    set: str
    name: str
    psnr: float
    inputs: Tensor
    restored: Tensor
    target: Tensor


class RestorationQuality(BaseMetric):  # type: ignore[misc]
    """Mean PSNR (dB) and SSIM of every set: `psnr/Set5`, `ssim/Set5`.

    An image restored without any error has no finite PSNR; it is named in the log and left out of the mean.

    Args:
        border: pixels cut from every side first: the scale; 0 for denoising.
        convention: see `tasks.restoration.colour.CONVENTIONS`.
        pictures: how many images, from the first on, are kept for the report.

    Attributes:
        items: scores of the last evaluation, {"psnr/Set5": {name: value}}.
    """

    default_prefix = ""  # the names are whole as they are

    def __init__(self, border: int, convention: Convention = "y", pictures: int = 8, **options: Any) -> None:
        super().__init__(**options)
        check_scoring(convention, border)
        self.border, self.convention, self.pictures = border, convention, pictures
        self.items: dict[str, dict[str, float]] = {}
        self._kept: list[_Kept] = []

    def process(self, data_batch: dict[str, Any], data_samples: Sequence[dict[str, Any]]) -> None:
        if not self.results:
            self._kept = []
        (output,) = data_samples
        columns = (data_batch["set"], data_batch["name"], data_batch["inputs"], data_batch["targets"], output["images"])
        for of, name, inputs, target, restored in zip(*columns, strict=True):
            restored = quantized(restored if len(restored) == len(target) else gray(restored))
            target = target.to(restored.device)
            scored = (restored, target, self.convention, self.border)
            try:
                values = psnr(*scored).item(), ssim(*scored).item()
            except LwdnaError as error:
                raise LwdnaError(f"{of}/{name}: {error}") from error
            self.results.append((of, name, *values))
            if len(self._kept) < self.pictures:
                inputs = inputs if len(inputs) == len(target) else gray(inputs)
                self._kept.append(_Kept(of, name, values[0], inputs.cpu(), restored.cpu(), target.cpu()))

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        self.items = {}
        for of, name, *values in results:
            for metric, value in zip(("psnr", "ssim"), values, strict=True):
                scores = self.items.setdefault(f"{metric}/{of}", {})
                if math.isfinite(value):
                    scores[name] = value
                else:
                    print_log(f"{of}/{name}: no error at all, left out of {metric}/{of}", "current", logging.WARNING)
        return {metric: fmean(scores.values()) if scores else math.nan for metric, scores in self.items.items()}

    def keep(self, folder: Path) -> None:
        """Leave the first images of the last evaluation in a run's folder, for `tasks.restoration.pictures`.

        `restored/<set>/<name>.png` is what the network made, `.target.png` what it should have, `.input.png` what it
        got, enlarged by bicubic interpolation where it is smaller; `restored/index.json`, written last, lists them with
        their PSNR, that of the input being that of the unrounded one.
        """
        images = []
        for kept in self._kept:
            scale = kept.target.shape[-1] // kept.inputs.shape[-1]
            inputs = bicubic(kept.inputs, scale) if scale > 1 else kept.inputs
            before = psnr(inputs, kept.target, self.convention, self.border).item()
            place = kept_place(folder, kept.set, kept.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            for kind, image in (("", kept.restored), (".target", kept.target), (".input", quantized(inputs))):
                write_image(place.with_name(f"{place.name}{kind}.png"), image)
            images.append({"set": kept.set, "name": kept.name, "scale": scale, "psnr": kept.psnr, "input": before})
        if images:
            about = {"format": FORMAT, "convention": self.convention, "border": self.border, "images": images}
            write_json(folder / KEPT / "index.json", about)
