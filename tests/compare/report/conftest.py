"""Finished comparisons without any training: folders of `result.json` and `channels.json` with made-up numbers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lwdna_core.shrink.channels import ChannelConfig, GroupWidths, SearchCost, Totals
from lwdna_core.shrink.graph import FrozenGroup

# mean of the first metric, MACs and parameters, relative to the baseline
ARMS = {
    "baseline": (0.0, 1.0, 1.0),
    "lwdna": (0.6, 0.9, 1.05),
    "uniform": (-0.2, 0.9, 0.9),
    "random": (-0.8, 0.899, 0.95),
    "shuffled": (-0.1, 0.901, 1.1),
    "widened": (1.4, 3.97, 3.99),
    "lwdna-floor0.2": (0.5, 0.9, 1.2),
}
PROTOCOL = {
    "config": {
        "experiment": {"network": "cifar_resnet20", "input": [3, 32, 32]},
        "train_dataloader": {"dataset": {"type": "digits", "split": "train"}, "batch_size": 50},
        "val_dataloader": {"dataset": {"type": "digits", "split": "test"}, "batch_size": 500},
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.1}},
        "param_scheduler": [{"type": "MultiStepLR", "milestones": [10, 15]}],
        "train_cfg": {"max_epochs": 20},
    },
    "max_steps": None,
    "data": {"train_dataloader": "00", "val_dataloader": "11"},
}
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, maker: Callable[[Path], Make]) -> Make:
    """Write a comparison into `tmp_path / "runs" / name` and return its folder."""
    return maker(tmp_path / "runs")


@pytest.fixture(scope="session")
def maker() -> Callable[[Path], Make]:
    """`make` for another folder."""

    def bind(home: Path) -> Make:
        def write(name: str = "resnet20_digits", **wishes: Any) -> Path:
            write_runs(home / name, **wishes)
            return home / name

        return write

    return bind


def write_runs(
    folder: Path,
    arms: Sequence[str] = ("baseline", "lwdna"),
    seeds: int = 3,
    metrics: Sequence[str] = ("accuracy/top1",),
    task: str = "classification",
    mean: float = 91.0,
    noise: float = 0.2,
    groups: int = 12,
    images: int = 0,
    epochs: int = 20,
    changes: dict[str, Any] | None = None,
) -> None:
    """`images` test items are right or wrong as the first metric says; `changes` go into every result."""
    for seed in range(seeds):
        for arm in arms:
            draw = random.Random(f"{seed} {arm}")
            gain, macs, params = ARMS[arm]
            home = folder / f"seed{seed}" / arm
            home.mkdir(parents=True)
            searched = arm.startswith("lwdna")
            config = channels(arm, seed, groups, int(40e6 * macs), int(270e3 * params), draw)
            config.save(home / "channels.json")
            values = {name: mean + gain - 2 * i + draw.gauss(0, noise) for i, name in enumerate(metrics)}
            items: dict[str, Any] = {}
            if images:
                right = round(images * values[metrics[0]] / 100)
                order = random.Random(seed).sample(range(images), images)
                items[metrics[0]] = {str(image): 100.0 * (rank < right) for rank, image in enumerate(order)}
                values[metrics[0]] = 100 * right / images
            curve: list[dict[str, float]] = []
            for epoch in range(1, epochs + 1):
                left = 0.8**epoch
                entry = {"step": 8 * epoch, "epoch": epoch, "lr": 0.1, "loss": 2.3 * left + 0.02 * draw.random()}
                scores = {k: v - 80 * left * (1 + 0.1 * draw.random()) for k, v in values.items()}
                curve.append(entry | (scores if epoch < epochs else values))
            result = {
                "format": 1, "task": task, "experiment": folder.name, "arm": arm, "seed": seed, "fingerprint": "f" * 64,
                "protocol": PROTOCOL, "request": {"config": folder.name}, "init": "fresh",
                "command": f"lwdna compare {task} {folder.name} --seeds {seeds}", "commit": "0" * 40,
                "environment": {"python": "3.11.7", "torch": "2.6.0", "device": "x86_64", "cuda": None, "threads": 2},
                "metrics": values, "items": items, "curve": curve,
                "network": {"macs": config.found.macs, "params": config.found.params, "channels": config.widths},
                "search": {"seconds": 1.5, "batches": 2, "macs": 48_000_000_000} if searched else None,
                "train": {"seconds": 12.0, "steps": 8 * epochs, "steps_per_epoch": 8, "macs": 390_000_000_000,
                          "peak_memory": None},
            }  # fmt: skip
            (home / "result.json").write_text(json.dumps({**result, **(changes or {})}))


def channels(arm: str, seed: int, count: int, macs: int, params: int, draw: random.Random) -> ChannelConfig:
    groups = []
    for index in range(count):
        width = 16 * 2 ** (3 * index // count)
        floor = int(0.4 * 2 * width)
        found = {"baseline": width, "widened": 2 * width}.get(arm, max(floor, int(width * draw.uniform(0.6, 1.7))))
        name = f"layer{1 + 3 * index // count}.{index}.conv1"
        groups.append(GroupWidths(name, width, 2 * width, found, floor, found == floor))
    return ChannelConfig(
        network="cifar_resnet20",
        input=[[1, 3, 32, 32]],
        baseline=Totals(40_000_000, 270_000),
        widened=Totals(160_000_000, 1_080_000),
        found=Totals(macs, params),
        groups=tuple(groups),
        frozen=(FrozenGroup("linear", 10, "output of the network"),),
        search=SearchCost(1.5, 2, 48_000_000_000) if arm.startswith("lwdna") else None,
        settings={"macs": 0.9, "criterion": "gradient", "floor": 0.2 if arm.endswith("0.2") else 0.4},
        seed=seed,
    )
