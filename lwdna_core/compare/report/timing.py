"""Latency and peak memory of the arms on this device, measured once and kept in `latency.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lwdna_core.compare.arms import BASELINE
from lwdna_core.compare.results import FORMAT, environment, read_json, write_json
from lwdna_core.errors import LwdnaError

FILE = "latency.json"
BATCH, DTYPE = 1, "fp32"


def read_latency(folder: Path, results: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The content of `latency.json` if it was measured on the networks of these results; None otherwise."""
    try:
        found = read_json(folder / FILE)
    except LwdnaError:
        return None
    return found if found.get("networks") == _networks(results) else None


def measure_latency(folder: Path, results: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Time one run of every arm, in interleaved rounds, and keep the result in `latency.json`.

    The runs are those of the lowest seed that an arm has. They run on the GPU if they were trained on one and there is
    one here, otherwise on the CPU.

    Args:
        folder: of the comparison.
        results: of its runs.
        seconds: what the rounds may take, for all arms together.

    Raises:
        LwdnaError: for a run that cannot be rebuilt or timed; says which and why.
    """
    import torch

    from lwdna_core.export import CHANNELS, load
    from lwdna_core.latency import measure, ratio
    from lwdna_core.shrink import ChannelConfig

    on_gpu = torch.cuda.is_available() and all(r["environment"].get("cuda") for r in results)
    device = "cuda" if on_gpu else "cpu"
    runs = {arm: folder / f"seed{seed}" / arm for arm, (seed, _) in _networks(results).items()}
    networks = {arm: load(run) for arm, run in runs.items()}
    shapes = ChannelConfig.load(next(iter(runs.values())) / CHANNELS).input
    inputs = (
        {name: torch.randn(shape) for name, shape in shapes.items()}
        if isinstance(shapes, dict)
        else tuple(torch.randn(shape) for shape in shapes)
    )
    measured = measure(networks, inputs, batch=BATCH, dtype=DTYPE, device=device, seconds=seconds)
    reference = next((latency for latency in measured if latency.name == BASELINE), measured[0])
    arms = {}
    for latency in measured:
        compared = ratio(latency, reference)
        arms[latency.name] = {
            "median": latency.median, "low": latency.low, "high": latency.high, "memory": latency.memory,
            "folded": latency.folded, "batch_norms": latency.batch_norms, "rounds": len(latency.rounds),
            "ratio": {"median": compared.median, "low": compared.low, "high": compared.high,
                      "verdict": compared.verdict},
        }  # fmt: skip
    content = {
        "format": FORMAT,
        "networks": _networks(results),
        "batch": BATCH,
        "dtype": DTYPE,
        "input": shapes,
        "threads": None if on_gpu else measured[0].threads,
        "vs": reference.name,
        "environment": environment(device),
        "arms": arms,
    }
    write_json(folder / FILE, content)
    return content


def _networks(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Which networks are timed: of every arm the lowest seed and the channels of that run. As JSON gives it back."""
    found: dict[str, Any] = {}
    for result in sorted(results, key=lambda r: (r["arm"], int(r["seed"]))):
        found.setdefault(result["arm"], [result["seed"], result["network"]["channels"]])
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]
