"""Torch-Pruning as an oracle: the same channels of one layer dropped by both leave the same tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from lwdna_core.shrink import resize, trace

from . import branched, networks

torch_pruning = pytest.importorskip("torch_pruning")

IMAGE = torch.zeros(2, 3, 16, 16)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], torch.Tensor]] = {
    "residual": (lambda: networks.CifarResNet(option="C"), IMAGE),
    "dense": (networks.DenseNet, IMAGE),
    "depthwise": (networks.mobilenet_v2, torch.zeros(2, 3, 32, 32)),
    "flattened": (networks.Vgg, torch.zeros(2, 3, 8, 8)),
    "long-skips": (branched.UNet, torch.zeros(2, 1, 16, 16)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_channels_dropped_leave_the_same_tensors(name: str) -> None:
    build, x = NETWORKS[name]
    torch.manual_seed(0)
    network = build().eval()
    graph = trace(network, x)
    for group in graph.groups:
        dropped = [0, group.size - 2]
        kept = [i for i in range(group.size) if i not in dropped]
        ours = resize(network, graph, {group.name: kept})

        theirs = copy.deepcopy(network)
        slot = next(slot for slot in group.slots if slot.role == "makes")
        layer = theirs.get_submodule(slot.tensor.removesuffix(".weight"))
        prune = (
            torch_pruning.prune_linear_out_channels
            if isinstance(layer, nn.Linear)
            else torch_pruning.prune_conv_out_channels
        )
        analysis = torch_pruning.DependencyGraph().build_dependency(theirs, x)
        analysis.get_pruning_group(layer, prune, idxs=slot.positions[dropped].ravel().tolist()).prune()

        expected, found = theirs.state_dict(), ours.state_dict()
        assert found.keys() == expected.keys()
        for tensor in expected:
            assert torch.equal(found[tensor], expected[tensor]), f"{group.name}: {tensor}"
