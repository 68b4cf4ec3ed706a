"""What every network of these tests must stand: it is traced, shrunk, widened and brought to a budget, and counted."""

from __future__ import annotations

import copy
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelGraph, resize, trace
from lwdna_core.shrink.budget import bounds, fit

from ..masking import (
    TOLERANCE,
    Inputs,
    assert_runs,
    counted,
    difference,
    exact_groups,
    example,
    masked,
    outputs,
    randomise,
)

BUDGET = 0.9  # of the baseline's MACs, with floors at a quarter of the widened channels
SHRINK = 0.3


@dataclass(frozen=True)
class Network:
    """One row of the support table.

    Attributes:
        name: as `lwdna_core.networks.build_network` takes it, unless `build` is given.
        family: as the table calls it.
        input: shape of one image, or the whole inputs.
        options: of the network's factory.
        slow: left out of the quick run.
        silent: groups that a product of two activations contracts; see `masking.masked`.
        tolerance: relative, in float64.
        budget: of the baseline's MACs; more where so much is frozen that the floors allow no less.
    """

    name: str
    family: str
    input: tuple[int, ...] | Inputs = (1, 3, 224, 224)
    slow: bool = True
    build: Callable[[], nn.Module] | None = None
    silent: frozenset[str] = frozenset()
    tolerance: float = TOLERANCE
    options: Mapping[str, object] = field(default_factory=dict)
    budget: float = BUDGET

    def make(self) -> tuple[nn.Module, Inputs]:
        """The network with random weights and statistics in float64, and its example inputs."""
        torch.manual_seed(0)
        network = build_network(self.name, **self.options) if self.build is None else self.build()
        shapes = isinstance(self.input, tuple) and all(isinstance(n, int) for n in self.input)
        return randomise(network).eval(), example(torch.zeros(self.input) if shapes else self.input)


@dataclass(frozen=True)
class Row:
    """What the support table says of a network; `error` is relative, None where no group has an exact reference."""

    network: str
    family: str
    groups: int
    frozen: tuple[tuple[str, int], ...]  # why, and how many groups for that
    check: str
    error: float | None
    seconds: float
    macs: int


def judge(case: Network) -> Row:
    """Trace a network, shrink, widen and budget it; whatever is not as it must be raises.

    - Shrunk by 30 %, it equals the masked original; groups that are mixed keep shapes and pass gradients instead.
    - Widened by two, it runs, and its own trace finds every group at twice the size.
    - With random scores, the widened network meets a budget below the baseline.
    - MACs and parameters are those that torch counts, before and after.
    - Whatever is frozen has a reason.
    """
    network, inputs = case.make()
    started = time.process_time()  # of one thread: other processes do not count
    graph = trace(network, inputs)
    seconds = time.process_time() - started
    assert_counts(network, graph, inputs, {})
    assert all(f.reason and f.size > 0 for f in graph.frozen)
    error = shrunk(case, network, graph, inputs)
    widened(network, graph, inputs, case.budget)
    mixed = len(graph.groups) - len(exact_groups(graph))
    check = "exact" if not mixed else "shapes" if error is None else f"exact, {mixed} groups by shapes"
    if case.budget != BUDGET:
        check += f", budget {case.budget:.0%}"
    return Row(case.name, case.family, len(graph.groups), reasons(graph), check, error, seconds, graph.macs())


def shrunk(case: Network, network: nn.Module, graph: ChannelGraph, inputs: Inputs) -> float | None:
    """Drop 30 % of every group; returns the error relative to the masked original where there is one."""
    draw = np.random.default_rng(0)
    every = {
        g.name: np.sort(draw.permutation(g.size)[: max(1, round(g.size * (1 - SHRINK)))]).tolist() for g in graph.groups
    }
    small = resize(network, graph, every)
    assert_counts(small, graph, inputs, {name: len(kept) for name, kept in every.items()})
    exact = exact_groups(graph)
    if len(exact) < len(every):
        assert [t.shape for t in outputs(small, inputs)] == [t.shape for t in outputs(network, inputs)]
        assert_runs(small, inputs)
        small = resize(network, graph, {name: every[name] for name in exact})
    if not exact:
        return None
    found = outputs(small, inputs)
    kept = {name: every[name] for name in exact}
    error = difference(found, outputs(masked(network, graph, kept, case.silent), inputs))
    assert error <= case.tolerance, f"differs by {error:.2e} from the masked original"
    assert difference(found, outputs(network, inputs)) > 1e-6, "dropping channels changed nothing"
    return error


def widened(network: nn.Module, graph: ChannelGraph, inputs: Inputs, budget: float) -> None:
    """Twice as wide, then back to a budget below the baseline's MACs."""
    wide = resize(network, graph, {g.name: 2 * g.size for g in graph.groups})
    again = trace(wide, inputs)
    assert again.widths == {name: 2 * size for name, size in graph.widths.items()}
    assert_counts(wide, again, inputs, {})

    draw = np.random.default_rng(1)
    scores = {g.name: draw.random(g.size) for g in again.groups}
    limits = bounds(
        again, floor=0.25, classifier_floor=0.25, floors={}, ceilings={}, min_channels=1, align=1, pinned=()
    )
    chosen = fit(again, scores, limits, (), budget=budget, reference=graph.macs())
    assert chosen.limits is None, chosen.limits
    found = resize(wide, again, chosen.kept)
    widths = {name: len(kept) for name, kept in chosen.kept.items()}
    assert again.macs(widths) <= budget * graph.macs()
    assert_counts(found, again, inputs, widths)
    inputs = tree_map_only(Tensor, lambda t: t.float(), inputs)  # only that they run is asked
    for resized in (wide, found):
        out = outputs(resized.float(), inputs)
        assert [t.shape for t in out] == again.trail.outputs and all(torch.isfinite(t).all() for t in out)


def assert_counts(network: nn.Module, graph: ChannelGraph, inputs: Inputs, widths: dict[str, int]) -> None:
    """The closed forms at `widths` give what torch counts in a network of these widths."""
    if graph.device == "meta":  # the same operations, without their arithmetic
        blank: dict[int, object] = {
            id(t): nn.Parameter(t.detach().to("meta")) if isinstance(t, nn.Parameter) else t.to("meta")
            for t in (*network.parameters(), *network.buffers())
        }
        network = copy.deepcopy(network, blank)
        inputs = tree_map_only(Tensor, lambda t: t.to("meta"), inputs)
    assert (graph.macs(widths), graph.params(widths)) == counted(network, inputs)


def reasons(graph: ChannelGraph) -> tuple[tuple[str, int], ...]:
    """Why groups are frozen, the commonest first, without the places in the code."""
    places = re.compile(r",? (?:in |at )?(?:\S+|the network) \(\S+:\d+\)")
    short = (places.sub("", f.reason).removesuffix(", so none can go alone") for f in graph.frozen)
    return tuple(Counter(short).most_common())
