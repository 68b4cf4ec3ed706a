"""The controls cost what LW-DNA costs, and differ from it in the one respect that their name says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lwdna_core.compare.arms import ARMS, LWDNA
from lwdna_core.compare.controls import control, widened
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig, trace
from lwdna_core.shrink.channels import GroupWidths, Totals
from lwdna_core.shrink.graph import FrozenGroup

NETWORK = build_network("cifar_resnet20")
INPUT = torch.zeros(1, 3, 32, 32)
GRAPH = trace(NETWORK, INPUT)
CONTROLS = [name for name, arm in ARMS.items() if arm.shares is not None]


def found(shares: list[float], seed: int = 0, **wishes: object) -> ChannelConfig:
    """A result of a search with these shares of the widened channels."""
    groups = tuple(
        GroupWidths(g.name, g.size, 2 * g.size, max(1, round(share * 2 * g.size)), 1)
        for g, share in zip(GRAPH.groups, shares, strict=True)
    )
    widths = {g.name: g.found for g in groups}
    totals = [Totals(GRAPH.macs(w), GRAPH.params(w)) for w in (None, {g.name: g.widened for g in groups}, widths)]
    return ChannelConfig("cifar_resnet20", [[1, 3, 32, 32]], *totals, groups, settings=wishes, seed=seed)


shares = st.lists(st.floats(0.2, 0.9), min_size=len(GRAPH.groups), max_size=len(GRAPH.groups))


@pytest.mark.parametrize("name", CONTROLS)
@settings(max_examples=15)
@given(shares=shares, seed=st.integers(0, 9), align=st.sampled_from([1, 4]))
def test_a_control_has_the_cost_of_lwdna(name: str, shares: list[float], seed: int, align: int) -> None:
    lwdna = found(shares, seed, align=align)
    choose = ARMS[name].shares
    assert choose is not None
    config = control(lwdna, choose, NETWORK, INPUT)
    widths = config.widths
    assert config.found == Totals(GRAPH.macs(widths), GRAPH.params(widths))
    assert config.found.macs <= lwdna.found.macs
    # Nothing more fits: every group that could grow would cost too much, or is not where rounding took most.
    lumps = [GRAPH.macs({**widths, n: w + align}) - config.found.macs for n, w in widths.items()]
    assert lwdna.found.macs - config.found.macs < sum(lumps)
    assert all(1 <= g.found <= g.widened and g.found % align == 0 for g in config.groups)
    assert (config.network, config.seed, config.search) == ("cifar_resnet20", seed, None)


def test_uniform_scales_every_layer_alike() -> None:
    lwdna = found(list(np.linspace(0.9, 0.3, len(GRAPH.groups))))
    config = control(lwdna, ARMS["uniform"].shares, NETWORK, INPUT)  # type: ignore[arg-type]
    scales = np.array([g.found / g.baseline for g in config.groups])
    lump = np.array([1 / g.baseline for g in config.groups])
    assert (abs(scales - scales.mean()) <= lump).all()


def test_shuffled_has_lwdnas_ratios_in_another_order() -> None:
    lwdna = found([0.25] * 6 + [0.75] * (len(GRAPH.groups) - 6), seed=3)
    config = control(lwdna, ARMS["shuffled"].shares, NETWORK, INPUT)  # type: ignore[arg-type]
    ratios = np.array([g.found / g.baseline for g in config.groups])
    assert sum(ratios < ratios.mean()) in (6, len(ratios) - 6)
    assert [g.found < g.baseline for g in config.groups] != [g.found < g.baseline for g in lwdna.groups]


def test_amplitudes_are_powers_of_lwdnas_ratios() -> None:
    lwdna = found(list(np.linspace(0.7, 0.35, len(GRAPH.groups))))
    wanted = np.log([g.found / g.baseline for g in lwdna.groups])
    for name, power in (("damped", 0.5), ("amplified", 2.0), ("mirrored", -1.0)):
        config = control(lwdna, ARMS[name].shares, NETWORK, INPUT)  # type: ignore[arg-type]
        ratios = np.log([g.found / g.baseline for g in config.groups])
        inside = np.array([g.found < g.widened for g in config.groups])
        slope = np.polyfit(wanted[inside], ratios[inside], 1)[0]
        assert abs(slope - power) < 0.15 * abs(power), (name, slope)


def test_random_and_shuffled_depend_on_the_seed_alone() -> None:
    shares = list(np.linspace(0.9, 0.3, len(GRAPH.groups)))
    for name in ("random", "shuffled"):
        choose = ARMS[name].shares
        assert choose is not None
        results = [control(found(shares, seed), choose, NETWORK, INPUT).widths for seed in (0, 0, 1)]
        assert results[0] == results[1] != results[2]


def test_parameters_are_the_cost_where_they_were_the_budget() -> None:
    lwdna = found(list(np.linspace(0.9, 0.3, len(GRAPH.groups))), params=0.8)
    config = control(lwdna, ARMS["uniform"].shares, NETWORK, INPUT)  # type: ignore[arg-type]
    assert 0.97 * lwdna.found.params < config.found.params <= lwdna.found.params


def test_what_the_search_may_not_touch_stays() -> None:
    lwdna = found([0.4] * len(GRAPH.groups))
    first = dataclasses.replace(lwdna.groups[0], widened=lwdna.groups[0].baseline, found=lwdna.groups[0].baseline)
    frozen = (FrozenGroup(first.name, first.baseline, "kept by freeze='conv1'"),)
    pinned = dataclasses.replace(lwdna, groups=(first, *lwdna.groups[1:]), frozen=frozen)
    for name in CONTROLS:
        config = control(pinned, ARMS[name].shares, NETWORK, INPUT)  # type: ignore[arg-type]
        assert config.groups[0].found == first.baseline


def test_widened_is_where_the_search_started() -> None:
    config = widened(found([0.4] * len(GRAPH.groups)))
    assert config.found == config.widened
    assert all(g.found == 2 * g.baseline for g in config.groups)
    network = config.apply(NETWORK)
    assert sum(p.numel() for p in network.parameters()) == config.found.params


def test_lwdna_is_no_control() -> None:
    assert ARMS[LWDNA].shares is None and ARMS[LWDNA].shrink == {}
