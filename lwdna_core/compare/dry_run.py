"""What a comparison would do: its runs with their costs, and an estimate of the time from a few measured steps."""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Sequence
from itertools import chain, islice, repeat

import torch
from mmengine.optim import build_optim_wrapper
from rich.console import Console
from rich.table import Table

from lwdna_core.compare.config import Experiment, load_experiment
from lwdna_core.compare.cuda_graph import WARM_UP
from lwdna_core.compare.experiment import Request, comparison_folder, make_grid
from lwdna_core.compare.protocol import fingerprint, protocol
from lwdna_core.compare.runner import build_model, run_steps, training_loader
from lwdna_core.compare.search import baseline, blank, shrink_settings
from lwdna_core.shrink import ChannelConfig, describe

_STEPS = 3  # timed, after those that warm up


def print_plan(request: Request, fractions: Sequence[float | None], console: Console) -> None:
    """Print the grid of runs. Nothing is written; a few training steps of the baseline are timed.

    Raises LwdnaError for a mistake in the request or the config.
    """
    for fraction in fractions:
        recipe = dataclasses.replace(request.recipe, train_fraction=fraction)
        wanted = dataclasses.replace(request, recipe=recipe)
        experiment = load_experiment(request.task, **dataclasses.asdict(recipe))
        grid = make_grid(wanted, experiment, fingerprint(protocol(experiment)))
        channels = describe(baseline(experiment), blank(experiment))
        steps, seconds = run_steps(experiment), _seconds_per_step(experiment, request.device, request.cuda_graph)
        table = Table(title=f"{comparison_folder(wanted, experiment)}: {steps} steps a run", title_justify="left")
        for column in ("seed", "arm", "MACs", "parameters", "time", "state"):
            table.add_column(column, justify="left" if column in ("arm", "state") else "right")
        total = 0.0
        for run in grid:
            path = run.folder / "channels.json"
            done = (run.folder / "result.json").exists()
            share, costs = _share(experiment, run.arm), ["?", "?"]
            if path.exists():
                found = ChannelConfig.load(path).found
                share, costs = found.macs / channels.found.macs, [f"{found.macs / 1e6:.2f} M", f"{found.params:,}"]
            elif run.arm == "baseline":
                costs = [f"{channels.found.macs / 1e6:.2f} M", f"{channels.found.params:,}"]
            elif "macs" in shrink_settings(experiment, run.arm):
                costs[0] = f"{'about' if share > 1 else 'at most'} {share * channels.found.macs / 1e6:.2f} M"
            estimate = 0.0 if done else steps * seconds * share
            total += estimate
            state = "finished" if done else "to be run"
            table.add_row(str(run.seed), run.arm, *costs, _clock(estimate), state)
        console.print(table)
        at_once = f", {request.parallel} at once: {_clock(total / request.parallel)}" * (request.parallel > 1)
        console.print(
            f"training: about {_clock(total)}{at_once}; from {_STEPS} steps of the baseline on {request.device} at "
            f"{seconds:.3g} s, other arms by their MACs; without evaluation and searches",
            highlight=False,
            soft_wrap=True,
        )


def _share(experiment: Experiment, arm: str) -> float:
    """MACs of an arm relative to the baseline's, as far as the settings tell."""
    what = experiment.known_arms[arm]
    if what.widened:
        return float(experiment.shrink.get("width", 2.0)) ** 2
    if what.shrink is None and what.shares is None:
        return 1.0
    return float(shrink_settings(experiment, arm).get("macs", 1.0))


def _seconds_per_step(experiment: Experiment, device: str, cuda_graph: bool) -> float:
    """Whole training steps of the baseline, as its runs take them (in their precision, compiled), on real batches."""
    cfg = copy.deepcopy(experiment.cfg)
    model = build_model(cfg, baseline(experiment), device, cuda_graph).train()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    warm_up = WARM_UP + 1 if cuda_graph else 1

    def now() -> float:
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        return time.perf_counter()

    # a set of fewer batches is gone through again
    for step, batch in enumerate(
        islice(chain.from_iterable(repeat(training_loader(experiment, 0, device))), warm_up + _STEPS)
    ):
        if step == warm_up:
            started = now()
        model.train_step(batch, optimizer)
    return (now() - started) / _STEPS


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
