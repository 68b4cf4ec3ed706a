"""Every mistake has a typed error of one line that names the layer, the key or the file, and what was expected."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lwdna_core.errors import LwdnaError
from lwdna_core.shrink import ChannelConfig, describe, find, resize, trace
from lwdna_core.shrink.errors import BudgetError, ConfigError, LossError, ResizeError, TraceError

from .masking import changes, remember
from .networks import Chain, CifarResNet, conv
from .test_find import classified, cross_entropy

X = torch.zeros(1, 3, 12, 12)
ResizeOrConfig = (ResizeError, ConfigError)


def message(error: pytest.ExceptionInfo[LwdnaError]) -> str:
    text = str(error.value)
    assert text and "\n" not in text, "one line"
    return text


# the example input


@pytest.mark.parametrize(
    ("network", "inputs", "words"),
    [
        (Chain, torch.zeros(1, 4, 12, 12), ["conv1", "4"]),
        (CifarResNet, torch.zeros(1, 3, 12), ["conv1"]),
        (lambda: nn.Sequential(nn.Sequential(conv(3, 4), nn.Flatten()), nn.Linear(7, 2)), X, ["1", "Linear", "576"]),
        (Chain, (X, X), ["2"]),
        (Chain, {"image": X}, ["image"]),
        (Chain, (), []),
    ],
)
def test_wrong_example_input_names_the_layer(network: Callable[[], nn.Module], inputs: Any, words: list[str]) -> None:
    built = network()
    before = remember(built)
    with pytest.raises(TraceError) as error:
        trace(built, inputs)
    assert all(word in message(error) for word in words)
    assert not changes(before, built)
    with pytest.raises(TraceError):
        find(built, inputs, classified(), cross_entropy)


def test_network_that_fails_by_itself() -> None:
    class Broken(Chain):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("no calibration file")

    with pytest.raises(TraceError, match="no calibration file"):
        trace(Broken(), X)


@pytest.mark.parametrize(
    "network",
    [
        lambda: nn.Sequential(conv(3, 4)),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(432, 2)),
        lambda: nn.Sequential(nn.ReLU()),
        lambda: Cumulated(),
    ],
)
def test_everything_frozen(network: Callable[[], nn.Module]) -> None:
    with pytest.raises(LwdnaError) as error:
        find(network(), X, classified(), cross_entropy)
    assert re.search("nothing|frozen|everything|no group", message(error))


class Cumulated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = conv(3, 4), conv(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x).cumsum(1))


# the loss and the batches


def nan(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return cross_entropy(network, (batch[0] / 0 * 0, batch[1]))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda network, batch: network(batch[0]), ["loss", "[4, 10]"]),
        (lambda network, batch: F.cross_entropy(network(batch[0]), batch[1], reduction="none"), ["loss", "[4]"]),
        (lambda network, batch: cross_entropy(network, batch).item(), ["float"]),
        (lambda network, batch: None, ["None"]),
        (lambda network, batch: cross_entropy(network, batch).detach(), ["gradient"]),
        (lambda network, batch: torch.tensor(1.0, requires_grad=True), ["gradient"]),
        (nan, ["nan"]),
        (lambda network, batch: cross_entropy(network, batch) / 0, ["inf"]),
    ],
    ids=["output", "vector", "number", "none", "detached", "unrelated", "nan", "inf"],
)
def test_bad_loss(loss: Callable[..., Any], words: list[str]) -> None:
    network = Chain()
    before = remember(network)
    with pytest.raises(LossError) as error:
        find(network, X, classified(), loss)
    assert all(word in message(error).lower() for word in map(str.lower, words))
    assert not changes(before, network)


def test_nan_in_the_second_batch_is_counted() -> None:
    batches = classified(count=3)
    batches[1][0][0, 0, 0, 0] = float("nan")
    with pytest.raises(LossError) as error:
        find(Chain(), X, batches, cross_entropy)
    assert re.search(r"nan", message(error), re.IGNORECASE) and re.search(r"\b(1|2)\b", message(error))


def test_no_batches() -> None:
    with pytest.raises(LwdnaError) as error:
        find(Chain(), X, [], cross_entropy)
    assert "batch" in message(error)


def test_loss_that_raises_is_not_hidden() -> None:
    def loss(network: nn.Module, batch: object) -> Tensor:
        raise KeyError("label")

    with pytest.raises((KeyError, LossError), match="label"):
        find(Chain(), X, classified(), loss)


# the widths


@pytest.mark.parametrize("wanted", [2.5, None, True, "3", b"12", float("nan"), torch.tensor(4), {1: 2}])
def test_widths_that_are_no_numbers(wanted: Any) -> None:
    network = Chain()
    with pytest.raises(ResizeError, match="group 'conv1': expected a number of channels or a list of elements, got"):
        resize(network, trace(network, X), {"conv1": wanted})


def test_a_compiled_wrapper_is_named() -> None:
    with pytest.raises(TraceError, match=r"wrapped by torch\.compile"):
        trace(torch.compile(Chain()), X)  # type: ignore[arg-type]


# the budget and other settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"macs": 0}, ["0"]),
        ({"macs": -0.5}, ["-0.5"]),
        ({"macs": float("nan")}, ["nan"]),
        ({"macs": 50.0}, ["50", "widened"]),
        ({"params": 0}, ["0"]),
        ({"macs": 0.9, "params": 0.8}, ["macs=0.9", "params=0.8", "not both"]),
        ({"params": 50.0}, ["50", "widened"]),
        ({"width": 0.0}, ["width"]),
        ({"width": -1.0}, ["width"]),
        ({"floor": -0.1}, ["floor"]),
        ({"floor": 1.5}, ["floor"]),
        ({"classifier_floor": 1.5}, ["classifier_floor"]),
        ({"floor": "0.3"}, ["floor", "'0.3'"]),
        ({"width": True}, ["width", "True"]),
        ({"align": None}, ["align", "None"]),
        ({"floors": {"conv1": float("nan")}}, ["floors", "conv1", "nan"]),
        ({"ceilings": {"conv1": 1.5}}, ["ceilings", "conv1", "1.5"]),
        ({"floors": {"conv1": "0.5"}}, ["floors", "conv1", "'0.5'"]),
        ({"floors": {"conv1": -3}}, ["floors", "conv1", "-3"]),
        ({"macs": "0.9"}, ["macs", "'0.9'"]),
        ({"criterion": "hessian"}, ["hessian", "gradient", "random", "uniform"]),
        ({"embedding": 0}, ["embedding"]),
        ({"rounds": 0}, ["rounds"]),
    ],
    ids=str,
)
def test_impossible_settings(settings: dict[str, Any], words: list[str]) -> None:
    calls = []
    with pytest.raises(LwdnaError) as error:
        find(Chain(), X, classified(), lambda n, b: calls.append(1) or cross_entropy(n, b), **settings)  # type: ignore
    assert all(word in message(error) for word in words)
    assert not calls, "it could be told before any work"
    if {"macs", "params"} & set(settings):
        assert isinstance(error.value, BudgetError)


# the channel configuration


@pytest.fixture
def config() -> ChannelConfig:
    return find(Chain(), X, classified(), cross_entropy)


def edited(config: ChannelConfig, edit: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(json.dumps(config.to_dict()))
    edit(content)
    return content


def test_configuration_of_another_network(config: ChannelConfig) -> None:
    with pytest.raises(ResizeOrConfig) as error:
        config.apply(CifarResNet())
    assert "conv2" in message(error), "conv2 is no group there"


def test_groups_that_are_missing_unknown_or_too_wide(config: ChannelConfig) -> None:
    def rename(c: dict[str, Any]) -> None:
        c["groups"][0]["name"] = "conv7"

    with pytest.raises(ConfigError) as error:
        ChannelConfig.from_dict(edited(config, rename)).apply(Chain())
    assert "conv7" in message(error) and "conv1" in message(error), "both the unknown and the missing one"

    with pytest.raises(ConfigError) as error:
        ChannelConfig.from_dict(edited(config, lambda c: c["groups"].pop(1))).apply(Chain())
    assert "conv2" in message(error)

    wider = nn.Module.__new__(Chain)
    Chain.__init__(wider)
    wider.conv1, wider.bn1, wider.conv2 = conv(3, 9), nn.BatchNorm2d(9), conv(9, 12, stride=2)
    with pytest.raises(ConfigError) as error:
        config.apply(wider)
    assert all(word in message(error) for word in ("conv1", "8", "9"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated_file(config: ChannelConfig, tmp_path: Path, share: float) -> None:
    whole = tmp_path / "channels.json"
    config.save(whole)
    cut = tmp_path / "cut.json"
    text = whole.read_text().rstrip()
    cut.write_text(text[: int(len(text) * share)])
    with pytest.raises(ConfigError) as error:
        ChannelConfig.load(cut)
    assert "cut.json" in message(error)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises((ConfigError, FileNotFoundError), match=r"absent\.json"):
        ChannelConfig.load(tmp_path / "absent.json")
    foreign = tmp_path / "foreign.json"
    for text in ("[1, 2]", '"channels"', '{"a": 1}', "null", "\u0000\u0001"):
        foreign.write_text(text)
        with pytest.raises(ConfigError) as error:
            ChannelConfig.load(foreign)
        assert "foreign.json" in message(error)


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (lambda c: c.update(format=2), "format"),
        (lambda c: c.pop("format"), "format"),
        (lambda c: c.pop("groups"), "groups"),
        (lambda c: c.pop("baseline"), "baseline"),
        (lambda c: c.update(groups={"conv1": 4}), "groups"),
        (lambda c: c["groups"][0].pop("found"), "found"),
        (lambda c: c["groups"][0].update(found="eight"), "found"),
        (lambda c: c["groups"][0].update(found=0), "conv1"),
        (lambda c: c["groups"][0].update(found=-2), "conv1"),
        (lambda c: c["groups"][0].update(found=2.5), "found"),
        (lambda c: c["found"].pop("macs"), "macs"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_damaged_content_names_the_key(
    config: ChannelConfig, tmp_path: Path, edit: Callable[..., Any], word: str
) -> None:
    file = tmp_path / "damaged.json"
    file.write_text(json.dumps(edited(config, edit)))
    with pytest.raises(ResizeOrConfig) as error:
        ChannelConfig.load(file).apply(Chain())
    assert word in message(error)


def test_describe_of_a_network_that_cannot_change() -> None:
    with pytest.raises(LwdnaError):
        describe(nn.Sequential(conv(3, 4)), X)


def test_all_errors_are_mistakes_of_the_user() -> None:
    for kind in (BudgetError, ConfigError, LossError, ResizeError, TraceError):
        assert issubclass(kind, LwdnaError)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_networks_that_show_nothing_of_their_channels() -> None:
    x = torch.zeros(1, 3, 8, 8)
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 3)))
    for network in (scripted, nn.Sequential(scripted), torch.jit.trace(nn.Conv2d(3, 2, 3), x)):
        with pytest.raises(TraceError, match="TorchScript"):
            trace(network, x)
    lazy = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LazyConv2d(4, 3), nn.Conv2d(4, 2, 3))
    with pytest.raises(TraceError, match=r"layer '1' \(LazyConv2d\) is lazy.*run the network once"):
        trace(lazy, x)
    lazy(x)
    assert trace(lazy, x).widths == {"0": 8, "1": 4}


def test_a_loss_that_fails_is_named() -> None:
    with pytest.raises(LossError, match=r"the loss fails on batch 0: KeyError: 'targets'"):
        find(Chain(), X, [{"images": X}], lambda network, batch: cross_entropy(network, batch["targets"]))  # type: ignore


def test_numbers_of_numpy_are_numbers() -> None:
    settings = {"align": np.int64(2), "width": np.float32(1.5), "floors": {"conv1": np.int64(4)}}
    config = find(Chain(), X, classified(), cross_entropy, **settings)
    plain = find(Chain(), X, classified(), cross_entropy, align=2, width=1.5, floors={"conv1": 4})
    assert config.widths == plain.widths
