"""Closed forms of MACs and parameters against torch's own counter and real tensors, and against published figures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from lwdna_core.shrink import resize, trace

from . import networks
from .masking import counted
from .zoo import CASES, OPEN, Case, prepared


@pytest.mark.parametrize("case", CASES + OPEN, ids=lambda c: c.name)
def test_closed_forms_are_exact(case: Case) -> None:
    """As traced, and at random widths between one element and three times the baseline."""
    network, graph, inputs = prepared(case.name)
    assert counted(network, inputs) == (graph.macs(), graph.params())
    draw = np.random.default_rng(0)
    for _ in range(3):
        widths = {g.name: int(draw.integers(1, 3 * g.size + 1)) for g in graph.groups}
        assert counted(resize(network, graph, widths), inputs) == (graph.macs(widths), graph.params(widths))


def test_macs_are_those_of_the_whole_example() -> None:
    images = torch.zeros(5, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    five, one = (trace(networks.Chain(), x).macs() for x in images)
    assert five == 5 * one
    assert one == 8 * 3 * 9 * 64 + 12 * 8 * 9 * 16 + 120


@pytest.mark.parametrize(
    ("build", "shape", "giga", "params"),
    [
        (networks.ResNet50, (1, 3, 224, 224), 4.0892, 25_557_032),
        (networks.mobilenet_v2, (1, 3, 224, 224), 0.3008, 3_504_872),
        # EDSR baseline, x4: 16 blocks of 64 channels; the published count is without the two mean shifts
        (lambda: networks.Edsr(16, 64, 4), (1, 3, 180, 320), 114.24, 1_517_571 + 24),
    ],
    ids=["resnet50", "mobilenet_v2", "edsr_x4"],
)
def test_published_figures(build: Callable[[], nn.Module], shape: tuple[int, ...], giga: float, params: int) -> None:
    with torch.device("meta"):
        network, x = build().eval(), torch.zeros(shape)
    graph = trace(network, x)
    assert round(graph.macs() / 1e9, 4 if giga < 100 else 2) == giga
    assert graph.params() == params
    wide = {g.name: 2 * g.size for g in graph.groups}
    assert counted(resize(network, graph, wide), x) == (graph.macs(wide), graph.params(wide))
