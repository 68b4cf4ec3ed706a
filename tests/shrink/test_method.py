"""The hypernetwork against a plain loop over the paper's equations, the closed-form score against autograd."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lwdna_core.shrink import ChannelGraph, trace
from lwdna_core.shrink.hypernet import Hypernetwork, attach, redraw
from lwdna_core.shrink.saliency import gradient_score

from . import networks
from .blocks_more import UpDepthwise
from .masking import Inputs, call, example, randomise, tensors
from .zoo import prepared

# residual, depthwise, grouped, concatenating, pixel shuffle, transposed, 1-d and 3-d, Siamese, functional
NAMES = ["chain", "vgg", "resnet-c", "mobilenet", "regnet", "densenet", "rdn", "edsr-x2", "srresnet", "unet", "waves",
         "volumes", "se-linear", "se-conv", "siamfc", "siamrpn", "shufflenet", "convnext", "functional", "tied",
         "autoencoder"]  # fmt: skip
EVERY = pytest.mark.parametrize("name", NAMES)


def fresh(name: str) -> tuple[nn.Module, ChannelGraph, Inputs]:
    """A network of the zoo in training mode, to be changed at will."""
    network, graph, inputs = prepared(name)
    network = copy.deepcopy(network).train().requires_grad_(True)
    for m in network.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0.0
    return network, graph, inputs


def named(network: nn.Module, tensor: str) -> Tensor:
    """A weight by its name, generated or not."""
    path, _, name = tensor.rpartition(".")
    weight: Tensor = getattr(network.get_submodule(path), name)
    return weight


def in_dim(network: nn.Module, tensor: str) -> int:
    """The input side of a weight, known from its module's type (for functional weights: from how they are used)."""
    module = network.get_submodule(tensor.rpartition(".")[0])
    transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
    return 0 if transposed or tensor == "matrix" else 1


def groups_of(network: nn.Module, tensor: str) -> int:
    return getattr(network.get_submodule(tensor.rpartition(".")[0]), "groups", 1)


def looped(w1: Tensor, w2: Tensor, b0: Tensor, b1: Tensor, b2: Tensor, z_in: Tensor, z_out: Tensor) -> np.ndarray:
    """W[i, j, k] of section 3.2, entry by entry: Z = z_a z_b^T + B0; E = Z W1 + B1; W = W2 E + B2."""
    w1, w2, b0, b1, b2, za, zb = (t.detach().numpy() for t in (w1, w2, b0, b1, b2, z_in, z_out))
    weight = np.zeros(w2.shape[:3])
    for i in range(len(za)):
        for j in range(len(zb)):
            z = za[i] * zb[j] + b0[i, j]
            for k in range(w2.shape[2]):
                total = b2[i, j, k]
                for m in range(w1.shape[2]):
                    total += w2[i, j, k, m] * (z * w1[i, j, m] + b1[i, j, m])
                weight[i, j, k] = total
    return weight


def randomise_biases(hyper: Hypernetwork) -> None:
    with torch.no_grad():
        for layer in hyper.layers:
            for bias in (layer.bias0, layer.bias1, layer.bias2):
                bias.normal_()


@EVERY
@pytest.mark.parametrize("m", [2, 3])
def test_generated_weights_equal_the_equations(name: str, m: int) -> None:
    network, graph, _ = fresh(name)
    shapes = {n: p.shape for n, p in network.named_parameters()}
    dims = {n: in_dim(network, n) for n in shapes}
    hyper = attach(network, graph, embedding=m, seed=1)
    randomise_biases(hyper)
    assert hyper.layers
    for layer in hyper.layers:
        shape, ins = shapes[layer.tensor], dims[layer.tensor]
        c_in, c_out, area = shape[ins], shape[1 - ins], math.prod(shape[2:])
        assert layer.weight1.shape == (c_in, c_out, m) and layer.weight2.shape == (c_in, c_out, area, m)
        assert layer.bias0.shape == (c_in, c_out) and layer.bias1.shape == (c_in, c_out, m)
        assert layer.bias2.shape == (c_in, c_out, area)
        assert layer.z_in.shape == (c_in,) and layer.z_out.shape == (c_out,)
        weight = looped(layer.weight1, layer.weight2, layer.bias0, layer.bias1, layer.bias2, layer.z_in, layer.z_out)
        weight = weight.reshape(c_in, c_out, *shape[2:])
        weight = weight if ins == 0 else weight.swapaxes(0, 1)
        generated = named(network, layer.tensor).detach().numpy()
        assert generated.shape == tuple(shape)
        np.testing.assert_allclose(generated, weight, rtol=1e-12, atol=1e-12)


@EVERY
def test_initial_values_and_their_bounds(name: str) -> None:
    network, graph, _ = fresh(name)
    before = {n: (p.shape, in_dim(network, n), groups_of(network, n)) for n, p in network.named_parameters()}
    hyper = attach(network, graph, embedding=8)
    for layer in hyper.layers:
        shape, ins, groups = before[layer.tensor]
        fan_in = shape[ins] * math.prod(shape[2:]) // (groups if ins == 0 else 1)
        bounds = {"weight1": math.sqrt(3), "weight2": math.sqrt(3 / (8 * fan_in))}
        for which, bound in bounds.items():
            values = getattr(layer, which)
            assert values.abs().max() <= bound
            if values.numel() > 100:
                assert values.abs().max() > 0.9 * bound and abs(values.mean()) < 0.35 * bound, (layer.tensor, which)
        assert not any(b.any() for b in (layer.bias0, layer.bias1, layer.bias2))


def test_variance_of_the_first_weights() -> None:
    """Var(W / (z_a z_b)) = 1 / fan-in, and z is standard normal."""
    network = nn.Sequential(networks.conv(3, 64), networks.conv(64, 96), networks.conv(96, 4))
    graph = trace(network, torch.zeros(1, 3, 8, 8))
    hyper = attach(network, graph)
    latents = torch.cat([hyper.latent(g.name) for g in graph.groups])
    assert abs(latents.mean()) < 0.2 and abs(latents.std() - 1) < 0.2
    layer = next(layer for layer in hyper.layers if layer.tensor == "1.weight")
    plain = network[1].weight / (layer.z_out[:, None, None, None] * layer.z_in[:, None, None])
    assert plain.var().item() == pytest.approx(1 / (64 * 9), rel=0.1)


@EVERY
def test_tied_channels_share_one_latent(name: str) -> None:
    """Every slot of a group sees that group's latent vector: element by element, in every layer, for all its copies."""
    network, graph, _ = fresh(name)
    dims = {n: in_dim(network, n) for n, _ in network.named_parameters()}
    hyper = attach(network, graph)
    with torch.no_grad():
        hyper.latents.copy_(torch.arange(hyper.latents.numel()))
    layers, checked = {layer.tensor: layer for layer in hyper.layers}, 0
    for group in graph.groups:
        latent = hyper.latent(group.name)
        assert latent.shape == (group.size,)
        for slot in group.slots:
            if slot.tensor in layers and slot.dim < 2:
                layer = layers[slot.tensor]
                side = layer.z_in if slot.dim == dims[slot.tensor] else layer.z_out
                assert torch.equal(side[torch.as_tensor(slot.positions)], latent[:, None].expand(slot.positions.shape))
                checked += 1
    assert checked >= len(graph.groups)


def test_residual_stage_has_one_latent() -> None:
    network, graph, _ = fresh("resnet-c")
    hyper = attach(network, graph)
    layers = {layer.tensor: layer for layer in hyper.layers}
    stage = [layers[f"layer2.0.{n}.weight"].z_out for n in ("conv2", "shortcut.0")]
    assert torch.equal(*stage) and torch.equal(stage[0], layers["layer3.0.conv1.weight"].z_in)
    assert not torch.equal(layers["layer2.0.conv1.weight"].z_out, stage[0])
    assert torch.equal(layers["layer2.0.conv1.weight"].z_out, layers["layer2.0.conv2.weight"].z_in)


@EVERY
def test_layers_under_the_hypernetwork(name: str) -> None:
    """Every convolution, and every linear layer that reads a group; the classifier only if asked."""
    network, graph, _ = fresh(name)
    read = {s.tensor for g in graph.groups for s in g.slots if s.role == "reads"}
    wanted = {f"{n}.weight" for n, m in network.named_modules() if isinstance(m, nn.modules.conv._ConvNd)}
    wanted |= {f"{n}.weight" for n, m in network.named_modules() if isinstance(m, nn.Linear)} & read
    real = {n for n, _ in network.named_parameters()}  # of tied weights the first name
    found = {layer.tensor for layer in attach(copy.deepcopy(network), graph).layers}
    assert wanted & real <= found
    plain = {layer.tensor for layer in attach(network, graph, classifier=False).layers}
    classifier = {
        "chain": "fc.weight",
        "vgg": "2.3.weight",
        "resnet-c": "fc.weight",
        "mobilenet": "classifier.1.weight",
    }
    if name in classifier:
        assert found - plain == {classifier[name]}


@EVERY
def test_redraw_draws_what_the_hypernetwork_generates(name: str) -> None:
    network, graph, _ = fresh(name)
    drawn, again, other = copy.deepcopy(network), copy.deepcopy(network), copy.deepcopy(network)
    redraw(drawn, graph, embedding=4, seed=7)
    redraw(again, graph, embedding=4, seed=7)
    redraw(other, graph, embedding=4, seed=8)
    hyper = attach(network, graph, embedding=4, seed=7)
    for layer in hyper.layers:
        generated, plain = named(network, layer.tensor), named(drawn, layer.tensor)
        assert (generated - plain).abs().max() <= 1e-12 * plain.abs().max()
        assert torch.equal(plain, named(again, layer.tensor)) and not torch.equal(plain, named(other, layer.tensor))
    touched = {layer.tensor for layer in hyper.layers}
    original = prepared(name)[0].state_dict()
    for tensor, p in drawn.named_parameters():
        assert tensor in touched or torch.equal(p, original[tensor]), f"{tensor} was redrawn without a hypernetwork"


def loss_of(network: nn.Module, inputs: Inputs) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for i, t in enumerate(tensors(call(network, example(inputs, seed=3)))):
        draw = torch.Generator().manual_seed(i)
        target = torch.randn(t.shape, generator=draw, dtype=torch.float64)
        total = total + (t - target).square().mean() + (t * target).tanh().mean()
    return total


def assert_closed_form_is_autograd(network: nn.Module, graph: ChannelGraph, inputs: Inputs, m: int = 3) -> None:
    plain = copy.deepcopy(network)
    latents = redraw(plain, graph, embedding=m, seed=5)
    loss_of(plain, inputs).backward()
    scores = gradient_score(plain, graph, latents)
    hyper = attach(network, graph, embedding=m, seed=5)
    loss_of(network, inputs).backward()
    grad = hyper.latents.grad
    assert grad is not None and set(scores) == {g.name for g in graph.groups}
    with torch.no_grad():  # .latent(name) of the gradient: the same places of the vector
        hyper.latents.copy_(grad)
    assert max(s.max() for s in scores.values()) > 0
    scale = max(float(s.abs().max()) for s in scores.values())
    for g in graph.groups:
        score, through = scores[g.name], hyper.latent(g.name).detach().abs()
        assert score.shape == (g.size,) and (score >= 0).all()
        largest = max(float(through.max()), 1e-9 * scale)  # a side that is scale-invariant has noise for a score
        assert (score - through).abs().max() <= 1e-6 * largest, g.name


@EVERY
def test_closed_form_equals_autograd(name: str) -> None:
    assert_closed_form_is_autograd(*fresh(name))


def test_closed_form_on_a_transposed_depthwise_layer() -> None:
    network = nn.Sequential(networks.conv(3, 6), UpDepthwise(2, 6, 1, True), networks.conv(6, 2))
    inputs = torch.zeros(2, 3, 6, 6, dtype=torch.float64)
    randomise(network)
    assert_closed_form_is_autograd(network, trace(network, inputs), inputs, 2)


def test_own_side_of_a_layer_before_batchnorm_scores_nothing() -> None:
    """Scale invariance: only readers score such a group; without the classifier the last one scores noise."""
    network, graph, inputs = fresh("chain")
    assert isinstance(network, networks.Chain)
    scores = {}
    for classifier in (True, False):
        copied = copy.deepcopy(network)
        latents = redraw(copied, graph, classifier=classifier)
        loss_of(copied, inputs).backward()
        scores[classifier] = gradient_score(copied, graph, latents)
    assert scores[False]["conv2"].median() < 1e-3 * scores[True]["conv2"].median()


def test_generated_network_trains() -> None:
    """One step of SGD on everything, latents included, changes the weights and lowers the loss."""
    network, graph, inputs = fresh("resnet-c")
    hyper = attach(network, graph)
    before = named(network, "layer1.0.conv1.weight").detach().clone()
    assert any(p is hyper.latents for p in network.parameters()), "an optimiser over the network reaches the latents"
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
    first = loss_of(network, inputs)
    first.backward()
    assert all(p.grad is not None for layer in hyper.layers for p in (layer.weight1, layer.weight2, layer.bias0))
    optimiser.step()
    assert loss_of(network, inputs) < first
    assert not torch.equal(before, named(network, "layer1.0.conv1.weight"))
