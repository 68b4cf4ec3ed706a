"""Folding BatchNorm: what may be folded is, what may not is left, and the outputs never change."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lwdna_core.latency import fold_batch_norm
from lwdna_core.networks import build_network


def settled(network: nn.Module) -> nn.Module:
    """In eval mode, every BatchNorm with statistics and parameters that do something."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None:
            for tensor, low in (
                (module.running_mean, -0.5), (module.running_var, 0.5), (module.weight, 0.5), (module.bias, -0.5)
            ):  # fmt: skip
                if tensor is not None:
                    nn.init.uniform_(tensor, low, low + 1)
    return network.eval()


class Block(nn.Module):
    """A convolution and its BatchNorm, with what subclasses do beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class Shortcut(Block):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y


class InPlace(Block):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        F.relu_(y)
        return self.norm(y)


class Branches(Block):
    """Two BatchNorms read one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + self.other(y)


class Shared(Block):
    """One BatchNorm reads two convolutions, in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) + self.norm(self.second(x))


class Siamese(Block):
    """The same two layers, twice."""

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) * self.norm(self.conv(x.flip(3)))


class Feature(Block):
    """The convolution's output is an output of the network."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.conv(x)
        return {"y": y, "z": self.norm(y)}


class Standardised(nn.Conv2d):
    """A convolution that does more than its class says."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight / weight.std((1, 2, 3), keepdim=True))


class Peeks(Block):
    """Uses the BatchNorm's own attributes, which an identity lacks."""

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) * self.norm.eps


class Single(Block):
    """Makes a float32 constant, so that it does not run in float64."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(super().forward(x), torch.ones(1, 4, 1, 1))


NORM = nn.BatchNorm2d
CASES: list[tuple[Callable[[], nn.Module], int]] = [
    (Block, 1),
    (Siamese, 1),
    (lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), NORM(6), nn.ReLU(), nn.Conv2d(6, 6, 1), NORM(6)), 2),
    (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), NORM(6, affine=False)), 1),
    (lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 2, 2), NORM(6)), 1),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 6), nn.BatchNorm1d(6)), 1),
    (lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 6, 3), nn.BatchNorm3d(6)), 1),
    (lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 2, groups=3), NORM(6)), 0),
    (lambda: nn.Sequential(nn.Linear(8, 6), NORM(3)), 0),  # over the last dimension; the norm is over the second
    (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), NORM(6)), 0),
    (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), NORM(6, track_running_stats=False)), 0),
    (lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 6, 3)), NORM(6)), 0),
    (lambda: nn.Sequential(Standardised(3, 6, 3), NORM(6)), 0),
    (Shortcut, 0),
    (InPlace, 0),
    (Branches, 0),
    (Shared, 0),
    (Feature, 0),
]


@pytest.mark.parametrize(("build", "folded"), CASES)
def test_the_outputs_stay_and_what_can_be_folded_is(build: Callable[[], nn.Module], folded: int) -> None:
    network, x = settled(build()), torch.randn(2, 3, 8, 8)
    before = copy.deepcopy(network.state_dict())
    found = fold_batch_norm(network, x)
    assert (found.folded, found.reason) == (folded, None)
    norms = [m for m in found.network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) + folded == sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())
    with torch.no_grad():
        torch.testing.assert_close(found.network(x), network(x), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(
    ("build", "reason"), [(Peeks, "AttributeError: 'Identity' object"), (Single, "RuntimeError: ")]
)
def test_a_network_that_resists_is_left_and_says_why(build: Callable[[], nn.Module], reason: str) -> None:
    network, x = settled(build()), torch.randn(2, 3, 8, 8)
    found = fold_batch_norm(network, x)
    assert found.folded == 0 and found.reason is not None and found.reason.startswith(reason)
    assert torch.equal(found.network(x), network(x))


@pytest.mark.parametrize(
    ("name", "size", "left"),
    [
        ("cifar_resnet20", 32, 0),
        ("pytorchcv:mobilenetv2_w1", 224, 0),
        ("pytorchcv:shufflenetv2_wd2", 224, 0),
        ("pytorchcv:preresnet10", 224, 5),  # those that read a sum, or a pooled image: one in each of 4 units, the last
    ],
)
def test_networks_that_nobody_prepared(name: str, size: int, left: int) -> None:
    if ":" in name:
        pytest.importorskip("pytorchcv")
    network, x = settled(build_network(name)), torch.randn(1, 3, size, size)
    found = fold_batch_norm(network, x)
    assert found.reason is None
    assert sum(isinstance(m, nn.BatchNorm2d) for m in found.network.modules()) == left
    with torch.no_grad():
        expected = network.double()(x.double())
        assert (found.network.double()(x.double()) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_the_precision_stays() -> None:
    network = settled(Block()).to(torch.bfloat16)
    found = fold_batch_norm(network, torch.randn(2, 3, 8, 8))
    assert found.folded == 1 and {p.dtype for p in found.network.parameters()} == {torch.bfloat16}
