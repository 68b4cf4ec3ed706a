"""Copies of test images among training images: known by name, and found in whatever size and section."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from torch import Tensor

from tasks.restoration.images import image_files, read_tensor
from tasks.restoration.imresize import imresize
from tasks.restoration.overlap import KNOWN, THRESHOLD, overlaps, thumbnail

PHOTOS = Path(skimage.__file__).parent / "data"
NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png", "coins.png", "moon.png")


@pytest.fixture(scope="module")
def photos() -> dict[str, Tensor]:
    return {name: read_tensor(PHOTOS / name) for name in NAMES}


def test_thumbnails_are_small_and_gray(photos: dict[str, Tensor]) -> None:
    for image in photos.values():
        small = thumbnail(image)
        assert small.dtype == torch.uint8 and len(small) == 1 and min(small.shape[1:]) == 128
    assert thumbnail(photos["moon.png"][:, :40, :50]).shape == (1, 40, 50)


@pytest.mark.parametrize("scale", [0.5, 0.8, 1, 2])
@pytest.mark.parametrize("share", [0.55, 0.75, 1])
def test_scaled_and_cropped_copies_are_found(photos: dict[str, Tensor], scale: float, share: float) -> None:
    """Whichever of the two is the section, and nothing else is taken for a copy."""
    random = np.random.default_rng(0)
    sections = {}
    for name, image in photos.items():
        size = [int(share * side) for side in image.shape[1:]]
        top, left = (int(random.integers(side - cut + 1)) for side, cut in zip(image.shape[1:], size, strict=True))
        sections[name] = thumbnail(imresize(image[:, top : top + size[0], left : left + size[1]], scale))
    whole = {name: thumbnail(image) for name, image in photos.items()}
    for training, test in ((whole, sections), (sections, whole)):
        found = overlaps({f"own/{k}": v for k, v in training.items()}, {f"test/{k}": v for k, v in test.items()})
        assert [(o.training, o.test) for o in found] == [(f"own/{name}", f"test/{name}") for name in sorted(photos)]
        assert all(o.correlation is not None and o.correlation > THRESHOLD for o in found)


def test_different_photographs_do_not_overlap(photos: dict[str, Tensor]) -> None:
    small = [(name, thumbnail(image)) for name, image in photos.items()]
    assert overlaps(dict(small[:4]), dict(small[4:])) == []
    flat = torch.full((1, 128, 128), 90, dtype=torch.uint8)
    assert overlaps({"sky": flat}, {"wall": flat + 1, **dict(small)}) == []
    assert overlaps({}, dict(small)) == overlaps(dict(small), {}) == []


def test_what_is_known_by_name() -> None:
    nothing = torch.zeros(1, 30, 30, dtype=torch.uint8)
    training = dict.fromkeys(("BSDS500/302003", "BSDS500/3096", "BSD400/test_020", "BSDS500/100075"), nothing)

    def found(*names: str) -> list[tuple[str, str, float | None]]:
        return [tuple(o) for o in overlaps(training, dict.fromkeys(names, nothing))]

    assert found("Set5/woman", "Set5/baby") == [("BSDS500/302003", "Set5/woman", None)]
    assert found("Set12/04", "BSD68/test001") == [
        ("BSD400/test_020", "Set12/04", None),
        ("BSDS500/3096", "BSD68", None),
    ]
    assert found("BSD100/3096") == [("BSDS500/3096", "BSD100/3096", None)]
    assert found("Set14/zebra") == []


def test_the_table_and_the_search_agree_on_real_sets(data_folder: Path) -> None:
    """BSD400's crops of BSDS500: the 135th of one is the 135th of the other, which is Set5's woman."""
    folder = data_folder / "restoration"
    crops = image_files(folder / "Train400")
    assert "BSD68" in KNOWN["3096"] and sum("BSD68" in places for places in KNOWN.values()) == 100
    woman = next(path for path in crops if path.stem == "test_135")
    tested = {f"Set5/{path.stem}": thumbnail(read_tensor(path)) for path in image_files(folder / "Set5" / "HR")}
    (match,) = overlaps({"own/woman": thumbnail(read_tensor(woman))}, tested)
    assert match.test in KNOWN["302003"] and match.correlation is not None and match.correlation > 0.9

    # Without 12003 and 302003, which are not in the folder: the first 19 have the numbers 1 to 19.
    whole = {f"BSDS500/{path.stem}": path for path in sorted(image_files(folder / "BSDS500_train"))[:19]}
    training = {name: thumbnail(read_tensor(path)) for name, path in whole.items()}
    test = {f"crop/{path.stem}": thumbnail(read_tensor(path)) for path in crops[:25]}
    pairs = [(o.training, o.test) for o in overlaps(training, test)]
    assert pairs == sorted(zip(whole, (f"crop/test_{number:03}" for number in range(1, 20)), strict=True))


@pytest.mark.slow
def test_the_threshold_lies_between_copies_and_others(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All pairs of BSDS500's training part with BSD400's crops, and with the test sets, of which it holds none."""
    folder = data_folder / "restoration"

    def small(name: str, *below: str) -> dict[str, Tensor]:
        paths = image_files(folder.joinpath(name, *below))
        return {f"{name}/{path.stem}": thumbnail(read_tensor(path)) for path in paths}

    monkeypatch.setattr("tasks.restoration.overlap.THRESHOLD", -1.0)
    whole = small("BSDS500_train")
    stems = sorted([*(name.rpartition("/")[2] for name in whole), "12003", "302003"])
    matches = overlaps(whole, small("Train400"))
    assert len(matches) == 198
    for match in matches:
        assert stems.index(match.training.rpartition("/")[2]) + 1 == int(match.test[-3:])
        assert match.correlation is not None and match.correlation > 0.74
    others = {**small("Set5", "HR"), **small("Set14", "HR"), **small("Set12"), **small("BSD68")}
    assert 0.5 < max(match.correlation or 0 for match in overlaps(whole, others)) < 0.63
