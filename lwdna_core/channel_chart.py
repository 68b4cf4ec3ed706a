"""A channel configuration for people: tables for the terminal, and a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from rich import box
from rich.console import Console
from rich.table import Table

from lwdna_core.shrink import ChannelConfig

STYLE: Any = {"title_justify": "left", "box": box.SIMPLE_HEAD, "pad_edge": False, "padding": (0, 2, 0, 0)}


def print_tables(config: ChannelConfig, console: Console) -> None:
    """Print a row for every group, resizable or frozen, the totals, and what limits the result."""
    layers = Table(title="channels of every group", **STYLE)
    layers.add_column("group", overflow="fold")
    for column in ("baseline", "widened", "found", "kept", "floor"):
        layers.add_column(column, justify="right", no_wrap=True)
    layers.add_column("note")
    for group in config.groups:
        counts = (group.baseline, group.widened, group.found, f"{group.found / group.baseline:.0%}", group.floor)
        notes = ["at floor"] * group.at_floor + ["unscored"] * group.unscored
        layers.add_row(group.name, *map(str, counts), ", ".join(notes))
    for frozen in config.frozen:
        layers.add_row(frozen.name, str(frozen.size), "", "", "", "", "frozen", style="dim")
    console.print(layers)

    totals = Table("", title="whole network", **STYLE)
    for column in ("baseline", "widened", "found", "found / baseline"):
        totals.add_column(column, justify="right")
    for label, name in (("MACs", "macs"), ("parameters", "params")):
        baseline, widened, found = (getattr(total, name) for total in (config.baseline, config.widened, config.found))
        totals.add_row(label, f"{baseline:,}", f"{widened:,}", f"{found:,}", f"{found / baseline:.2%}")
    console.print(totals)

    lines = [f"at their floor: {sum(group.at_floor for group in config.groups)} of {len(config.groups)} groups"]
    if config.unscored:
        lines.append(f"unscored, kept at the mean ratio of the others: {', '.join(config.unscored)}")
    lines += [f"frozen: {frozen.name} ({frozen.size}): {frozen.reason}" for frozen in config.frozen]
    if config.limits:
        lines.append(f"budget not met: {config.limits}")
    if config.search:
        cost = config.search
        lines.append(f"search: {cost.seconds:.1f} s, {cost.macs:,} MACs")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def draw(config: ChannelConfig, path: Path) -> None:
    """Write an SVG file: channels of every group, baseline against found, floors marked.

    A row for each group, so that names can be read for 15 groups as for 150, and a logarithmic axis, for 16 channels as
    for 2048.
    """
    groups = config.groups
    rows = range(len(groups))
    figure = Figure(figsize=(8, 1.6 + 0.2 * len(groups)), layout="constrained")
    axes = figure.add_subplot()
    axes.hlines(rows, [g.baseline for g in groups], [g.found for g in groups], color="0.6", linewidth=1.2)
    axes.scatter([g.floor for g in groups], rows, marker="|", s=70, color="0.3", label="floor")
    axes.scatter(
        [g.baseline for g in groups], rows, s=26, facecolor="white", edgecolor="0.3", label="baseline", zorder=3
    )
    for label, color, sign in (("found, no wider", "#0072b2", -1), ("found, wider", "#d55e00", 1)):
        chosen = [(g.found, row) for row, g in enumerate(groups) if (g.found > g.baseline) == (sign > 0)]
        axes.scatter([x for x, _ in chosen], [y for _, y in chosen], s=26, color=color, label=label, zorder=4)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(base=2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labeltop=True, top=True)
    axes.grid(axis="both", color="0.92")
    axes.set_axisbelow(True)
    axes.set_yticks(rows, [group.name for group in groups], fontsize=8)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlabel("channels (logarithmic)")
    macs, params = config.found.macs / config.baseline.macs, config.found.params / config.baseline.params
    figure.suptitle(
        f"{config.network or 'network'}: {macs:.1%} of the MACs, {params:.1%} of the parameters", fontsize=11
    )
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    with matplotlib.rc_context({"svg.hashsalt": "lwdna"}):  # the same configuration, the same file
        figure.savefig(written, format="svg", metadata={"Date": None})
    os.replace(written, path)
