"""The criteria against what they stand for: autograd through gates, the hypernetwork at its start, the latents."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lwdna_core.shrink import BudgetError, find, trace
from lwdna_core.shrink.criteria import CRITERIA, gate, gate_per_mac, gradient, hypernet, magnitude, value
from lwdna_core.shrink.hypernet import attach, redraw
from lwdna_core.shrink.saliency import Settings

Batch = tuple[Tensor, Tensor]


class Residual(nn.Module):
    """A trunk that two layers make and two read, a private group, and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(3, 12, 3, padding=1), nn.Conv2d(12, 10, 3, padding=1)
        self.outer, self.norm = nn.Conv2d(10, 12, 1), nn.BatchNorm2d(10)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).tanh()
        x = x + self.outer(self.norm(self.inner(x)).relu())
        return self.head(x.mean((2, 3)))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(3)
    return Residual().double()


@pytest.fixture
def batches() -> list[Batch]:
    torch.manual_seed(4)
    return [(torch.randn(6, 3, 8, 8).double(), torch.randint(5, (6,))) for _ in range(2)]


def loss(network: nn.Module, batch: Batch) -> Tensor:
    return F.cross_entropy(network(batch[0]), batch[1])


def test_hypernet_with_one_batch_is_the_closed_form(network: nn.Module, batches: list[Batch]) -> None:
    graph = trace(network, batches[0][0])
    literal = hypernet(copy.deepcopy(network), graph, batches[:1], loss, Settings(seed=7)).values
    closed = gradient(copy.deepcopy(network), graph, batches[:1], loss, Settings(seed=7)).values
    for name, score in closed.items():
        np.testing.assert_allclose(literal[name], score, rtol=1e-7, atol=1e-12)


def test_hypernet_scores_the_second_batch_after_one_step(network: nn.Module, batches: list[Batch]) -> None:
    """The published loop: SGD(0.1, momentum 0.9, weight decay 1e-4) on everything, gradients zeroed between batches."""
    graph = trace(network, batches[0][0])
    found = hypernet(copy.deepcopy(network), graph, batches, loss, Settings(embedding=2, seed=7))
    hyper = attach(network, graph, embedding=2, seed=7)
    loss(network, batches[0]).backward()
    with torch.no_grad():
        for p in network.parameters():
            if p.grad is not None:  # the first step of SGD with momentum is one without
                p -= 0.1 * (p.grad + 1e-4 * p)
                p.grad = None
    loss(network, batches[1]).backward()
    assert hyper.latents.grad is not None
    for g in graph.groups:
        start = sum(h.size for h in graph.groups[: graph.groups.index(g)])
        expected = hyper.latents.grad[start : start + g.size].abs().numpy()
        np.testing.assert_allclose(found.values[g.name], expected, rtol=1e-6, atol=1e-14)
    assert found.batches == 2


def test_gate_equals_autograd_through_gates(network: nn.Module, batches: list[Batch]) -> None:
    graph = trace(network, batches[0][0])
    found = gate(copy.deepcopy(network), graph, batches[:1], loss, Settings()).values
    trunk, inner = torch.ones(12, dtype=torch.double), torch.ones(10, dtype=torch.double)
    gates = {"inner": trunk.requires_grad_(), "outer": inner.requires_grad_(), "head": trunk}
    for name, g in gates.items():
        shape = (1, -1) if name == "head" else (1, -1, 1, 1)
        network.get_submodule(name).register_forward_pre_hook(lambda _, x, g=g, shape=shape: x[0] * g.view(shape))
    loss(network, batches[0]).backward()
    assert trunk.grad is not None and inner.grad is not None
    np.testing.assert_allclose(found["stem"], trunk.grad.abs().numpy(), rtol=1e-8)
    np.testing.assert_allclose(found["inner"], inner.grad.abs().numpy(), rtol=1e-8)


def test_a_gate_per_mac_is_over_what_a_channel_costs(network: nn.Module, batches: list[Batch]) -> None:
    graph = trace(network, batches[0][0])
    plain = gate(copy.deepcopy(network), graph, batches, loss, Settings()).values
    found = gate_per_mac(network, graph, batches, loss, Settings()).values
    pixels = 6 * 8 * 8
    cost = {"stem": pixels * (3 * 9 + 10 * 9 + 10) + 6 * 5, "inner": pixels * (12 * 9 + 12)}
    for name, score in found.items():
        np.testing.assert_allclose(score * cost[name], plain[name], rtol=1e-12)


def test_value_is_the_random_initialisation(network: nn.Module, batches: list[Batch]) -> None:
    graph = trace(network, batches[0][0])
    found = value(network, graph, batches, loss, Settings(seed=5)).values
    latents = redraw(copy.deepcopy(network), graph, seed=5).values
    np.testing.assert_array_equal(np.concatenate(list(found.values())), latents[: 12 + 10].abs().numpy())


def test_magnitude_shrinks_latents_towards_zero(network: nn.Module, batches: list[Batch]) -> None:
    """Without a gradient to the latents, one batch leaves the decay and the soft threshold alone."""
    graph = trace(network, batches[0][0])
    z = redraw(copy.deepcopy(network), graph, seed=5).values[:22]

    def constant(network: nn.Module, batch: Batch) -> Tensor:
        return sum(p.sum() * 0 for p in network.parameters())

    found = magnitude(network, graph, batches[:1], constant, Settings(seed=5)).values
    expected = ((z * (1 - 0.1 * 1e-4)).abs() - 0.1 * 1e-4).clamp_min(0)
    np.testing.assert_allclose(np.concatenate(list(found.values())), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_finds_within_the_budget(criterion: str, network: nn.Module, batches: list[Batch]) -> None:
    config = find(network, batches[0][0][:1], batches, loss, criterion=criterion, floor=0.2, classifier_floor=0.2)
    assert config.limits is None
    assert 0.7 * config.baseline.macs < config.found.macs <= 0.9 * config.baseline.macs
    assert config.apply(network)(batches[0][0]).shape == (6, 5)


def wide() -> nn.Module:
    def block(a: int, b: int) -> list[nn.Module]:
        return [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU()]

    return nn.Sequential(*block(3, 24), *block(24, 40), *block(40, 33), nn.Conv2d(33, 3, 1))


@pytest.mark.parametrize("macs", [0.6, 0.9, 1.5])
def test_aligned_widths(macs: float) -> None:
    x = torch.randn(2, 3, 8, 8)
    config = find(wide(), x, [x], lambda network, x: network(x).square().mean(), macs=macs, align=8, floor=0.2)
    assert config.limits is None and config.found.macs <= macs * config.baseline.macs
    assert all(g.found % 8 == 0 for g in config.groups)
    graph = trace(wide(), x)
    for g in config.groups:  # no group can have eight more within the budget
        more = {**config.widths, g.name: g.found + 8}
        assert g.found + 8 > g.widened or graph.macs(more) > macs * config.baseline.macs


def test_a_group_narrower_than_the_alignment_stays() -> None:
    x = torch.randn(2, 3, 8, 8)
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 32, 3), nn.Conv2d(32, 3, 3))
    config = find(network, x, [x], lambda network, x: network(x).square().mean(), align=8)
    assert config.widths["0"] == 3 and config.widths["1"] % 8 == 0
    assert any(f.name == "0" and "align=8" in f.reason for f in config.frozen)


def test_bounds_of_single_groups_hold() -> None:
    x = torch.randn(2, 3, 8, 8)
    config = find(wide(), x, [x], lambda network, x: network(x).square().mean(), macs=1.0, freeze=["0"],
                  floors={"3": 0.5}, ceilings={"6": 30}, min_channels=10, floor=0.01)  # fmt: skip
    first, second, third = config.groups
    assert (first.baseline, first.widened, first.found) == (24, 24, 24)
    assert second.found >= 40 and third.found <= 30
    assert all(g.found >= 10 for g in config.groups)
    assert any(f.name == "0" and "freeze" in f.reason for f in config.frozen)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"freeze": ["nothing*"]}, "freeze: no channel group matches 'nothing*'"),
     ({"floors": {"9": 0.5}}, "floors: no channel group"),
     ({"floors": {"3": 0.9}, "ceilings": {"3": 0.5}}, "group '3'"),
     ({"align": 0}, "align"), ({"criterion": "best"}, "criterion 'best'")],
)  # fmt: skip
def test_impossible_bounds(settings: dict[str, object], words: str) -> None:
    x = torch.randn(2, 3, 8, 8)
    with pytest.raises(BudgetError, match=words.replace("*", r"\*")):
        find(wide(), x, [x], lambda network, x: network(x).square().mean(), **settings)  # type: ignore[arg-type]
