"""The end of a comparison on the terminal: a table of arms, and what the differences say."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from lwdna_core.compare.arms import BASELINE


def print_comparison(comparison: dict[str, Any], results: Sequence[dict[str, Any]], console: Console) -> None:
    """Print the content of `comparison.json`; `results` add what the searches cost."""
    arms = comparison["arms"]
    table = Table(title=f"{comparison['task']}: {comparison['experiment']}", title_justify="left")
    table.add_column("arm")
    for name, metric in comparison["metrics"].items():
        table.add_column(f"{name} ({metric['unit']})", justify="right")
    for column in ("seeds", "MACs", "parameters"):
        table.add_column(column, justify="right")
    for arm, row in arms.items():
        scores = [_spread(metric) for metric in row["metrics"].values()]
        table.add_row(arm, *scores, str(len(row["networks"])), *(_cost(arms, arm, key) for key in ("macs", "params")))
    console.print(table)
    lines = [_difference(comparison, pair) for pair in comparison["pairs"]]
    for line in lines + _search_cost(results):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _spread(metric: dict[str, Any]) -> str:
    if metric["mean"] is None:
        return "undefined"
    return f"{metric['mean']:.2f}" + (f" ± {metric['std']:.2f}" if metric["std"] is not None else "")


def _cost(arms: dict[str, Any], arm: str, key: str) -> str:
    value = arms[arm][key]
    number = f"{value / 1e6:.2f} M"
    return f"{number} ({value / arms[BASELINE][key]:.1%})" if arm != BASELINE and BASELINE in arms else number


def _difference(comparison: dict[str, Any], pair: dict[str, Any]) -> str:
    """One honest sentence on a paired difference."""
    arms, metric = comparison["arms"], comparison["metrics"][pair["metric"]]
    if pair["difference"] is None:
        return f"{pair['arm']} against {pair['vs']}, {pair['metric']}: no seed has both"
    seeds = f"{pair['n']} seed{'s' * (pair['n'] != 1)}"
    unit = "points" if metric["unit"] == "%" else metric["unit"]
    text = f"{pair['arm']} - {pair['vs']}, {pair['metric']}: {pair['difference']:+.2f} {unit}"
    if pair["low"] is not None:
        text += f", 95 % interval {pair['low']:+.2f} to {pair['high']:+.2f} (paired, Student t, {seeds})"
    else:
        text += f" ({seeds}, no interval)"
    verdict = {
        "too few seeds": "too few seeds for a verdict",
        "not distinguishable": f"not distinguishable from {pair['vs']}",
    }.get(pair["verdict"], f"{pair['verdict']} than {pair['vs']}")
    macs, params = (arms[pair["arm"]][key] / arms[pair["vs"]][key] for key in ("macs", "params"))
    return f"{text}: {verdict}, at {macs:.1%} of its MACs and {params:.1%} of its parameters"


def _search_cost(results: Sequence[dict[str, Any]]) -> list[str]:
    """What the searches cost on average, against an epoch of the baseline's training."""
    searches = [r["search"] for r in results if r["search"]]
    trained = [r["train"] for r in results if r["arm"] == BASELINE]
    if not searches or not trained:
        return []
    seconds, macs = (fmean(search[key] for search in searches) for key in ("seconds", "macs"))
    epochs = [train["steps"] / train["steps_per_epoch"] for train in trained]
    epoch_seconds, epoch_macs = (
        fmean(train[key] / n for train, n in zip(trained, epochs, strict=True)) for key in ("seconds", "macs")
    )
    in_time, in_macs = seconds / epoch_seconds, macs / epoch_macs
    return [
        f"search: {seconds:.1f} s and {macs / 1e9:.1f} GMACs for {searches[0]['batches']} batches, "
        f"that is {in_time:.2f} epochs of the baseline's training in time and {in_macs:.2f} in MACs "
        f"(an epoch: {epoch_seconds:.1f} s, {epoch_macs / 1e9:.1f} GMACs)"
    ]
