"""The scores of a run: against other implementations, and what is kept of them for the report."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from lwdna_core.errors import LwdnaError
from tasks.restoration import quality
from tasks.restoration.colour import CONVENTIONS, gray, luma
from tasks.restoration.images import cropped, image_files, read_tensor, write_image
from tasks.restoration.imresize import bicubic
from tasks.restoration.metrics import KEPT, RestorationQuality, kept_place
from tasks.restoration.quality import depthwise, psnr, quantized, shifted, ssim

SETS = [(name, scale) for name in ("Set5", "Set14") for scale in (2, 3, 4)]


def noisy_pair(*shape: int, seed: int = 0, sigma: float = 12) -> tuple[Tensor, Tensor]:
    """A smooth image and the same with noise, uint8."""
    random = torch.Generator().manual_seed(seed)
    small = torch.rand(1, shape[0], 5, 5, generator=random)
    smooth = F.interpolate(small, size=shape[1:], mode="bicubic")[0] * 255
    return quantized(smooth + sigma * torch.randn(shape, generator=random)), quantized(smooth)


def reference_ssim(a: np.ndarray, b: np.ndarray, **options: Any) -> float:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255, **options}
    return float(structural_similarity(a, b, **options))


@given(
    st.sampled_from(CONVENTIONS), st.sampled_from([1, 3]), st.integers(0, 5), st.integers(21, 60), st.integers(0, 99)
)
def test_scores_are_those_of_scikit_image(convention: Any, channels: int, border: int, height: int, seed: int) -> None:
    a, b = noisy_pair(channels, height, 43, seed=seed)
    planes = [x.permute(1, 2, 0).numpy()[border : height - border, border : 43 - border] for x in (a, b)]
    if channels == 1 or convention == "rgb":
        x, y = (plane.astype(float) for plane in planes)
    else:
        x, y = (rgb2ycbcr(plane)[..., :1] for plane in planes)
        if convention == "y-rounded":
            x, y = (np.floor(plane + 0.5 + 1e-9) for plane in (x, y))  # its float64 halves are a hair less
    expected = peak_signal_noise_ratio(y, x, data_range=255)
    assert psnr(a, b, convention, border).item() == pytest.approx(expected, abs=1e-4)
    assert ssim(a, b, convention, border).item() == pytest.approx(reference_ssim(x, y, channel_axis=2), abs=1e-5)


def test_the_two_ways_to_filter_are_one_and_bands_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = torch.rand(4, 42, 33)
    torch.testing.assert_close(depthwise(maps), shifted(maps))
    a, b = noisy_pair(1, 150, 70)
    whole = ssim(a, b)
    monkeypatch.setattr(quality, "_BAND", 1)
    torch.testing.assert_close(ssim(a, b), whole, rtol=0, atol=1e-9)
    monkeypatch.setattr(quality, "depthwise", shifted)
    torch.testing.assert_close(ssim(a, b), whole, rtol=0, atol=1e-7)


def test_batches_are_scored_image_by_image() -> None:
    pairs = [noisy_pair(3, 30, 40, seed=seed, sigma=5 + seed) for seed in range(6)]
    a, b = (torch.stack(images).view(2, 3, 3, 30, 40) for images in zip(*pairs, strict=True))
    for score in (psnr, ssim):
        singly = torch.stack([score(x, y, "rgb", 2) for x, y in pairs]).view(2, 3)
        assert torch.equal(score(a, b, "rgb", 2), singly) and singly.dtype == torch.float64


def test_identical_images() -> None:
    image, _ = noisy_pair(3, 40, 50, sigma=60)
    for convention in CONVENTIONS:
        assert psnr(image, image, convention).item() == math.inf
        assert ssim(image, image, convention).item() == 1


def test_luma_is_matlabs() -> None:
    colours = torch.tensor([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]).T.view(3, 5, 1)
    assert luma(colours).flatten().tolist() == pytest.approx([16, 235, 81.481, 144.553, 40.966], abs=1e-4)
    r, g, b = next(  # 299 R + 587 G + 114 B = 42500 makes Y a half
        (r, g, b)
        for r in range(256)
        for g in range(256)
        for b in [(42500 - 299 * r - 587 * g) // 114]
        if 0 <= b < 256 and 299 * r + 587 * g + 114 * b == 42500
    )
    tie = torch.tensor([r, g, b], dtype=torch.uint8).view(3, 1, 1)
    assert (luma(tie).item(), luma(tie, rounded=True).item()) == (52.5, 53)


def test_eight_bits() -> None:
    values = torch.tensor([-3.0, 0.49, 0.5, 1.5, 2.5, 254.5, 300.0])
    assert quantized(values).tolist() == quantized(values.double()).tolist() == [0, 0, 1, 2, 3, 255, 255]


def test_images_that_cannot_be_scored() -> None:
    a, b = noisy_pair(3, 30, 40)
    with pytest.raises(LwdnaError, match="30 x 40 x 3, the target 30 x 39 x 3"):
        psnr(a, b[..., :39])
    with pytest.raises(LwdnaError, match="less than 11"):
        ssim(a, b, border=10)


@pytest.fixture(scope="module")
def expected(data_folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((data_folder / "restoration" / "restoration-expected.json").read_text())
    return content


def enlarged(folder: Path, name: str, scale: int) -> list[tuple[Tensor, Tensor]]:
    """The given LR images of a set, enlarged, and the originals."""
    folder = folder / "restoration" / name
    return [
        (bicubic(read_tensor(folder / f"LRx{scale}" / path.name), scale), cropped(read_tensor(path), scale))
        for path in image_files(folder / "HR")
    ]


def mean(score: Any, pairs: list[tuple[Tensor, Tensor]], *options: Any) -> float:
    return float(torch.stack([score(a, b, *options) for a, b in pairs]).mean())


@pytest.mark.parametrize(("name", "scale"), SETS)
def test_bicubic_golden_figures(data_folder: Path, expected: dict[str, Any], name: str, scale: int) -> None:
    pairs = enlarged(data_folder, name, scale)
    for kind, figures in expected["bicubic"][f"{name} x{scale}"].items():
        options = ("y", 0) if kind == "y-nocrop" else (kind, scale)
        assert mean(psnr, pairs, *options) == pytest.approx(figures[0], abs=1e-3), kind
        assert mean(ssim, pairs, *options) == pytest.approx(figures[1], abs=1e-4), kind


@pytest.mark.parametrize("name", ["Set12", "BSD68"])
@pytest.mark.parametrize("sigma", [25, 50, 70])
def test_noisy_golden_figures(data_folder: Path, expected: dict[str, Any], name: str, sigma: int) -> None:
    """With the trap of noise that is clipped to 8 bits: up to 1.3 dB are won before anything is restored."""
    figures = expected["noisy"][f"{name} sigma{sigma}"]
    clean = [read_tensor(path) for path in image_files(data_folder / "restoration" / name)]
    noisy = []
    for place, image in enumerate(clean):
        noise = np.random.default_rng(place).normal(0, sigma, image.shape[1:])
        noisy.append(image + torch.from_numpy(noise))
    for kind, images in (("unclipped_float", noisy), ("clipped_uint8", [quantized(image) for image in noisy])):
        pairs = list(zip(images, clean, strict=True))
        assert mean(psnr, pairs) == pytest.approx(figures[kind][0], abs=1e-3)
        assert mean(ssim, pairs) == pytest.approx(figures[kind][1], abs=1e-4)
    assert figures["unclipped_float"][0] == pytest.approx(figures["theory"], abs=0.02)


def test_traps_of_super_resolution(data_folder: Path) -> None:
    """What each mistake costs, as published figures and other tools show it."""
    pairs = enlarged(data_folder, "Set5", 4)
    right = mean(psnr, pairs, "y", 4)
    full_range = [(gray(a), gray(b)) for a, b in pairs]  # as OpenCV's YCrCb and Pillow's YCbCr
    assert mean(psnr, full_range, "y", 4) - right == pytest.approx(-1.32, abs=0.02)
    assert mean(psnr, pairs, "rgb", 4) - right == pytest.approx(-1.74, abs=0.01)
    box = [[luma(x)[0, 4:-4, 4:-4].double().numpy() for x in pair] for pair in pairs]
    boxes = [structural_similarity(*pair, data_range=255) for pair in box]  # 7x7, scikit-image's default
    assert np.mean(boxes) - mean(ssim, pairs, "y", 4) == pytest.approx(0.0120, abs=2e-4)

    pairs = enlarged(data_folder, "Set14", 4)
    right = mean(psnr, pairs, "y", 4)
    assert mean(psnr, pairs, "y", 0) - right == pytest.approx(-0.21, abs=0.01)
    assert [len(target) for _, target in pairs].count(1) == 1
    repeated = [(a.expand(3, -1, -1), b.expand(3, -1, -1)) for a, b in pairs]  # a gray image is not its Y any more
    assert mean(psnr, repeated, "y", 4) - right == pytest.approx(0.095, abs=0.002)


def test_traps_of_resizing(data_folder: Path) -> None:
    """Without antialiasing, torch's cubic kernel is OpenCV's: another baseline, and aliased low resolution."""
    pairs = enlarged(data_folder, "Set5", 4)
    right = mean(psnr, pairs, "y", 4)
    folder, aliased, sharper = data_folder / "restoration" / "Set5", [], []
    for path, (_, target) in zip(image_files(folder / "HR"), pairs, strict=True):
        given = read_tensor(folder / "LRx4" / path.name)
        low = quantized(F.interpolate(target[None].double(), scale_factor=1 / 4, mode="bicubic")[0])
        aliased.append((bicubic(low, 4), target))
        sharper.append((quantized(F.interpolate(given[None].double(), scale_factor=4, mode="bicubic")[0]), target))
    assert mean(psnr, sharper, "y", 4) - right == pytest.approx(0.202, abs=1e-3)
    assert mean(psnr, aliased, "y", 4) - right == pytest.approx(-0.629, abs=1e-3)


def evaluated(metric: RestorationQuality, *batches: tuple[dict[str, Any], list[Any]]) -> dict[str, float]:
    for batch, images in batches:
        metric.process(batch, [{"images": images}])
    values: dict[str, float] = metric.evaluate(sum(len(images) for _, images in batches))
    return values


def batch(of: str, *items: tuple[str, Tensor, Tensor]) -> dict[str, Any]:
    names, inputs, targets = (list(column) for column in zip(*items, strict=True))
    return {"inputs": inputs, "targets": targets, "name": names, "set": [of] * len(items)}


def test_a_run_is_scored_set_by_set_and_image_by_image() -> None:
    (a, x), (b, y), (c, z) = (noisy_pair(3, 40, 30 + k, seed=k, sigma=9 + k) for k in range(3))
    metric = RestorationQuality(border=2)
    values = evaluated(
        metric, (batch("one", ("a", a, x), ("b", b, y)), [a, b.float() + 0.4]), (batch("two", ("a", c, z)), [c])
    )
    first, second, third = (psnr(*pair, "y", 2).item() for pair in ((a, x), (b, y), (c, z)))
    assert values["psnr/one"] == pytest.approx((first + second) / 2)  # an output is rounded to 8 bits
    assert values["ssim/two"] == metric.items["ssim/two"]["a"] == ssim(c, z, "y", 2).item()
    assert metric.items["psnr/one"] == {"a": first, "b": second} and metric.items["psnr/two"] == {"a": third}
    evaluated(metric, (batch("two", ("a", a, x)), [a]))
    assert set(metric.items) == {"psnr/two", "ssim/two"}  # the last evaluation's alone


def test_no_error_at_all_is_left_out_of_the_mean() -> None:
    (a, x), (b, _) = noisy_pair(1, 40, 30), noisy_pair(1, 40, 30, seed=1)
    metric = RestorationQuality(border=0)
    values = evaluated(metric, (batch("s", ("a", a, x), ("b", b, b)), [a, b]))
    assert metric.items["psnr/s"] == {"a": values["psnr/s"]} and metric.items["ssim/s"]["b"] == 1
    assert math.isnan(evaluated(metric, (batch("s", ("b", b, b)), [b]))["psnr/s"])


def test_a_colour_networks_output_for_a_gray_image_is_gray() -> None:
    restored, target = noisy_pair(1, 40, 30)
    values = evaluated(RestorationQuality(border=0), (batch("s", ("a", target, target)), [restored.expand(3, -1, -1)]))
    assert values["psnr/s"] == psnr(restored, target).item()


def test_an_image_that_is_too_small_is_named() -> None:
    tiny = torch.zeros(1, 12, 12, dtype=torch.uint8)
    with pytest.raises(LwdnaError, match="s/a: the image is 12 x 12"):
        evaluated(RestorationQuality(border=2), (batch("s", ("a", tiny, tiny)), [tiny]))


def test_images_are_kept_for_the_report(tmp_path: Path) -> None:
    (a, x), (b, y) = (noisy_pair(3, 40, 32, seed=seed) for seed in range(2))
    small, noisy = y[:, ::2, ::2], x.float() + 300  # a noisy input may lie outside of 8 bits
    metric = RestorationQuality(border=2, pictures=2)
    items = [("dog", noisy, x), ("cat", small, y), ("third", small, y)]
    for _ in range(2):  # the last evaluation counts
        evaluated(metric, (batch("s", *items), [a, b, b]))
    metric.keep(tmp_path)
    assert torch.equal(read_tensor(tmp_path / KEPT / "s" / "dog.png"), a)
    assert torch.equal(read_tensor(tmp_path / KEPT / "s" / "dog.target.png"), x)
    assert torch.equal(read_tensor(tmp_path / KEPT / "s" / "cat.input.png"), bicubic(small, 2))
    about = json.loads((tmp_path / KEPT / "index.json").read_text())
    assert (about["convention"], about["border"]) == ("y", 2)
    dog, cat = about["images"]
    assert dog["psnr"] == psnr(a, x, "y", 2).item() and dog["input"] == psnr(noisy, x, "y", 2).item()
    assert (cat["name"], cat["scale"], cat["input"]) == ("cat", 2, psnr(bicubic(small, 2), y, "y", 2).item())


@pytest.mark.parametrize("of", ["{}/originals", "../originals", "../../run/../originals"])
def test_what_is_kept_stays_in_the_runs_folder(tmp_path: Path, of: str) -> None:
    """Also of a set that is not called by its title: its own folder is not the run's."""
    restored, target = noisy_pair(1, 40, 30)
    originals, run = tmp_path / "originals", tmp_path / "run"
    for folder in (originals, run):
        folder.mkdir()
    write_image(originals / "a.png", target)
    metric = RestorationQuality(border=0)
    evaluated(metric, (batch(of.format(tmp_path), ("a", target, target), ("../a", target, target)), [restored] * 2))
    metric.keep(run)
    assert [path.name for path in originals.iterdir()] == ["a.png"]
    assert torch.equal(read_tensor(originals / "a.png"), target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["originals", "run"]
    assert len(list(run.rglob("a.png"))) == 2
    index = json.loads((run / KEPT / "index.json").read_text())
    assert all(Path(f"{kept_place(run, i['set'], i['name'])}.png").is_file() for i in index["images"])


def test_scoring_leaves_the_threads_alone() -> None:
    a, b = noisy_pair(1, 40, 30)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(LwdnaError):
            psnr(a, b[:, 1:])
        psnr(a, b), ssim(a, b)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
