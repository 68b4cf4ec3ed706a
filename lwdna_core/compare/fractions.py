"""The same comparison at several sizes of the training set: what LW-DNA gains, over the amount of data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from mmengine.dist import get_rank
from rich.console import Console

from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.experiment import Request, comparison_folder, run_experiment, show_report
from lwdna_core.compare.results import FORMAT, read_json, write_json


def run_fractions(request: Request, fractions: Sequence[float], console: Console) -> int:
    """`run_experiment` at every share of the training set; `fractions.json` above them holds all that were ever run.

    Returns the number of failed runs.
    """
    failed = 0
    for fraction in sorted(set(fractions)):
        recipe = dataclasses.replace(request.recipe, train_fraction=fraction)
        console.print(f"{fraction:g} of the training set", highlight=False)
        failed += run_experiment(dataclasses.replace(request, recipe=recipe), console)
    if get_rank() == 0:
        experiment = load_experiment(request.task, request.recipe.config, request.recipe.options)
        folder = comparison_folder(request, experiment)
        found: dict[str, Any] = {
            path.parent.name.removeprefix("fraction"): read_json(path)
            for path in folder.glob("fraction*/comparison.json")
        }
        content = {"format": FORMAT, "task": request.task, "experiment": experiment.name}
        by_size = {size: found[size] for size in sorted(found, key=float)}
        write_json(folder / "fractions.json", {**content, "fractions": by_size})
        show_report(folder, console)
    return failed
