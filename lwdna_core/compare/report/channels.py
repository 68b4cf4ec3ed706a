"""The channel configuration of an arm, layer by layer: what was, what every seed's search found, and the floors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from lwdna_core.compare.report.svg import BETTER, INK, MUTED, SURFACE, WORSE, figure, inline, page_style
from lwdna_core.shrink import ChannelConfig

_ROWS = 36  # of one figure; more go on in another
_NAME = 22  # characters of a name that fit beside the figure


@dataclass(frozen=True)
class Layer:
    """One group of channels over the seeds."""

    name: str
    baseline: int
    widened: int
    floor: int
    found: tuple[int, ...]
    at_floor: int
    unscored: bool

    @property
    def mean(self) -> float:
        return fmean(self.found)


def layers(configs: Mapping[int, ChannelConfig]) -> list[Layer]:
    """The groups of one arm's configurations by seed, at least one, in the order of the forward pass."""
    columns = zip(*(config.groups for config in configs.values()), strict=True)
    return [
        Layer(
            name=groups[0].name,
            baseline=groups[0].baseline,
            widened=groups[0].widened,
            floor=groups[0].floor,
            found=tuple(group.found for group in groups),
            at_floor=sum(group.at_floor for group in groups),
            unscored=any(group.unscored for group in groups),
        )
        for groups in columns
    ]


def charts(rows: Sequence[Layer], arm: str) -> list[str]:
    """The configuration as figures of at most 36 layers each, on one scale: a row for each layer."""
    parts = -(-len(rows) // _ROWS)
    size = -(-len(rows) // parts)
    widest = max(max(layer.baseline, *layer.found) for layer in rows)
    least = min(min(layer.floor, *layer.found) for layer in rows)
    return [
        _chart(rows[part * size : (part + 1) * size], f"{arm}-{part + 1}", arm, (least / 1.25, widest * 1.25))
        for part in range(parts)
    ]


def _chart(rows: Sequence[Layer], name: str, arm: str, limits: tuple[float, float]) -> str:
    with page_style():
        drawing = figure(1.0 + 0.21 * len(rows))
        axes = drawing.add_subplot()
        places = range(len(rows))
        axes.hlines(places, [r.baseline for r in rows], [r.mean for r in rows], color=MUTED, linewidth=1)
        axes.scatter([r.floor for r in rows], places, marker="|", s=80, color=INK, label="floor")
        ring: Any = {"facecolor": SURFACE, "edgecolor": INK, "linewidth": 1, "zorder": 3}
        axes.scatter([r.baseline for r in rows], places, s=30, label="baseline", **ring)
        for label, color, marker, wider in (("not wider", BETTER, "<", False), ("wider", WORSE, ">", True)):
            chosen = [(place, r) for place, r in enumerate(rows) if (r.mean > r.baseline) == wider]
            seeds = [(width, place) for place, r in chosen for width in r.found if len(r.found) > 1]
            dot: Any = {"color": color, "alpha": 0.45, "linewidth": 0, "zorder": 4}
            axes.scatter([x for x, _ in seeds], [y for _, y in seeds], s=14, **dot)
            if chosen:
                means, rows_of = [r.mean for _, r in chosen], [place for place, _ in chosen]
                axes.scatter(means, rows_of, s=34, color=color, marker=marker, label=label, zorder=5)
        axes.set_xscale("log", base=2)
        axes.set_xlim(*limits)
        axes.xaxis.set_major_locator(LogLocator(base=2, numticks=7))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="x", labeltop=True)
        axes.set_yticks(places, [_short(r.name) for r in rows])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("channels (logarithmic)")
        axes.spines["left"].set_visible(False)
        drawing.legend(loc="outside lower left", ncols=4, handletextpad=0.2, columnspacing=1)
    more = sum(r.mean > r.baseline for r in rows)
    words = f"{more} of {len(rows)} layers wider than in the baseline, {sum(r.at_floor > 0 for r in rows)} at the floor"
    return inline(drawing, f"channels-{name}", f"Channels of every layer, baseline against {arm}: {words}")


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"
