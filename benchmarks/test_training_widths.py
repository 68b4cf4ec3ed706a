"""Training steps with LW-DNA's widths, as they are found and in multiples of 8, against the baseline's, in turn.

On a GPU with cuDNN's own choice of kernels, with the fastest of those that it tries (`env_cfg.cudnn_benchmark=True`),
and in bfloat16.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn

from lwdna_core.compare.cuda_graph import GraphedStep
from lwdna_core.latency import paired_ratio
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig

CONFIGURATIONS = Path(__file__).parent / "configurations"
HEADER = "network | batch | how | widths | MACs | steps/s | ratio of times | 95 % interval | rounds"
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH, STEPS, ROUNDS = (128, 10, 15) if DEVICE.type == "cuda" else (8, 1, 10)
WARM_UP = 2  # rounds that do not count
SGD = {"type": "SGD", "lr": 1e-4, "momentum": 0.9}
FLOAT32 = {"type": "OptimWrapper"}
BFLOAT16 = {"type": "AmpOptimWrapper", "dtype": "bfloat16"}
HOWS: dict[str, tuple[dict[str, Any], bool]] = {"float32": (FLOAT32, False)}
if DEVICE.type == "cuda":
    HOWS |= {"float32, kernels tried": (FLOAT32, True), "bfloat16, kernels tried": (BFLOAT16, True)}


class Squares(BaseModel):  # type: ignore[misc]
    """Any network under any loss: the forward and the backward pass are what takes the time."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor, mode: str) -> dict[str, Tensor]:
        return {"loss": self.network(inputs).float().square().mean()}


def trainer(network: nn.Module, inputs: Tensor, how: dict[str, Any]) -> Callable[[], object]:
    """A step of a run with its batch; on a GPU as a graph, or it would wait for the CPU alone."""
    model = Squares(network).to(DEVICE).train()
    model.network.to(memory_format=torch.channels_last)
    optim_wrapper = build_optim_wrapper(model, {**how, "optimizer": SGD})
    take = GraphedStep(model) if DEVICE.type == "cuda" else model.train_step
    return lambda: take({"inputs": inputs}, optim_wrapper)


def seconds(step: Callable[[], object]) -> float:
    """Of a round; until a GPU has done all of it."""
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ["cifar_resnet20", "cifar_mobilenetv2", "edsr_small_x2", "dncnn_small"])
def test_training_widths(name: str, how: str, monkeypatch: pytest.MonkeyPatch, report: Callable[..., None]) -> None:
    wrapper, tried = HOWS[how]
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", tried)
    found = ChannelConfig.load(CONFIGURATIONS / f"{name}.json")
    aligned = ChannelConfig.load(CONFIGURATIONS / f"{name}_align8.json")
    baseline = build_network(found.network or "", **found.options)
    networks = {
        "baseline": (baseline, 1.0),
        "LW-DNA": (found.apply(baseline), found.found.macs / found.baseline.macs),
        "LW-DNA, align 8": (aligned.apply(baseline), aligned.found.macs / aligned.baseline.macs),
    }
    assert isinstance(found.input, list)
    inputs = torch.randn(BATCH, *found.input[0][1:], device=DEVICE).contiguous(memory_format=torch.channels_last)
    steps = {widths: trainer(network, inputs, wrapper) for widths, (network, _) in networks.items()}
    took: dict[str, list[float]] = {widths: [] for widths in networks}
    for _ in range(WARM_UP + ROUNDS):
        for widths, step in steps.items():
            took[widths].append(seconds(step))
    for widths, (_, macs) in networks.items():
        rounds = took[widths][WARM_UP:]
        ratio = paired_ratio(rounds, took["baseline"][WARM_UP:])
        assert all(map(torch.isfinite, steps[widths]().values()))  # type: ignore[attr-defined]
        report(
            HEADER, f"{name}, {DEVICE.type}", BATCH, how, widths, f"{macs:.1%}",
            f"{STEPS * len(rounds) / sum(rounds):,.1f}", f"{ratio.median:.3f}",
            "-" if widths == "baseline" else f"{ratio.low:.3f} to {ratio.high:.3f}", ratio.rounds,
        )  # fmt: skip
