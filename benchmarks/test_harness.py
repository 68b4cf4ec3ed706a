"""Steps a second of a run through `lwdna compare` against a bare loop: same network, data, augmentation, optimiser.

Both take a few steps in turn, in one process. On the CPU their CPU seconds count, on a GPU the time until it is idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS

from lwdna_core.latency import paired_ratio
from lwdna_core.networks import build_network

HEADER = "network | how | batch | harness, steps/s | bare loop, steps/s | ratio | 95 % interval | rounds | wanted | met"
NETWORK = "cifar_resnet20"
ROUNDS = 40
WARM_UP = 3  # rounds that do not count


@HOOKS.register_module()
class BareLoopInTurn(Hook):  # type: ignore[misc]
    """Runs last after a step. All that happens from its end to its next beginning is the harness's."""

    priority = "LOWEST"
    seconds: list[tuple[float, float]]
    """Of every round: the harness's and the bare loop's."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def before_train(self, runner: Any) -> None:
        BareLoopInTurn.seconds = []
        self.device = next(runner.model.parameters()).device
        self.bare = bare_steps(runner, self.device)

    def before_train_epoch(self, runner: Any) -> None:
        self.began = self.clock()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if (batch_idx + 1) % self.steps:
            return
        between = self.clock()
        for _ in range(self.steps):
            next(self.bare)
        BareLoopInTurn.seconds.append((between - self.began, self.clock() - between))
        self.began = self.clock()

    def clock(self) -> float:
        if self.device.type != "cuda":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()


def bare_steps(runner: Any, device: torch.device) -> Iterator[None]:
    """What one would write without a harness, a step at a time."""
    batch_size = runner.cfg.train_dataloader.batch_size
    arrays = runner.train_dataloader.dataset.arrays
    images, labels = arrays["inputs"].to(device), arrays["labels"].to(device)
    augment = MODELS.build(runner.cfg.model.data_preprocessor).to(device)
    network = build_network(NETWORK).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    total = torch.zeros((), device=device)
    while True:
        for chosen in torch.randperm(len(images), device=device).split(batch_size):
            batch = augment({"inputs": images[chosen], "labels": labels[chosen]}, True)
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = F.cross_entropy(network(batch["inputs"]), batch["labels"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            yield


CPU = pytest.param("cpu", 64, 2, 0.95, id="cpu")
GPU = pytest.param(
    "cuda", 128, 100, 0.9, id="cuda-bf16",
    marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
)  # fmt: skip


@pytest.mark.parametrize(("device", "batch", "steps", "wanted"), [CPU, GPU])
def test_harness(
    device: str,
    batch: int,
    steps: int,
    wanted: float,
    train_resnet20: Callable[..., None],
    report: Callable[..., None],
) -> None:
    precision = ("--amp", "bfloat16") if device == "cuda" else ()
    rounds = ROUNDS if device == "cpu" else ROUNDS // 2  # that steps longer
    train_resnet20("BareLoopInTurn", batch, steps, rounds + WARM_UP, "--device", device, *precision)
    harness, bare = zip(*BareLoopInTurn.seconds[WARM_UP:], strict=True)
    assert len(harness) >= rounds
    found = paired_ratio(bare, harness)  # the harness's speed over the bare loop's
    report(
        HEADER,
        NETWORK,
        "bf16 on a GPU" if device == "cuda" else f"CPU seconds, threads: {torch.get_num_threads()}",
        batch,
        *(f"{steps / float(np.median(seconds)):.2f}" for seconds in (harness, bare)),
        f"{found.median:.3f}",
        f"{found.low:.3f} to {found.high:.3f}",
        found.rounds,
        wanted,
        "yes" if found.median >= wanted else "no",
    )
