"""A checkpoint is data: whatever code it carries is not executed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer

from lwdna_core.compare.checkpoints import allow_mmengine_checkpoints, last_checkpoint

Compare = Callable[..., tuple[int, str]]


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.fixture
def interrupted(compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that was interrupted in its third epoch."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setenv("INTERRUPT_AT", "9")
        compare(seeds=1, arms=("baseline",))
    return tmp_path / "out" / "tiny" / "seed0" / "baseline"


def test_a_pickled_object_in_a_checkpoint_is_refused(interrupted: Path, compare: Compare, tmp_path: Path) -> None:
    checkpoint = last_checkpoint(interrupted)
    assert checkpoint is not None and checkpoint.name == "epoch_2.pth"
    torch.save({"meta": Hostile(tmp_path / "executed")}, checkpoint)
    failed, printed = compare(seeds=1, arms=("baseline",), resume=True)
    assert failed == 1
    assert "UnpicklingError" in printed
    assert not (tmp_path / "executed").exists()


def test_the_config_in_a_checkpoint_is_not_executed(interrupted: Path, compare: Compare, tmp_path: Path) -> None:
    checkpoint = last_checkpoint(interrupted)
    assert checkpoint is not None
    allow_mmengine_checkpoints()
    content = torch.load(checkpoint, weights_only=True)
    content["meta"]["config"] = f"open({str(tmp_path / 'executed')!r}, 'w')\n"
    torch.save(content, checkpoint)
    failed, _ = compare(seeds=1, arms=("baseline",), resume=True)
    assert failed == 0
    assert not (tmp_path / "executed").exists()


def test_the_allow_list_does_not_open_getattr(tmp_path: Path) -> None:
    class Reach:
        def __reduce__(self) -> tuple[object, ...]:
            return getattr, (HistoryBuffer, "__init__")

    torch.save(Reach(), tmp_path / "reach.pth")
    allow_mmengine_checkpoints()
    with pytest.raises(Exception, match="refused"):
        torch.load(tmp_path / "reach.pth", weights_only=True)
