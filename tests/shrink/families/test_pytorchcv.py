"""Networks of pytorchcv, which nobody prepared for the engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .catalogue import PYTORCHCV, params
from .judge import Network, Row

pytest.importorskip("pytorchcv", reason="pytorchcv is not installed: CONTRIBUTING.md tells how, without torchvision")


@pytest.mark.parametrize("case", params(PYTORCHCV))
def test_network(case: Network, verdict: Callable[[Network], Row]) -> None:
    verdict(case)
