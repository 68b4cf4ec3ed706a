"""What would fail after hours is found before the first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lwdna_core.errors import LwdnaError

Compare = Callable[..., tuple[int, str]]

PARTS = """
from torch import nn

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
