"""Widening and shrinking are one operation: shapes, values, rules of initialisation, and an untouched original."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lwdna_core.shrink import ChannelGraph, resize, trace
from lwdna_core.shrink.errors import ResizeError

from .masking import Inputs, assert_runs, changes, counted, example, outputs, remember
from .networks import Chain, conv
from .strategies import SEEDS, Program, programs
from .zoo import CASES, OPEN, Case, prepared

EVERY = pytest.mark.parametrize("case", CASES + OPEN, ids=lambda c: c.name)
SOME = pytest.mark.parametrize(
    "name", ["resnet-c", "edsr-x4", "shufflenet", "siamfc", "convnext", "tied", "functional"]
)


def assert_as_predicted(resized: nn.Module, graph: ChannelGraph, widths: dict[str, int], inputs: Inputs) -> None:
    """Counted cost equals the closed form, training runs, and a new trace finds the same groups at the new sizes.

    A group of one element may be frozen by the new trace: nothing tells its map from one that others are scaled by.
    """
    assert counted(resized, inputs) == (graph.macs(widths), graph.params(widths))
    assert_runs(resized, inputs)
    expected = {**{g.name: g.size for g in graph.groups}, **widths}
    if min(expected.values()) > 1:
        again = trace(resized, inputs)
        found = {g.name: g.size for g in again.groups}
        assert found == expected, f"differ: {set(found.items()) ^ set(expected.items())}, frozen: {again.frozen}"
        assert {f.name for f in again.frozen} == {f.name for f in graph.frozen}
        assert (again.macs(), again.params()) == (graph.macs(widths), graph.params(widths))


@EVERY
@pytest.mark.parametrize("factor", [2.0, 1.5, 0.6])
def test_every_width_scaled(case: Case, factor: float) -> None:
    network, graph, inputs = prepared(case.name)
    widths = {g.name: max(round(g.size * factor), 1) for g in graph.groups}
    resized = resize(network, graph, widths)
    assert_as_predicted(resized, graph, widths, inputs)
    x = example(inputs)
    assert [t.shape for t in outputs(resized, x)] == [t.shape for t in outputs(network, x)]


@EVERY
def test_one_group_at_a_time(case: Case) -> None:
    network, graph, inputs = prepared(case.name)
    for i, group in enumerate(graph.groups):
        widths = {group.name: group.size + 1 if i % 2 else max(group.size - 1, 1)}
        resized = resize(network, graph, widths)
        assert counted(resized, inputs) == (graph.macs(widths), graph.params(widths))


@given(programs(), SEEDS, st.floats(0.3, 2.2))
def test_random_networks(program: Program, seed: int, factor: float) -> None:
    """Random widths around a factor, smaller and larger ones in one network."""
    network, inputs = program.build(), program.inputs()
    graph = trace(network, inputs)
    before, draw = remember(network), np.random.default_rng(seed)
    widths = {g.name: max(round(g.size * factor * draw.uniform(0.5, 1.5)), 1) for g in graph.groups}
    assert_as_predicted(resize(network, graph, widths), graph, widths, inputs)
    assert not changes(before, network)


@SOME
def test_original_is_untouched(name: str) -> None:
    case = next(c for c in CASES if c.name == name)
    network, inputs = case.build().train(), case.inputs
    frozen_part = next(network.parameters()).requires_grad_(False)
    for i, m in enumerate(network.modules()):
        m.training = i % 3 > 0
    modes, before = [m.training for m in network.modules()], remember(network)
    attributes = [{k: v for k, v in vars(m).items() if not k.startswith("_")} for m in network.modules()]
    random_state = torch.get_rng_state()
    graph = trace(network, inputs)
    assert torch.equal(random_state, torch.get_rng_state())
    resized = resize(network, graph, {g.name: g.size + 2 for g in graph.groups})
    resize(network, graph, {g.name: 1 for g in graph.groups}, initialise=True)
    assert not changes(before, network)
    assert [m.training for m in network.modules()] == modes == [m.training for m in resized.modules()]
    assert attributes == [{k: v for k, v in vars(m).items() if not k.startswith("_")} for m in network.modules()]
    assert not frozen_part.requires_grad and all(p.grad is None for p in network.parameters())
    assert not {id(t) for t in network.parameters()} & {id(t) for t in resized.parameters()}
    with torch.no_grad():
        for t in resized.parameters():
            t.fill_(7.0)
    assert not changes(before, network)


@SOME
def test_result_is_made_of_the_same_classes(name: str) -> None:
    network, graph, _ = prepared(name)
    resized = resize(network, graph, {g.name: g.size + 1 for g in graph.groups})
    assert [(n, type(m)) for n, m in resized.named_modules()] == [(n, type(m)) for n, m in network.named_modules()]
    assert [n for n, _ in resized.named_parameters()] == [n for n, _ in network.named_parameters()]
    assert list(resized.state_dict()) == list(network.state_dict())
    flags = [p.requires_grad for p in network.parameters()]
    assert [p.requires_grad for p in resized.parameters()] == flags
    assert [p.dtype for p in resized.parameters()] == [p.dtype for p in network.parameters()]
    for m in resized.modules():  # what a module says of itself is true
        if isinstance(m, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            assert m.weight.shape[:2] == (m.out_channels, m.in_channels // m.groups)
        elif isinstance(m, nn.ConvTranspose2d):
            assert m.weight.shape[:2] == (m.in_channels, m.out_channels // m.groups)
        elif isinstance(m, nn.Linear):
            assert m.weight.shape == (m.out_features, m.in_features)
        elif isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)):
            assert m.running_var is not None and m.running_var.shape == (m.num_features,)
        elif isinstance(m, nn.LayerNorm):
            assert tuple(m.weight.shape) == tuple(m.normalized_shape)
        elif isinstance(m, nn.PReLU):
            assert m.weight.numel() == m.num_parameters


def test_groups_of_convolutions_follow() -> None:
    """Depthwise stays depthwise; a grouped convolution keeps its number of groups and narrows each."""
    network, graph, _ = prepared("mobilenet")
    resized = resize(network, graph, {"blocks.1.conv.expand": 11})
    assert resized.get_submodule("blocks.1.conv.depthwise").groups == 11
    network, graph, _ = prepared("regnet")
    resized = resize(network, graph, {"conv1": 2, "conv2": 7})
    grouped = resized.get_submodule("conv2")
    assert (grouped.groups, grouped.in_channels, grouped.out_channels) == (3, 6, 21)


def test_kept_values_are_the_original_ones_in_the_order_given() -> None:
    network, graph, _ = prepared("chain")
    small = resize(network, graph, {"conv1": [5, 0, 3], "conv2": 4})
    assert torch.equal(small.conv1.weight, network.conv1.weight[[5, 0, 3]])
    assert torch.equal(small.bn1.running_var, network.bn1.running_var[[5, 0, 3]])
    assert torch.equal(small.conv2.weight, network.conv2.weight[:4][:, [5, 0, 3]])
    assert torch.equal(small.fc.weight, network.fc.weight[:, :4])
    assert torch.equal(small.fc.bias, network.fc.bias)


def test_same_widths_give_the_same_network() -> None:
    network, graph, _ = prepared("resnet-c")
    assert not changes(remember(network), resize(network, graph, {}))


def test_only_grown_tensors_are_drawn_afresh() -> None:
    network, graph, _ = prepared("chain")
    torch.manual_seed(0)
    wide = resize(network, graph, {"conv2": 20})
    for name in ("conv1.weight", "bn1.weight", "bn1.running_mean", "fc.bias"):
        assert torch.equal(wide.get_parameter(name) if "running" not in name else wide.get_buffer(name),
                           network.state_dict()[name]), name  # fmt: skip
    assert not torch.equal(wide.conv2.weight[:12], network.conv2.weight)
    bound = (8 * 9) ** -0.5  # torch's rule for convolutions: uniform within 1 / sqrt(fan-in), biases too
    assert bound * 0.9 < wide.conv2.weight.abs().max() <= bound
    assert bound * 0.5 < wide.conv2.bias.abs().max() <= bound
    assert wide.fc.weight.abs().max() <= 20**-0.5
    assert (wide.bn2.weight == 1).all() and (wide.bn2.bias == 0).all()
    assert (wide.bn2.running_mean == 0).all() and (wide.bn2.running_var == 1).all()


def test_initialise_draws_everything_by_the_modules_own_rule() -> None:
    network, graph, _ = prepared("chain")
    torch.manual_seed(3)
    one = resize(network, graph, {"conv1": 4}, initialise=True)
    torch.manual_seed(3)
    two = resize(network, graph, {"conv1": 4}, initialise=True)
    assert not changes(remember(one), two)
    torch.manual_seed(4)
    assert "conv1.weight" in changes(remember(one), resize(network, graph, {"conv1": 4}, initialise=True))
    assert one.conv2.weight.abs().max() <= (4 * 9) ** -0.5
    assert (one.bn1.weight == 1).all() and (one.bn1.running_mean == 0).all() and int(one.bn1.num_batches_tracked) == 0


class Initialised(Chain):
    """Draws its weights by a rule of its own."""

    def init_weights(self) -> None:
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.constant_(m.weight, m.out_channels / 100)


def test_init_weights_of_the_network_has_the_word() -> None:
    network = Initialised()
    graph = trace(network, torch.zeros(1, 3, 8, 8))
    fresh = resize(network, graph, {"conv1": 5, "conv2": 30}, initialise=True)
    assert (fresh.conv1.weight == 0.05).all() and (fresh.conv2.weight == 0.3).all()
    grown = resize(network, graph, {"conv2": 30})
    assert (grown.conv2.weight == 0.3).all() and torch.equal(grown.conv1.weight, network.conv1.weight)


def test_tied_weights_stay_tied() -> None:
    network, graph, _ = prepared("tied")
    for widths in ({"into": 3}, {"into": 13}):
        resized = resize(network, graph, widths)
        assert resized.a.weight is resized.b.weight and resized.a.weight.shape[0] == widths["into"]
        assert len(list(resized.parameters())) == len(list(network.parameters()))


def test_resized_network_is_independent_of_the_tracer() -> None:
    """It can be copied, its state loaded, and resized again."""
    network, graph, inputs = prepared("rdn")
    wide = resize(network, graph, {g.name: 2 * g.size for g in graph.groups})
    twin = copy.deepcopy(wide)
    twin.load_state_dict(wide.state_dict())
    back = resize(twin, trace(twin, inputs), {g.name: g.size for g in graph.groups})
    assert {k: v.shape for k, v in back.state_dict().items()} == {k: v.shape for k, v in network.state_dict().items()}


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ({"conv1": 0}, ["conv1"]),
        ({"conv1": -3}, ["conv1"]),
        ({"conv1": []}, ["conv1"]),
        ({"conv1": [0, 8]}, ["conv1", "8"]),
        ({"conv1": [-1, 2]}, ["conv1"]),
        ({"conv1": [1, 1]}, ["conv1"]),
        ({"conv9": 3}, ["conv9", "conv1"]),
        ({"fc": 3}, ["fc"]),
    ],
)
def test_impossible_widths(widths: dict[str, object], words: list[str]) -> None:
    network, graph, _ = prepared("chain")
    before = remember(network)
    with pytest.raises(ResizeError) as error:
        resize(network, graph, widths)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)
    assert not changes(before, network)


def test_graph_of_another_network() -> None:
    _, graph, _ = prepared("resnet-c")
    with pytest.raises(ResizeError):
        resize(nn.Sequential(conv(3, 4), conv(4, 2)), graph, {"conv1": 4})


def test_the_layout_in_memory_stays() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 5, 3)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.zeros(1, 3, 8, 8)
    graph = trace(network, x)
    for factor in (0.5, 2):
        resized = resize(network, graph, {g.name: int(factor * g.size) for g in graph.groups})
        for i in (0, 2):
            assert resized[i].weight.is_contiguous(memory_format=torch.channels_last)
            assert not resized[i].weight.is_contiguous()
