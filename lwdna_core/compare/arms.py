"""The arms of a comparison: a name, and how the channels of its network are chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lwdna_core.errors import LwdnaError

Shares = Callable[[Sequence[float], Any], Sequence[float]]
"""(LW-DNA's share of every group's widened channels, a numpy generator) -> the control's, up to a common factor."""


@dataclass(frozen=True)
class Arm:
    """One way to choose the channels of the network. With neither `shrink` nor `shares` it is the network as it is.

    Attributes:
        summary: one line for tables and help.
        shrink: what its search changes in the config's shrink settings.
        shares: for a control, which has the MACs of the LW-DNA of its seed; see `Shares`.
        widened: the channels are those from which the search starts.
    """

    summary: str
    shrink: Mapping[str, Any] | None = None
    shares: Shares | None = None
    widened: bool = False


BASELINE = "baseline"
LWDNA = "lwdna"
SEARCH = "search"
"""The folder beside those of a seed's arms: no arm."""

ARMS: dict[str, Arm] = {
    BASELINE: Arm("the network as published"),
    LWDNA: Arm("layer-wise differentiated channels, found by widening and shrinking", shrink={}),
    "uniform": Arm(
        "a control: every layer of the baseline scaled alike, to LW-DNA's MACs",
        shares=lambda found, random: [1.0] * len(found),
    ),
    "random": Arm(
        "a control: one keep ratio drawn per group, all scaled to LW-DNA's MACs",
        # 1 - [0, 1): none is 0
        shares=lambda found, random: list(1 - random.random(len(found))),
    ),
    "shuffled": Arm(
        "a control: LW-DNA's ratios permuted over the groups, scaled to its MACs",
        shares=lambda found, random: list(random.permutation(found)),
    ),
    "widened": Arm("the widened network that the search starts from", widened=True),
    # Of log ratios: half of each, all twice, the other way round. `uniform` is none of them, `lwdna` all.
    "damped": Arm(
        "a control: the square roots of LW-DNA's ratios, scaled to its MACs",
        shares=lambda found, random: [ratio**0.5 for ratio in found],
    ),
    "amplified": Arm(
        "a control: the squares of LW-DNA's ratios, scaled to its MACs",
        shares=lambda found, random: [ratio**2 for ratio in found],
    ),
    "mirrored": Arm(
        "a control: the inverses of LW-DNA's ratios, scaled to its MACs",
        shares=lambda found, random: [1 / ratio for ratio in found],
    ),
}


def searched(name: str, shrink: Mapping[str, Any]) -> Arm:
    """An arm of a config's own: LW-DNA by other settings, `dict(name="lwdna-floor0.2", floor=0.2)`."""
    if name in ARMS or not name or name in (".", "..", SEARCH) or any(sign in name for sign in "/\\: "):
        raise LwdnaError(f"an arm of one's own cannot be called {name!r}")
    settings = ", ".join(f"{key}={value}" for key, value in shrink.items())
    return Arm(f"LW-DNA by other settings: {settings}", shrink=dict(shrink))
