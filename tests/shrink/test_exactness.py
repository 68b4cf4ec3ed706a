"""A shrunk network equals the original with the dropped channels masked, to 1e-10 relative in float64."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, note
from torch import nn

from lwdna_core.shrink import resize, trace

from .masking import TOLERANCE, assert_exact, assert_runs, difference, exact_groups, example, masked, outputs, subsets
from .strategies import SEEDS, Program, programs
from .zoo import CASES, OPEN, Case, prepared

EVERY = pytest.mark.parametrize("case", CASES + OPEN, ids=lambda c: c.name)


@EVERY
def test_random_subsets_of_all_groups(case: Case) -> None:
    network, graph, inputs = prepared(case.name)
    for seed in range(3):
        assert_exact(network, graph, inputs, subsets(graph, seed, exact_groups(graph)), case.silent)


@EVERY
def test_each_group_alone(case: Case) -> None:
    network, graph, inputs = prepared(case.name)
    changed = 0
    whole = outputs(network, example(inputs, seed=1))
    for group in graph.groups:
        if group.size > 1 and not group.mixed_by:
            kept = {group.name: sorted({group.size // 3, group.size - 1})}
            small = assert_exact(network, graph, inputs, kept, case.silent)
            changed += difference(outputs(small, example(inputs, seed=1)), whole) > 1e-3
    assert changed, "dropping channels never changed the output: the comparison says nothing"


@EVERY
def test_order_of_elements_does_not_matter(case: Case) -> None:
    """Where all elements are kept in another order, even a network that mixes channels computes the same."""
    network, graph, inputs = prepared(case.name)
    draw = np.random.default_rng(0)
    x = example(inputs, seed=1)
    turned = resize(network, graph, {g.name: draw.permutation(g.size).tolist() for g in graph.groups})
    assert difference(outputs(turned, x), outputs(network, x)) <= TOLERANCE


@pytest.mark.parametrize(
    "name", ["chain", "resnet-c", "densenet", "srresnet-slopes", "siamfc", "shufflenet", "volumes"]
)
def test_batch_statistics_in_training_mode(name: str) -> None:
    network, graph, inputs = prepared(name)
    network = copy.deepcopy(network).train()
    kept = subsets(graph, 1, exact_groups(graph))
    small, x = resize(network, graph, kept), example(inputs, seed=1)
    assert small.training
    assert difference(outputs(small, x), outputs(masked(network, graph, kept, silent(name)), x)) <= TOLERANCE


def silent(name: str) -> frozenset[str]:
    return next(c.silent for c in CASES if c.name == name)


@pytest.mark.parametrize("case", [c for c in CASES + OPEN if c.mixed or c in OPEN], ids=lambda c: c.name)
def test_mixing_groups_keep_shapes_and_run(case: Case) -> None:
    network, graph, inputs = prepared(case.name)
    for seed in range(2):
        small = resize(network, graph, subsets(graph, seed)).train()
        assert_runs(small, inputs)
        x = example(inputs)
        assert [t.shape for t in outputs(small, x)] == [t.shape for t in outputs(network, x)]
        for m in small.modules():
            if isinstance(m, nn.GroupNorm):
                assert m.num_channels % m.num_groups == 0 and m.weight.numel() == m.num_channels


@given(programs(), SEEDS)
def test_random_networks(program: Program, seed: int) -> None:
    """Free is what must be, and random subsets of all groups are exact (those that mix are left whole)."""
    network, inputs = program.build(), program.inputs()
    graph = trace(network, inputs)
    note(f"groups {[(g.name, g.size, g.mixed_by) for g in graph.groups]}, frozen {graph.frozen}")
    sizes = {g.name: g.size for g in graph.groups}
    assert set(network.free) <= set(sizes), f"frozen: {set(network.free) - set(sizes)}"
    kept = subsets(graph, seed, exact_groups(graph))
    assert_exact(network, graph, inputs, kept, network.silent)
