"""find(): the budget is met, floors hold, what could not be met or scored is said, and a seed means one result."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lwdna_core.shrink import BudgetError, ChannelConfig, ChannelGraph, describe, find, trace
from lwdna_core.shrink.search import APART

from . import branched, networks
from .masking import Inputs, call, changes, counted, remember, tensors
from .masking import example as example_of
from .strategies import Program, programs

Batch = tuple[Tensor, ...]


def cross_entropy(network: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(network(batch[0]), batch[1])


def absolute(network: nn.Module, batch: Batch) -> Tensor:
    return F.l1_loss(network(batch[0]), batch[1])


def logistic(network: nn.Module, batch: Batch) -> Tensor:
    score = network(*batch)
    return F.softplus(score * torch.sign(torch.arange(score.numel()).view_as(score) % 3 - 0.5)).mean()


def classified(shape: tuple[int, ...] = (4, 3, 12, 12), classes: int = 5, count: int = 2) -> list[Batch]:
    draw = torch.Generator().manual_seed(1)
    return [
        (torch.randn(shape, generator=draw), torch.randint(classes, shape[:1], generator=draw)) for _ in range(count)
    ]


def upscaled(count: int = 2) -> list[Batch]:
    draw = torch.Generator().manual_seed(1)
    return [(torch.rand(2, 3, 6, 6, generator=draw), torch.rand(2, 3, 12, 12, generator=draw)) for _ in range(count)]


def pairs() -> list[Batch]:
    draw = torch.Generator().manual_seed(1)
    return [(torch.randn(2, 3, 18, 18, generator=draw), torch.randn(2, 3, 24, 24, generator=draw)) for _ in range(2)]


MOBILE = ((1, 8, 1, 1), (3, 12, 2, 2), (3, 16, 2, 2))
TASKS: dict[str, tuple[Callable[[], nn.Module], object, list[Batch], Callable[[nn.Module, Batch], Tensor]]] = {
    "chain": (networks.Chain, torch.zeros(1, 3, 12, 12), classified(), cross_entropy),
    "resnet": (partial(networks.CifarResNet, 2, 16), torch.zeros(1, 3, 12, 12), classified(), cross_entropy),
    "densenet": (partial(networks.DenseNet, 8), torch.zeros(1, 3, 12, 12), classified(), cross_entropy),
    "mobilenet": (partial(networks.MobileNetV2, MOBILE, 8, 40, 5), classified()[0][0], classified(), cross_entropy),
    "regnet": (branched.RegNet, torch.zeros(1, 3, 12, 12), classified(), cross_entropy),
    "edsr": (partial(networks.Edsr, 3, 16, 2), torch.zeros(1, 3, 6, 6), upscaled(), absolute),
    "siamfc": (branched.SiamFc, pairs()[0], pairs(), logistic),
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", TASKS)


def found(name: str, **settings: object) -> tuple[ChannelConfig, nn.Module, object, ChannelGraph]:
    build, inputs, batches, loss = TASKS[name]
    torch.manual_seed(0)
    network = build()
    config = find(network, inputs, batches, loss, **settings)  # type: ignore[arg-type]
    return config, network, inputs, trace(network, inputs)  # type: ignore[arg-type]


def cheapest_step(config: ChannelConfig, cost: Callable[[dict[str, int]], int]) -> int:
    """What one more channel costs in the scored group where it is cheapest; unscored ones may follow by one each."""
    now = config.widths
    follow = {g.name: g.found + 1 for g in config.groups if g.unscored}
    grown = [{g.name: g.found + 1} for g in config.groups if not g.unscored and g.found < g.widened]
    return min((cost({**now, **follow, **step}) - cost(now) for step in grown), default=10**18)


@EVERY
@pytest.mark.parametrize("macs", [0.9, 0.75, 1.3])
def test_macs_budget(name: str, macs: float) -> None:
    config, network, inputs, graph = found(name, macs=macs)
    budget = macs * graph.macs()
    real = counted(config.apply(network), inputs)
    assert real == (config.found.macs, config.found.params)
    assert (config.baseline.macs, config.baseline.params) == counted(network, inputs)
    if config.limits is None:
        left = budget - config.found.macs
        assert left >= 0
        assert left <= 0.005 * budget or left < cheapest_step(config, graph.macs)
    else:
        assert all(g.at_floor for g in config.groups if not g.unscored), "room below the floors is left"
        assert config.found.macs > budget
    assert config.limits is None or macs < 0.8, "0.4 of twice the channels leaves room for this budget"


@EVERY
def test_params_budget(name: str) -> None:
    config, network, inputs, graph = found(name, params=0.8)
    budget = 0.8 * graph.params()
    assert counted(config.apply(network), inputs) == (config.found.macs, config.found.params)
    assert config.limits is None
    left = budget - config.found.params
    assert left >= 0 and (left <= 0.005 * budget or left < cheapest_step(config, graph.params))


@EVERY
def test_floors_hold_and_are_told(name: str) -> None:
    config, _, _, graph = found(name)
    feeds = {g.name for g in graph.groups if g.feeds_classifier}
    sizes = {g.name: g.size for g in graph.groups}
    assert [g.name for g in config.groups] == list(sizes)
    for g in config.groups:
        share = (0.45 if g.name in feeds else 0.4) * g.widened
        assert g.floor in (max(math.floor(share), 1), max(math.ceil(share), 1))
        assert g.floor <= g.found <= g.widened
        assert g.at_floor == (g.found == g.floor)
        assert (g.baseline, g.widened) == (sizes[g.name], 2 * sizes[g.name])
    assert config.unscored == tuple(g.name for g in config.groups if g.unscored)


def test_floors_are_options() -> None:
    high, _, _, _ = found("resnet", floor=0.42, classifier_floor=0.48)
    for g in high.groups:
        share = 0.48 if g.name == "layer3.0.conv2" else 0.42
        assert g.floor in (math.floor(share * g.widened), math.ceil(share * g.widened)) and g.found >= g.floor
    none, _, _, _ = found("resnet", floor=0.0, classifier_floor=0.0)
    assert min(g.found / g.widened for g in none.groups) < 0.4
    assert all(g.found >= 1 for g in none.groups)
    assert sum(g.at_floor for g in high.groups) >= sum(g.at_floor for g in none.groups)


def test_floors_that_prevent_the_budget_are_named() -> None:
    config, network, inputs, _ = found("resnet", macs=0.3)
    assert config.limits is not None
    assert all(g.at_floor for g in config.groups)
    assert counted(config.apply(network), inputs) == (config.found.macs, config.found.params)
    reachable = config.found.macs / config.baseline.macs
    assert f"{reachable:.2f}"[:3] in config.limits or f"{100 * reachable:.0f}" in config.limits, config.limits


def test_uniform_floor_does_not_need_the_classifiers() -> None:
    """Floors of 1 leave the widened network as it is, so only a budget of its whole cost can be met."""
    config, _, _, _ = found("chain", floor=1.0, classifier_floor=1.0, macs=0.9)
    assert config.limits is not None and config.found == config.widened


@pytest.mark.parametrize("criterion", ["gradient", "random", "uniform"])
def test_criteria(criterion: str) -> None:
    one, _, _, graph = found("resnet", criterion=criterion, seed=0)
    two, _, _, _ = found("resnet", criterion=criterion, seed=0)
    other, _, _, _ = found("resnet", criterion=criterion, seed=1)
    assert one.widths == two.widths
    assert one.settings["criterion"] == criterion and one.seed == 0 and other.seed == 1
    assert one.limits is None and one.found.macs <= 0.9 * graph.macs()
    if criterion == "uniform":
        assert one.widths == other.widths
        ratios = [g.found / g.widened for g in one.groups]
        assert all(
            abs(r - sum(ratios) / len(ratios)) <= 2 / g.widened + 0.05 for r, g in zip(ratios, one.groups, strict=True)
        )
    else:
        assert one.widths != other.widths


def test_gradient_is_no_chance() -> None:
    """Two seeds of the gradient agree far better than two of chance, on which ratio a group keeps."""

    def ratios(**settings: object) -> Tensor:
        config = found("resnet", floor=0.05, classifier_floor=0.05, macs=0.5, **settings)[0]
        return torch.tensor([g.found / g.widened for g in config.groups])

    gradient = [ratios(seed=s) for s in (0, 1)]
    assert torch.corrcoef(torch.stack(gradient))[0, 1] > 0.6


def test_embedding_of_a_tracker_is_unscored_and_kept_at_the_mean_ratio() -> None:
    config, _, _, _ = found("siamfc")
    assert config.unscored == ("backbone.7",)
    scored = [g for g in config.groups if not g.unscored]
    embedding = next(g for g in config.groups if g.unscored)
    mean = sum(g.found / g.widened for g in scored) / len(scored)
    assert abs(embedding.found / embedding.widened - mean) <= 2.5 / embedding.widened


def test_classifier_is_a_reader_by_default() -> None:
    """Without it the last group is read by no scored layer: unscored, or noise at its floor."""
    with_it, without = found("chain")[0], found("chain", classifier=False)[0]
    assert not next(g for g in with_it.groups if g.name == "conv2").unscored
    last = next(g for g in without.groups if g.name == "conv2")
    assert last.unscored or last.at_floor
    assert without.settings["classifier"] is False and with_it.settings["classifier"] is True


@pytest.mark.parametrize("width", [1.0, 1.5, 3.0])
def test_width_factor(width: float) -> None:
    config, _, _, graph = found("resnet", width=width, floor=0.2, classifier_floor=0.2)
    for g in config.groups:
        assert abs(g.widened - width * g.baseline) <= 0.5 + 1e-9
    assert config.widened.macs == graph.macs({g.name: g.widened for g in config.groups})
    assert config.limits is None


def test_network_and_batches_are_left_alone() -> None:
    build, inputs, batches, loss = TASKS["resnet"]
    network = build().eval()
    before, copies = remember(network), [[t.clone() for t in batch] for batch in batches]
    seen: list[Batch] = []

    def spy(wide: nn.Module, batch: Batch) -> Tensor:
        seen.append(batch)
        assert wide is not network
        return loss(wide, batch)

    config = find(network, inputs, iter(batches), spy)  # type: ignore[arg-type]
    assert [id(b) for b in seen] == [id(b) for b in batches], "batches are opaque, and each is used once"
    assert not changes(before, network) and not network.training
    assert all(p.grad is None and p.requires_grad for p in network.parameters())
    assert all(
        torch.equal(a, b) for one, two in zip(copies, batches, strict=True) for a, b in zip(one, two, strict=True)
    )
    assert config.search is not None
    assert config.search.batches == 2 and config.search.seconds > 0 and config.search.macs > config.widened.macs


def test_modes_of_the_network() -> None:
    """A network in training mode and one in evaluation mode are searched alike in shape, both within the budget."""
    build, inputs, batches, loss = TASKS["chain"]
    for mode in (True, False):
        config = find(build().train(mode), inputs, batches, loss)  # type: ignore[arg-type]
        assert config.limits is None and config.found.macs <= 0.9 * config.baseline.macs


@settings(max_examples=settings().max_examples // 3)
@given(programs(longest=4), st.floats(0.75, 1.0))
@example(Program(2, (("PixelShuffle", 1, True), ("ChannelsLast", 1, True)), "dense", 1), 0.9)
def test_random_networks(program: Program, macs: float) -> None:
    """Whatever the network: within the budget or with the reason, and `apply` makes what was promised."""
    network, inputs = program.build(), program.inputs()
    try:
        config = find(network, inputs, [example_of(inputs)], squares, macs=macs)
    except BudgetError:  # too much is frozen for this budget
        return
    assert counted(config.apply(network), inputs) == (config.found.macs, config.found.params)
    if config.limits is None:
        left = macs * config.baseline.macs - config.found.macs
        graph = trace(network, inputs)
        assert left >= 0 and (left <= 0.005 * macs * config.baseline.macs or left < cheapest_step(config, graph.macs))
    else:
        assert config.found.macs > macs * config.baseline.macs


def squares(network: nn.Module, batch: Inputs) -> Tensor:
    return torch.stack([t.square().mean() for t in tensors(call(network, batch))]).sum()


def test_describe_is_the_baseline_itself() -> None:
    network = networks.CifarResNet()
    config = describe(network, torch.zeros(2, 3, 8, 8))
    assert config.found == config.widened == config.baseline
    assert (config.found.macs, config.found.params) == counted(network, torch.zeros(2, 3, 8, 8))
    assert all(g.found == g.widened == g.baseline for g in config.groups)
    assert config.input == [[2, 3, 8, 8]] and config.limits is None and config.search is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu() -> None:
    build, inputs, batches, loss = TASKS["resnet"]
    network, moved = build().cuda(), [tuple(t.cuda() for t in batch) for batch in batches]
    one, two = (find(network, inputs.cuda(), moved, loss) for _ in range(2))  # type: ignore[attr-defined]
    assert one.widths == two.widths and one.limits is None
    assert next(one.apply(network).parameters()).is_cuda


def test_the_cost_of_a_search_is_three_forward_passes_of_the_widened_network() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 8, 1)
    )
    x = torch.randn(4, 3, 8, 8)
    config = find(network, x[:1], [x, x], lambda net, batch: net(batch).square().mean(), macs=0.8)
    assert config.search is not None
    assert config.search.macs == 3 * 2 * 4 * config.widened.macs


class Folded(nn.Module):
    """Its view of a 2x2 map has no strides where channels come last."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x).relu()).relu()
        return self.head(x.view(x.size(0), -1))


class Flat(Folded):
    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x).relu()).relu()
        return self.head(x.flatten(1))


def test_a_view_that_takes_one_layout_only_loses_no_batch() -> None:
    found = []
    for kind in (Folded, Flat):
        torch.manual_seed(0)
        found.append(find(kind(), torch.zeros(1, 3, 8, 8), iter(classified((4, 3, 8, 8))), cross_entropy))
    folded, flat = found
    assert folded.widths == flat.widths
    assert folded.search is not None and flat.search is not None
    assert (folded.search.batches, folded.search.macs) == (flat.search.batches, flat.search.macs)


def test_volumes_have_no_channels_last_of_this_kind() -> None:
    network = nn.Sequential(nn.Conv3d(3, 8, 3), nn.ReLU(), nn.Conv3d(8, 5, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    config = find(network, torch.zeros(1, 3, 6, 6, 6), classified((4, 3, 6, 6, 6)), cross_entropy)
    assert config.found.macs <= 0.9 * config.baseline.macs


@pytest.mark.parametrize("name", ["resnet", "densenet"])
def test_a_second_round_is_a_search_from_what_the_first_has_found(name: str) -> None:
    build, example_inputs, batches, loss = TASKS[name]
    once = find(build(), example_inputs, batches, loss, macs=0.9, floor=0.45)
    start = once.apply(build())
    budget = 0.9 * once.baseline.macs / once.found.macs
    again = find(start, example_inputs, batches, loss, macs=budget, floor=0.45, seed=APART)
    both = find(build(), example_inputs, iter(batches), loss, macs=0.9, floor=0.45, rounds=2)
    assert both.widths == again.widths
    assert both.found == again.found and both.baseline == once.baseline
    assert (both.search.batches, both.search.macs) == (4, once.search.macs + again.search.macs)
    assert both.settings["rounds"] == 2 and "rounds" not in once.settings
