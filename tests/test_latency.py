"""Latency: what surrounds the clock (folding, memory, counts, statistics), and `lwdna latency` from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lwdna_core import save
from lwdna_core.cli import main
from lwdna_core.commands import latency as command
from lwdna_core.errors import LwdnaError
from lwdna_core.latency import DTYPES, Latency, measure, paired_ratio, ratio, sentence
from lwdna_core.latency.memory import LiveTensors
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig, describe

IMAGE = torch.randn(1, 3, 32, 32)


def made_up(name: str, rounds: tuple[float, ...], macs: int) -> Latency:
    return Latency(
        name=name, batch=4, dtype="fp32", device="cpu", channels_last=False, compiled=False, cuda_graph=False,
        threads=1, folded=0, batch_norms=0, reason=None, macs=macs, params=1, memory=1, rounds=rounds,
    )  # fmt: skip


@pytest.mark.parametrize("n", [1, 5, 6, 9, 40])
def test_the_interval_of_the_median_is_the_narrowest_that_the_binomial_allows(n: int) -> None:
    found = paired_ratio([float(k) for k in range(1, n + 1)], [1.0] * n)
    rank = int(binom.ppf(0.025, n, 0.5))  # P(B <= rank) > 0.025, the least such rank: P(B < rank) is still below it
    assert (found.low, found.high) == ((rank, n + 1 - rank) if rank else (None, None))
    assert (found.median, found.rounds) == ((n + 1) / 2, n)


def test_the_interval_covers_the_true_median_in_95_percent_of_cases() -> None:
    random = np.random.default_rng(0)
    ratios = random.lognormal(sigma=0.3, size=(1000, 30)) * (1 + 3 * (random.random((1000, 30)) < 0.05))  # and outliers
    found = [paired_ratio(row.tolist(), [1.0] * 30) for row in ratios]
    assert sum((r.low or 2) <= np.median(ratios) <= (r.high or 0) for r in found) >= 930


def test_noise_that_both_share_does_not_hide_a_difference() -> None:
    rounds = tuple(np.random.default_rng(0).lognormal(sigma=1, size=20))
    reference, other = made_up("a", rounds, 100), made_up("b", tuple(1.02 * r for r in rounds), 90)
    assert ratio(other, reference).verdict == "slower"
    assert sentence(other, reference).endswith("20 paired rounds): slower although at 90.0% of its MACs")
    assert ratio(reference, other).verdict == "faster"
    assert sentence(reference, other).endswith("faster although at 111.1% of its MACs")
    unpaired = made_up("c", rounds[::-1], 90)
    assert ratio(unpaired, reference).verdict == "within the noise"
    assert "no difference beyond the noise, at 90.0% of its MACs" in sentence(unpaired, reference)
    few = made_up("d", (1.0, 1.0), 100)
    assert "2 rounds are too few" in sentence(few, few)


def test_a_latency_summarises_its_rounds() -> None:
    latency = made_up("a", tuple(k / 100 for k in range(1, 102)), 1)
    assert (latency.median, latency.low, latency.high) == pytest.approx((0.51, 0.06, 0.96))
    assert latency.throughput == pytest.approx(4 / 0.51)


def test_live_tensors_are_counted_while_they_live() -> None:
    """Two convolutions of 4,000 entries: weights, input, and at most the input and output of one of them."""
    first, second = nn.Conv2d(1, 10, 1, bias=False), nn.Conv2d(10, 10, 1, bias=False)
    x = torch.zeros(1, 1, 20, 20)
    with torch.no_grad(), LiveTensors([x, first.weight, second.weight]) as tensors:
        y = first(x)
        assert tensors.peak == 4 * (400 + 10 + 100 + 4000)
        y = second(y)
        assert tensors.peak == 4 * (400 + 10 + 100 + 8000)
        for _ in range(3):
            y = second(y).relu_()  # as much as before: what the name y held is gone
        view = y[:, ::2]
    assert tensors.peak == 4 * (400 + 10 + 100 + 8000)
    assert view.shape[1] == 5


def test_what_is_measured_is_the_network_that_was_given() -> None:
    torch.manual_seed(0)
    network = build_network("cifar_resnet20")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    threads = torch.get_num_threads()
    fp32, again = measure({"a": network, "b": network}, IMAGE, batch=3, threads=1, seconds=0.3)
    assert network.training and torch.get_num_threads() == threads
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())

    with FlopCounterMode(display=False) as counter:
        network.eval()(IMAGE)
    assert fp32.macs == counter.get_total_flops() // 2
    assert fp32.params == sum(parameter.numel() for parameter in network.parameters())
    assert (fp32.folded, fp32.batch_norms, fp32.reason) == (21, 21, None)
    assert len(fp32.rounds) == len(again.rounds) >= 3 and min(fp32.rounds) > 0
    assert (fp32.name, fp32.batch, fp32.dtype, fp32.device, fp32.threads) == ("a", 3, "fp32", "cpu", 1)

    (unfolded,) = measure({"a": network}, IMAGE, batch=3, fold=False, seconds=0.1)
    assert (unfolded.folded, unfolded.batch_norms, unfolded.reason) == (0, 21, None)
    (half,) = measure({"a": network}, IMAGE, batch=3, dtype="bf16", channels_last=True, seconds=0.1)
    assert half.memory == pytest.approx(fp32.memory / 2, rel=0.02)
    (more,) = measure({"a": network}, IMAGE, batch=6, seconds=0.1)
    weights = 4 * fp32.params
    assert more.memory - weights == pytest.approx(2 * (fp32.memory - weights), rel=0.02)


class Pair(nn.Module):
    """A network of two keyword inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)

    def forward(self, exemplar: Tensor, search: Tensor) -> Tensor:
        return self.body(search) * self.body(exemplar).mean((2, 3), keepdim=True)


def test_several_inputs_by_position_and_by_name() -> None:
    small, large = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 16, 16)
    (by_position,) = measure({"a": Pair()}, (small, large), seconds=0.05)
    (by_name,) = measure({"a": Pair()}, {"exemplar": small, "search": large}, seconds=0.05)
    assert by_position.macs == by_name.macs == 3 * 9 * 4 * (6 * 6 + 14 * 14)


def test_a_network_that_does_not_run_is_named() -> None:
    with pytest.raises(LwdnaError, match=r"^narrow: inference in fp32 with a batch of 2 on cpu failed: RuntimeError"):
        measure({"fine": nn.Conv2d(3, 4, 1), "narrow": nn.Conv2d(1, 4, 1)}, IMAGE, batch=2, seconds=0.05)
    with pytest.raises(LwdnaError, match=r"fp8.*fp32, fp16, bf16"):
        measure({"a": nn.Conv2d(3, 4, 1)}, IMAGE, dtype="fp8")


def test_the_dtypes_of_the_command_are_those_that_can_be_measured() -> None:
    assert tuple(DTYPES) == command.DTYPES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a configuration and a run of ResNet-20."""
    monkeypatch.chdir(tmp_path)
    network = build_network("cifar_resnet20")
    baseline = describe(network, IMAGE)
    data = baseline.to_dict() | {"network": "cifar_resnet20"}
    for group in data["groups"][1:4]:
        group["found"] = 5
    config = ChannelConfig.from_dict(data)
    narrow = config.apply(network)
    with FlopCounterMode(display=False) as counter:
        narrow.eval()(IMAGE)
    data["found"] = {"macs": counter.get_total_flops() // 2, "params": sum(p.numel() for p in narrow.parameters())}
    config = ChannelConfig.from_dict(data)
    config.save("channels.json")
    save(narrow, config, "run")
    return tmp_path


def test_a_name_a_configuration_and_a_run_side_by_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "search").mkdir()  # `seed0/*` names it as well
    words = ["latency", "cifar_resnet20", "channels.json", "run", "search", "--seconds", "0.3", "--threads", "1"]
    assert main([*words, "--batch", "1", "2", "--device", "cpu", "--json", "out.json"]) == 0
    said = capsys.readouterr().out
    found = ChannelConfig.load("channels.json").found
    written = json.loads((folder / "out.json").read_text())
    assert written["input"] == [[1, 3, 32, 32]] and written["environment"]["torch"] == torch.__version__
    rows = written["measurements"]
    assert [(row["name"], row["batch"]) for row in rows] == [
        (name, batch) for batch in (1, 2) for name in ("cifar_resnet20", "channels.json", "run")
    ]
    for row in rows:
        if row["name"] == "cifar_resnet20":
            assert row["ratio"] is None
        else:
            assert (row["macs"], row["params"]) == (found.macs, found.params)
            reference = next(r for r in rows if r["ratio"] is None and r["batch"] == row["batch"])
            assert row["ratio"]["vs"] == "cifar_resnet20"
            pairs = zip(row["rounds"], reference["rounds"], strict=True)
            assert row["ratio"]["median"] == pytest.approx(float(np.median([a / b for a, b in pairs])))
        assert f"{1e3 * row['median']:.3f}" in said
        assert row["throughput"] == pytest.approx(row["batch"] / row["median"])
    assert said.count("channels.json takes ") == said.count("run takes ") == 2
    assert "batch 2, fp32, cpu, 1 thread" in said and "21 of 21" in said
    assert not list(folder.glob(".*")), "temporary files left"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cifar_resnet20"], "--input"),
        (["cifar_resnet2", "--input", "3,32,32"], "cifar_resnet20"),
        (["missing.json"], "missing.json"),
        (["seed0/search"], "seed0/search is a search, no run"),
        (["nameless.json"], "nameless.json names no network"),
        (["channels.json", "larger.json"], "channels.json and larger.json were made for different inputs"),
        (["channels.json", "--json", "nowhere/out.json"], "nowhere"),
        (["channels.json", "--device", "no_such_device"], "no_such_device"),
        (["channels.json", "--input", "4,32,32", "--seconds", "0.1"], "channels.json: inference in fp32"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    words: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ChannelConfig.load("channels.json").to_dict()
    ChannelConfig.from_dict(data | {"network": None}).save("nameless.json")
    ChannelConfig.from_dict(data | {"input": [[1, 3, 64, 64]]}).save("larger.json")
    assert main(["latency", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lwdna: error: ") and said in line


@pytest.mark.slow
def test_compiled_networks_of_two_widths_keep_their_own_code() -> None:
    networks = {str(width): nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU()) for width in (8, 12)}
    narrow, wide = measure(networks, IMAGE, compile=True, seconds=0.5)
    assert narrow.compiled and narrow.macs < wide.macs and narrow.memory < wide.memory


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_counts_its_own_memory_and_time() -> None:
    network = nn.Sequential(nn.Conv2d(3, 256, 3, padding=1), nn.ReLU())
    small, large = (measure({"a": network}, IMAGE, batch=batch, device="cuda", seconds=0.5)[0] for batch in (8, 64))
    least = 4 * 256 * 32 * 32  # bytes of one output
    assert small.memory >= 8 * least and large.memory >= 64 * least
    assert large.memory - small.memory >= 56 * least and min(small.rounds) > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_graph_does_what_its_call_does() -> None:
    networks = {"narrow": nn.Conv2d(3, 8, 3), "wide": nn.Conv2d(3, 512, 3)}
    eager, graphs = (measure(networks, IMAGE, batch=64, device="cuda", cuda_graph=g, seconds=1) for g in (False, True))
    assert [graph.memory for graph in graphs] == pytest.approx([call.memory for call in eager], abs=2**21)  # blocks
    assert all(graph.cuda_graph and graph.median > 0 for graph in graphs)


def test_a_graph_is_refused_without_a_gpu() -> None:
    with pytest.raises(LwdnaError, match=r"CUDA graphs \(--cuda-graph\) need a GPU, not cpu"):
        measure({"a": nn.Conv2d(3, 3, 1)}, IMAGE, cuda_graph=True)
