"""How numbers of a comparison are written, and its differences put into sentences: on the terminal and in reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from lwdna_core.compare.arms import BASELINE, LWDNA

_EQUAL = 0.005  # a cost within half a per cent is called equal: channels are lumps, no budget is met exactly
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float | None, places: int, sign: bool = False) -> str:
    """A number with so many decimal places and a true minus sign; a dash for None."""
    if value is None:
        return "–"
    return f"{value:{'+' * sign}.{places}f}".replace("-", "−")


def places(unit: str) -> int:
    """Decimal places of a metric: 2 in per cent and decibel, 4 where a score lies between 0 and 1."""
    return 2 if unit else 4


def spread(metric: dict[str, Any], unit: str) -> str:
    """Mean ± standard deviation, of an arm's entry in `comparison.json`."""
    if metric["mean"] is None:
        return "undefined"
    text = number(metric["mean"], places(unit))
    return text if metric["std"] is None else f"{text} ± {number(metric['std'], places(unit))}"


def interval(low: float | None, high: float | None, unit: str) -> str:
    """Bounds as in "−1.38 to +2.00", or a dash where there are none."""
    if low is None or high is None:
        return "–"
    return f"{number(low, places(unit), sign=True)} to {number(high, places(unit), sign=True)}"


def amount(value: float) -> str:
    """A large number with a prefix: "40.81 M", "3.07 G"."""
    for size, prefix in _PREFIXES:
        if value >= size:
            return f"{value / size:.2f} {prefix}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """A time as in "0.8 s", "42 s", "12 min", "5.3 h"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def share(ratio: float) -> str:
    """A ratio in per cent."""
    return f"{ratio:.1%}".replace("%", " %")


def points(unit: str) -> str:
    """What a difference of a metric in this unit is counted in."""
    return "points" if unit == "%" else unit


def plural(count: int, noun: str, ending: str = "s") -> str:
    return f"{count} {noun}{ending * (count != 1)}"


def title(comparison: dict[str, Any]) -> str:
    """What a comparison is called: its experiment and, where it is not all, the share of the training set."""
    part = comparison["train_fraction"]
    return f"{comparison['experiment']}" + (f", {100 * part:g} % of the training set" if part is not None else "")


def cost(pair: dict[str, Any]) -> str:
    """What a pair with a difference costs, in words: "at lower MACs (90.0 %) and more parameters (105.0 %)"."""
    macs, params = (pair["cost"][key] for key in ("macs", "params"))
    words = (
        f"at {_compare(macs, 'lower', 'equal', 'higher')} MACs ({share(macs)})",
        f"{_compare(params, 'fewer', 'as many', 'more')} parameters ({share(params)})",
    )
    return " and ".join(words)


def verdict_words(pair: dict[str, Any]) -> str:
    """The verdict of a pair: "better than baseline"."""
    return {
        "too few seeds": "too few seeds for a verdict",
        "not distinguishable": f"not distinguishable from {pair['vs']}",
    }.get(pair["verdict"], f"{pair['verdict']} than {pair['vs']}")


def seeds_words(pair: dict[str, Any]) -> str | None:
    """What it would take to resolve the difference seen; None where it is resolved, or cannot be told."""
    if pair["verdict"] in ("better", "worse") or pair["low"] is None or not pair["difference"]:
        return None
    needed = pair["seeds_needed"]
    if needed is None:
        return "so small a difference would take more than 10 000 seeds to resolve"
    return f"a difference of this size and spread would take about {needed} seeds to resolve"


def difference_sentence(comparison: dict[str, Any], pair: dict[str, Any]) -> str:
    """One honest sentence on a paired difference."""
    unit = comparison["metrics"][pair["metric"]]["unit"]
    if pair["difference"] is None:
        return f"{pair['arm']} against {pair['vs']}, {pair['metric']}: no seed has both"
    shown = f"{number(pair['difference'], places(unit), sign=True)} {points(unit)}".rstrip()
    text = f"{pair['arm']} − {pair['vs']}, {pair['metric']}: {shown}"
    if pair["low"] is not None:
        bounds = interval(pair["low"], pair["high"], unit)
        text += f", 95 % interval {bounds} (paired, Student t, {plural(pair['n'], 'seed')})"
    else:
        text += f" ({plural(pair['n'], 'seed')}, no interval)"
    text = f"{text}: {verdict_words(pair)}, {cost(pair)}"
    return f"{text}; {more}" if (more := seeds_words(pair)) else text


def search_sentence(results: Sequence[dict[str, Any]]) -> str | None:
    """What LW-DNA's searches cost on average, as a share of the baseline's training; None without either."""
    searches = [r["search"] for r in results if r["arm"] == LWDNA and r["search"]]
    trained = [r["train"] for r in results if r["arm"] == BASELINE]
    if not searches or not trained:
        return None
    seconds, macs = (fmean(search[key] for search in searches) for key in ("seconds", "macs"))
    in_time, in_macs = (_ratio(c, fmean(t[k] for t in trained)) for k, c in (("seconds", seconds), ("macs", macs)))
    epochs = fmean(train["steps"] / train["steps_per_epoch"] for train in trained)
    return (
        f"search: {duration(seconds)} and {amount(macs)}MACs for {plural(searches[0]['batches'], 'batch', 'es')}, "
        f"that is {share(in_time)} of the baseline's training in time and {share(in_macs)} in MACs "
        f"({in_time * epochs:.2f} and {in_macs * epochs:.2f} epochs of the baseline's training)"
    )


def _compare(ratio: float, lower: str, equal: str, higher: str) -> str:
    if abs(ratio - 1) <= _EQUAL:
        return equal
    return lower if ratio < 1 else higher


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference else math.nan
