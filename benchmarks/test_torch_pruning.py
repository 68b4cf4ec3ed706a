"""Trace and resize of 20 networks against Torch-Pruning, which builds its groups and prunes them alike, in one run."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import pytest
import torch
from torch import nn

from lwdna_core.networks import build_network
from lwdna_core.shrink import resize, trace

torch_pruning = pytest.importorskip("torch_pruning")

NETWORKS = (
    "resnet50", "preresnet18", "resnext50_32x4d", "seresnet50", "densenet121", "vgg16", "mobilenet_w1",
    "mobilenetv2_w1", "mobilenetv3_large_w1", "mnasnet_b1", "mixnet_s", "efficientnet_b0", "shufflenetv2_w1",
    "squeezenet_v1_1", "regnetx002", "regnety004", "dla34", "vovnet39", "peleenet", "xception",
)  # fmt: skip
HEADER = "network | trace, s | trace and resize, s | Torch-Pruning, s | ratio"
KEEP = 0.7
RUNS = 3  # of both on each network; the least counts, as whatever else the machine does only adds


@pytest.fixture(scope="module")
def totals(report: Callable[..., None]):  # type: ignore[no-untyped-def]
    """Seconds of both on the networks that both can do."""
    for warm in (ours, theirs):  # whatever either imports at first
        warm(build_network("pytorchcv:resnet10").eval(), torch.randn(1, 3, 224, 224))
    seconds: list[tuple[float, float, float]] = []
    yield seconds
    if seconds:
        traced, own, other = (sum(column) for column in zip(*seconds, strict=True))
        report(HEADER, f"total of {len(seconds)}", f"{traced:.2f}", f"{own:.2f}", f"{other:.2f}", f"{other / own:.2f}")
        median = statistics.median(b / a for _, a, b in seconds)
        report(HEADER, "median", "", "", "", f"{median:.2f}")


def ours(network: nn.Module, x: torch.Tensor) -> float:
    """Drop 30 % of every group; returns the CPU seconds of the trace alone."""
    started = time.process_time()
    graph = trace(network, x)
    traced = time.process_time() - started
    resize(network, graph, {g.name: max(1, round(KEEP * g.size)) for g in graph.groups})
    return traced


def theirs(network: nn.Module, x: torch.Tensor) -> None:
    """The same with Torch-Pruning's high-level pruner and random scores, in place."""
    keep = [m for m in network.modules() if isinstance(m, nn.Linear) and m.out_features == 1000]
    pruner = torch_pruning.pruner.BasePruner(
        network, x, importance=torch_pruning.importance.RandomImportance(), pruning_ratio=1 - KEEP, ignored_layers=keep
    )
    pruner.step()


@pytest.mark.parametrize("name", NETWORKS)
def test_trace_and_resize(  # type: ignore[no-untyped-def]
    name: str, totals, report: Callable[..., None], cpu_seconds: Callable[..., float]
) -> None:
    pytest.importorskip("pytorchcv")
    network = build_network(f"pytorchcv:{name}").eval()
    x = torch.randn(1, 3, *network.in_size)
    traces: list[float] = []
    own = min(cpu_seconds(lambda: traces.append(ours(network, x))) for _ in range(RUNS))
    traced = min(traces)
    row = (HEADER, name, f"{traced:.2f}", f"{own:.2f}")
    others = []
    try:
        for _ in range(RUNS):
            pruned = copy.deepcopy(network)  # it prunes in place
            others.append(cpu_seconds(lambda pruned=pruned: theirs(pruned, x)))  # type: ignore[misc]
        with torch.no_grad():
            pruned(x)
    except Exception as error:
        reason = str(error).splitlines()[0].replace("|", "/")[:60]
        report(*row, f"fails: {type(error).__name__}: {reason}", "")
    else:
        other = min(others)
        totals.append((traced, own, other))
        report(*row, f"{other:.2f}", f"{other / own:.2f}")
