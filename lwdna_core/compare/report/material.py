"""Everything that a report shows of one comparison, read from its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from lwdna_core.compare.arms import ARMS, LWDNA
from lwdna_core.compare.comparison import compare_results, read_results
from lwdna_core.compare.report.timing import read_latency
from lwdna_core.compare.task import Picture, Task, find_task, resolve
from lwdna_core.errors import LwdnaError
from lwdna_core.shrink import ChannelConfig


@dataclass(frozen=True)
class Material:
    """What is known of a comparison.

    Attributes:
        folder: where its seeds lie.
        results: contents of all `result.json` files.
        comparison: content of `comparison.json`.
        channels: by arm and seed, of the runs whose `channels.json` can be read.
        pictures: the task's own.
        latency: content of `latency.json` if it is of these very runs.
        notes: what is missing, and why.
    """

    folder: Path
    task: Task
    results: list[dict[str, Any]]
    comparison: dict[str, Any]
    channels: Mapping[str, Mapping[int, ChannelConfig]]
    pictures: list[Picture]
    latency: dict[str, Any] | None
    notes: list[str]

    @property
    def searched(self) -> list[str]:
        """The arms whose channels a search of their own found, LW-DNA first."""
        found = [arm for arm in self.channels if any(r["arm"] == arm and r["search"] for r in self.results)]
        return sorted(found, key=lambda arm: arm != LWDNA)

    def of(self, arm: str) -> list[dict[str, Any]]:
        """The results of an arm, by seed."""
        return sorted((r for r in self.results if r["arm"] == arm), key=lambda r: int(r["seed"]))

    def search_cost(self, arm: str) -> dict[str, float] | None:
        """Mean seconds, batches and MACs of an arm's searches; None for one that has none."""
        searches = [r["search"] for r in self.of(arm) if r["search"]]
        return {key: fmean(s[key] for s in searches) for key in ("seconds", "batches", "macs")} if searches else None

    def summary(self, arm: str) -> str:
        """What the arm is, in a line."""
        if arm in ARMS:
            return ARMS[arm].summary
        found = next(iter(self.channels.get(arm, {}).values()), None)
        lwdna = next(iter(self.channels.get(LWDNA, {}).values()), None)
        if found is None or lwdna is None:
            return "LW-DNA by other settings"
        own = {k: v for k, v in found.settings.items() if v != lwdna.settings.get(k)}
        return "LW-DNA by other settings: " + ", ".join(f"{key}={value}" for key, value in own.items())


def gather(folder: Path) -> Material:
    """Read the runs of a comparison and put them side by side.

    Raises:
        LwdnaError: if there is no finished run, for results that cannot be read or are of several protocols, and for a
            task that is not installed. Anything else that is missing or fails becomes a note.
    """
    results = read_results(folder)
    if not results:
        raise LwdnaError(f"{folder}: no finished run here (expected seed0/baseline/result.json and the like)")
    task = find_task(results[0]["task"])
    comparison = compare_results(task, results)
    notes: list[str] = []
    channels: dict[str, dict[int, ChannelConfig]] = {arm: {} for arm in comparison["arms"]}
    for result in results:
        try:
            path = folder / f"seed{result['seed']}" / result["arm"] / "channels.json"
            channels[result["arm"]][result["seed"]] = ChannelConfig.load(path)
        except LwdnaError as error:
            notes.append(f"The channels of a run are missing: {error}.".replace(f"{folder}{os.sep}", ""))
    pictures: list[Picture] = []
    if task.pictures:
        try:
            pictures = list(resolve(task.pictures)(folder, results))
        except Exception as error:  # the task's code: a report without pictures is better than none
            notes.append(f"The pictures of {task.name} could not be drawn: {type(error).__name__}: {error}.")
    failed = [str(log.parent.relative_to(folder)) for log in sorted(folder.glob("seed*/*/error.log"))]
    if failed:
        notes.append(f"Runs that failed and are missing here: {', '.join(failed)}.")
    latency = read_latency(folder, results)
    return Material(folder, task, results, comparison, channels, pictures, latency, notes)
