"""A scaled schedule gives the learning rates of the recipe at the same share of the run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import PARAM_SCHEDULERS

from lwdna_core.compare.schedule import Limited, scale_schedulers
from lwdna_core.data.resident import ResidentLoader, ResidentSet
from lwdna_core.errors import LwdnaError


def learning_rates(schedulers: list[dict[str, Any]], ticks: int) -> list[float]:
    """The learning rate before each tick (epoch or step) of mmengine's own schedulers."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    wrapper = OptimWrapper(optimizer)
    built = [PARAM_SCHEDULERS.build(dict(scheduler), default_args={"optimizer": wrapper}) for scheduler in schedulers]
    rates = []
    for _ in range(ticks):
        rates.append(optimizer.param_groups[0]["lr"])
        wrapper.step()
        for scheduler in built:
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    "recipe",
    [
        [{"type": "MultiStepLR", "milestones": [150, 225]}],
        [{"type": "StepLR", "step_size": 30, "gamma": 0.5}],
        [
            {"type": "LinearLR", "start_factor": 0.1, "begin": 0, "end": 30},
            {"type": "CosineAnnealingLR", "T_max": 270, "begin": 30, "end": 300},
        ],
    ],
)
def test_one_step_for_every_epoch_of_the_recipe_gives_its_rates(recipe: list[dict[str, Any]]) -> None:
    scaled = scale_schedulers(recipe, epochs=300, steps_per_epoch=782, steps=300)
    assert all(scheduler["by_epoch"] is False for scheduler in scaled)
    assert learning_rates(scaled, 300) == pytest.approx(learning_rates(recipe, 300))


def test_a_schedule_in_steps_is_scaled_from_all_its_steps() -> None:
    recipe = [{"type": "MultiStepLR", "milestones": [500, 750], "by_epoch": False}]
    (scaled,) = scale_schedulers(recipe, epochs=10, steps_per_epoch=100, steps=20)
    assert scaled["milestones"] == [10, 15]
    assert recipe[0]["milestones"] == [500, 750]  # the recipe itself is untouched


def test_a_very_short_run_keeps_the_order_of_events() -> None:
    recipe = [
        {"type": "LinearLR", "begin": 0, "end": 5},
        {"type": "CosineAnnealingLR", "T_max": 295, "begin": 5, "end": 300},
    ]
    warm_up, cosine = scale_schedulers(recipe, epochs=300, steps_per_epoch=782, steps=2)
    assert (warm_up["begin"], warm_up["end"], cosine["begin"], cosine["end"]) == (0, 2, 1, 2)


@pytest.mark.parametrize(("steps", "parts"), [(1, [(0, 2)]), (2, [(0, 2), (1, 2)]), (90, [(0, 2), (2, 3), (3, 90)])])
def test_parts_of_a_schedule_that_a_very_short_run_has_no_step_for_are_left_out(
    steps: int, parts: list[tuple[int, int]]
) -> None:
    recipe = [
        {"type": "LinearLR", "start_factor": 0.1, "begin": 0, "end": 5},
        {"type": "ConstantLR", "factor": 1.0, "begin": 5, "end": 10},
        {"type": "CosineAnnealingLR", "T_max": 290, "begin": 10, "end": 300},
    ]
    scaled = scale_schedulers(recipe, epochs=300, steps_per_epoch=782, steps=steps)
    assert [(part["begin"], part["end"]) for part in scaled] == parts
    assert learning_rates(scaled, steps)[0] == pytest.approx(0.1)  # mmengine takes them


def test_a_warm_up_of_one_step_is_over_after_it() -> None:
    recipe = [
        {"type": "LinearLR", "start_factor": 0.2, "begin": 0, "end": 1},
        {"type": "ExponentialLR", "gamma": 0.1 ** (1 / 9), "begin": 1, "end": 10},
    ]
    rates = learning_rates(scale_schedulers(recipe, epochs=10, steps_per_epoch=100, steps=10), 10)
    assert rates[0] == pytest.approx(0.2) and rates[1] == pytest.approx(1)
    assert rates[1:] == sorted(rates[1:], reverse=True) and 0.1 < rates[-1] < 0.2


def test_a_linear_part_without_an_end_stays_without_one() -> None:
    (scaled,) = scale_schedulers([{"type": "LinearLR", "start_factor": 0.2}], epochs=10, steps_per_epoch=100, steps=1)
    assert "end" not in scaled and learning_rates([scaled], 1) == pytest.approx([0.2])


def test_what_cannot_be_scaled_is_refused() -> None:
    with pytest.raises(LwdnaError, match="ReduceOnPlateauLR"):
        scale_schedulers({"type": "ReduceOnPlateauLR", "monitor": "loss"}, epochs=10, steps_per_epoch=10, steps=5)


def test_an_exponential_decay_ends_where_the_recipes_does() -> None:
    recipe = {"type": "ExponentialLR", "gamma": 1e-3 ** (1 / 50)}
    scaled = scale_schedulers(recipe, epochs=50, steps_per_epoch=1000, steps=200)
    by_epoch, by_step = learning_rates([recipe], 51), learning_rates(scaled, 201)
    assert by_step[200] == pytest.approx(by_epoch[50]) == pytest.approx(1e-3)
    assert by_step[100] == pytest.approx(by_epoch[25])


def test_a_limited_loader_ends_where_the_run_does() -> None:
    loader = Limited(ResidentLoader(ResidentSet({"inputs": torch.arange(10)}, {}), 3, seed=0), steps=6)
    lengths = []
    for epoch in range(3):
        loader.set_epoch(epoch)
        lengths.append(len(list(loader)))
    assert lengths == [4, 2, 0]
