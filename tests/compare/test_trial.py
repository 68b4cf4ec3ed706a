"""What would fail after hours is found before the first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lwdna_core.errors import LwdnaError

Compare = Callable[..., tuple[int, str]]

PARTS = """
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from tasks.classification.model import ImageClassifier
from tiny_parts import build
from torch import nn

class Saying(nn.Module):
    # what it says of itself holds a random weight, and a set
    def __init__(self):
        super().__init__()
        self.layers, self.marks = build(), {"one", "two", "three", "four"}

    def extra_repr(self):
        return f"first weight {self.layers[0].weight[0, 0, 0, 0]:.5f}, marks {self.marks}"

    def forward(self, x):
        return self.layers(x)

class Two(ImageClassifier):
    def forward(self, inputs, labels, mode):
        found = super().forward(inputs, labels, mode)
        if mode == "loss":
            return {"loss_one": found["loss"] * torch.ones(3), "loss_two": found["loss"]}
        return found

    def parse_losses(self, losses):
        return BaseModel.parse_losses(self, losses)

class Penalised(ImageClassifier):
    def forward(self, inputs, labels, mode):
        if mode == "loss":
            inputs = inputs.requires_grad_()
            loss = super().forward(inputs, labels, mode)["loss"]
            (gradient,) = torch.autograd.grad(loss, inputs, create_graph=True)
            return {"loss": loss + gradient.square().sum()}
        return super().forward(inputs, labels, mode)

class Wrapper(OptimWrapper):
    def __init__(self, optimizer, rho):
        super().__init__(optimizer)
        self.rho = rho

def fixed():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 10))
"""


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("experiment.shrink.criterion=gat", "experiment.shrink for lwdna: no criterion 'gat'; there are gradient"),
        ("experiment.shrink.floor=1.5", "for lwdna: floor is a share of the widened channels.* got 1.5"),
        ("experiment.shrink.freeze=[layerX]", "for lwdna: freeze: no channel group matches 'layerX'; there are"),
        ("experiment.shrink.floors.layerX=0.2", "for lwdna: floors: no channel group matches 'layerX'"),
        ("experiment.shrink.align=0", "for lwdna: align must be a whole number of at least 1; got 0"),
        ("experiment.shrink.macs=0", "for lwdna: macs must be above 0"),
        ("optim_wrapper.optimizer.lr=-1", "tiny.py: optim_wrapper: .*Invalid learning rate"),
    ],
)
def test_settings_that_cannot_be_are_found_before_the_first_step(
    option: str, message: str, compare: Compare, tmp_path: Path
) -> None:
    with pytest.raises(LwdnaError, match=message):
        compare(seeds=1, max_steps=2, options=(option,))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("momentum=0.9", "momentun=0.9", "tiny.py: optim_wrapper: .*momentun"),
        ("milestones=[2, 3]", "milestonez=[2, 3]", "tiny.py: param_scheduler: .*milestonez"),
        (
            'type="tiny_parts.Trouble"',
            'type="tiny_parts.Trouble", often=2',
            "tiny.py: custom_hooks: .*takes no arguments",
        ),
        (
            'network="tiny_parts:build", input=(3, 32, 32)',
            'network="trial_parts:fixed", input=(3, 31)',
            r"trial_parts:fixed: it takes no images of experiment.input, \[3, 31\]: RuntimeError",
        ),
        (
            'network="tiny_parts:build", input=(3, 32, 32)',
            'network="trial_parts:fixed", input=(3, 16, 16)',
            r"experiment\.input: expected \[3, 32, 32\], what train_dataloader's images become, got \[3, 16, 16\]",
        ),
    ],
)
def test_a_config_that_cannot_be_run_is_found_before_the_first_step(
    before: str, after: str, message: str, compare: Compare, tiny: Path
) -> None:
    (tiny.parent / "trial_parts.py").write_text(PARTS)
    tiny.write_text(tiny.read_text().replace(before, after))
    with pytest.raises(LwdnaError, match=message):
        compare(seeds=1, max_steps=2)
    assert not (tiny.parent / "out").exists()


def test_a_baseline_alone_asks_nothing_of_the_search(compare: Compare) -> None:
    assert compare(seeds=1, arms=("baseline",), max_steps=2, options=("experiment.shrink.floor=1.5",))[0] == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("seeds=2)", 'seeds=2)\nmodel = dict(type="trial_parts.Two")'),
        ("seeds=2)", 'seeds=2)\nmodel = dict(type="trial_parts.Penalised")'),
        ('"tiny_parts:build"', '"trial_parts:Saying"'),
        ('[dict(type="tiny_parts.Trouble")]', '[dict(type="EmptyCacheHook", after_epoch=True, priority="LOW")]'),
        ("optim_wrapper = dict(", 'optim_wrapper = dict(type="trial_parts.Wrapper", rho=0.1, '),
    ],
    ids=["losses by name", "gradients in the loss", "a random repr", "a hook's priority", "an optimiser wrapper"],
)
def test_what_mmengine_runs_is_not_refused(before: str, after: str, compare: Compare, tiny: Path) -> None:
    (tiny.parent / "trial_parts.py").write_text(PARTS)
    tiny.write_text(tiny.read_text().replace(before, after))
    assert compare(seeds=1, arms=("baseline",), max_steps=2)[0] == 0


def test_an_unknown_network_is_called_unknown(compare: Compare) -> None:
    with pytest.raises(LwdnaError, match=r"^unknown network 'cifar_resnt20'; near ones: cifar_resnet20"):
        compare(options=("experiment.network=cifar_resnt20",))
