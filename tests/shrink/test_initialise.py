"""A network that draws its weights in its constructor is drawn afresh by the same calls, at any widths."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.init import kaiming_normal_, zeros_  # as networks import them

from lwdna_core.shrink import resize, trace
from lwdna_core.shrink.initialise import initialise_weights, remember


class Constructed(nn.Module):
    """He's normal initialisation, zero-initialised last normalisation, a bias for rare classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3)
        self.norm = nn.BatchNorm2d(32)
        self.fc = nn.Linear(32, 10)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                zeros_(module.bias)
        nn.init.zeros_(self.norm.weight)
        nn.init.constant_(self.fc.bias, -math.log(99))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.norm(self.conv(x)).relu().mean((2, 3)))


def test_the_same_widths_and_seed_give_what_the_constructor_gave() -> None:
    torch.manual_seed(0)
    network = remember(Constructed)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(1)
    initialise_weights(network)
    assert network.conv.bias.eq(0).all() and network.norm.weight.eq(0).all()
    assert torch.allclose(network.fc.bias, torch.tensor(-math.log(99)))
    assert network.conv.weight.std().item() == pytest.approx(math.sqrt(2 / (32 * 9)), rel=0.1)


@pytest.mark.parametrize("channels", [8, 500])
def test_the_rule_holds_at_other_widths(channels: int) -> None:
    network = remember(Constructed)
    assert {name for name, _, _ in network.__dict__["_initialisation"]} == {
        "conv.weight", "conv.bias", "norm.weight", "fc.bias"
    }  # fmt: skip
    x = torch.zeros(1, 3, 8, 8)
    resized = resize(network, trace(network, x), {"conv": channels}, initialise=True)
    assert resized.conv.weight.std().item() == pytest.approx(math.sqrt(2 / (channels * 9)), rel=0.15)  # fan-out follows
    assert resized.norm.weight.eq(0).all()
    bound = 1 / math.sqrt(channels)  # torch's own rule for what the constructor leaves alone
    assert 0.8 * bound < resized.fc.weight.abs().max().item() <= bound
    assert torch.allclose(resized.fc.bias, torch.tensor(-math.log(99)))


def test_a_method_of_the_network_comes_before_its_constructor() -> None:
    class Told(Constructed):
        def init_weights(self) -> None:
            nn.init.ones_(self.conv.weight)

    network = remember(Told)
    initialise_weights(network)
    assert network.conv.weight.eq(1).all()


def test_nothing_is_noted_of_networks_built_without_it_and_of_lists() -> None:
    network = Constructed()
    initialise_weights(network)
    assert network.norm.weight.eq(1).all()  # torch's own rule
    assert remember(lambda: [1]) == [1]  # type: ignore[arg-type, return-value, comparison-overlap]
