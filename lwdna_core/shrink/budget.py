"""One global threshold on the scores, where the cost meets a budget.

The cost is a closed form of the widths (`graph.Cost`), so a candidate costs microseconds: the scores are sorted once
and the threshold is found by bisection on the index, exactly and independently of the scores' scale. Channels are lumps
(a trunk channel of ResNet-20 is 0.5 to 2.4 % of its MACs), so what the threshold leaves free is filled up in the order
of the scores until nothing fits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from lwdna_core.shrink.errors import BudgetError
from lwdna_core.shrink.graph import ChannelGraph, Cost


@dataclass(frozen=True)
class Fit:
    """Elements to keep by group, in their own order; and, where the floors cost more than the budget, a sentence that
    says which ones and what is reachable.
    """

    kept: dict[str, list[int]]
    limits: str | None


def floor_width(size: int, share: float) -> int:
    """The smallest number of channels that a group of `size` may keep, as the published code rounds it."""
    return max(int(size * share), 1)


def check_budget(graph: ChannelGraph, budget: float, reference: int, cost: str) -> None:
    """Raise BudgetError if a budget is not between 0 and the cost of the widened network; the arguments are `fit`'s."""
    whole = graph.macs() if cost == "macs" else graph.params()
    if not 0 < budget * reference <= whole:
        raise BudgetError(
            f"{cost} must be above 0 and at most {whole / reference:.4g}, what the widened network has relative to the "
            f"baseline's {reference:,} {cost}; got {budget:g}"
        )


def fit(
    graph: ChannelGraph, scores: Mapping[str, np.ndarray], floors: Mapping[str, int], unscored: Collection[str], *,
    budget: float, reference: int, cost: str = "macs",
) -> Fit:  # fmt: skip
    """Keep the elements with the highest scores, as many as the budget admits.

    Args:
        graph: of the widened network.
        scores: per group, one per element.
        floors: per group, how many elements stay whatever they score.
        unscored: groups whose scores mean nothing; they keep the mean share of the others.
        budget: share of `reference`, which is the baseline's cost.
        cost: "macs" or "params".

    """
    form: Cost = graph.macs_form if cost == "macs" else graph.params_form
    size = np.array([g.size for g in graph.groups], dtype=np.int64)
    target = budget * reference
    free = np.array([g.name not in unscored for g in graph.groups])
    least = np.array([floors[g.name] for g in graph.groups], dtype=np.int64)
    order = [np.argsort(-scores[g.name], kind="stable") for g in graph.groups]
    queue = _queue(graph, scores, order, least, free)

    def complete(counts: np.ndarray) -> np.ndarray:
        if free.all() or not free.any():
            return counts
        share = (counts[free] / size[free]).mean()
        return np.where(free, counts, np.maximum(least, np.rint(share * size).astype(np.int64)))

    def widths(taken: int) -> np.ndarray:
        return complete(least + np.bincount(queue[:taken], minlength=len(size)))

    low, high = 0, len(queue)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if form(widths(middle)) <= target else (low, middle - 1)
    counts = least + np.bincount(queue[:low], minlength=len(size))
    full = np.zeros(len(size), dtype=bool)
    for g in queue[low:]:
        if not full[g]:
            counts[g] += 1
            if form(complete(counts)) > target:  # nor will any other channel of this group fit
                counts[g] -= 1
                full[g] = True
                if full[free].all():
                    break
    found = complete(counts)
    kept = {g.name: sorted(order[i][: found[i]].tolist()) for i, g in enumerate(graph.groups)}
    reached = form(found)
    return Fit(kept, _limits(graph, floors, found, cost, reached, reference, budget) if reached > target else None)


def _queue(
    graph: ChannelGraph, scores: Mapping[str, np.ndarray], order: list[np.ndarray], least: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """Groups in the order in which their next best element above the floor comes up."""
    groups = [np.full(g.size - least[i], i) for i, g in enumerate(graph.groups) if free[i]]
    values = [scores[g.name][order[i]][least[i] :] for i, g in enumerate(graph.groups) if free[i]]
    if not groups:
        return np.zeros(0, dtype=np.int64)
    return np.concatenate(groups)[np.argsort(-np.concatenate(values), kind="stable")].astype(np.int64)


def _limits(
    graph: ChannelGraph,
    floors: Mapping[str, int],
    found: np.ndarray,
    cost: str,
    reached: int,
    reference: int,
    budget: float,
) -> str:
    names = [f"{g.name} ({floors[g.name]} of {g.size})" for g in graph.groups]
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return (
        f"the floors prevent {budget:g} of the baseline's {cost}: {shown}; reachable is {reached / reference:.4g} "
        f"({reached:,} {cost})"
    )
