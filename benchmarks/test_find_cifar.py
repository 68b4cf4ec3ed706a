"""What `find` makes of every CIFAR network: channels, MACs, parameters, and what it takes; on CIFAR-10 itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.search import search_material
from lwdna_core.shrink import find
from tasks.classification import task

HEADER = (
    "network | groups | at their floor | channels | found | kept, a group (10 %, median, 90 %) | MACs, M | found | "
    "parameters, M | found | search, s | of CPU"
)
CHANNELS = "network | channels found, group by group (baseline where it differs)"
NETWORKS = [name for name in task.networks if name.startswith("cifar_")]


@pytest.mark.parametrize("name", NETWORKS)
def test_find(name: str, report: Callable[..., None], cpu_seconds: Callable[..., float]) -> None:
    folder = Path(os.environ.get("LWDNA_DATA", "."), "cifar-10-batches-py")
    if not folder.is_dir():
        pytest.skip("needs CIFAR-10 in the folder that LWDNA_DATA names")
    config = f"{name.removeprefix('cifar_')}_cifar10"
    settings = {
        key: value for key, value in load_experiment("classification", config).shrink.items() if key != "batches"
    }
    material, configs = search_material(config), []
    seconds = cpu_seconds(lambda: configs.append(find(*material, **settings)))
    (found,) = configs
    assert found.found.macs <= settings["macs"] * found.baseline.macs and found.search is not None
    groups, before, after = found.groups, found.baseline, found.found
    kept = np.quantile([g.found / g.baseline for g in groups], [0.1, 0.5, 0.9])
    report(
        HEADER,
        name,
        len(groups),
        sum(g.at_floor for g in groups),
        f"{sum(g.baseline for g in groups):,}",
        f"{sum(g.found for g in groups):,}",
        ", ".join(f"{share:.0%}" for share in kept),
        f"{before.macs / 1e6:,.1f}",
        f"{after.macs / before.macs:.2%}",
        f"{before.params / 1e6:.2f}",
        f"{after.params / before.params:.1%}",
        f"{found.search.seconds:.1f}",
        f"{seconds:.1f}",
    )
    report(
        CHANNELS, name, " ".join(f"{g.found}" if g.found == g.baseline else f"{g.found}({g.baseline})" for g in groups)
    )
