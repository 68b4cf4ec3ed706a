"""Patches a second of the data path and of training, and megapixels a second of inference, baseline and LW-DNA.

On the CPU the CPU seconds of this process count, on a GPU the time until it is idle. What is compared takes turns.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from PIL import Image
from torch import Tensor

from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.runner import training_loader
from lwdna_core.compare.search import search_material
from lwdna_core.networks import build_network
from lwdna_core.shrink import find
from tasks.restoration.load import patches
from tasks.restoration.model import RestorationPreprocessor, restorer

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TRAINING = (
    "config | patches | patches/s, data alone | patches/s, training | share of a step that waits, % | wanted | met"
)
DRAWING = "patches | how | patches/s"
INFERENCE = "network | output | arm | MACs | megapixels/s"


def clock() -> float:
    if DEVICE.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def timed(call: Callable[[], object], times: int) -> float:
    """Median seconds of a call."""
    seconds = []
    for _ in range(times + 1):
        started = clock()
        call()
        seconds.append(clock() - started)
    return statistics.median(seconds[1:])


@pytest.mark.parametrize("config", ["edsr_small_x2_photos_short", "dncnn_small_photos_short"])
def test_training(config: str, report: Callable[..., None]) -> None:
    """A step as mmengine takes it; what waits for data is drawing, augmentation and noise."""
    experiment = load_experiment("restoration", config)
    model = MODELS.build(experiment.cfg.model, default_args={"network": build_network(experiment.network)}).to(DEVICE)
    optimiser = OptimWrapper(torch.optim.Adam(model.parameters()))
    loader = training_loader(experiment, 0, DEVICE)
    endless = itertools.chain.from_iterable(itertools.repeat(loader))

    def data() -> Any:
        return model.data_preprocessor(next(endless), True)

    def step() -> None:
        model.train_step(next(endless), optimiser)

    waiting, whole = (timed(call, 20) for call in (data, step))
    size, batch = experiment.cfg.train_dataloader.dataset["size"], experiment.cfg.train_dataloader.batch_size
    share = 100 * waiting / whole
    report(
        TRAINING, config, f"{batch} of {size} x {size}", f"{batch / waiting:,.0f}", f"{batch / whole:,.0f}",
        f"{share:.1f}", "<= 5", "yes" if share <= 5 else "no",
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 PNG files of 2040 x 1356 (DIV2K's usual size), and their quarters."""
    home = tmp_path_factory.mktemp("images")
    coarse = np.random.default_rng(0).integers(0, 256, (20, 34, 51, 3), dtype=np.uint8)
    for kind, size in (("hr", (2040, 1356)), ("lr", (510, 339))):
        (home / kind).mkdir()
        for index, pixels in enumerate(coarse):  # smooth, as photographs are for a decoder
            Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(home / kind / f"{index}.png")
    return home


def decoded_per_sample(folder: Path, batch: int) -> Iterator[dict[str, Tensor]]:
    """The usual recipe: decode both files of a sample, cut, flip and turn with numpy, collate."""
    random = np.random.default_rng(0)
    while True:
        samples: list[list[np.ndarray]] = []
        for _ in range(batch):
            index, y, x = random.integers(20), random.integers(339 - 48), random.integers(510 - 48)
            hr = np.asarray(Image.open(folder / "hr" / f"{index}.png"))[4 * y : 4 * y + 192, 4 * x : 4 * x + 192]
            lr = np.asarray(Image.open(folder / "lr" / f"{index}.png"))[y : y + 48, x : x + 48]
            pair = [lr, hr]
            for turn in (np.fliplr, np.flipud, lambda a: a.transpose(1, 0, 2)):
                if random.random() < 0.5:
                    pair = [turn(image) for image in pair]
            samples.append(pair)
        stacked = (np.stack([np.ascontiguousarray(pair[k]) for pair in samples]) for k in (0, 1))
        yield {
            name: torch.from_numpy(part).permute(0, 3, 1, 2).float().to(DEVICE) / 255
            for name, part in zip(("inputs", "targets"), stacked, strict=True)
        }


def test_drawing(folder: Path, report: Callable[..., None]) -> None:
    """EDSR's patches at scale 4, in batches of 16: ours in memory and mapped from a file, and one file a sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LWDNA_DATA", str(folder))
        prepare = RestorationPreprocessor("l1").to(DEVICE)
        ways: dict[str, Callable[[], object]] = {}
        for how, on_disk in (("in memory", False), ("mapped from a file", True)):
            data = patches([f"{folder}/hr"], size=192, count=10**6, scale=4, on_disk=on_disk)
            ours = iter(data.loader(16, DEVICE, seed=0))
            ways[how] = lambda ours=ours: prepare(next(ours), True)
        usual = decoded_per_sample(folder, 16)
        ways["decoded for every sample"] = lambda: next(usual)
        for how, call in ways.items():
            seconds = timed(call, 3 if "decoded" in how else 20)
            report(DRAWING, "16 pairs of 48 x 48 and 192 x 192", how, f"{16 / seconds:,.0f}")


@pytest.mark.parametrize(
    ("config", "side"), [("edsr_small_x2_photos_short", 128), ("dncnn_small_photos_short", 256)]
)  # fmt: skip
def test_inference(config: str, side: int, report: Callable[..., None]) -> None:
    """One image at a time, as `lwdna predict` restores them; LW-DNA by the config's own search."""
    material = search_material(config, device=DEVICE)
    found = find(
        *material, **{k: v for k, v in load_experiment("restoration", config).shrink.items() if k != "batches"}
    )
    networks = {"baseline": material.network, "LW-DNA": found.apply(material.network)}
    x = torch.rand(1, material.example_inputs[0].shape[1], side, side, device=DEVICE)
    restorers = {arm: restorer(network.eval(), 1024, False) for arm, network in networks.items()}
    with torch.inference_mode():
        shape = restorers["baseline"](x).shape
        rounds = [{arm: timed(lambda r=restore: r(x), 1) for arm, restore in restorers.items()} for _ in range(15)]
    for arm, macs in (("baseline", found.baseline.macs), ("LW-DNA", found.found.macs)):
        seconds = statistics.median(each[arm] for each in rounds)
        report(
            INFERENCE, load_experiment("restoration", config).network, f"{shape[3]} x {shape[2]}", arm,
            f"{100 * macs / found.baseline.macs:.1f} %", f"{shape[2] * shape[3] / 1e6 / seconds:.3f}",
        )  # fmt: skip
