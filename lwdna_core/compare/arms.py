"""The arms of a comparison: a name, and what it asks of the search for channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Arm:
    """One way to choose the channels of the network.

    Attributes:
        summary: one line for tables and help.
        shrink: what its search changes in the config's shrink settings; None is no search, the network as it is.
    """

    summary: str
    shrink: Mapping[str, Any] | None


BASELINE = "baseline"

ARMS: dict[str, Arm] = {
    BASELINE: Arm("the network as published", None),
    "lwdna": Arm("layer-wise differentiated channels, found by widening and shrinking", {}),
}
