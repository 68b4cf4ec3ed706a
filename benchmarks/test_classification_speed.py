"""Images a second of the data path and of training for ResNet-20 with CIFAR's shapes, against plain DataLoader recipes.

All ways of getting data take turns, round by round, in one process: what disturbs one disturbs all. On a GPU a step is
a CUDA graph, and waiting is what steps take longer than on one batch that is ready there. Random pixels serve as
images: their contents cost nothing, except in the decoder, which gets JPEGs.
"""

from __future__ import annotations

import io
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kornia.augmentation as K
import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.registry import HOOKS, MODELS
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lwdna_core.compare.cuda_graph import GraphedStep
from lwdna_core.data.resident import ResidentSet
from tasks.classification.data.decode import random_box
from tasks.classification.data.folders import image_folder
from tasks.classification.model import ImageClassifier, ImagePreprocessor
from tasks.classification.networks.resnet import cifar_resnet20

Batches = Iterator[tuple[Tensor, Tensor]]

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
IMAGES, BATCH = 12_800, 128
WORKERS = min(8, os.cpu_count() or 1)
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]
NONE: dict[str, Any] = {"type": "BaseDataPreprocessor"}
PREPROCESSOR = {
    "type": "tasks.classification.model.ImagePreprocessor", "mean": MEAN, "std": STD, "size": 32, "pad": 4, "flip": True
}  # fmt: skip
OWN = "(lwdna)"
HEADER = "data path | images/s, data alone | images/s, training | share of a step that waits, % | wanted | met"
RUN = "`lwdna compare`, ResNet-20, batch 128 | images/s | lowest to highest round | wanted | met"
DECODING = "decoding a 500 x 375 JPEG for 224 x 224 | images/s, one process"


def pixels() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return images, torch.arange(IMAGES) % 10


def ready() -> None:
    """Wait until the device has done all that it was given."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def loaded() -> Batches:
    """What a run of `lwdna compare` gets from its loader: bytes on the device."""
    images, labels = pixels()
    loader = ResidentSet({"inputs": images, "labels": labels}, {}).loader(BATCH, DEVICE, seed=0)
    while True:
        for batch in loader:
            yield batch["inputs"], batch["labels"]


def ours() -> Batches:
    """All that a run does before the forward pass."""
    prepare: ImagePreprocessor = MODELS.build(PREPROCESSOR).to(DEVICE)
    for inputs, labels in loaded():
        prepared = prepare({"inputs": inputs, "labels": labels}, True)
        yield prepared["inputs"], prepared["labels"]


def kornias() -> Batches:
    """The same set on the device, augmented by kornia."""
    images, labels = (array.to(DEVICE) for array in pixels())
    augment = K.AugmentationSequential(
        K.RandomCrop((32, 32), padding=4),
        K.RandomHorizontalFlip(),
        K.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
        data_keys=["input"],
    ).to(DEVICE)
    while True:
        for chosen in torch.randperm(IMAGES, device=DEVICE).split(BATCH):
            inputs = augment(images[chosen].float() / 255)
            yield inputs.contiguous(memory_format=torch.channels_last), labels[chosen]


class PerSample(Dataset[tuple[Tensor, int]]):
    """Image by image with Pillow, as torchvision's transforms do it."""

    def __init__(self) -> None:
        images, labels = pixels()
        self.images, self.labels = images.permute(0, 2, 3, 1).contiguous().numpy(), labels.tolist()
        self.mean, self.std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        padded = ImageOps.expand(Image.fromarray(self.images[index]), 4)
        x, y = torch.randint(9, (2,)).tolist()
        image = padded.crop((x, y, x + 32, y + 32))
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
        return (tensor - self.mean) / self.std, self.labels[index]


def data_loader(workers: int) -> Callable[[], Batches]:
    """The recipe of most repositories."""

    def batches() -> Batches:
        loader = DataLoader(
            PerSample(), BATCH, shuffle=True, num_workers=workers, pin_memory=DEVICE.type == "cuda",
            persistent_workers=workers > 0,
        )  # fmt: skip
        while True:
            for inputs, labels in loader:
                inputs = inputs.to(DEVICE, non_blocking=True).contiguous(memory_format=torch.channels_last)
                yield inputs, labels.to(DEVICE, non_blocking=True)

    return batches


PATHS = {
    f"set on the device, one gather {OWN}": ours,
    "set on the device, kornia": kornias,
    "DataLoader, 0 workers": data_loader(0),
    f"DataLoader, {WORKERS} workers": data_loader(WORKERS),
}


def trainer(preprocessor: dict[str, Any] = NONE) -> Callable[[Tensor, Tensor], object]:
    """The step of a run; on a GPU as a graph, or it would wait for the CPU alone."""
    torch.manual_seed(0)
    model = ImageClassifier(cifar_resnet20(), preprocessor).to(DEVICE).train()
    sgd = {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    optim_wrapper = build_optim_wrapper(model, {"type": "OptimWrapper", "optimizer": sgd})
    take = GraphedStep(model) if DEVICE.type == "cuda" else model.train_step
    return lambda inputs, labels: take({"inputs": inputs, "labels": labels}, optim_wrapper)


def alone(batches: Batches, count: int) -> float:
    """Seconds of `count` batches."""
    ready()
    began = time.perf_counter()
    for _ in range(count):
        next(batches)
    ready()
    return time.perf_counter() - began


def training(batches: Batches, step: Callable[[Tensor, Tensor], object], count: int) -> float:
    """Seconds of `count` steps, as a run has them: nothing waits for the device in between."""
    ready()
    began = time.perf_counter()
    for _ in range(count):
        step(*next(batches))
    ready()
    return time.perf_counter() - began


def waiting(batches: Batches, step: Callable[[Tensor, Tensor], object], count: int) -> tuple[float, float]:
    """Seconds of `count` steps on a CPU, and the share of them until the batch is there."""
    waits = total = 0.0
    for _ in range(count):
        began = time.perf_counter()
        batch = next(batches)
        waits += time.perf_counter() - began
        step(*batch)
        total += time.perf_counter() - began
    return total, waits / total


def test_data_paths(report: Callable[..., None]) -> None:
    rounds, batches_a_round, steps = (6, 20, 50) if DEVICE.type == "cuda" else (5, 10, 2)
    step, there = trainer(), itertools.repeat(next(ours()))
    whole = (loaded(), trainer(PREPROCESSOR)) if DEVICE.type == "cuda" else None
    running = {name: path() for name, path in PATHS.items()}
    measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in PATHS}
    for number in range(rounds + 1):
        for name, batches in running.items():
            seconds = alone(batches, batches_a_round)
            if whole:  # a GPU works ahead, so that steps cannot be looked at one by one
                train = training(*whole, steps) if name.endswith(OWN) else training(batches, step, steps)
                share = 1 - training(there, step, steps) / train
            else:
                train, share = waiting(batches, step, steps)
            if number:  # the first round warms up
                measured[name].append((seconds, train, share))
    for name, rows in measured.items():
        data, train, share = (statistics.median(column) for column in zip(*rows, strict=True))
        own = name.endswith(OWN)
        report(
            HEADER,
            f"{name}, {DEVICE.type}",
            f"{BATCH * batches_a_round / data:,.0f}",
            f"{BATCH * steps / train:,.0f}",
            f"{100 * share:.1f}",
            "5 % at most" if own else "-",
            ("yes" if share <= 0.05 else "no") if own else "-",
        )


@HOOKS.register_module()
class Rounds(Hook):  # type: ignore[misc]
    """Seconds of every `steps` steps of a run, with all that the harness does in between."""

    priority = "LOWEST"
    seconds: list[float]

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def before_train(self, runner: object) -> None:
        Rounds.seconds = []

    def before_train_epoch(self, runner: object) -> None:
        ready()
        self.began = time.perf_counter()

    def after_train_iter(
        self, runner: object, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        if (batch_idx + 1) % self.steps == 0:
            ready()
            now = time.perf_counter()
            Rounds.seconds.append(now - self.began)
            self.began = now


BFLOAT16, GRAPH = ("--amp", "bfloat16"), ("--cuda-graph",)
WAYS = ((), BFLOAT16, GRAPH, (*BFLOAT16, *GRAPH), (*BFLOAT16, *GRAPH, "--compile"))


@pytest.mark.parametrize("how", WAYS if DEVICE.type == "cuda" else WAYS[:1], ids=lambda how: " ".join(how) or "float32")
def test_a_run(how: tuple[str, ...], train_resnet20: Callable[..., None], report: Callable[..., None]) -> None:
    """Training as users have it: the runner with its hooks, seeds and augmentation."""
    rounds, steps = (20, 100) if DEVICE.type == "cuda" else (5, 2)
    train_resnet20("Rounds", BATCH, steps, rounds + 2, "--device", DEVICE.type, *how)
    speeds = [BATCH * steps / seconds for seconds in Rounds.seconds[2:]]  # two warm up
    speed, wanted = statistics.median(speeds), 25_000 if DEVICE.type == "cuda" else None
    name = f"{DEVICE.type}, {' '.join(how) or 'float32'}"
    met = "-" if wanted is None else "yes" if speed >= wanted else "no"
    report(RUN, name, f"{speed:,.0f}", f"{min(speeds):,.0f} to {max(speeds):,.0f}", wanted or "-", met)


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """64 JPEGs of 500 x 375, about as many bytes each as ImageNet's (110,000)."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    folder = tmp_path / "set" / "train" / "one"
    folder.mkdir(parents=True)
    for k in range(64):
        smooth = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((500, 375), 3)
        noisy = np.asarray(smooth) + random.normal(0, 14, (375, 500, 1))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{k}.jpg", quality=90)
    return tmp_path / "set"


def test_decoding(photographs: Path, report: Callable[..., None]) -> None:
    loader = image_folder(str(photographs), "train", size=224).loader(16, "cpu", seed=0)
    files = sorted((photographs / "train" / "one").iterdir())

    def own(epoch: int) -> None:
        loader.set_epoch(epoch)
        for _ in loader:
            pass

    def pillow(epoch: int) -> None:
        for index, path in enumerate(files):
            with Image.open(io.BytesIO(path.read_bytes())) as image:
                box = random_box(image.height, image.width, np.random.default_rng((0, epoch, index, 4)))
                edges = (box.left, box.top, box.left + box.width, box.top + box.height)
                np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR, box=edges))

    seconds: dict[str, list[float]] = {}
    for epoch in range(8):
        for name, way in (("lwdna: OpenCV, at a reduced scale where that is enough", own), ("Pillow, in full", pillow)):
            began = time.perf_counter()
            way(epoch)
            seconds.setdefault(name, []).append(time.perf_counter() - began)
    for name, rows in seconds.items():
        report(DECODING, name, f"{len(files) / statistics.median(rows[1:]):,.0f}")
