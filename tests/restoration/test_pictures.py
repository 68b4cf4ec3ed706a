"""The crops of the report: of which images, of which place, and with which words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tasks.restoration.metrics import RestorationQuality
from tasks.restoration.pictures import _where_they_differ, pictures
from tasks.restoration.quality import psnr, quantized


def photograph(seed: int, channels: int) -> Tensor:
    return torch.randint(60, 200, (channels, 48, 64), generator=torch.Generator().manual_seed(seed)).byte()


def leave(
    folder: Path, seed: int, arm: str, errors: list[float], channels: int = 3, of: str = "Set5"
) -> dict[str, Any]:
    """What a run leaves whose images are off by these errors, at one place."""
    metric = RestorationQuality(border=2, convention="y-rounded")
    targets = [photograph(index, channels) for index in range(len(errors))]
    restored = []
    for target, error in zip(targets, errors, strict=True):
        image = target.float()
        image[:, 20:30, 40:50] += error
        restored.append(quantized(image))
    batch = {
        "inputs": [target[:, ::2, ::2] for target in targets],
        "targets": targets,
        "name": [f"image{index}" for index in range(len(errors))],
        "set": [of] * len(errors),
    }
    metric.process(batch, [{"images": restored}])
    run = folder / f"seed{seed}" / arm
    run.mkdir(parents=True)
    metric.evaluate(len(errors))
    metric.keep(run)
    return {"seed": seed, "arm": arm}


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_the_greatest_losses_and_gains(tmp_path: Path, channels: int) -> None:
    baseline, lwdna = [20.0, 20, 20, 20, 20, 20], [30.0, 19, 40, 21, 5, 10]
    results = [
        leave(tmp_path, 1, "lwdna", baseline, channels),  # not of the first seed
        leave(tmp_path, 0, "lwdna", lwdna, channels),
        leave(tmp_path, 0, "baseline", baseline, channels),
    ]
    shown = pictures(tmp_path, results)
    assert [picture.title for picture in shown] == [f"Set5 / image{index}" for index in (2, 0, 5, 4)]
    target = photograph(4, channels)
    better = target.float()
    better[:, 20:30, 40:50] += 5
    score = psnr(quantized(better), target, "y-rounded", 2).item()
    assert f"LW-DNA {score:.2f} dB" in shown[-1].alt and "baseline" in shown[-1].alt and "bicubic" in shown[-1].alt
    assert [("greatest losses and gains" in picture.caption) for picture in shown] == [True, False, False, False]
    assert "24 x 24 pixels" in shown[0].caption and "on Y rounded to 8 bits, 2 pixels cut" in shown[0].caption
    for picture in shown:
        assert Image.open(io.BytesIO(picture.image)).width > 600


def test_images_of_a_folder_of_ones_own(tmp_path: Path) -> None:
    (picture,) = pictures(tmp_path, [leave(tmp_path, 0, "baseline", [20.0], of="home/ada/test")])
    assert picture.title == "home/ada/test / image0"


def test_many_arms_take_two_rows(tmp_path: Path) -> None:
    def height(arms: tuple[str, ...]) -> int:
        folder = tmp_path / str(len(arms))
        (picture,) = pictures(folder, [leave(folder, 0, arm, [5.0 + k]) for k, arm in enumerate(arms)])
        return Image.open(io.BytesIO(picture.image)).height

    assert height(("baseline", "lwdna", "uniform", "random")) == 2 * height(("baseline", "lwdna"))


def test_the_place_where_they_differ_most() -> None:
    images = [torch.zeros(3, 90, 200, dtype=torch.uint8) for _ in range(3)]
    images[0][:, 5, 5] = 255  # one pixel is less than many
    images[2][:, 60:70, 150:160] = 90
    top, left, side = _where_they_differ(images)
    assert side == 24 and top <= 60 and top + side >= 70 and left <= 150 and left + side >= 160


def test_one_arm_alone_is_compared_with_the_truth(tmp_path: Path) -> None:
    (picture,) = pictures(tmp_path, [leave(tmp_path, 0, "baseline", [20.0])])
    assert "output and truth differ most" in picture.caption and "LW-DNA" not in picture.alt


def test_an_image_without_error_has_no_number(tmp_path: Path) -> None:
    results = [leave(tmp_path, 0, "baseline", [20.0, 20]), leave(tmp_path, 0, "lwdna", [0.0, 21])]
    shown = pictures(tmp_path, results)
    assert "LW-DNA no error" in shown[-1].alt  # the greatest gain


def test_runs_that_kept_nothing_have_no_pictures(tmp_path: Path) -> None:
    assert pictures(tmp_path, [{"seed": 0, "arm": "baseline"}]) == []


def test_the_same_files_make_the_same_pictures(tmp_path: Path) -> None:
    results = [leave(tmp_path, 0, arm, [20.0, error]) for arm, error in (("baseline", 9.0), ("lwdna", 8.0))]
    first, second = (np.array([picture.image for picture in pictures(tmp_path, results)]) for _ in range(2))
    assert (first == second).all()
