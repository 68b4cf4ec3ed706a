"""Images scored a second against a plain loop over scikit-image's functions; resizing against Pillow and torch.

What is compared takes turns; the fastest of its rounds counts. Wall time in two threads, and CPU seconds in one, which
other processes disturb little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tasks.restoration.imresize import imresize
from tasks.restoration.quality import psnr, quantized, ssim

SCORES = "64 Y images of 256x256, PSNR and SSIM | images/s, ours | images/s, scikit-image | ratio | wanted | met"
RESIZING = (
    "resize | ours, uint8 | ours, float64 | torch, antialiased, float32 | torch, float64 | Pillow | of MATLAB's kind"
)
ROUNDS = 15


def fastest(calls: Mapping[str, Callable[[], object]], clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of the fastest of so many rounds of every call."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = clock()
            call()
            seconds[name].append(clock() - started)
    return {name: min(values) for name, values in seconds.items()}


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> int:
    before, count = torch.get_num_threads(), int(request.param)
    torch.set_num_threads(count)
    request.addfinalizer(lambda: torch.set_num_threads(before))
    return count


def test_scores(threads: int, report: Callable[..., None]) -> None:
    random = torch.Generator().manual_seed(0)
    target = F.interpolate(255 * torch.rand(64, 1, 32, 32, generator=random), size=(256, 256), mode="bicubic")
    output = quantized(target + 10 * torch.randn(target.shape, generator=random))
    target = quantized(target)

    def plain() -> tuple[float, float]:
        scores = [
            (
                peak_signal_noise_ratio(y, x, data_range=255),
                structural_similarity(
                    x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
                ),
            )
            for x, y in zip(output[:, 0].numpy(), target[:, 0].numpy(), strict=True)
        ]
        return float(np.mean([score[0] for score in scores])), float(np.mean([score[1] for score in scores]))

    def ours() -> tuple[float, float]:
        return float(psnr(output, target).mean()), float(ssim(output, target).mean())

    assert ours() == pytest.approx(plain(), abs=1e-6)
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds = fastest({"ours": ours, "plain": plain}, clock)
    ratio = seconds["plain"] / seconds["ours"]
    name = "1 thread, CPU seconds" if threads == 1 else f"{threads} threads, wall time"
    figures = (f"{64 / seconds[key]:,.0f}" for key in ("ours", "plain"))
    report(SCORES, name, *figures, f"{ratio:.1f}", ">= 5", "yes" if ratio >= 5 else "no")


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(512, 512, 1 / 4), (1356, 2040, 1 / 2), (1356, 2040, 1 / 4), (339, 510, 4)]
)
def test_imresize(height: int, width: int, scale: float, report: Callable[..., None]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image, eight_bits = Image.fromarray(pixels), torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
    floating = eight_bits.double()
    size = (round(height * scale), round(width * scale))

    def plain(x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x[None], size=size, mode="bicubic", antialias=True)

    single = floating.float()
    calls = {
        "ours, uint8": lambda: imresize(eight_bits, scale),
        "ours, float64": lambda: imresize(floating, scale),
        "torch, float32": lambda: plain(single),
        "torch, float64": lambda: plain(floating),
        "Pillow": lambda: image.resize(size[::-1], Image.Resampling.BICUBIC),
    }
    torch.set_num_threads(1)
    seconds = fastest(calls, time.process_time)
    off = np.abs(np.asarray(calls["Pillow"]()).astype(int) - imresize(eight_bits, scale).permute(1, 2, 0).numpy()).max()
    cells = (f"{1000 * value:.1f} ms" for value in seconds.values())
    report(
        RESIZING, f"{width}x{height} by {scale:g}", *cells, f"ours alone; Pillow's is off by up to {off} grey levels"
    )
