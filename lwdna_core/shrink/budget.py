"""One global threshold on the scores, where the cost meets a budget.

The cost is a closed form of the widths (`graph.Cost`), so a candidate costs microseconds: the scores are sorted once
and the threshold is found by bisection on the index, exactly and independently of the scores' scale. Channels are lumps
(a trunk channel of ResNet-20 is 0.5 to 2.4 % of its MACs), so what the threshold leaves free is filled up in the order
of the scores until nothing fits.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from numbers import Integral, Real

import numpy as np

from lwdna_core.shrink.errors import BudgetError
from lwdna_core.shrink.graph import ChannelGraph, Cost


@dataclass(frozen=True)
class Bounds:
    """How many channels a group may keep, at least and at most."""

    least: int
    most: int


@dataclass(frozen=True)
class Fit:
    """Elements to keep by group, in their own order; and, where the floors cost more than the budget, a sentence that
    says which ones and what is reachable.
    """

    kept: dict[str, list[int]]
    limits: str | None


def matching(name: str, patterns: Collection[str]) -> str | None:
    """The first of some shell patterns that a group's name matches."""
    return next((p for p in patterns if fnmatchcase(name, p)), None)


def check_patterns(names: Collection[str], patterns: Collection[str], option: str) -> None:
    """Raise BudgetError for a pattern that no group matches, or that stands for what is no bound."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise BudgetError(f"{option}: no channel group matches {pattern!r}; there are {', '.join(names)}")
    for pattern, bound in patterns.items() if isinstance(patterns, Mapping) else ():
        most = math.inf if isinstance(bound, Integral) else 1
        if isinstance(bound, bool) or not isinstance(bound, Real) or not 0 <= float(bound) <= most:
            raise BudgetError(
                f"{option} of {pattern!r}: expected a share from 0.0 to 1.0 or a number of channels, got {bound!r}"
            )


def channels(share: float, size: int) -> int:
    """A bound as a number of channels: a float is a share of the group's widened channels, an int the number itself."""
    return max(1, min(size, int(share) if isinstance(share, Integral) else int(size * share)))


def bounds(
    graph: ChannelGraph,
    *,
    floor: float,
    classifier_floor: float,
    floors: Mapping[str, float],
    ceilings: Mapping[str, float],
    min_channels: int,
    align: int,
    pinned: Collection[str],
) -> dict[str, Bounds]:
    """The bounds of every group; see `search.find` for the arguments. `pinned` groups stay as they are.

    Shares round down, as in the published code; with `align`, floors then go to its nearest multiple, ceilings down.
    """
    found = {}
    for g in graph.groups:
        if g.name in pinned:
            found[g.name] = Bounds(g.size, g.size)
            continue
        low, high = matching(g.name, floors), matching(g.name, ceilings)
        share = floors[low] if low else float(classifier_floor if g.feeds_classifier else floor)
        most = (channels(ceilings[high], g.size) if high else g.size) // align * align
        least = max((channels(share, g.size) + align // 2) // align, 1, -(-min_channels // align)) * align
        least = least if low else min(least, g.size // align * align)
        if least > most:
            raise BudgetError(
                f"group {g.name!r} of {g.size} widened channels must keep at least {least} and at most {most}"
                + (f" (multiples of {align})" if align > 1 else "")
            )
        found[g.name] = Bounds(least, most)
    return found


def check_budget(graph: ChannelGraph, budget: float, reference: int, cost: str) -> None:
    """Raise BudgetError if a budget is not between 0 and the cost of the widened network; the arguments are `fit`'s."""
    whole = graph.macs() if cost == "macs" else graph.params()
    if not 0 < budget * reference <= whole:
        raise BudgetError(
            f"{cost} must be above 0 and at most {whole / reference:.4g}, what the widened network has relative to the "
            f"baseline's {reference:,} {cost}; got {budget:g}"
        )


def fit(
    graph: ChannelGraph, scores: Mapping[str, np.ndarray], limits: Mapping[str, Bounds], unscored: Collection[str], *,
    budget: float, reference: int, cost: str = "macs", align: int = 1,
) -> Fit:  # fmt: skip
    """Keep the elements with the highest scores, as many as the budget admits.

    Args:
        graph: of the widened network.
        scores: per group, one per element.
        limits: per group, how many elements stay at least, whatever they score, and at most.
        unscored: groups whose scores mean nothing; they keep the mean share of the others.
        budget: share of `reference`, which is the baseline's cost.
        cost: "macs" or "params".
        align: channels come and go in lumps of so many; a lump scores the mean of its elements.
    """
    form: Cost = graph.macs_form if cost == "macs" else graph.params_form
    size = np.array([g.size for g in graph.groups], dtype=np.int64)
    target = budget * reference
    least = np.array([limits[g.name].least for g in graph.groups], dtype=np.int64)
    most = np.array([limits[g.name].most for g in graph.groups], dtype=np.int64)
    blind = np.array([g.name in unscored for g in graph.groups]) & (least < most)
    free = ~blind & (least < most)
    order = [np.argsort(-scores[g.name], kind="stable") for g in graph.groups]
    queue = _queue([scores[g.name][order[i]] for i, g in enumerate(graph.groups)], least, most, free, align)

    def complete(counts: np.ndarray) -> np.ndarray:
        if not blind.any() or not free.any():
            return counts
        mean = (counts[free] / size[free]).mean()
        wanted = np.rint(mean * size / align).astype(np.int64) * align
        return np.where(blind, wanted.clip(least, most), counts)

    def widths(taken: int) -> np.ndarray:
        return least + align * np.bincount(queue[:taken], minlength=len(size))

    low, high = 0, len(queue)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if form(complete(widths(middle))) <= target else (low, middle - 1)
    counts = widths(low)
    closed = ~free
    for g in queue[low:]:
        if not closed[g]:
            counts[g] += align
            if form(complete(counts)) > target:  # nor will any other channel of this group fit
                counts[g] -= align
                closed[g] = True
                if closed.all():
                    break
    found = complete(counts)
    kept = {g.name: sorted(order[i][: found[i]].tolist()) for i, g in enumerate(graph.groups)}
    reached = form(found)
    return Fit(kept, _explain(graph, limits, reached / reference, cost, budget) if reached > target else None)


def _queue(ranked: list[np.ndarray], least: np.ndarray, most: np.ndarray, free: np.ndarray, align: int) -> np.ndarray:
    """Groups in the order in which their next best lump above the floor comes up."""
    groups, values = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    for i in np.nonzero(free)[0]:
        lumps = ranked[i][least[i] : most[i]].reshape(-1, align).mean(1)
        groups.append(np.full(len(lumps), i))
        values.append(lumps)
    return np.concatenate(groups)[np.argsort(-np.concatenate(values), kind="stable")]


def _explain(graph: ChannelGraph, limits: Mapping[str, Bounds], reached: float, cost: str, budget: float) -> str:
    names = [f"{g.name} ({limits[g.name].least} of {g.size})" for g in graph.groups]
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return f"the floors prevent {budget:g} of the baseline's {cost}: {shown}; reachable is {reached:.4g}"
