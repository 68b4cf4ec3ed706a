"""`python -m benchmarks.evidence.stability`: how much the found channels depend on the seed and on the batches."""

from __future__ import annotations

import itertools
import time

import numpy as np
from rich.progress import track

from benchmarks.evidence import store
from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.results import FORMAT, commit, environment, write_json
from lwdna_core.compare.search import material
from lwdna_core.shrink import find

CONFIG, TITLE = "resnet20_cifar10_short", "ResNet-20 on CIFAR-10"
BATCHES, SEEDS, FLOORS = (1, 2, 4, 8, 16), 5, (0.4, 0.05)


def main() -> None:
    """Search with every number of batches and every seed, which has its own latents, data order and augmentation."""
    experiment = load_experiment("classification", CONFIG)
    ratios: dict[tuple[float, int], list[np.ndarray]] = {}
    at_floor: dict[float, list[float]] = {floor: [] for floor in FLOORS}
    seconds = 0.0
    grid = list(itertools.product(range(SEEDS), BATCHES))
    for seed, batches in track(grid, "searches"):
        given = material(experiment, {"batches": batches}, seed, "cpu")
        for floor in FLOORS:
            started = time.perf_counter()
            found = find(*given, floor=floor, classifier_floor=min(0.45, floor + 0.05), seed=seed)
            seconds = time.perf_counter() - started
            ratios.setdefault((floor, batches), []).append(np.array([g.found / g.widened for g in found.groups]))
            at_floor[floor].append(np.mean([g.at_floor for g in found.groups]).item())
    correlation = {
        str(floor): [{"batches": count, **_agreement(ratios[floor, count])} for count in BATCHES] for floor in FLOORS
    }
    write_json(
        store.RESULTS / "stability.json",
        {"format": FORMAT, "title": TITLE, "config": CONFIG, "seeds": SEEDS, "correlation": correlation,
         "at_floor": {str(floor): float(np.mean(values)) for floor, values in at_floor.items()}, "seconds": seconds,
         "command": "python -m benchmarks.evidence.stability", "commit": commit(), "environment": environment("cpu")},
    )  # fmt: skip


def _agreement(ratios: list[np.ndarray]) -> dict[str, float]:
    """Pearson's correlation of keep ratios between every two seeds: mean and range."""
    found = [float(np.corrcoef(a, b)[0, 1]) for a, b in itertools.combinations(ratios, 2)]
    return {"mean": float(np.mean(found)), "low": min(found), "high": max(found)}


if __name__ == "__main__":
    main()
