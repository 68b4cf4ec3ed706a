"""What sets and their images are called, so that each is known by itself; and the noise of test images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lwdna_core.errors import LwdnaError
from tasks.restoration import load
from tasks.restoration.images import read_tensor
from tasks.restoration.load import images, patches
from tasks.restoration.sets import PHOTOS, set_files


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The task's part of an empty data folder."""
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path))
    yield tmp_path / "restoration"
    load._patches.cache_clear()
    load._images.cache_clear()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_a_test_image_is_left_out_of_folders_and_files_of_one_name(home: Path) -> None:
    """Of a/train and b/train, and of 0.png and 0.bmp, each image is known by itself."""
    shown, other = (
        read_tensor(set_files("photos", split, 1)[place].hr).permute(1, 2, 0).numpy()
        for split, place in (("test", 1), ("train", 2))
    )
    write(home / "a/train/0.png", other)
    write(home / "b/train/0.png", shown)
    write(home / "c/train/0.bmp", other)
    write(home / "c/train/0.png", shown)
    folders = [f"restoration/{name}/train" for name in "abc"]
    data = patches(folders, size=32, count=4, held_out="photos")
    names = [data.metainfo["images"][k] for k in data.chosen]  # type: ignore[index]
    assert names == ["restoration/a/train/0", "restoration/c/train/0.bmp"]
    assert data.metainfo["left_out"] == ["restoration/b/train/0", "restoration/c/train/0.png"]


def test_sets_that_results_would_call_the_same_are_refused(home: Path) -> None:
    write(home / "mine/a.png", noise(12, 12, 3))
    twice = ["restoration/mine", "./restoration/mine"]
    for key, make in (("val", lambda: images(twice)), ("train", lambda: patches(twice, size=4, count=2))):
        message = rf"{key}_dataloader\.dataset\.sets: restoration/mine and \./restoration/mine are both called"
        with pytest.raises(LwdnaError, match=message):
            make()
    with pytest.raises(LwdnaError, match=r"sets: photos and photos are both called 'photos'"):
        images(["photos", "photos"])
    assert len(patches(["photos", "photos"], size=32, count=4).hr) == 2 * len(PHOTOS["train"])  # counts double


def test_two_files_of_one_name_in_a_set_of_two_folders_are_refused(home: Path) -> None:
    for part in ("train", "test"):
        write(home / "BSDS500" / part / "1.jpg", noise(9, 12, 3))
    with pytest.raises(LwdnaError, match=r"BSD400: .*1\.jpg and .*1\.jpg have the same name"):
        set_files("BSD400", "train", 1)


def test_test_images_at_several_levels_of_noise() -> None:
    data = images("photos", colours=1, sigma=[15, 50])
    assert [pair.set for pair in data.images] == ["photos-sigma15"] * 4 + ["photos-sigma50"] * 4
    for sigma, pairs in ((15, data.images[:4]), (50, data.images[4:])):
        alone = images("photos", colours=1, sigma=sigma).images
        assert {pair.set for pair in alone} == {"photos"}
        for one, other in zip(pairs, alone, strict=True):
            assert one.name == other.name and torch.equal(one.inputs, other.inputs)
            assert torch.equal(one.target, other.target)
    patches("photos", size=32, count=8, held_out="photos").check_disjoint(data)


@pytest.mark.parametrize("sigma", ["25", -1, [], [15, -1], [15, 15], [15, "a"], float("nan"), True, None])
def test_noise_that_is_none_is_refused(sigma: Any) -> None:
    with pytest.raises(LwdnaError, match=r"val_dataloader\.dataset\.sigma: expected a number of grey levels"):
        images("photos", colours=1, sigma=sigma)


def test_low_resolution_gets_no_noise() -> None:
    with pytest.raises(LwdnaError, match=r"val_dataloader\.dataset\.sigma=25: expected 0 at scale 2"):
        images("photos", scale=2, sigma=25)


def test_an_image_smaller_than_the_scale_is_named(home: Path) -> None:
    write(home / "Set5/HR/dot.png", noise(1, 5, 3))
    with pytest.raises(LwdnaError, match=r"dot\.png: 5x1 pixels, fewer than the scale 2"):
        images("Set5", scale=2)
