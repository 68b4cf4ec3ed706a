"""Latency in a report: measured once on the networks of real runs, kept, and measured anew for other runs."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import lwdna_core
from lwdna_core.compare.comparison import read_results
from lwdna_core.compare.report import write_report
from lwdna_core.compare.report.timing import measure_latency, read_latency
from lwdna_core.errors import LwdnaError
from lwdna_core.shrink import ChannelConfig, describe

NETWORK = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(8, 10))
"""


@pytest.fixture
def folder(make: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A comparison whose runs hold networks: small ones, the same in every arm."""
    (tmp_path / "latency_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    build = importlib.import_module("latency_network").build
    home = make(arms=["baseline", "lwdna"], seeds=2)
    for run in home.glob("seed*/*"):
        save(build(), run)
    return home


def save(network: nn.Module, run: Path) -> None:
    config: ChannelConfig = describe(network, torch.zeros(1, 3, 16, 16))
    lwdna_core.save(network, dataclasses.replace(config, network="latency_network:build"), run)


def test_every_arm_is_timed_beside_the_baseline_and_the_result_is_kept(folder: Path) -> None:
    results = read_results(folder)
    assert read_latency(folder, results) is None
    found = measure_latency(folder, results, seconds=0.5)
    assert list(found["arms"]) == ["baseline", "lwdna"] and found["vs"] == "baseline"
    assert found["arms"]["baseline"]["ratio"]["median"] == 1
    # weights and buffers, the input, the convolution's output: all alive at once, 4 bytes each
    least = 4 * (3 * 8 * 9 + 8 + 8 * 10 + 10 + 3 * 16 * 16 + 8 * 14 * 14)
    assert least <= found["arms"]["lwdna"]["memory"] < 3 * least
    assert found["arms"]["lwdna"]["folded"] == 1
    assert read_latency(folder, results) == found


def test_the_page_shows_it_without_measuring_again(folder: Path) -> None:
    text = write_report(folder, measure=True).read_text()
    assert "interleaved rounds" in text
    before = (folder / "latency.json").read_bytes()
    assert write_report(folder, measure=True).read_text() == text
    assert (folder / "latency.json").read_bytes() == before


def test_other_networks_than_those_measured_have_no_latency(folder: Path) -> None:
    measure_latency(folder, read_results(folder), seconds=0.2)
    path = folder / "seed0" / "lwdna" / "result.json"
    result = json.loads(path.read_text())
    result["network"]["channels"] = {"0": 7}
    path.write_text(json.dumps(result))
    assert read_latency(folder, read_results(folder)) is None


def test_a_run_that_cannot_be_rebuilt_is_a_note(folder: Path) -> None:
    (folder / "seed0" / "lwdna" / "model.safetensors").unlink()
    with pytest.raises(LwdnaError, match=r"model\.safetensors"):
        measure_latency(folder, read_results(folder), seconds=0.2)
    text = write_report(folder, measure=True).read_text()
    assert "Latency could not be measured: seed0/lwdna/model.safetensors" in text
    assert not (folder / "latency.json").exists()


def test_it_is_not_measured_unasked_where_training_took_seconds(folder: Path) -> None:
    shutil.rmtree(folder / "seed1")  # 24 s of training: 2 % of them are too little to measure in
    assert "were not measured" in write_report(folder).read_text()
    assert not (folder / "latency.json").exists()
