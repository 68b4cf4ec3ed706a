"""All finished runs of one protocol, put side by side: the content of `comparison.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from lwdna_core.compare.arms import ARMS, BASELINE
from lwdna_core.compare.protocol import differences
from lwdna_core.compare.results import FORMAT
from lwdna_core.compare.statistics import METHOD, paired_difference, summary, verdict
from lwdna_core.compare.task import Task
from lwdna_core.errors import LwdnaError


def compare_results(task: Task, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Arms by mean, spread and cost, and every arm's paired difference to the baseline.

    `results` are the contents of `result.json` files of one fingerprint, at least one. Raises LwdnaError where they are
    of several, with the keys that differ.
    """
    for other in results:
        if other["fingerprint"] != results[0]["fingerprint"]:
            keys = "; ".join(differences(results[0]["protocol"], other["protocol"]))
            raise LwdnaError(f"{task.name}: runs of several protocols cannot be compared: {keys}")
    arms: dict[str, Any] = {}
    for arm in sorted({r["arm"] for r in results}, key=lambda arm: (*ARMS, arm).index(arm)):
        runs = sorted((r for r in results if r["arm"] == arm), key=lambda r: int(r["seed"]))
        networks = {str(r["seed"]): {key: r["network"][key] for key in ("macs", "params")} for r in runs}
        arms[arm] = {
            "macs": fmean(n["macs"] for n in networks.values()),
            "params": fmean(n["params"] for n in networks.values()),
            "networks": networks,
            "metrics": {name: _summarise({str(r["seed"]): r["metrics"][name] for r in runs}) for name in task.metrics},
        }
    pairs = []
    for arm in arms if BASELINE in arms else ():
        for name, metric in task.metrics.items() if arm != BASELINE else ():
            difference = paired_difference(*(arms[a]["metrics"][name]["values"] for a in (arm, BASELINE)))
            numbers = asdict(difference)
            pairs.append(
                {"arm": arm, "vs": BASELINE, "metric": name, "difference": numbers.pop("mean"), **numbers,
                 "method": METHOD, "verdict": verdict(difference, metric.higher_is_better)}
            )  # fmt: skip
    return {
        "format": FORMAT,
        "task": task.name,
        "experiment": results[0]["experiment"],
        "fingerprint": results[0]["fingerprint"],
        "primary": next(iter(task.metrics)),
        "metrics": {name: asdict(metric) for name, metric in task.metrics.items()},
        "arms": arms,
        "pairs": pairs,
    }


def _summarise(values: dict[str, float | None]) -> dict[str, Any]:
    known = [value for value in values.values() if value is not None]
    mean, std = summary(known)
    return {"mean": mean, "std": std, "n": len(known), "values": values}
