"""The networks: their published size, pytorchcv's networks as their equals, their weights, the search, a step."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lwdna_core.networks import build_network
from lwdna_core.shrink import find
from tasks.classification import task
from tasks.classification.networks.inverted_residual import InvertedResidual, Row

# Parameters in millions and MACs in billions, as they were printed: in the network's paper or in torchvision's
# documentation of its weights, unless something else is said. RegNets are called by their MACs.
PUBLISHED = {
    "cifar_resnet20": ("0.27", ""),
    "cifar_resnet32": ("0.46", ""),
    "cifar_resnet44": ("0.66", ""),
    "cifar_resnet56": ("0.85", ""),
    "cifar_resnet110": ("1.7", ""),
    "cifar_resnet164": ("1.7", ""),  # He et al., "Identity Mappings in Deep Residual Networks"
    "cifar_wrn28_10": ("36.5", ""),
    "cifar_wrn40_4": ("8.9", ""),
    "cifar_resnext29_8x64d": ("34.4", ""),
    "cifar_densenet40_12": ("1.0", ""),
    "cifar_densenetbc100_12": ("0.8", ""),
    "cifar_vgg16_bn": ("14.728266", "0.313201664"),  # by hand, from the table's layers
    "cifar_mobilenetv2": ("2.24", "0.088"),  # chenyaofo/pytorch-cifar-models
    "resnet18": ("11.689512", "1.81"),
    "resnet34": ("21.797672", "3.66"),
    "resnet50": ("25.557032", "4.09"),
    "resnet101": ("44.549160", "7.80"),
    "mobilenetv1": ("4.2", "0.569"),
    "mobilenetv2": ("3.504872", "0.30"),
    "mobilenetv3_large": ("5.483032", "0.22"),
    "mobilenetv3_small": ("2.542856", "0.06"),
    "mnasnet": ("4.383312", "0.31"),
    "efficientnet_b0": ("5.288548", "0.39"),
    "regnetx_200mf": ("2.7", "0.20"),
    "regnetx_400mf": ("5.2", "0.40"),
    "regnetx_600mf": ("6.2", "0.60"),
    "regnetx_800mf": ("7.3", "0.80"),
    "regnetx_4gf": ("22.1", "4.0"),
    "regnetx_8gf": ("39.6", "8.0"),
    "regnety_200mf": ("3.2", "0.20"),
    "regnety_400mf": ("4.3", "0.40"),
    "regnety_600mf": ("6.1", "0.60"),
    "regnety_800mf": ("6.3", "0.80"),
}
PYTORCHCV = {
    "cifar_resnet20": "resnet20_cifar10",
    "cifar_resnet56": "resnet56_cifar10",
    "cifar_resnet110": "resnet110_cifar10",
    "cifar_resnet164": "resnet164bn_cifar10",
    "cifar_wrn28_10": "wrn28_10_cifar10",
    "cifar_resnext29_32x4d": "resnext29_32x4d_cifar10",
    "cifar_densenetbc100_12": "densenet100_k12_bc_cifar10",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50b",
    "resnet101": "resnet101b",
    "mobilenetv1": "mobilenet_w1",
    "mobilenetv2": "mobilenetv2b_w1",
    "mobilenetv3_large": "mobilenetv3_large_w1",
    "mobilenetv3_small": "mobilenetv3_small_w1",
    "mnasnet": "mnasnet_b1",
    "efficientnet_b0": "efficientnet_b0",
    "regnetx_200mf": "regnetx002",
    "regnetx_400mf": "regnetx004",
    "regnetx_600mf": "regnetx006",
    "regnetx_800mf": "regnetx008",
    "regnetx_4gf": "regnetx040",
    "regnetx_8gf": "regnetx080",
    "regnety_200mf": "regnety002",
    "regnety_400mf": "regnety004",
    "regnety_600mf": "regnety006",
    "regnety_800mf": "regnety008",
}
# Left out unless slow tests are asked for.
LARGE = ("cifar_wrn28_10", "resnet34", "resnet101", "regnetx_600mf", "regnetx_4gf", "regnetx_8gf", "regnety_600mf")
# One of every kind; all the others on request.
SEARCHED = (
    "cifar_resnet20", "cifar_wrn40_4", "cifar_resnext29_32x4d", "cifar_densenet40_12", "cifar_densenetbc100_12",
    "tiny_mobilenetv1", "tiny_mobilenetv2", "tiny_mobilenetv3_small", "tiny_mnasnet", "cifar_efficientnet_b0",
    "cifar_regnetx_200mf", "regnety_200mf",
)  # fmt: skip


def params(names: object, fast: object) -> list[object]:
    """The names as parameters of a test, marked as slow where they are not among the fast ones."""
    return [pytest.param(name, marks=() if name in fast else pytest.mark.slow) for name in names]


def size(name: str) -> int:
    """Height and width of the images that a network is for."""
    return {"cifar": 32, "tiny": 64}.get(name.split("_")[0], 224)


def cost(network: nn.Module, side: int) -> tuple[int, int]:
    """Parameters and MACs, without computing anything."""
    network = network.to("meta").eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, side, side, device="meta"))
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2


def printed(figure: str) -> object:
    """All numbers that are printed like this when rounded."""
    return pytest.approx(float(figure), abs=0.5001 * 10.0 ** -len(figure.partition(".")[2]))


@pytest.mark.parametrize("name", PUBLISHED)
def test_size_and_cost_are_the_published_ones(name: str) -> None:
    network = build_network(name)
    projections = 0
    if name in ("cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56", "cifar_resnet110"):
        # the paper's own have shortcuts without parameters
        shortcuts = [layer for path, layer in network.named_modules() if path.endswith("shortcut")]
        projections = sum(p.numel() for layer in shortcuts for p in layer.parameters())
    millions, billions = PUBLISHED[name]
    own, macs = cost(network, size(name))
    assert network.fc.out_features == (10 if name.startswith("cifar") else 1000)
    assert (own - projections) / 1e6 == printed(millions)
    assert not billions or macs / 1e9 == printed(billions)


@pytest.mark.parametrize("name", params(PYTORCHCV, PYTORCHCV.keys() - set(LARGE)))
def test_pytorchcvs_network_with_the_same_weights_computes_the_same(name: str) -> None:
    pytest.importorskip("pytorchcv", reason="CONTRIBUTING.md tells how to install pytorchcv, without torchvision")
    torch.manual_seed(0)
    # pytorchcv's small MobileNetV3 has the hidden layer of the large one
    ours = build_network(name, **({"hidden": 1280} if name == "mobilenetv3_small" else {}))
    theirs = build_network(f"pytorchcv:{PYTORCHCV[name]}")
    for network in (ours, theirs):
        network.train()  # so that a normalisation that is missing or elsewhere is noticed
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            elif isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-5
            elif isinstance(module, InvertedResidual):
                module.drop = 0.0
    images = torch.randn(2, 3, size(name), size(name))
    expected, weights = run(ours, images)
    _, their_weights = run(theirs, images)
    assert {key: len(layers) for key, layers in their_weights.items()} == {k: len(v) for k, v in weights.items()}
    with torch.no_grad():
        for key, layers in weights.items():
            for own, other in zip(layers, their_weights[key], strict=True):
                other.weight.copy_(own.weight.view_as(other.weight))
                if own.bias is not None and other.bias is not None:  # ours begin at 0
                    other.bias.copy_(own.bias)
    found, _ = run(theirs, images)
    torch.testing.assert_close(found.flatten(1), expected, rtol=0, atol=2e-5 * float(expected.abs().max()))


def run(network: nn.Module, images: Tensor) -> tuple[Tensor, dict[object, list[nn.Module]]]:
    """The scores, and the layers in the order in which they ran, by the shape of their weights."""
    layers = defaultdict(list)
    hooks = [
        module.register_forward_hook(lambda module, *_: layers[module.weight.squeeze().shape].append(module))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    with torch.no_grad():
        scores = network(images)
    for hook in hooks:
        hook.remove()
    return scores, layers


@pytest.mark.parametrize(
    ("name", "side"),
    # As in the published code: 1/8 or 1/4 of CIFAR's images, 1/16 of Tiny-ImageNet's, 1/32 of it for two.
    [
        ("cifar_mobilenetv2", 4), ("cifar_efficientnet_b0", 8), ("cifar_regnetx_200mf", 8), ("cifar_regnety_800mf", 8),
        ("tiny_mobilenetv1", 2), ("tiny_mnasnet", 2), ("tiny_mobilenetv2", 4), ("tiny_mobilenetv3_large", 4),
        ("tiny_mobilenetv3_small", 4), ("tiny_efficientnet_b0", 4), ("tiny_regnetx_200mf", 4),
        ("tiny_regnety_400mf", 4),
    ],
)  # fmt: skip
def test_smaller_images_keep_the_resolution_of_the_published_code(name: str, side: int) -> None:
    network = build_network(name).to("meta").eval()
    sides = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            module.register_forward_hook(lambda *call: sides.append(call[2].size(3)))
    scores = network(torch.zeros(1, 3, size(name), size(name), device="meta"))
    assert scores.shape == (1, 10 if name.startswith("cifar") else 200)
    assert sides[-1] == side


@pytest.mark.parametrize("name", params(task.networks, SEARCHED))
def test_every_network_is_searched_and_trained_a_step(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, num_classes=7)
    side = 16 if name.startswith("cifar") and "vgg" not in name else 32
    images, labels = torch.randn(2, 3, side, side), torch.randint(7, (2,))

    def loss(network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(network(batch[0]), batch[1])

    config = find(network, images[:1], [(images, labels)], loss, macs=0.9)
    assert [frozen.name for frozen in config.frozen] == ["fc"]  # the network's output, and nothing else
    assert not config.unscored and config.limits is None
    assert 0.89 < config.found.macs / config.baseline.macs <= 0.9
    found = config.apply(network).train()
    weights = [p.detach().clone() for p in found.parameters()]
    optimiser = torch.optim.SGD(found.parameters(), lr=0.1)
    loss(found, (images, labels)).backward()
    optimiser.step()
    moved = [not torch.equal(before, after) for before, after in zip(weights, found.parameters(), strict=True)]
    # A bias before a normalisation, and a channel that relu leaves at 0, may have none.
    assert sum(moved) > 0.75 * len(moved)


@pytest.mark.parametrize("name", ["cifar_resnet20", "cifar_resnet164", "cifar_vgg16_bn", "cifar_densenet40_12"])
def test_weights_have_hes_variance_over_the_inputs(name: str) -> None:
    network = build_network(name)
    scramble(network)
    network.init_weights()
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            assert float(module.weight.detach().var()) == pytest.approx(2 / module.weight[0].numel(), rel=0.15)
    assert_drawn(network)


@pytest.mark.parametrize("name", ["mobilenetv1", "mobilenetv3_small", "mnasnet", "efficientnet_b0", "regnety_200mf"])
def test_weights_have_hes_variance_over_the_outputs(name: str) -> None:
    network = build_network(name)
    scramble(network)
    network.init_weights()
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            outputs = module.out_channels // module.groups * module.weight[0, 0].numel()
            assert float(module.weight.detach().var()) == pytest.approx(2 / outputs, rel=0.15)
    assert float(network.fc.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
    assert_drawn(network)


def scramble(network: nn.Module) -> None:
    """Fill everything that `init_weights` should draw."""
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.detach().fill_(3)


def assert_drawn(network: nn.Module) -> None:
    """No value of `scramble` is left, and the rest is at its beginning."""
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        assert not (tensor == 3).any(), name
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight)), "at 0 it would hide the branch's score"
            assert not module.bias.any() and not module.running_mean.any()


def test_stochastic_depth_drops_whole_images_and_keeps_the_mean() -> None:
    block = InvertedResidual(8, Row(3, 16, 8, 1, 0, F.relu), (F.relu, F.sigmoid), drop=0.25)
    images = torch.randn(1, 8, 4, 4).repeat(4000, 1, 1, 1)  # all alike: without it, so were the outputs
    torch.manual_seed(0)
    with torch.no_grad():
        branch = block(images) - images
    dropped = (branch == 0).flatten(1).all(1)
    assert float(dropped.float().mean()) == pytest.approx(0.25, abs=0.03)
    kept = branch[~dropped]
    torch.testing.assert_close(kept, kept[:1].expand_as(kept))
    with torch.no_grad():
        block.drop = 0.0
        torch.testing.assert_close(kept[:1] * 0.75, block(images)[:1] - images[:1], atol=1e-4, rtol=1e-3)
