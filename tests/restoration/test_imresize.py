"""Resizing against MATLAB's own files, and against its formula written out."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from lwdna_core.errors import LwdnaError
from tasks.restoration.images import cropped, image_files, read_tensor
from tasks.restoration.imresize import bicubic, imresize

SCALES = (1 / 2, 1 / 3, 1 / 4, 0.7, 0.9, 2, 3, 4, 1.5)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_the_low_resolution_files_of_set5_and_set14_to_the_bit(data_folder: Path, name: str, scale: int) -> None:
    folder = data_folder / "restoration" / name
    for path in image_files(folder / "HR"):
        made = imresize(cropped(read_tensor(path), scale), 1 / scale)
        assert torch.equal(made, read_tensor(folder / f"LRx{scale}" / path.name)), path.name


def by_formula(image: np.ndarray, scale: float, mirrored: bool, rounded: bool) -> np.ndarray:
    """MATLAB's imresize of an image (H, W): kernel, positions and weights as its `contributions` makes them."""

    def cubic(x: np.ndarray) -> np.ndarray:
        x = np.abs(x)
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        return np.where(x <= 1, near, np.where(x < 2, far, 0))

    image = image.astype(float)
    for _ in range(2):
        length, shrunk = len(image), min(scale, 1)
        u = np.arange(1, math.ceil(round(length * scale, 9)) + 1) / scale + 0.5 * (1 - 1 / scale)
        places = np.floor(u - 2 / shrunk)[:, None] + np.arange(math.ceil(4 / shrunk) + 2)
        weights = cubic(shrunk * (u[:, None] - places))
        weights /= weights.sum(1, keepdims=True)
        index = places.astype(int) - 1
        if mirrored:
            index = np.concatenate([np.arange(length), np.arange(length)[::-1]])[index % (2 * length)]
        image = np.einsum("op,opw->ow", weights, image[np.clip(index, 0, length - 1)])
        image = np.clip(np.floor(image + 0.5 + 1e-9), 0, 255).T if rounded else image.T
    return image


@given(st.sampled_from(SCALES), st.integers(5, 40), st.integers(5, 40), st.integers(0, 99))
def test_both_dialects_are_the_formula(scale: float, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    eight_bits = imresize(torch.from_numpy(image), scale)
    assert eight_bits.dtype == torch.uint8
    assert np.array_equal(eight_bits.numpy(), by_formula(image, scale, mirrored=False, rounded=True))
    floating = imresize(torch.from_numpy(image).double(), scale)
    np.testing.assert_allclose(floating.numpy(), by_formula(image, scale, mirrored=True, rounded=False), atol=1e-9)


def test_any_leading_dimensions() -> None:
    images = torch.randint(0, 256, (2, 5, 3, 12, 20), dtype=torch.uint8)
    for x in (images, images.float()):
        out = imresize(x, 1 / 2)
        assert out.shape == (2, 5, 3, 6, 10) and out.dtype == x.dtype
        assert torch.equal(out[1, 4, 2], imresize(x[1, 4, 2], 1 / 2))
    assert imresize(images[..., :11, :17], 1 / 4).shape[-2:] == (3, 5)  # rounded up


@pytest.mark.parametrize("scale", [0, -2, 1 / 101, math.pi])
def test_scales_that_are_no_simple_fractions_are_refused(scale: float) -> None:
    with pytest.raises(LwdnaError, match=f"scale {scale}: expected a positive fraction"):
        imresize(torch.zeros(1, 9, 9), scale)


def test_the_bicubic_baseline_keeps_what_is_flat_and_overshoots_into_neither_end() -> None:
    edge = torch.zeros(1, 8, 8, dtype=torch.uint8)
    edge[..., 4:] = 255
    large = bicubic(edge, 3)
    assert large.shape == (1, 24, 24) and large.min() == 0 and large.max() == 255
    assert torch.equal(large[..., :6], torch.zeros_like(large[..., :6]))


def test_an_aliased_kernel_and_the_one_of_a_patch_are_other_images() -> None:
    """Two traps: torch without antialiasing (OpenCV's cubic), and low resolution made of a patch."""
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8))
    low = imresize(image.double(), 1 / 4)
    aliased = F.interpolate(image[None].double(), scale_factor=1 / 4, mode="bicubic", align_corners=False)[0]
    assert (low - aliased).abs().max() > 30
    of_patch = imresize(image[..., 16:40, 16:40].double(), 1 / 4)
    difference = (of_patch - low[..., 4:10, 4:10]).abs()
    assert difference[..., 2:4, 2:4].max() < 1e-9 < 1 < difference.max()


def test_low_resolution_of_a_patch_is_wrong_in_its_outer_two_pixels(data_folder: Path) -> None:
    """On all patches of 96 at scale 4 of Set5: by up to 7 grey levels, and by none within."""
    folder, outer, inner = data_folder / "restoration" / "Set5", 0, 0
    for path in image_files(folder / "HR"):
        image, low = cropped(read_tensor(path), 4), read_tensor(folder / "LRx4" / path.name)
        for top, left in itertools.product(*(range(0, side - 24, 24) for side in low.shape[1:])):
            patch = image[:, 4 * top : 4 * top + 96, 4 * left : 4 * left + 96]
            difference = (imresize(patch, 1 / 4).int() - low[:, top : top + 24, left : left + 24]).abs()
            outer = max(outer, int(difference.max()))
            inner = max(inner, int(difference[:, 2:-2, 2:-2].max()))
    assert (outer, inner) == (7, 0)
