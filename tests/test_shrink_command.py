"""`lwdna shrink`, from the command line to the files that it leaves."""

from __future__ import annotations

import dataclasses
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lwdna_core.channel_chart import draw
from lwdna_core.cli import main
from lwdna_core.commands import shrink
from lwdna_core.noise import NoiseBatch, noise_batches, noise_loss
from lwdna_core.shrink import ChannelConfig, LossError, criteria

NETWORKS = """
import torch
from torch import nn

def plain():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(),
        nn.Conv2d(24, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
    )

class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3))

    def forward(self, exemplar, search):
        exemplar, search = self.body(exemplar), self.body(search)
        return {"response": nn.functional.conv2d(search, exemplar)[:, :1], "names": ["x"]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a module of networks that only this test can import."""
    (tmp_path / "shrink_command_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plain() -> nn.Module:
    namespace: dict[str, object] = {}
    exec(NETWORKS, namespace)
    network = namespace["plain"]()  # type: ignore[operator]
    assert isinstance(network, nn.Module)
    return network


def counted_macs(network: nn.Module, *inputs: Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        network.eval()(*inputs)
    return int(counter.get_total_flops()) // 2


def test_the_files_describe_a_network_inside_the_budget(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["shrink", "shrink_command_networks:plain", "--input", "3,16,16", "--macs", "0.8", "--device", "cpu"]
    assert main([*words, "--out", "first.json"]) == 0
    said = capsys.readouterr().out
    config = ChannelConfig.load(folder / "first.json")

    image = torch.randn(1, 3, 16, 16)
    baseline = plain()
    network = config.apply(baseline)
    assert counted_macs(network, image) == config.found.macs <= 0.8 * counted_macs(baseline, image)
    assert sum(parameter.numel() for parameter in network.parameters()) == config.found.params

    assert config.network == "shrink_command_networks:plain"
    assert "2 x 8 normal inputs and random targets" in said
    for group in config.groups:
        (row,) = (cells for line in said.splitlines() if (cells := line.split()) and cells[0] == group.name)
        assert row[1:4] == [str(group.baseline), str(group.widened), str(group.found)]
    for frozen in config.frozen:
        assert frozen.reason in said
    assert f"{config.found.macs:,}" in said and f"{config.found.macs / config.baseline.macs:.2%}" in said

    assert main([*words, "--out", "second.json"]) == 0
    again = ChannelConfig.load(folder / "second.json")
    assert again.groups == config.groups
    assert (folder / "second.svg").read_bytes() == (folder / "first.svg").read_bytes()
    assert not list(folder.glob(".*")), "temporary files left"


def test_every_criterion_of_the_engine_can_be_chosen() -> None:
    assert tuple(criteria.CRITERIA) == shrink.CRITERIA


def test_aligned_widths_least_channels_and_frozen_groups(folder: Path) -> None:
    words = ["shrink", "shrink_command_networks:plain", "--input", "3,16,16", "--criterion", "gate", "--floor", "0.1"]
    assert main([*words, "--macs", "0.8", "--align", "8", "--min-channels", "16", "--freeze", "0"]) == 0
    config = ChannelConfig.load(folder / "channels.json")
    assert [group.name for group in config.groups] == ["0", "3", "6"]
    assert config.widths["0"] == 16 and "kept by freeze='0'" in [frozen.reason for frozen in config.frozen]
    assert all(config.widths[name] % 8 == 0 and config.widths[name] >= 16 for name in ("3", "6"))
    assert config.settings["criterion"] == "gate" and config.found.macs <= 0.8 * config.baseline.macs


def test_several_inputs_and_a_budget_of_parameters(folder: Path) -> None:
    words = ["shrink", "shrink_command_networks:Siamese", "--input", "3,9,9", "--input", "3,12,12", "--params", "0.7"]
    assert main([*words, "--batches", "1", "--batch-size", "2", "--out", "siamese.json"]) == 0
    config = ChannelConfig.load(folder / "siamese.json")
    assert config.input == [[1, 3, 9, 9], [1, 3, 12, 12]]
    assert config.found.params <= 0.7 * config.baseline.params


def test_an_experiment_lends_its_data_its_loss_and_its_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shrink", "cifar_resnet20", "--config", "resnet20_digits", "--device", "cpu"]) == 0
    assert "2 training batches of resnet20_digits" in capsys.readouterr().out
    of_experiment = ChannelConfig.load(folder / "channels.json")
    assert of_experiment.input == [[1, 3, 32, 32]]
    assert main(["shrink", "cifar_resnet20", "--input", "3,32,32", "--device", "cpu"]) == 0
    assert ChannelConfig.load(folder / "channels.json").widths != of_experiment.widths


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "resnet20_digits", "--batches", "2"], "--batches"),
        (["--config", "resnet20_digit"], "resnet20_digits"),
        (["--out", "channels.svg", "--input", "3,8,8"], "channels.svg"),
        (["--out", "nowhere/channels.json", "--input", "3,8,8"], "nowhere"),
        ([], "--input"),
        (["--input", "3,8,8", "--device", "no_such_device"], "no_such_device"),
        (["--input", "4,8,8"], "4"),
        (["--input", "3,8,8", "--macs", "0"], "0"),
        (["--input", "3,8,8", "--freeze", "0", "--freeze", "layer*"], "layer*"),
    ],
)
def test_a_mistake_is_told_and_writes_nothing(
    words: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(folder.iterdir())
    assert main(["shrink", "shrink_command_networks:plain", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lwdna: error: ") and said in line
    assert set(folder.iterdir()) - before <= {folder / "__pycache__"}


class Returns(nn.Module):
    """A network that returns what it was made with."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, _: Tensor) -> object:
        return self.output


BATCH = NoiseBatch((torch.zeros(1),), seed=3)


def test_noise_loss_is_what_its_docstring_says() -> None:
    constant = noise_loss(Returns(torch.zeros(6, 10)), BATCH)
    assert constant.item() == pytest.approx(math.log(10))  # cross-entropy of equal logits, whatever the labels
    image = noise_loss(Returns(torch.zeros(2, 3, 64, 64)), BATCH)
    assert image.item() == pytest.approx(1, abs=0.05)  # the variance of normal noise
    both = noise_loss(Returns({"class": torch.zeros(6, 10), "rest": (None, [torch.arange(4)])}), BATCH)
    assert both.item() == pytest.approx(constant.item())
    two = noise_loss(Returns((torch.zeros(6, 10), torch.zeros(2, 3, 64, 64))), BATCH)
    assert two.item() == pytest.approx(math.log(10) + 1, abs=0.05)


def test_noise_loss_of_a_single_number_a_sample_has_a_gradient() -> None:
    output = torch.zeros(6, 1, requires_grad=True)
    noise_loss(Returns(output), BATCH).backward()  # type: ignore[no-untyped-call]
    assert output.grad is not None and output.grad.abs().min() > 0


def test_noise_loss_without_a_floating_point_output_is_an_error() -> None:
    with pytest.raises(LossError):
        noise_loss(Returns([torch.arange(4)]), BATCH)


def test_noise_is_the_same_for_the_same_seed_and_differs_between_batches() -> None:
    device = "cpu"
    first, second = noise_batches([(3, 4), (5,)], 2, 6, 0, device), noise_batches([(3, 4), (5,)], 2, 6, 0, device)
    assert [tensor.shape for tensor in first[0].inputs] == [(6, 3, 4), (6, 5)]
    for one, other in zip(first, second, strict=True):
        assert one.seed == other.seed
        assert all(torch.equal(a, b) for a, b in zip(one.inputs, other.inputs, strict=True))
    assert first[0].seed != first[1].seed
    assert not torch.equal(first[0].inputs[0], first[1].inputs[0])
    assert not torch.equal(first[0].inputs[0], noise_batches([(3, 4), (5,)], 2, 6, 1, device)[0].inputs[0])


def test_the_picture_has_a_readable_row_for_each_of_150_groups(folder: Path) -> None:
    assert main(["shrink", "shrink_command_networks:plain", "--input", "3,8,8"]) == 0
    config = ChannelConfig.load(folder / "channels.json")
    many = tuple(dataclasses.replace(config.groups[0], name=f"stage{index}.conv") for index in range(150))
    draw(dataclasses.replace(config, groups=many), folder / "many.svg")
    text = (folder / "many.svg").read_text()
    assert all(f"<!-- {group.name} -->" in text for group in many)

    def height(name: str) -> float:
        return float((ElementTree.parse(folder / name).getroot().get("height") or "").removesuffix("pt"))

    points_per_row = (height("many.svg") - height("channels.svg")) / (150 - len(config.groups))
    assert points_per_row >= 8  # the size of the names
