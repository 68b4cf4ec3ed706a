"""Processes that share every batch: whose part counts what, and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing._internal.distributed.fake_pg import FakeStore

from lwdna_core.compare.sharing import Share, batch_size, check_shares
from lwdna_core.data.resident import ResidentSet
from lwdna_core.errors import LwdnaError


@given(losses=st.lists(st.floats(-9, 9), min_size=1, max_size=40), data=st.data())
def test_the_weighted_mean_of_the_parts_is_that_of_the_whole(losses: list[float], data: st.DataObject) -> None:
    number = data.draw(st.integers(1, len(losses)))
    parts = [losses[index::number] for index in range(number)]
    means = [Share(k, number, len(losses)).weight * sum(part) / len(part) for k, part in enumerate(parts)]
    assert sum(means) / number == pytest.approx(sum(losses) / len(losses), abs=1e-9)


def test_every_process_needs_a_sample_of_every_batch() -> None:
    loader = ResidentSet({"inputs": torch.arange(13)}, {}).loader(5, "cpu", seed=0)
    assert [batch_size(loader, step) for step in range(3)] == [5, 5, 3]
    for processes in (1, 3, 4):
        # A group whose other processes are not there: only their number is asked for.
        torch.distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=processes)
        try:
            if processes <= 3:
                check_shares(loader)
            else:
                with pytest.raises(LwdnaError, match=r"the last batch .* has 3 of the 13 samples, for 4 processes"):
                    check_shares(loader)
        finally:
            torch.distributed.destroy_process_group()
