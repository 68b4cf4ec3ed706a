"""What belongs to the protocol changes its fingerprint; what does not, does not."""

from __future__ import annotations

import pytest

from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.protocol import differences, fingerprint, protocol


def of(*options: str, max_steps: int | None = None) -> str:
    return fingerprint(protocol(load_experiment("classification", "resnet20_digits", options, max_steps)))


@pytest.mark.parametrize(
    "option",
    [
        "experiment.seeds=5",
        "experiment.arms=[lwdna]",
        "experiment.shrink.floor=0.1",
        "default_hooks.checkpoint.interval=7",
    ],
)
def test_arms_seeds_shrink_settings_and_checkpoints_are_outside(option: str) -> None:
    assert of(option) == of()


@pytest.mark.parametrize(
    "option",
    [
        "experiment.network=cifar_resnet32",
        "optim_wrapper.optimizer.weight_decay=0.1",
        "model.data_preprocessor.flip=True",
        "train_dataloader.batch_size=51",
        "train_dataloader.dataset.split=test",
    ],
)
def test_network_recipe_and_data_are_inside(option: str) -> None:
    assert of(option) != of()


def test_the_length_is_inside() -> None:
    assert len({of(), of(max_steps=10), of(max_steps=11)}) == 3


def test_the_data_count_not_only_their_name() -> None:
    one, other = (
        protocol(load_experiment("classification", "resnet20_digits", (f"train_dataloader.dataset.split={split}",)))
        for split in ("train", "test")
    )
    assert one["data"]["train_dataloader"] != other["data"]["train_dataloader"]
    assert other["data"]["train_dataloader"] == other["data"]["val_dataloader"]
    assert [line.partition(":")[0] for line in differences(one, other)] == [
        "config.train_dataloader.dataset.split", "data.train_dataloader",
    ]  # fmt: skip


def test_differences_name_keys_that_only_one_side_has() -> None:
    assert differences({"a": {"b": 1}, "c": [1, 2]}, {"a": {"d": 1}, "c": [1, 3]}) == [
        "a.b: 1, (absent)", "a.d: (absent), 1", "c.1: 2, 3",
    ]  # fmt: skip
