"""The results of one protocol, as the page and its studies read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.evidence import store
from benchmarks.evidence.manifest import COMPARISONS, Comparison
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.comparison import compare_results
from lwdna_core.compare.results import sittings
from lwdna_core.compare.task import find_task
from lwdna_core.compare.wording import number, places, points, search_sentence


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
        """The difference of two arms in the first metric, if both were run; `apart`: see the method of this name."""
        found = next((p for p in self.primary if (p["arm"], p["vs"]) == (arm, reference)), None)
        return found and {**found, "apart": bool(self.apart(arm, reference))}

    def apart(self, arm: str, reference: str) -> list[int]:
        """Seeds of which the two arms were not trained in the same places: device, torch and number of threads."""
        where = {
            (run["arm"], int(run["seed"])): {
                tuple(place["environment"][key] for key in ("device", "torch", "threads")) for place in sittings(run)
            }
            for run in self.runs if run["arm"] in (arm, reference)
        }  # fmt: skip
        seeds = sorted(seed for name, seed in where if name == arm and (reference, seed) in where)
        return [seed for seed in seeds if where[arm, seed] != where[reference, seed]]

    @property
    def unchanged(self) -> dict[str, dict[int, float]]:
        """Arms that were to differ from the baseline and have its very channels, as a search that found nothing better
        gives them: what they score above the baseline of their seed is chance alone. {arm: {seed: difference}}.
        """
        metric = str(self.comparison["primary"])
        base = {int(run["seed"]): run for run in self.runs if run["arm"] == BASELINE}
        found: dict[str, dict[int, float]] = {}
        for run in self.runs:
            if run["arm"] == BASELINE or (other := base.get(int(run["seed"]))) is None:
                continue
            if run["network"]["channels"] == other["network"]["channels"]:
                above = float(run["metrics"][metric]) - float(other["metrics"][metric])
                found.setdefault(run["arm"], {})[int(run["seed"])] = above
        return found

    @property
    def details(self) -> list[dict[str, Any]]:
        """LW-DNA against the baseline in the other metrics, and in the first where its test items were drawn again."""
        apart = bool(self.apart(LWDNA, BASELINE))
        pairs = [{**p, "apart": apart} for p in self.comparison["pairs"] if (p["arm"], p["vs"]) == (LWDNA, BASELINE)]
        first = self.comparison["primary"]
        return [p for p in pairs if p["difference"] is not None and (p["metric"] != first or p["bootstrap"])]

    @property
    def notes(self) -> list[str]:
        """What a reader of the numbers has to know: sentences."""
        found = []
        if cost := search_sentence(list(self.runs)):
            found.append(f"{cost[0].upper()}{cost[1:]}.")
        arms = [arm for arm in self.comparison["arms"] if arm != BASELINE]
        if apart := [f"{arm} of {_seeds(seeds)}" for arm in arms if (seeds := self.apart(arm, BASELINE))]:
            found.append(f"Not trained in the same places as the baseline of their seed: {'; '.join(apart)}.")
        for arm, above in self.unchanged.items():
            low, high = (number(choose(above.values()), places(self.unit), sign=True) for choose in (min, max))
            found.append(
                f"The channels of {arm} of {_seeds(list(above))} are the baseline's own: what it scores above it "
                f"there, {low} to {high} {points(self.unit)}".rstrip()
                + ", is chance: 0 in the same place, else what other rounding does to a training."
            )
        return found

    @property
    def machines(self) -> list[str]:
        """Where the runs were made: device, torch and threads."""
        seen: dict[str, None] = {}
        for env in (place["environment"] for run in self.runs for place in sittings(run)):
            threads = "" if env["cuda"] else f", {env['threads']} thread" + "s" * (env["threads"] != 1)
            device = env["device"] if env["cuda"] else env.get("processor") or env["device"]
            seen[f"{device} (torch {env['torch']}{threads})"] = None
        return list(seen)

    @property
    def commits(self) -> list[str]:
        """What the runs were made with."""
        return list(dict.fromkeys(str(place["commit"]) for run in self.runs for place in sittings(run)))

    def values(self, kind: str) -> list[str]:
        """Different values of a key of the runs."""
        return list(dict.fromkeys(str(run[kind]) for run in self.runs))


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, sorted(seeds)))}"


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
