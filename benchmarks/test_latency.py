"""Latency of stored LW-DNA configurations against their baselines, and against the ratios stored last."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lwdna_core.compare.results import FORMAT, commit, environment, read_json, write_json
from lwdna_core.latency import Ratio, measure, ratio
from lwdna_core.networks import NetworkError, build_network
from lwdna_core.shrink import ChannelConfig

FOLDER = Path(__file__).parent
STORED = FOLDER / "results" / "latency.json"
HEADER = "pair | MACs | parameters | ms (baseline) | ratio of times | 95 % interval | rounds | verdict | stored | since"
FAR = 1.25  # so far outside the stored interval, a ratio is no noise
# Tensor cores want half precision; this is where widths that are multiples of 8 should count.
HOWS: list[dict[str, Any]] = (
    [
        {"batch": 1},
        {"batch": 1, "cuda_graph": True},
        {"batch": 64, "cuda_graph": True},
        {"batch": 64, "cuda_graph": True, "dtype": "bf16", "channels_last": True},
    ]
    if torch.cuda.is_available()
    else [{"batch": 1, "threads": 1}, {"batch": 4, "threads": 1}]
)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="module")
def ratios(pytestconfig: pytest.Config) -> Iterator[dict[str, Any]]:
    """This run's ratios by pair; they become the stored ones with --store-latency."""
    found: dict[str, Any] = {}
    yield found
    if found and pytestconfig.getoption("--store-latency"):
        command = shlex.join(["pytest", *pytestconfig.invocation_params.args])
        what = {"command": command, "commit": commit(), "date": time.strftime("%Y-%m-%d")}
        write_json(STORED, {"format": FORMAT, **what, "environment": environment(DEVICE), "ratios": found})


@pytest.mark.parametrize("path", sorted((FOLDER / "configurations").glob("*.json")), ids=lambda path: path.stem)
def test_latency(  # type: ignore[no-untyped-def]
    path: Path, benchmark, ratios: dict[str, Any], report: Callable[..., None]
) -> None:
    config = ChannelConfig.load(path)
    try:
        baseline = build_network(config.network or "", **config.options)
    except NetworkError as error:
        pytest.skip(str(error))
    network = config.apply(baseline)
    assert isinstance(config.input, list)
    inputs = tuple(torch.randn(shape) for shape in config.input)
    stored = read_json(STORED) if STORED.exists() else {"ratios": {}}
    far = []
    for how in HOWS:
        before, after = measure({"baseline": baseline, "LW-DNA": network}, inputs, device=DEVICE, seconds=8, **how)
        assert (before.macs, after.macs) == (config.baseline.macs, config.found.macs)
        found = ratio(after, before)
        name = f"{path.stem}, {DEVICE}, {', '.join(f'{key} {value}' for key, value in how.items())}"
        ratios[name] = benchmark.extra_info[name] = {
            "ratio": found.median, "low": found.low, "high": found.high, "rounds": found.rounds,
            "seconds": after.median, "baseline_seconds": before.median, "macs": after.macs / before.macs,
        }  # fmt: skip
        old, change = compare_to(stored, name, found)
        report(
            HEADER, name, f"{after.macs / before.macs:.1%}", f"{after.params / before.params:.1%}",
            f"{1e3 * after.median:.2f} ({1e3 * before.median:.2f})", f"{found.median:.3f}",
            f"{found.low:.3f} to {found.high:.3f}" if found.low else "", found.rounds, found.verdict, old, change,
        )  # fmt: skip
        far += [name] * change.startswith("far")

    # What pytest-benchmark itself times and shows is the configuration alone, a sample at a time, nothing folded.
    network, inputs = network.eval().to(DEVICE), tuple(x.to(DEVICE) for x in inputs)
    with torch.inference_mode():
        benchmark.pedantic(network, inputs, rounds=20, warmup_rounds=3)
    assert not far


def compare_to(stored: dict[str, Any], name: str, found: Ratio) -> tuple[str, str]:
    """The stored ratio of a pair, and whether the one that was found agrees with it."""
    old = stored["ratios"].get(name)
    if old is None or found.low is None or found.high is None:
        return "", "nothing to compare with"
    text = f"{old['ratio']:.3f} ({old['low']:.3f} to {old['high']:.3f})"
    if found.low <= old["high"] and found.high >= old["low"]:
        return text, "unchanged"
    now, machine = environment(DEVICE), stored["environment"]
    if any(now[key] != machine[key] for key in ("torch", "device")):
        return text, "differs, on another machine"
    far = found.low > FAR * old["high"] or FAR * found.high < old["low"]
    return text, f"{'far ' * far}{'slower' if found.median > old['ratio'] else 'faster'}"
