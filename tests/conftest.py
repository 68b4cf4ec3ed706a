"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest

# No deadline: an example takes as long as torch takes. In CI the examples are the same at every run.
hypothesis.settings.register_profile("lwdna", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("lwdna")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of the data sets; the test is skipped where LWDNA_DATA names none."""
    folder = os.environ.get("LWDNA_DATA")
    if not folder:
        pytest.skip("LWDNA_DATA names no folder of data sets")
    return Path(folder)


@pytest.fixture
def shared_step() -> Callable[[int, int], AbstractContextManager[None]]:
    """A training step in one of two processes that share a batch: of (rank, samples in the whole batch)."""
    import torch
    from torch.testing._internal.distributed.fake_pg import FakeStore

    from lwdna_core.compare.sharing import SharedBatch
    from lwdna_core.data.resident import ResidentSet

    @contextmanager
    def step(rank: int, total: int) -> Iterator[None]:
        loader = ResidentSet({"inputs": torch.arange(total)}, {}).loader(total, "cpu", seed=0)
        # A group whose other process is not there: only rank and number are asked for.
        torch.distributed.init_process_group("fake", store=FakeStore(), rank=rank, world_size=2)
        try:
            hook = SharedBatch()
            hook.before_train_iter(SimpleNamespace(train_dataloader=loader), 0)
            yield
            hook.after_train_iter(None, 0)
        finally:
            torch.distributed.destroy_process_group()

    return step
