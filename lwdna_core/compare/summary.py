"""The end of a comparison on the terminal: a table of arms, and what the differences say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from lwdna_core.compare.arms import BASELINE
from lwdna_core.compare.wording import (
    amount,
    difference_sentence,
    interval,
    number,
    places,
    points,
    search_sentence,
    share,
    spread,
    title,
)

_MOST = 10_000  # columns, for a table to say how wide it would be


def print_comparison(comparison: dict[str, Any], results: Sequence[dict[str, Any]], console: Console) -> None:
    """Print the content of `comparison.json`; `results` add what the searches cost."""
    arms, metrics = comparison["arms"], comparison["metrics"]
    rows = [
        ["arm", *(f"{n} ({m['unit']})" if m["unit"] else n for n, m in metrics.items()), "seeds", "MACs", "parameters"]
    ]
    for arm, row in arms.items():
        scores = [spread(row["metrics"][name], metric["unit"]) for name, metric in metrics.items()]
        rows.append([arm, *scores, str(len(row["networks"])), *(_cost(arms, arm, key) for key in ("macs", "params"))])
    name = f"{comparison['task']}: {title(comparison)}"
    table = _table(name, rows)
    # many metrics stand one below the other, or the terminal's edge would cut their digits
    wide = console.measure(table, options=console.options.update(width=_MOST)).maximum > console.width
    console.print(_table(name, list(zip(*rows, strict=True))) if wide else table)
    deciding = [pair for pair in comparison["pairs"] if pair["metric"] == comparison["primary"]]
    lines = [difference_sentence(comparison, pair) for pair in deciding]
    for line in [*lines, search_sentence(results) or ""]:
        if line:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    others = [
        _difference(comparison, pair)
        for pair in comparison["pairs"]
        if pair not in deciding and pair["difference"] is not None
    ]
    if others:
        console.print(_table("other metrics", [["arms", "metric", "difference", "95 % interval", "verdict"], *others]))


def _difference(comparison: dict[str, Any], pair: dict[str, Any]) -> list[str]:
    unit = comparison["metrics"][pair["metric"]]["unit"]
    difference = f"{number(pair['difference'], places(unit), sign=True)} {points(unit)}".rstrip()
    bounds = interval(pair["low"], pair["high"], unit)
    return [f"{pair['arm']} − {pair['vs']}", pair["metric"], difference, bounds, pair["verdict"]]


def _table(name: str, rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=name, title_justify="left")
    for index, column in enumerate(rows[0]):
        table.add_column(column, justify="right" if index else "left", overflow="fold")
    for row in rows[1:]:
        table.add_row(*row)
    return table


def _cost(arms: dict[str, Any], arm: str, key: str) -> str:
    value = arms[arm][key]
    if arm == BASELINE or BASELINE not in arms:
        return amount(value)
    return f"{amount(value)} ({share(value / arms[BASELINE][key])})"
