"""The end of a comparison on the terminal: a table of arms, and what the differences say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from lwdna_core.compare.arms import BASELINE
from lwdna_core.compare.wording import amount, difference_sentence, search_sentence, share, spread, title


def print_comparison(comparison: dict[str, Any], results: Sequence[dict[str, Any]], console: Console) -> None:
    """Print the content of `comparison.json`; `results` add what the searches cost."""
    arms, metrics = comparison["arms"], comparison["metrics"]
    table = Table(title=f"{comparison['task']}: {title(comparison)}", title_justify="left")
    table.add_column("arm")
    for name, metric in metrics.items():
        table.add_column(f"{name} ({metric['unit']})" if metric["unit"] else name, justify="right")
    for column in ("seeds", "MACs", "parameters"):
        table.add_column(column, justify="right")
    for arm, row in arms.items():
        scores = [spread(row["metrics"][name], metric["unit"]) for name, metric in metrics.items()]
        table.add_row(arm, *scores, str(len(row["networks"])), *(_cost(arms, arm, key) for key in ("macs", "params")))
    console.print(table)
    lines = [difference_sentence(comparison, pair) for pair in comparison["pairs"]]
    for line in [*lines, search_sentence(results) or ""]:
        if line:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _cost(arms: dict[str, Any], arm: str, key: str) -> str:
    value = arms[arm][key]
    if arm == BASELINE or BASELINE not in arms:
        return amount(value)
    return f"{amount(value)} ({share(value / arms[BASELINE][key])})"
