"""Batches by index: every sample once an epoch, in an order that (seed, epoch) gives."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from lwdna_core.data.resident import ResidentLoader, ResidentSet


def numbers(count: int = 10) -> ResidentSet:
    return ResidentSet({"inputs": torch.arange(count, dtype=torch.uint8), "labels": torch.arange(count) * 2}, {})


def epoch(loader: ResidentLoader, index: int) -> list[int]:
    loader.set_epoch(index)
    return [int(value) for batch in loader for value in batch["inputs"]]


def test_every_sample_comes_once_and_keeps_its_label() -> None:
    loader = ResidentLoader(numbers(), batch_size=4, seed=0)
    batches = list(loader)
    assert [len(batch["inputs"]) for batch in batches] == [4, 4, 2] == [4] * (len(loader) - 1) + [2]
    inputs, labels = (torch.cat([batch[name] for batch in batches]) for name in ("inputs", "labels"))
    assert sorted(inputs.tolist()) == list(range(10))
    assert torch.equal(inputs.long() * 2, labels)
    assert inputs.dtype == torch.uint8


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    first, second = (ResidentLoader(numbers(100), batch_size=7, seed=3) for _ in range(2))
    orders = [epoch(first, index) for index in range(3)]
    np.random.seed(1)
    torch.manual_seed(1)
    assert [epoch(second, index) for index in (2, 1, 0)] == orders[::-1]
    assert len({tuple(order) for order in orders}) == 3
    assert epoch(ResidentLoader(numbers(100), batch_size=7, seed=4), 0) != orders[0]


def test_without_a_seed_the_set_keeps_its_order() -> None:
    assert epoch(ResidentLoader(numbers(), batch_size=3), 5) == list(range(10))


def test_samples_of_so_many_steps() -> None:
    loader = ResidentLoader(numbers(), batch_size=4, seed=0)
    assert [loader.samples(steps) for steps in range(5)] == [0, 4, 8, 10, 14]


def test_the_fingerprint_sees_names_types_shapes_and_contents() -> None:
    array = torch.arange(4, dtype=torch.uint8)
    changed = array.clone()
    changed[3] = 9
    variants = [
        {"inputs": array},
        {"labels": array},
        {"inputs": array.to(torch.int8)},
        {"inputs": array.view(2, 2)},
        {"inputs": changed},
    ]
    prints = [ResidentSet(arrays, {}).fingerprint for arrays in variants]
    assert len(set(prints)) == len(variants)
    strided = torch.stack([array, array], 1)[:, 0]
    assert ResidentSet({"inputs": strided}, {}).fingerprint == prints[0]


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 99))
def test_subsets_are_nested_and_hold_every_class_by_its_share(labels: list[int], seed: int) -> None:
    data = ResidentSet({"labels": torch.tensor(labels), "at": torch.arange(len(labels))}, {})
    previous: set[int] = set()
    for fraction in (0.1, 0.25, 0.5, 1.0):
        part = data.subset(fraction, seed)
        chosen = set(part.arrays["at"].tolist())
        assert previous <= chosen
        for label in set(labels):
            assert part.arrays["labels"].tolist().count(label) == max(1, round(fraction * labels.count(label)))
        previous = chosen
    assert previous == set(range(len(labels)))
