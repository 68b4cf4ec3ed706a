"""What a search costs on a ResNet-50 that is twice as wide: the threshold alone, and all of `find`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lwdna_core.networks import build_network
from lwdna_core.shrink import resize, trace
from lwdna_core.shrink.budget import bounds, fit

HEADER = "what | measured | allowed | met"


@pytest.mark.benchmark(timer=time.process_time)
def test_threshold(benchmark, report: Callable[..., None]) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("pytorchcv")
    network, x = build_network("pytorchcv:resnet50").eval(), torch.zeros(1, 3, 224, 224)
    baseline = trace(network, x)
    widened = resize(network, baseline, {g.name: 2 * g.size for g in baseline.groups})
    graph = trace(widened, x)
    limits = bounds(
        graph, floor=0.05, classifier_floor=0.05, floors={}, ceilings={}, min_channels=1, align=1, pinned=()
    )
    random = np.random.default_rng(0)
    scores = {g.name: random.exponential(size=g.size) for g in graph.groups}
    found = benchmark(lambda: fit(graph, scores, limits, (), budget=0.9, reference=baseline.macs()))
    assert found.limits is None
    seconds, size = benchmark.stats.stats.median, sum(g.size for g in graph.groups)
    what = f"threshold over {size:,} channels in {len(graph.groups)} groups"
    report(HEADER, what, f"{1000 * seconds:.1f} ms", "50 ms", "yes" if seconds <= 0.05 else "no")


FIND = """
import json, resource, time
import torch
from lwdna_core.networks import build_network
from lwdna_core.shrink import find
network = build_network("pytorchcv:resnet50")
batches = [(torch.randn(32, 3, 224, 224), torch.randint(1000, (32,))) for _ in range(2)]
started, cpu = time.perf_counter(), time.process_time()
config = find(network, torch.zeros(1, 3, 224, 224), batches,
              lambda network, batch: torch.nn.functional.cross_entropy(network(batch[0]), batch[1]))
print(json.dumps({"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu,
                  "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
                  "macs": config.found.macs / config.baseline.macs}))
"""


def test_find(report: Callable[..., None]) -> None:
    """In a process of its own, on two cores, so that the peak of memory is the search's."""
    pytest.importorskip("pytorchcv")
    done = subprocess.run(
        [sys.executable, "-c", FIND], env={**os.environ, "OMP_NUM_THREADS": "2"}, check=True, text=True, stdout=-1
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["macs"] <= 0.9
    seconds, gib = found["seconds"], found["gib"]
    what = "find, 2 batches of 32 at 224 x 224"
    measured = f"{seconds:.0f} s ({found['cpu']:.0f} s of CPU)"
    report(HEADER, f"{what}: time on 2 cores", measured, "75 s", "yes" if seconds <= 75 else "no")
    report(HEADER, f"{what}: peak memory", f"{gib:.1f} GiB", "8 GiB", "yes" if gib <= 8 else "no")
