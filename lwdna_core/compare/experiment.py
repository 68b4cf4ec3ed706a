"""Arms x seeds -> runs -> comparison: what is there is kept, what is missing is run, all under one protocol."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, get_rank, get_world_size
from mmengine.registry import MODELS
from rich.console import Console

from lwdna_core.compare.arms import SEARCH
from lwdna_core.compare.comparison import compare_results
from lwdna_core.compare.config import Experiment, Recipe, check_arms, load_experiment
from lwdna_core.compare.cuda_graph import check_cuda_graph
from lwdna_core.compare.parts import check_parts
from lwdna_core.compare.progress import Display, Progress
from lwdna_core.compare.protocol import differences, fingerprint, protocol
from lwdna_core.compare.results import FORMAT, read_json, write_json
from lwdna_core.compare.runner import Run, run_steps, train, training_loader
from lwdna_core.compare.schedule import scale_schedulers
from lwdna_core.compare.search import check_searches, choose_channels, source
from lwdna_core.compare.sharing import check_shares
from lwdna_core.compare.summary import print_comparison
from lwdna_core.compare.task import Task
from lwdna_core.compare.trial import check_searches_asked, check_step
from lwdna_core.compare.workers import Workers, cores
from lwdna_core.errors import LwdnaError


@dataclass(frozen=True)
class Request:
    """What the user asked for. None leaves it to the config; see `load_experiment` and `Run` for the rest.

    Attributes:
        parallel: how many runs at once, in processes of their own.
        threads: of torch in each process; None: all cores, divided among the processes.
    """

    task: str
    recipe: Recipe
    seeds: int | None = None
    arms: tuple[str, ...] | None = None
    work_dir: Path = Path("work_dirs")
    resume: bool = False
    device: str = "cpu"
    command: str = ""
    cuda_graph: bool = False
    parallel: int = 1
    threads: int | None = None
    vis: str | None = None


def run_experiment(request: Request, console: Console) -> int:
    """Run what is missing of a comparison, write `comparison.json`, print its table. Returns the number of failed runs.

    Raises LwdnaError, before any work, for a mistake in the request or the config, for unfinished runs without
    `resume`, and for results of another protocol in the folder.
    """
    experiment, hashed = check_request(request)
    grid = make_grid(request, experiment, fingerprint(hashed))
    folder = comparison_folder(request, experiment)
    todo = [run for run in grid if not (run.folder / "result.json").exists()]
    barrier()  # all processes have looked before one of them writes
    failed = 0
    if todo:
        if get_rank() == 0:
            folder.mkdir(parents=True, exist_ok=True)
            begun = {"format": FORMAT, "fingerprint": fingerprint(hashed), "protocol": hashed}
            write_json(folder / "protocol.json", begun)
        with Progress(console, len(todo), run_steps(experiment)) as progress:
            by_seed = [list(runs) for _, runs in groupby(todo, key=lambda run: run.seed)]
            if request.parallel > 1:
                failed = _in_processes(by_seed, request, progress)
            else:
                failed = _one_by_one(by_seed, request, progress)
    else:
        console.print(f"{folder}: all {len(grid)} runs are there already", highlight=False, soft_wrap=True)
    if get_rank() == 0:
        _compare(folder, experiment.task, console)
    return failed


def check_request(request: Request) -> tuple[Experiment, dict[str, Any]]:
    """What the request leads to: the experiment and its protocol. Raises LwdnaError as `run_experiment` does."""
    experiment = load_experiment(request.task, **asdict(request.recipe))
    check_parts(experiment)
    if request.cuda_graph:
        check_cuda_graph(experiment, request.device)
    if check := getattr(MODELS.get(experiment.cfg.model.type), "check", None):
        check(experiment)  # what only its class knows: or it would be found after the search
    hashed = protocol(experiment)
    arms = list(dict.fromkeys(run.arm for run in make_grid(request, experiment, fingerprint(hashed))))
    check_searches_asked(experiment, arms)
    check_shares(training_loader(experiment, 0, "cpu"))
    if experiment.cfg.get("sync_bn") and get_world_size() > 1 and not request.device.startswith("cuda"):
        raise LwdnaError(f"sync_bn: torch's works on GPUs alone, not on {request.device}")
    if steps := request.recipe.max_steps:  # or a schedule that cannot be scaled would be found after the search
        scale_schedulers(experiment.cfg.get("param_scheduler"), experiment.cfg.train_cfg.max_epochs, 1, steps)
    _check_folder(comparison_folder(request, experiment), experiment, hashed, request.resume)
    check_step(experiment, arms)
    return experiment, hashed


def make_grid(request: Request, experiment: Experiment, protocol_fingerprint: str) -> list[Run]:
    """All runs that were asked for, seed by seed."""
    arms = check_arms(experiment.arms if request.arms is None else request.arms, experiment.known_arms)
    folder = comparison_folder(request, experiment)
    return [
        Run(
            request.task, request.recipe, seed, arm, folder / f"seed{seed}" / arm, protocol_fingerprint,
            request.device, request.command, request.cuda_graph, request.vis,
        )
        for seed in range(experiment.seeds if request.seeds is None else request.seeds) for arm in arms
    ]  # fmt: skip


def comparison_folder(request: Request, experiment: Experiment) -> Path:
    """Where the seeds of the comparison lie."""
    folder = request.work_dir / experiment.name
    fraction = request.recipe.train_fraction
    return folder if fraction is None else folder / f"fraction{fraction:g}"


def _one_by_one(by_seed: list[list[Run]], request: Request, display: Display) -> int:
    if request.threads:
        torch.set_num_threads(request.threads)
    failed = 0
    for runs in by_seed:
        if get_rank() == 0:
            lost = prepare(runs, display)
            failed += len(lost)
        barrier()
        for run in runs:
            if (run.folder / "channels.json").exists():
                failed += not perform(run, display)
    return failed


def _in_processes(by_seed: list[list[Run]], request: Request, display: Display) -> int:
    failed, broken = 0, False
    threads = request.threads or max(1, cores() // request.parallel)
    with Workers(request.parallel, threads, display) as workers:
        searches: dict[Future[Any], list[Run]] = {workers.submit(prepare, runs): runs for runs in by_seed}
        pending: set[Future[Any]] = set(searches)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                runs = searches.get(future, [None])
                try:
                    if future in searches:
                        lost = future.result()
                        failed += len(lost)
                        pending |= {workers.submit(perform, run) for run in runs if run and run.arm not in lost}
                    else:
                        failed += not future.result()
                except BrokenProcessPool:
                    failed, broken = failed + len(runs), True
    if broken:
        display.begin("--parallel").end("a process was killed (out of memory?): --resume goes on with what is missing")
    return failed


def prepare(runs: list[Run], display: Display) -> set[str]:
    """Choose the channels of one seed's arms, searches included. Returns the arms that failed."""
    experiment = load_experiment(runs[0].task, **asdict(runs[0].recipe))
    failed: dict[Path, str] = {}  # searches, which several arms may need

    def work(run: Run) -> None:
        found = source(experiment, run)
        if found in failed:
            raise LwdnaError(f"its search failed: {failed[found]}")
        try:
            choose_channels(run, experiment, display)
        except Exception as error:
            if found and not found.exists():
                failed[found] = str(error) or type(error).__name__
            raise

    return {run.arm for run in runs if not _guarded(run, work, display)}


def perform(run: Run, display: Display) -> bool:
    """Train a run that has its channels. Returns whether it succeeded."""

    def work(run: Run) -> None:
        experiment = load_experiment(run.task, **asdict(run.recipe))
        line = display.begin(f"{experiment.name} seed {run.seed} {run.arm}", run_steps(experiment))
        metrics = train(run, line)["metrics"]
        line.end("  ".join(f"{name} {value:.2f}" for name, value in metrics.items() if value is not None))

    return _guarded(run, work, display)


def _guarded(run: Run, work: Callable[[Run], object], display: Display) -> bool:
    run.folder.mkdir(parents=True, exist_ok=True)
    log = run.folder / "error.log"
    try:
        work(run)
        log.unlink(missing_ok=True)
        return True
    except Exception as error:  # whatever the network, the data or the machine may do; the other runs go on
        if torch.distributed.is_initialized():
            raise  # the other processes wait for this one: let the launcher end them
        log.write_text(traceback.format_exc())
        line = display.begin(f"{run.folder.parent.parent.name} seed {run.seed} {run.arm}")
        line.end(f"failed: {type(error).__name__}: {error} (traceback in {log})")
        return False


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
    from lwdna_core.compare.report import write_report

    show_report(lambda: write_report(folder), console)


def show_report(write: Callable[[], Path], console: Console) -> None:
    """Write a report and print where it is."""
    try:
        path = write()
    except Exception as error:  # a task's pictures are its own code; the results are there whatever they do
        console.print(f"no report: {type(error).__name__}: {error}", markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(f"report: {path}", markup=False, highlight=False, soft_wrap=True)


def _check_folder(folder: Path, experiment: Experiment, hashed: dict[str, Any], resume: bool) -> None:
    """Raise LwdnaError where the folder holds runs of another protocol, other searches, or unfinished runs."""
    unfinished = [
        home for home in sorted(folder.glob("seed*/*"))
        if home.is_dir() and home.name != SEARCH and not (home / "result.json").exists()
    ]  # fmt: skip
    searched = next(folder.glob("seed*/search/**/channels.json"), None)
    begun = [folder / "protocol.json"] if unfinished or searched else []
    for path in [*begun, *sorted(folder.glob("seed*/*/result.json"))]:
        if path.exists() and (there := read_json(path))["fingerprint"] != fingerprint(hashed):
            keys = "; ".join(differences(there["protocol"], hashed))
            raise LwdnaError(f"{path} is of another protocol (there, now): {keys}: choose another --work-dir")
    check_searches(folder, experiment)
    if unfinished and not resume:
        names = ", ".join(str(home.relative_to(folder)) for home in unfinished)
        raise LwdnaError(f"{folder} has unfinished runs ({names}): --resume goes on with them")
