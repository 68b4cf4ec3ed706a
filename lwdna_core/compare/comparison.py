"""All finished runs of one protocol, put side by side: the content of `comparison.json`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import fmean
from typing import Any

from lwdna_core.compare.arms import ARMS, BASELINE, LWDNA
from lwdna_core.compare.protocol import differences
from lwdna_core.compare.results import FORMAT, read_json
from lwdna_core.compare.statistics import METHOD, item_bootstrap, paired_difference, seeds_needed, summary, verdict
from lwdna_core.compare.task import Metric, Task
from lwdna_core.errors import LwdnaError


def read_results(folder: Path) -> list[dict[str, Any]]:
    """The contents of the `result.json` files of all finished runs below `folder`, the folder of a comparison."""
    return [read_json(path) for path in sorted(folder.glob("seed*/*/result.json"))]


def compare_results(task: Task, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Arms by mean, spread and cost; every arm's paired difference to the baseline, and LW-DNA's to the other arms.

    `results` are the contents of `result.json` files of one fingerprint, at least one. Raises LwdnaError where they are
    of several, with the keys that differ, and where no metric of the task was measured.
    """
    for other in results:
        if other["fingerprint"] != results[0]["fingerprint"]:
            keys = "; ".join(differences(results[0]["protocol"], other["protocol"]))
            raise LwdnaError(f"{task.name}: runs of several protocols cannot be compared: {keys}")
    metrics = _metrics(task, results)
    arms: dict[str, Any] = {}
    for arm in sorted({r["arm"] for r in results}, key=lambda arm: ([*ARMS, arm].index(arm), arm)):
        runs = sorted((r for r in results if r["arm"] == arm), key=lambda r: int(r["seed"]))
        networks = {str(r["seed"]): {key: r["network"][key] for key in ("macs", "params")} for r in runs}
        arms[arm] = {
            "macs": fmean(n["macs"] for n in networks.values()),
            "params": fmean(n["params"] for n in networks.values()),
            "networks": networks,
            "metrics": {name: _summarise({str(r["seed"]): r["metrics"].get(name) for r in runs}) for name in metrics},
        }
    items = {(arm, name): _items(results, arm, name) for arm in arms for name in metrics}
    pairs = []
    for arm, reference in _pairs(arms):
        for name, metric in metrics.items():
            difference = paired_difference(*(arms[a]["metrics"][name]["values"] for a in (arm, reference)))
            bootstrap = item_bootstrap(items[arm, name], items[reference, name])
            pairs.append(
                {"arm": arm, "vs": reference, "metric": name, "difference": difference.mean, "low": difference.low,
                 "high": difference.high, "n": difference.n, "method": METHOD,
                 "verdict": verdict(difference, metric.higher_is_better),
                 "bootstrap": asdict(bootstrap) if bootstrap else None, "seeds_needed": seeds_needed(difference),
                 "cost": _cost(arms[arm], arms[reference], name)}
            )  # fmt: skip
    return {
        "format": FORMAT,
        "task": task.name,
        "experiment": results[0]["experiment"],
        "train_fraction": results[0]["protocol"].get("train_fraction"),
        "fingerprint": results[0]["fingerprint"],
        "primary": next(iter(metrics)),
        "metrics": {name: asdict(metric) for name, metric in metrics.items()},
        "arms": arms,
        "pairs": pairs,
    }


def _metrics(task: Task, results: Sequence[dict[str, Any]]) -> dict[str, Metric]:
    """The metrics that runs have and the task knows, in the task's order; a pattern's in that of the runs."""
    measured = dict.fromkeys(name for result in results for name in result["metrics"])
    known = {
        name: metric
        for pattern, metric in task.metrics.items()
        for name in measured
        if fnmatchcase(name, pattern) and task.metric(name) is metric
    }
    if not known:
        raise LwdnaError(
            f"{task.name}: no run has one of the task's metrics ({', '.join(task.metrics)}), "
            f"they have: {', '.join(measured) or 'none'}"
        )
    return known


def _pairs(arms: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every arm against the baseline; then LW-DNA against the others, which tells its choice of channels from any."""
    if BASELINE in arms:
        yield from ((arm, BASELINE) for arm in arms if arm != BASELINE)
    if LWDNA in arms:
        yield from ((LWDNA, arm) for arm in arms if arm not in (BASELINE, LWDNA))


def _cost(arm: dict[str, Any], reference: dict[str, Any], metric: str) -> dict[str, float] | None:
    """The arm's share of the reference's MACs and parameters, by their means over the seeds that the difference has."""
    values = [a["metrics"][metric]["values"] for a in (arm, reference)]
    seeds = [s for s in values[0].keys() & values[1].keys() if values[0][s] is not None and values[1][s] is not None]
    if not seeds:
        return None
    sums = {key: [sum(a["networks"][s][key] for s in seeds) for a in (arm, reference)] for key in ("macs", "params")}
    return {key: own / other for key, (own, other) in sums.items()}


def _items(results: Sequence[dict[str, Any]], arm: str, metric: str) -> dict[str, dict[str, float]]:
    """Scores per item by seed, of the runs whose metric is the mean of them: only that can be bootstrapped by items."""
    found = {}
    for result in results:
        items, value = result["items"].get(metric), result["metrics"].get(metric)
        if result["arm"] != arm or not items or value is None or None in items.values():
            continue
        if math.isclose(fmean(items.values()), value, rel_tol=1e-3, abs_tol=1e-6):
            found[str(result["seed"])] = items
    return found


def _summarise(values: dict[str, float | None]) -> dict[str, Any]:
    known = [value for value in values.values() if value is not None]
    mean, std = summary(known)
    return {"mean": mean, "std": std, "n": len(known), "values": values}
