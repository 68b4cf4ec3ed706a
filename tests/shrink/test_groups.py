"""What is free, with how many elements, what is frozen and why: success must not be vacuous."""

from __future__ import annotations

import numpy as np
import pytest

from lwdna_core.shrink import trace

from .masking import example, randomise
from .zoo import ANY, CASES, OPEN, Case, prepared

EVERY = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


@pytest.mark.parametrize("case", CASES + OPEN, ids=lambda c: c.name)
def test_free_groups_and_their_sizes(case: Case) -> None:
    _, graph, _ = prepared(case.name)
    found = {g.name: g.size for g in graph.groups}
    assert len(found) == len(graph.groups), "two groups of one name"
    wanted = {name: found.get(name) if size == ANY else size for name, size in case.free.items()}
    assert {k: v for k, v in found.items() if k not in case.maybe} == wanted, graph.frozen


@EVERY
def test_frozen_groups_name_the_operation(case: Case) -> None:
    _, graph, _ = prepared(case.name)
    assert all(f.reason and f.size > 0 for f in graph.frozen)
    for word in case.reasons:
        assert any(word in f.reason for f in graph.frozen), f"{word!r} in no reason: {graph.frozen}"
    if case.frozen is not None:
        made = [f.size for f in graph.frozen if "input" not in f.reason]
        assert sorted(made) == sorted(case.frozen), graph.frozen


@EVERY
def test_groups_that_mix_say_so(case: Case) -> None:
    _, graph, _ = prepared(case.name)
    mixed = {g.name for g in graph.groups if g.mixed_by}
    assert mixed - case.maybe == case.mixed
    assert all(word and isinstance(word, str) for g in graph.groups for word in g.mixed_by)


@pytest.mark.parametrize("case", [c for c in CASES if c.classifier is not None], ids=lambda c: c.name)
def test_groups_that_feed_the_classifier(case: Case) -> None:
    _, graph, _ = prepared(case.name)
    assert {g.name for g in graph.groups if g.feeds_classifier} == case.classifier


@pytest.mark.parametrize("case", [c for c in CASES if c.reads], ids=lambda c: c.name)
def test_readers(case: Case) -> None:
    _, graph, _ = prepared(case.name)
    readers = {g.name: {s.tensor for s in g.slots if s.role == "reads"} for g in graph.groups}
    assert {name: readers[name] for name in case.reads} == case.reads


@pytest.mark.parametrize("case", CASES + OPEN, ids=lambda c: c.name)
def test_slots_name_real_dimensions_once(case: Case) -> None:
    """Every index of every dimension belongs to at most one element of one group."""
    network, graph, _ = prepared(case.name)
    named = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    seen: dict[tuple[str, int], list[int]] = {}
    for group in graph.groups:
        for slot in group.slots:
            assert slot.role in ("makes", "reads", "follows")
            assert slot.positions.shape[0] == group.size
            seen.setdefault((slot.tensor, slot.dim), []).extend(slot.positions.reshape(-1).tolist())
    for (tensor, dim), positions in seen.items():
        assert len(set(positions)) == len(positions)
        assert min(positions) >= 0 and max(positions) < named[tensor].shape[dim]


def slot(name: str, group: str, tensor: str, dim: int, role: str) -> np.ndarray:
    """The positions of one slot of one group of a network in the zoo."""
    _, graph, _ = prepared(name)
    slots = next(g for g in graph.groups if g.name == group).slots
    return next(np.sort(s.positions, 1) for s in slots if (s.tensor, s.dim, s.role) == (tensor, dim, role))


def test_positions_known_by_hand() -> None:
    chain = np.arange(8)[:, None]
    assert np.array_equal(slot("chain", "conv1", "conv1.weight", 0, "makes"), chain)
    assert np.array_equal(slot("chain", "conv1", "bn1.running_var", 0, "follows"), chain)
    flat = np.arange(40).reshape(10, 4)  # flatten: channel j is read at its 2 x 2 places
    assert np.array_equal(slot("vgg", "0.3", "2.0.weight", 1, "reads"), flat)
    shuffled = np.arange(24).reshape(6, 4)  # pixel shuffle: 4 neighbouring outputs become one channel
    assert np.array_equal(slot("edsr-x2", "upsample.0", "upsample.0.weight", 0, "makes"), shuffled)
    grouped = np.arange(12).reshape(3, 4).T  # position j of each of 3 groups of 4
    assert np.array_equal(slot("regnet", "conv1", "conv1.weight", 0, "makes"), grouped)
    assert np.array_equal(slot("regnet", "conv1", "conv2.weight", 1, "reads"), np.arange(4)[:, None])
    interleaved = np.arange(8).reshape(2, 4).T  # channel shuffle in 2 groups
    assert np.array_equal(slot("shuffle", "conv1", "conv1.weight", 0, "makes"), interleaved)
    second = 6 + np.arange(4)[:, None]  # the second source of a concatenation
    assert np.array_equal(slot("densenet", "layer1.conv2", "layer2.norm1.bias", 0, "follows"), second)


@pytest.mark.parametrize("name", ["chain", "resnet-c", "edsr-x2", "densenet", "siamfc", "convnext"])
def test_training_and_evaluation_mode_agree(name: str) -> None:
    case = next(c for c in CASES if c.name == name)
    graphs = [trace(randomise(case.build()).train(mode), example(case.inputs)) for mode in (True, False)]
    one, two = ([(g.name, g.size, g.mixed_by, g.feeds_classifier) for g in graph.groups] for graph in graphs)
    assert one == two and graphs[0].frozen == graphs[1].frozen


def test_groups_come_in_the_order_of_the_forward_pass() -> None:
    _, graph, _ = prepared("resnet-c")
    assert [g.name for g in graph.groups][:4] == ["conv1", "layer1.0.conv1", "layer2.0.conv1", "layer2.0.conv2"]
