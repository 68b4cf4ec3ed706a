"""The protocol and the environment of a comparison, as pairs of a name and a value for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lwdna_core.compare import wording
from lwdna_core.compare.report.material import Material
from lwdna_core.compare.results import sittings


def protocol_facts(material: Material) -> list[tuple[str, str]]:
    """What all runs have in common, from what was hashed into their fingerprint."""
    hashed, config = material.results[0]["protocol"], material.results[0]["protocol"]["config"]
    train, wrapper = material.results[0]["train"], config["optim_wrapper"]
    epochs = train["steps"] / train["steps_per_epoch"]
    length = f"{train['steps']} steps, {epochs:g} epochs of {train['steps_per_epoch']}"
    if hashed["max_steps"]:
        recipe = config["train_cfg"]["max_epochs"]
        length += f" (cut by --max-steps; the recipe has {recipe} epochs, its schedule is scaled)"
    schedule = config.get("param_scheduler") or []
    facts = [
        ("Network", config["experiment"]["network"]),
        ("Input", _shapes(config["experiment"]["input"])),
        ("Training data", _call(config["train_dataloader"]["dataset"])),
        ("Evaluation data", _call(config["val_dataloader"]["dataset"])),
        ("Batch size", str(config["train_dataloader"]["batch_size"])),
        ("Optimiser", _call(wrapper["optimizer"])),
        ("Schedule", "; ".join(map(_call, schedule if isinstance(schedule, list) else [schedule])) or "constant"),
        ("Length", length),
        ("Precision", f"{wrapper['dtype']} under autocast" if "dtype" in wrapper else "float32"),
        ("Seeds", ", ".join(sorted({str(r["seed"]) for r in material.results}, key=int))),
        ("Reported", "the last epoch of every run, never the best"),
        ("Fingerprint", material.comparison["fingerprint"]),
    ]
    if hashed.get("train_fraction") is not None:
        facts.insert(3, ("Share of the training data", wording.share(hashed["train_fraction"])))
    return facts


def environment_facts(material: Material) -> list[tuple[str, str]]:
    """Software and machine; where runs differ, all values."""
    places = [place for result in material.results for place in sittings(result)]
    keys = dict.fromkeys(key for place in places for key in place["environment"])
    facts = []
    for key in keys:
        values = dict.fromkeys(str(place["environment"].get(key)) for place in places)
        if list(values) != ["None"]:
            facts.append((key, ", ".join(values)))
    commits = dict.fromkeys(str(place["commit"]) for place in places if place["commit"])
    seconds = sum(r["train"]["seconds"] for r in material.results)
    return [
        *facts,
        *([("commit", ", ".join(commits))] if commits else []),
        ("training", f"{wording.duration(seconds)} in all {len(material.results)} runs"),
    ]


def _call(settings: Mapping[str, Any]) -> str:
    """{"type": "SGD", "lr": 0.1} as "SGD, lr 0.1"."""
    rest = [f"{key} {_plain(value)}" for key, value in settings.items() if key != "type"]
    return ", ".join([str(settings.get("type", "")), *rest])


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    if isinstance(value, Mapping):
        return f"({_call(value)})" if "type" in value else str(dict(value))
    return str(value)


def _shapes(value: list[Any]) -> str:
    """One shape, or several."""
    shapes = [value] if isinstance(value[0], int) else value
    return ", ".join(" × ".join(map(str, shape)) for shape in shapes)
