"""What the engine must leave alone, and where it must say that it cannot know."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.flop_counter import FlopCounterMode

from lwdna_core.shrink import LossError, find, resize, trace

RGB = torch.zeros(1, 3, 8, 8)


def conv(a: int, b: int) -> nn.Conv2d:
    return nn.Conv2d(a, b, 3, padding=1)


def batches(n: int = 1) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 3, 8, 8) for _ in range(n)]


def power(network: nn.Module, batch: Tensor) -> Tensor:
    return network(batch).square().mean()


def test_weights_that_are_not_trained_keep_their_values() -> None:
    blur = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
    nn.init.constant_(blur.weight, 1 / 9).requires_grad_(False)
    network = nn.Sequential(conv(3, 8), blur, conv(8, 2))
    found = find(network, RGB, batches(), power).apply(network)
    assert torch.equal(found[1].weight, torch.full_like(found[1].weight, 1 / 9))


class Wrapper(nn.Module):
    """Only the inner network says how it is initialised."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Inner(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(conv(3, 8), conv(8, 2))
        self.init_weights()

    def init_weights(self) -> None:
        for p in self.parameters():
            nn.init.constant_(p, 0.25)


def test_the_rule_of_an_inner_network_counts() -> None:
    network = Wrapper()
    found = find(network, RGB, batches(), power).apply(network)
    assert all((p == 0.25).all() for p in found.parameters())


class Gain(nn.Module):
    """An integer that happens to equal the size of a cut, and is no size."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.split_at, self.gain = conv(3, 16), conv(8, 6), conv(6, 2), 8, 8

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(self.a(x)[:, : self.split_at]) * self.gain)


def test_a_number_that_is_computed_with_is_not_rewritten() -> None:
    graph = trace(Gain(), RGB)
    assert graph.widths == {"b": 6} and not graph.attributes
    assert any("slice" in f.reason for f in graph.frozen)


class Remembers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.calls = conv(3, 8), conv(8, 2), 0
        self.grid: Tensor | None = None
        self.features: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.grid is None:
            self.grid = torch.rand(x.shape[2:], device=x.device)
        self.features.append(self.a(x))
        return self.b(self.features[-1] * self.grid)


def test_what_the_forward_remembers_is_as_before() -> None:
    network = Remembers()
    trace(network, RGB)
    assert (network.calls, network.grid, network.features) == (0, None, [])
    network(RGB)


def test_a_single_example_at_one_pixel_can_be_analysed_in_training_mode() -> None:
    network = nn.Sequential(conv(3, 8), nn.AdaptiveAvgPool2d(1), conv(8, 6), nn.BatchNorm2d(6), conv(6, 4)).train()
    assert trace(network, RGB).widths == {"0": 8, "2": 6}


class OrderByMode(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.p, self.out = conv(3, 8), conv(3, 8), conv(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        a, b = (self.p(x), self.q(x)) if self.training else (self.q(x), self.p(x))
        return self.out(a + b)


def test_names_do_not_depend_on_the_mode() -> None:
    config = find(OrderByMode().eval(), RGB, batches(), power)
    assert list(config.widths) == ["q"]
    config.apply(OrderByMode().train())


def test_a_gradient_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(LossError, match="group 'q' is not finite"):
        find(OrderByMode(), RGB, batches(), lambda network, x: (network(x) * 0).sum().abs().sqrt())


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a1, self.a2 = conv(3, 8), conv(8, 8), conv(8, 2)
        self.b1, self.b2 = conv(8, 8), conv(8, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        return self.a2(self.a1(x)), self.b2(self.b1(x))


def test_what_the_loss_does_not_reach_is_unscored() -> None:
    config = find(TwoHeads(), RGB, batches(), lambda network, x: network(x)[0].square().mean())
    assert config.unscored == ("b1",)


class ChannelsLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(3, 8), conv(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x.permute(0, 3, 1, 2)))


@pytest.mark.parametrize(
    ("network", "shape", "widths"),
    [(ChannelsLast(), (1, 8, 8, 3), {"a": 8}),
     (nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)), (2, 4, 5), {"0": 7})],
)  # fmt: skip
def test_inputs_of_any_layout(network: nn.Module, shape: tuple[int, ...], widths: dict[str, int]) -> None:
    assert trace(network, torch.zeros(shape)).widths == widths


def test_half_precision() -> None:
    config = find(OrderByMode().bfloat16(), RGB.bfloat16(), [b.bfloat16() for b in batches()],
                  lambda network, x: network(x).float().square().mean())  # fmt: skip
    assert config.found.macs <= 0.9 * config.baseline.macs


def test_a_compiled_network_is_analysed_in_eager_mode_and_stays_compiled() -> None:
    network = nn.Sequential(conv(3, 8), nn.ReLU(), conv(8, 2))

    def compiled(*args: object) -> Tensor:
        raise AssertionError("run by the analysis")

    network[0].compile(backend=compiled)
    call = network[0]._compiled_call_impl
    graph = trace(network, RGB)
    resized = resize(network, graph, {"0": 5})
    assert network[0]._compiled_call_impl is call
    assert resized(RGB).shape == (1, 2, 8, 8)


class Told(nn.Module):
    """Called with keywords that the engine might use itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = conv(3, 8)

    def forward(self, x: Tensor, *, entry: bool = False, run: bool = False, module: bool = False) -> Tensor:
        return self.layer(x) if entry and run and module else x


class Tells(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = Told(), conv(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inner(x, entry=True, run=True, module=True))


def test_keywords_of_a_network_are_its_own() -> None:
    assert trace(Tells(), RGB).widths == {"inner.layer": 8}


class Fills(nn.Module):
    """Fills a dict of its own and a list of a layer's, holds arrays, draws by numpy and by a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = conv(3, 8), conv(8, 2)
        self.mean, self.deviation = torch.rand(3), np.ones(3)
        self.generator = torch.Generator()
        self.grids: dict[tuple[int, ...], list[Tensor]] = {}
        self.first.seen = []
        self.first.register_forward_hook(lambda module, args, out: module.seen.append(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        grid = self.grids.setdefault(tuple(x.shape), [torch.ones(1, device=x.device)])
        noise = torch.rand(1, generator=self.generator).to(x.device)
        return self.last(y.relu() if np.random.rand() < 0.5 else y.sigmoid()) * grid[0] + noise


@pytest.mark.parametrize("seed", range(4))
def test_what_a_forward_remembers_and_draws_is_put_back(seed: int) -> None:
    network = Fills()
    np.random.seed(seed)
    state, own = np.random.get_state()[1].copy(), network.generator.get_state()
    graph = trace(network, RGB)
    resized = resize(network, graph, {"first": 5})
    assert (np.random.get_state()[1] == state).all() and torch.equal(network.generator.get_state(), own)
    assert network.grids == {} == resized.grids and network.first.seen == [] == resized.first.seen
    assert network(RGB).shape == resized(RGB).shape == (1, 2, 8, 8)


class Looks(nn.Module):
    """Needs real values, and works on its input in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = conv(3, 8), conv(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x.mul_(2.0 if float(x.detach().sum()) > 0 else 3.0)))


def test_the_example_is_not_changed() -> None:
    x = torch.ones(1, 3, 8, 8)
    assert trace(Looks(), x).device is None
    assert torch.equal(x, torch.ones(1, 3, 8, 8))


class Auxiliary(nn.Module):
    """Another head in training, which costs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last, self.head = conv(3, 8), conv(8, 2), nn.Sequential(conv(8, 32), conv(32, 2))

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.last(y) + self.head(y) if self.training else self.last(y)


@pytest.mark.parametrize("training", [False, True])
def test_the_budget_is_of_the_mode_that_the_network_came_in(training: bool) -> None:
    network = Auxiliary().train(training)
    config = find(network, RGB, batches(), power, macs=0.9)
    counts = []
    for counted in (network, config.apply(network)):
        with FlopCounterMode(display=False) as counter:
            counted.train(training)(RGB)
        counts.append(counter.get_total_flops() // 2)
    assert counts == [config.baseline.macs, config.found.macs]
    assert 0.8 < counts[1] / counts[0] <= 0.9


def test_a_pruned_network_can_be_resized() -> None:
    network = nn.Sequential(conv(3, 8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), conv(8, 2))
    for layer in (network[0], network[4]):
        prune.random_unstructured(layer, "weight", 0.3)
    graph = trace(network, RGB)
    assert graph.widths == {"0": 8}
    resized = resize(network, graph, {"0": [0, 2, 5]})
    assert (resized[0].out_channels, resized[2].groups, resized[4].in_channels) == (3, 3, 3)
    network[4].weight_mask[:, [1, 3, 4, 6, 7]] = 0
    assert torch.allclose(network(RGB + 1), resized(RGB + 1), atol=1e-5)
