"""Restoration networks and trackers, in the sizes that people use and on small images: widths are what matters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .catalogue import RESTORATION, params
from .judge import Network, Row


@pytest.mark.parametrize("case", params(RESTORATION))
def test_network(case: Network, verdict: Callable[[Network], Row]) -> None:
    verdict(case)
