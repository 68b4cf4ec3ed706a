"""The channels of the controls, which cost what LW-DNA costs, and of the widened network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from torch import nn

from lwdna_core.compare.arms import Shares
from lwdna_core.shrink import ChannelConfig, trace
from lwdna_core.shrink.channels import Totals
from lwdna_core.shrink.forward import Inputs
from lwdna_core.shrink.graph import ChannelGraph


def control(found: ChannelConfig, shares: Shares, network: nn.Module, example_inputs: Inputs) -> ChannelConfig:
    """Channels in the proportions of `shares`, at the cost of the LW-DNA `found`: MACs, or parameters if those were its
    budget.

    The common factor is the largest that stays within the cost; then single channels (or as many as the search's
    `align`) are added where rounding took most, as long as they fit.

    Args:
        found: LW-DNA of this seed.
        shares: how the control chooses; see `arms.Shares`.
        network, example_inputs: the baseline.
    """
    graph = trace(network, example_inputs)
    names = [group.name for group in found.groups]
    most = {group.name: group.widened for group in found.groups}
    kept = [group.found / group.baseline for group in found.groups]
    drawn = shares(kept, np.random.default_rng((found.seed, len(kept))))
    wanted = {g.name: share * g.baseline for g, share in zip(found.groups, drawn, strict=True)}
    frozen = {group.name for group in found.frozen}
    movable = [g.name for g in found.groups if g.name not in frozen]
    fixed = {g.name: g.found for g in found.groups if g.name in frozen}
    align = found.settings.get("align", 1)
    cost = "params" if "params" in found.settings else "macs"
    limit = getattr(found.found, cost)

    def price(widths: Mapping[str, int]) -> int:
        return graph.params(widths) if cost == "params" else graph.macs(widths)

    def scaled(factor: float) -> dict[str, int]:
        return {n: fixed[n] if n in fixed else _step(factor * wanted[n], align, most[n]) for n in names}

    low, high = 0.0, max(most[n] / wanted[n] for n in names)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if price(scaled(middle)) <= limit else (low, middle)
    widths = _fill(scaled(low), {n: low * wanted[n] for n in movable}, most, align, price, limit)
    return _as_config(found, graph, widths)


def widened(found: ChannelConfig) -> ChannelConfig:
    """The network that the search of `found` scored last: with one round, that from which it starts."""
    groups = tuple(dataclasses.replace(g, found=g.widened, at_floor=False, floor=1) for g in found.groups)
    return dataclasses.replace(found, groups=groups, found=found.widened, limits=None, search=None, unscored=())


def _step(width: float, align: int, most: int) -> int:
    """Down to a multiple of `align`, and at least one."""
    return int(min(most, max(align, int(width) // align * align)))


def _fill(
    widths: dict[str, int],
    exact: Mapping[str, float],
    most: Mapping[str, int],
    align: int,
    price: Callable[[Mapping[str, int]], int],
    limit: int,
) -> dict[str, int]:
    for name in sorted(exact, key=lambda n: widths[n] - exact[n]):
        larger = {**widths, name: widths[name] + align}
        if larger[name] <= most[name] and price(larger) <= limit:
            widths = larger
    return widths


def _as_config(found: ChannelConfig, graph: ChannelGraph, widths: Mapping[str, int]) -> ChannelConfig:
    groups = tuple(dataclasses.replace(g, found=widths[g.name], at_floor=False, floor=1) for g in found.groups)
    totals = Totals(graph.macs(widths), graph.params(widths))
    return dataclasses.replace(found, groups=groups, found=totals, limits=None, search=None, unscored=())
