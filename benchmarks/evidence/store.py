"""The results that are kept: a file for each comparison, where the runs of several machines add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lwdna_core.compare.results import FORMAT, read_json, write_json
from lwdna_core.errors import LwdnaError
from lwdna_core.shrink import ChannelConfig

RESULTS = Path(__file__).parents[1] / "results" / "evidence"
_MOST_ITEMS = 1000  # with more, scores by item are left out: 10,000 images weigh more than all the rest
_KEPT = (
    "format", "task", "experiment", "arm", "seed", "fingerprint", "request", "init", "command", "date", "commit",
    "environment", "sittings", "metrics", "items", "network", "search", "train",
)  # fmt: skip

Record = dict[str, Any]
"""A `result.json` without its curve, and the `channels.json` beside it as far as studies need it."""
Key = tuple[str, str, int]
"""Fingerprint of the protocol, arm, seed."""


def record(folder: Path) -> Record:
    """What is kept of a finished run."""
    result = read_json(folder / "result.json")
    channels = ChannelConfig.load(folder / "channels.json")
    groups = [[g.name, g.baseline, g.widened, g.found, g.at_floor] for g in channels.groups]
    few = {name: items for name, items in (result["items"] or {}).items() if len(items) <= _MOST_ITEMS}
    return {key: result[key] for key in _KEPT if key in result} | {
        "items": few, "shrink": dict(channels.settings), "groups": groups, "protocol": result["protocol"],
    }  # fmt: skip


def key(run: Record) -> Key:
    """What tells runs apart."""
    return run["fingerprint"], run["arm"], int(run["seed"])


def path(folder: Path, name: str) -> Path:
    """The file of a comparison."""
    return folder / f"{name}.json"


def load(folder: Path, name: str) -> dict[Key, Record]:
    """The runs of a comparison that are there already. Raises LwdnaError for a damaged file."""
    file = path(folder, name)
    if not file.exists():
        return {}
    content = read_json(file)
    runs = [{**run, "protocol": content["protocols"][run["fingerprint"]]} for run in content["runs"]]
    return {key(run): run for run in runs}


def add(folder: Path, name: str, run: Record) -> None:
    """Keep one more run. One that is there already stays: results do not change under those who quote them.

    Raises LwdnaError where an arm of the same name has other shrink settings.
    """
    runs = load(folder, name)
    for other in runs.values():
        if (
            other["fingerprint"] == run["fingerprint"]
            and other["arm"] == run["arm"]
            and other["shrink"] != run["shrink"]
        ):
            raise LwdnaError(
                f"{path(folder, name)}: arm {run['arm']!r} of seed {other['seed']} has the settings {other['shrink']}, "
                f"seed {run['seed']} has {run['shrink']}: give one of them another name"
            )
    runs.setdefault(key(run), run)
    order = sorted(runs.values(), key=lambda run: (run["fingerprint"], int(run["seed"]), run["arm"]))
    protocols = {run["fingerprint"]: run["protocol"] for run in order}
    bare = [{k: v for k, v in run.items() if k != "protocol"} for run in order]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path(folder, name), {"format": FORMAT, "name": name, "protocols": protocols, "runs": bare})
