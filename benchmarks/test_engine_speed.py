"""Trace against forward passes of the same network: at most 3 of them and 0.5 s, and linear in the network's size."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch
from torch import nn

from lwdna_core.networks import build_network
from lwdna_core.shrink import trace

pytestmark = pytest.mark.benchmark(timer=time.process_time)

NETWORKS = ("resnet50", "mobilenetv2_w1", "densenet169", "hrnetv2_w18", "inceptionresnetv2", "pnasnet5large")
HEADER = "network | input | convolutions | operations | forward, s | trace, s | allowed, s | met | ms per operation"


@pytest.mark.parametrize("name", NETWORKS)
def test_trace(name: str, benchmark, report: Callable[..., None], cpu_seconds: Callable[..., float]) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("pytorchcv")
    network = build_network(f"pytorchcv:{name}").eval()
    size = network.in_size
    x = torch.randn(1, 3, *size)
    with torch.no_grad():
        network(x)
        forward = statistics.median(cpu_seconds(lambda: network(x)) for _ in range(3))
    graph = benchmark.pedantic(trace, (network, x), rounds=3, warmup_rounds=1)
    seconds, operations = benchmark.stats.stats.median, len(graph.trail.ops)
    convolutions = sum(isinstance(m, nn.modules.conv._ConvNd) for m in network.modules())
    allowed = 3 * forward + 0.5
    report(
        HEADER, name, f"{size[0]} x {size[1]}", convolutions, operations, f"{forward:.2f}", f"{seconds:.2f}",
        f"{allowed:.2f}", "yes" if seconds <= allowed else "no", f"{1000 * seconds / operations:.1f}",
    )  # fmt: skip
