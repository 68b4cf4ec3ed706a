"""The results of one protocol, as the page and its studies read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.evidence import store
from benchmarks.evidence.manifest import COMPARISONS, Comparison
from lwdna_core.compare.comparison import compare_results
from lwdna_core.compare.results import sittings
from lwdna_core.compare.task import find_task


@dataclass(frozen=True)
class Section:
    """One protocol's results: the manifest's entry, the runs, and the content of a `comparison.json` from them."""

    entry: Comparison
    runs: Sequence[store.Record]
    comparison: Mapping[str, Any]

    @property
    def primary(self) -> list[dict[str, Any]]:
        """The paired differences of the first metric."""
        return [pair for pair in self.comparison["pairs"] if pair["metric"] == self.comparison["primary"]]

    @property
    def unit(self) -> str:
        """Of the first metric."""
        return str(self.comparison["metrics"][self.comparison["primary"]]["unit"])

    def pair(self, arm: str, reference: str) -> dict[str, Any] | None:
        """The difference of two arms in the first metric, if both were run."""
        return next((p for p in self.primary if (p["arm"], p["vs"]) == (arm, reference)), None)

    @property
    def machines(self) -> list[str]:
        """Where the runs were made: device, torch and threads."""
        seen: dict[str, None] = {}
        for env in (place["environment"] for run in self.runs for place in sittings(run)):
            threads = "" if env["cuda"] else f", {env['threads']} thread" + "s" * (env["threads"] != 1)
            seen[f"{env['device']} (torch {env['torch']}{threads})"] = None
        return list(seen)

    @property
    def commits(self) -> list[str]:
        """What the runs were made with."""
        return list(dict.fromkeys(str(place["commit"]) for run in self.runs for place in sittings(run)))

    def values(self, kind: str) -> list[str]:
        """Different values of a key of the runs."""
        return list(dict.fromkeys(str(run[kind]) for run in self.runs))


def sections(results: Path) -> list[Section]:
    """What there is, in the manifest's order, but that of the usual sizes first."""
    found = []
    for entry in {c.name: c for c in reversed(COMPARISONS)}.values():
        runs = list(store.load(results, entry.name).values())
        for protocol in dict.fromkeys(run["fingerprint"] for run in runs):
            own = [run for run in runs if run["fingerprint"] == protocol]
            found.append(Section(entry, own, compare_results(find_task(entry.task), own)))
    order = {c.name: i for i, c in reversed(list(enumerate(COMPARISONS)))}
    return sorted(found, key=lambda section: (not section.entry.large, order[section.entry.name]))
