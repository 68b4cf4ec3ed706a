"""The pictures of a comparison of restoration networks: crops side by side, where the arms differ most."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from lwdna_core.compare.arms import ARMS, BASELINE, LWDNA
from lwdna_core.compare.results import read_json
from lwdna_core.compare.task import Picture
from tasks.restoration.images import read_tensor
from tasks.restoration.metrics import KEPT, kept_place

_SHOWN = 4  # images
_COLUMNS = 5  # crops side by side: baseline and LW-DNA between what they got and what they should have made
_SHARE, _LEAST = 6, 24  # a crop's side: that part of the image's shorter side, but so many pixels
_PERFECT = 100.0  # dB, more than any error in 8 bits gives: that of no error, which files call null
_SCORED = {"y": "on Y", "y-rounded": "on Y rounded to 8 bits", "rgb": "on RGB"}
_LABELS = {BASELINE: "baseline", LWDNA: "LW-DNA"}


def pictures(folder: Path, results: Sequence[dict[str, Any]]) -> list[Picture]:
    """Of the first seed's kept images those where LW-DNA and the baseline differ most in PSNR, a picture each.

    None where no run has kept images. See `Task.pictures` and `tasks.restoration.metrics.RestorationQuality.keep`.
    """
    runs: dict[int, dict[str, Any]] = {}
    for result in results:
        path = folder / f"seed{result['seed']}" / result["arm"] / KEPT / "index.json"
        if path.exists():
            runs.setdefault(result["seed"], {})[result["arm"]] = read_json(path)
    if not runs:
        return []
    seed = min(runs)
    known = [arm for arm in ARMS if arm in runs[seed]]
    arms = known + sorted(runs[seed].keys() - set(known))
    scores = {arm: {(i["set"], i["name"]): i for i in runs[seed][arm]["images"]} for arm in arms}
    shared = [image for image in scores[arms[0]] if all(image in scores[arm] for arm in arms)]

    def gain(image: tuple[str, str]) -> float:
        first, last = (scores[arm][image]["psnr"] for arm in (arms[0], LWDNA if LWDNA in arms else arms[-1]))
        return (_PERFECT if last is None else last) - (_PERFECT if first is None else first)

    # the greatest losses and the greatest gains, in equal numbers
    ranked = sorted(shared, key=gain)
    half = min(_SHOWN, len(ranked)) // 2
    chosen = [*ranked[:half], *ranked[len(ranked) - min(_SHOWN, len(ranked)) + half :]]
    about = runs[seed][arms[0]]
    found = [
        _picture(folder / f"seed{seed}", seed, image, {arm: scores[arm][image] for arm in arms}, about)
        for image in chosen
    ]
    which = " Of the images that the runs kept, those with the greatest losses and gains are shown."
    return [found[0]._replace(caption=found[0].caption + which), *found[1:]] if found else []


def _picture(
    home: Path, seed: int, image: tuple[str, str], scores: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any]
) -> Picture:
    """One image: where the crop is, and the crop of input, arms and ground truth."""
    of, name = image
    first = next(iter(scores))
    places = {arm: kept_place(home / arm, of, name) for arm in scores}

    def read(arm: str, kind: str = "") -> Tensor:
        return read_tensor(places[arm].with_name(f"{places[arm].name}{kind}.png"))

    restored = {arm: read(arm) for arm in scores}
    shown = {
        ("bicubic" if scores[first]["scale"] > 1 else "noisy"): (read(first, ".input"), scores[first]["input"]),
        **{_LABELS.get(arm, arm): (restored[arm], scores[arm]["psnr"]) for arm in scores},
    }
    target = read(first, ".target")
    compared = list(restored.values()) if len(restored) > 1 else [target, *restored.values()]
    top, left, side = _where_they_differ(compared)

    count = len(shown) + 2
    rows = -(-count // _COLUMNS)
    figure = Figure(figsize=(1.9 * min(count, _COLUMNS), 2.3 * rows), layout="constrained")
    axes = figure.subplots(rows, min(count, _COLUMNS), squeeze=False).flat
    for axis in axes[count:]:
        axis.axis("off")
    _draw(axes[0], target, "the whole image\n")
    axes[0].add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor="#ff3b8d", linewidth=1.5))
    crop = (slice(None), slice(top, top + side), slice(left, left + side))
    for axis, (label, (pixels, score)) in zip(axes[1 : count - 1], shown.items(), strict=True):
        _draw(axis, pixels[crop], f"{label}\n{_decibels(score)}")
    _draw(axes[count - 1], target[crop], "ground truth\n")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    said = ", ".join(f"{label} {_decibels(score)}" for label, (_, score) in shown.items())
    return Picture(
        title=f"{of} / {name}",
        caption=(
            f"Seed {seed}: the {side} x {side} pixels in which {'the arms' if len(scores) > 1 else 'output and truth'} "
            f"differ most, and the PSNR of the whole image, {_SCORED[about['convention']]}, "
            f"{about['border'] or 'no'} pixels cut at the border."
        ),
        image=buffer.getvalue(),
        alt=f"Crops of {name} of {of}: {said}, and the ground truth.",
    )


def _where_they_differ(images: Sequence[Tensor]) -> tuple[int, int, int]:
    """Top, left and side of the square in which images (C, H, W) differ most, in the mean."""
    spread = np.ptp(np.stack([image.numpy().astype(np.float32) for image in images]), axis=0).mean(0)
    side = min(*spread.shape, max(_LEAST, min(spread.shape) // _SHARE))
    means = F.avg_pool2d(torch.from_numpy(spread)[None, None], side, 1)[0, 0]
    return (*divmod(int(means.argmax()), means.shape[1]), side)


def _draw(axis: Any, image: Tensor, label: str) -> None:
    axis.imshow(image.permute(1, 2, 0).numpy().squeeze(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(label, fontsize=9)


def _decibels(score: float | None) -> str:
    return "no error" if score is None else f"{score:.2f} dB"
