"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

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
