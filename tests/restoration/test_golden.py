"""The published scores of bicubic interpolation and of noisy images, and MATLAB's small images to the last digit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.restoration.images import cropped, read_tensor
from tasks.restoration.imresize import bicubic, imresize
from tasks.restoration.quality import psnr, ssim

Convention = Literal["y", "y-rounded", "rgb"]


@pytest.fixture(scope="module")
def sets(data_folder: Path) -> Path:
    folder = data_folder / "restoration"
    if not folder.is_dir():
        pytest.skip("no restoration sets in LWDNA_DATA")
    return folder


@pytest.fixture(scope="module")
def expected(sets: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((sets / "restoration-expected.json").read_text())
    return content


def pairs(sets: Path, name: str, scale: int) -> list[tuple[Tensor, Tensor]]:
    """HR (C, H, W), cropped to a multiple of the scale, and MATLAB's LR."""
    return [
        (cropped(read_tensor(file), scale), read_tensor(sets / name / f"LRx{scale}" / file.name))
        for file in sorted((sets / name / "HR").glob("*.png"))
    ]


@pytest.mark.parametrize("name", ["Set5", "Set14"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_small_images_are_matlabs_bit_for_bit(name: str, scale: int, sets: Path) -> None:
    for original, small in pairs(sets, name, scale):
        assert torch.equal(imresize(original[None], 1 / scale)[0], small)


@pytest.mark.parametrize("name", ["Set5", "Set14"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_has_its_published_scores(name: str, scale: int, sets: Path, expected: dict[str, Any]) -> None:
    images = [(bicubic(small[None], scale), original[None]) for original, small in pairs(sets, name, scale)]
    for key, values in expected["bicubic"][f"{name} x{scale}"].items():
        convention: Convention = "y" if key == "y-nocrop" else key  # type: ignore[assignment]
        border = 0 if key == "y-nocrop" else scale
        scores = [
            (psnr(large, original, convention, border).item(), ssim(large, original, convention, border).item())
            for large, original in images
        ]
        assert np.mean(scores, axis=0).tolist() == pytest.approx(values, abs=6e-5), key


@pytest.mark.parametrize("sigma", [25, 50])
def test_noisy_images_have_their_scores(sigma: int, sets: Path, expected: dict[str, Any]) -> None:
    """Unclipped and unrounded; clipped to 8 bits they would score 0.2 to 1.1 dB more."""
    exact, clipped = [], []
    for index, file in enumerate(sorted((sets / "Set12").rglob("*.png"))):
        clean = read_tensor(file)[None]
        noise = torch.from_numpy(np.random.default_rng(index).normal(0, sigma, tuple(clean.shape[2:])))
        noisy = clean + noise
        exact.append((psnr(noisy, clean).item(), ssim(noisy, clean).item()))
        clipped.append(psnr(noisy.round().clamp(0, 255).to(torch.uint8), clean).item())
    values = expected["noisy"][f"Set12 sigma{sigma}"]
    assert np.mean(exact, axis=0).tolist() == pytest.approx(values["unclipped_float"], abs=1e-4)
    assert np.mean(clipped) == pytest.approx(values["clipped_uint8"][0], abs=1e-3)


def test_common_mistakes_cost_what_is_known_of_them(sets: Path, expected: dict[str, Any]) -> None:
    images = [(bicubic(small[None], 2), original[None]) for original, small in pairs(sets, "Set5", 2)]
    right = expected["bicubic"]["Set5 x2"]["y"][0]

    def full_range(image: Tensor) -> Tensor:
        weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)[:, None, None]
        return (image.double() * weights).sum(1, keepdim=True)

    wrong = np.mean([psnr(full_range(large), full_range(original), border=2).item() for large, original in images])
    assert wrong - right == pytest.approx(-1.3, abs=0.1)  # Y without BT.601's range of 16 .. 235
    colours = np.mean([psnr(large, original, "rgb", 2).item() for large, original in images])
    assert colours - right == pytest.approx(-1.9, abs=0.3)
    # a gray image is its own Y; repeated to three channels it would be squeezed into BT.601's range
    gray = read_tensor(sets / "Set12" / sorted(file.name for file in (sets / "Set12").glob("*.png"))[0])[None]
    noisy = (gray.double() + 10).clamp(0, 255)
    repeated = psnr(noisy.repeat(1, 3, 1, 1), gray.repeat(1, 3, 1, 1))
    assert repeated.item() - psnr(noisy, gray).item() == pytest.approx(20 * np.log10(255 / 219), abs=0.01)
