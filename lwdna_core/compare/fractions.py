"""The same comparison at several sizes of the training set: what LW-DNA gains, over the amount of data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from mmengine.dist import get_rank
from rich.console import Console

from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.experiment import Request, check_request, comparison_folder, run_experiment, show_report
from lwdna_core.compare.protocol import differences
from lwdna_core.compare.results import FORMAT, read_json, write_json
from lwdna_core.errors import LwdnaError


def run_fractions(request: Request, fractions: Sequence[float], console: Console) -> int:
    """`run_experiment` at every share of the training set; `fractions.json` above them holds all that were ever run.

    Returns the number of failed runs.

    Raises LwdnaError as `run_experiment`.
    """
    failed = 0
    for part in at_fractions(request, fractions):
        console.print(f"{part.recipe.train_fraction:g} of the training set", highlight=False)
        failed += run_experiment(part, console)
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
        from lwdna_core.compare.report import write_study

        show_report(lambda: write_study(folder), console)
    return failed


def at_fractions(request: Request, fractions: Sequence[float]) -> list[Request]:
    """A request for each share of the training set."""
    recipes = [dataclasses.replace(request.recipe, train_fraction=fraction) for fraction in sorted(set(fractions))]
    return [dataclasses.replace(request, recipe=recipe) for recipe in recipes]


def check_fractions(request: Request, fractions: Sequence[float]) -> None:
    """Raise LwdnaError, before any work, for what is wrong with any of them, and where the folder holds sizes that were
    run under a protocol which differs in more than the size.
    """
    for part in at_fractions(request, fractions):
        experiment, hashed = check_request(part)
        for path in sorted(comparison_folder(request, experiment).glob("fraction*/protocol.json")):
            there = {**read_json(path)["protocol"], "train_fraction": part.recipe.train_fraction}
            if keys := differences(there, hashed):
                raise LwdnaError(
                    f"{path} is of another protocol (there, now): {'; '.join(keys)}: choose another --work-dir"
                )
