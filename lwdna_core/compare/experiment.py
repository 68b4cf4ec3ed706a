"""Arms x seeds -> runs -> comparison: what is there is kept, what is missing is run, all under one protocol."""

from __future__ import annotations

import dataclasses
import traceback
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from lwdna_core.compare.arms import ARMS
from lwdna_core.compare.comparison import compare_results
from lwdna_core.compare.config import Experiment, check_arms, load_experiment
from lwdna_core.compare.progress import Progress
from lwdna_core.compare.protocol import differences, fingerprint, protocol
from lwdna_core.compare.randomness import NETWORK, reseed
from lwdna_core.compare.results import FORMAT, read_json, write_json
from lwdna_core.compare.runner import Run, run_steps, train
from lwdna_core.compare.search import check_search, search, search_material
from lwdna_core.compare.summary import print_comparison
from lwdna_core.compare.task import Task
from lwdna_core.errors import LwdnaError
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig, describe

__all__ = ["Request", "run_experiment", "search_material"]


@dataclass(frozen=True)
class Request:
    """What the user asked for. None leaves it to the config; see `load_experiment` and `Run` for the rest."""

    task: str
    config: str
    options: tuple[str, ...] = ()
    max_steps: int | None = None
    seeds: int | None = None
    arms: tuple[str, ...] | None = None
    work_dir: Path = Path("work_dirs")
    resume: bool = False
    device: str = "cpu"
    command: str = ""


def run_experiment(request: Request, console: Console) -> int:
    """Run what is missing of a comparison, write `comparison.json`, print its table. Returns the number of failed runs.

    Raises LwdnaError, before any work, for a mistake in the request or the config, for unfinished runs without
    `resume`, and for results of another protocol in the folder.
    """
    experiment = load_experiment(request.task, request.config, request.options, request.max_steps)
    arms = experiment.arms if request.arms is None else check_arms(request.arms)
    seeds = range(experiment.seeds if request.seeds is None else request.seeds)
    folder = request.work_dir / experiment.name
    hashed = protocol(experiment)
    _check_folder(folder, experiment, hashed, request.resume)
    grid = [
        Run(
            request.task, request.config, request.options, request.max_steps, seed, arm,
            folder / f"seed{seed}" / arm, fingerprint(hashed), request.device, request.command,
        )
        for seed in seeds for arm in arms
    ]  # fmt: skip
    todo = [run for run in grid if not (run.folder / "result.json").exists()]
    failed = 0
    if todo:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "protocol.json", {"format": FORMAT, "fingerprint": fingerprint(hashed), "protocol": hashed})
        with Progress(console, len(todo), run_steps(experiment)) as progress:
            for _, runs in groupby(todo, key=lambda run: run.seed):
                failed += _run_seed(list(runs), experiment, progress)
    else:
        console.print(f"{folder}: all {len(grid)} runs are there already", highlight=False, soft_wrap=True)
    _compare(folder, experiment.task, console)
    return failed


def _run_seed(runs: list[Run], experiment: Experiment, progress: Progress) -> int:
    """Choose the channels of one seed's arms, then train them. Returns how many failed, and says which."""
    failed: set[str] = set()
    for work in (_choose_channels, _train):
        for run in runs:
            if run.arm in failed:
                continue
            run.folder.mkdir(parents=True, exist_ok=True)
            log = run.folder / "error.log"
            try:
                work(run, experiment, progress)
                log.unlink(missing_ok=True)
            except LwdnaError:
                raise
            except Exception as error:  # whatever the network, the data or the machine may do; the other runs go on
                log.write_text(traceback.format_exc())
                progress.end(f"failed: {type(error).__name__}: {error} (traceback in {log})")
                failed.add(run.arm)
    return len(failed)


def _choose_channels(run: Run, experiment: Experiment, progress: Progress) -> None:
    path = run.folder / "channels.json"
    if path.exists():
        return
    shrink = ARMS[run.arm].shrink
    if shrink is None:
        channels = baseline_channels(experiment, run.seed)
    else:
        progress.begin(f"{experiment.name} seed {run.seed} search")
        settings = {**experiment.shrink, **shrink}
        channels = search(experiment, settings, run.seed, run.folder.parent / "search", run.device)
        macs, params = (getattr(channels.found, key) / getattr(channels.baseline, key) for key in ("macs", "params"))
        at_floor = f"{sum(group.at_floor for group in channels.groups)} of {len(channels.groups)} groups at their floor"
        limits = f"; {channels.limits}" if channels.limits else ""
        progress.end(f"{macs:.1%} of the MACs, {params:.1%} of the parameters, {at_floor}{limits}")
    channels.save(path)


def _train(run: Run, experiment: Experiment, progress: Progress) -> None:
    progress.begin(f"{experiment.name} seed {run.seed} {run.arm}", run_steps(experiment))
    metrics = train(run, progress)["metrics"]
    progress.end("  ".join(f"{name} {value:.2f}" for name, value in metrics.items() if value is not None))


def _compare(folder: Path, task: Task, console: Console) -> None:
    """Put all finished runs of the folder side by side, in `comparison.json` and on the console."""
    results = [read_json(path) for path in sorted(folder.glob("seed*/*/result.json"))]
    if not results:
        return
    comparison = compare_results(task, results)
    path = folder / "comparison.json"
    if not path.exists() or read_json(path) != comparison:
        write_json(path, comparison)
    print_comparison(comparison, results, console)
    console.print(str(path), highlight=False, soft_wrap=True)


def baseline_channels(experiment: Experiment, seed: int) -> ChannelConfig:
    """The network as it is, as a configuration: every arm is built from one."""
    reseed(seed, NETWORK, 0)
    channels = describe(build_network(experiment.network), torch.zeros(1, *experiment.input))
    return dataclasses.replace(channels, network=experiment.network, seed=seed)


def _check_folder(folder: Path, experiment: Experiment, hashed: dict[str, Any], resume: bool) -> None:
    """Raise LwdnaError where the folder holds runs of another protocol, other searches, or unfinished runs."""
    unfinished = [
        home for home in sorted(folder.glob("seed*/*"))
        if home.is_dir() and home.name != "search" and not (home / "result.json").exists()
    ]  # fmt: skip
    begun = [folder / "protocol.json"] if any(next(home.glob("*.pth"), None) for home in unfinished) else []
    for path in [*begun, *sorted(folder.glob("seed*/*/result.json"))]:
        if path.exists() and (there := read_json(path))["fingerprint"] != fingerprint(hashed):
            keys = "; ".join(differences(there["protocol"], hashed))
            raise LwdnaError(f"{path} is of another protocol (there, now): {keys}: choose another --work-dir")
    for path in sorted(folder.glob("seed*/search/channels.json")):
        check_search(path, experiment.shrink)
    if unfinished and not resume:
        names = ", ".join(str(home.relative_to(folder)) for home in unfinished)
        raise LwdnaError(f"{folder} has unfinished runs ({names}): --resume goes on with them")
