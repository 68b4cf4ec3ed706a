"""Runs of many comparisons in one pool of processes, until all are done or the time is over."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from rich.console import Console

from benchmarks.evidence.manifest import Comparison
from lwdna_core.compare.experiment import perform, prepare
from lwdna_core.compare.progress import Progress
from lwdna_core.compare.runner import Run
from lwdna_core.compare.workers import Workers
from lwdna_core.errors import LwdnaError


@dataclasses.dataclass(frozen=True)
class Work:
    """The runs of one seed of a comparison that are missing, and how long one may take (None: nobody knows yet)."""

    comparison: Comparison
    runs: tuple[Run, ...]
    steps: int
    seconds: float | None = None


class OutOfTime(Exception):
    """Ends the pool, and with it the runs that are under way: their checkpoints stay."""


def carry_out(
    work: Sequence[Work],
    keep: Callable[[Comparison, Run], None],
    *,
    deadline: float,
    parallel: int,
    threads: int,
    console: Console,
) -> tuple[int, int]:
    """Do the work in its order, as far as the time allows.

    A run that would not end in time, by what runs of its comparison took, is left out, and what comes after it has its
    turn. At the deadline the runs under way are ended.

    Args:
        work: in the order of its value.
        keep: called with every run that is finished, as soon as it is.
        deadline: by `time.monotonic`.
        parallel, threads: processes, and torch's threads in each.
        console: where progress is shown.

    Returns: the numbers of runs that failed, and that are left.
    """
    total = sum(len(item.runs) * item.steps for item in work)
    failed, left = 0, sum(len(item.runs) for item in work)
    took: dict[str, float] = {item.comparison.name: item.seconds for item in work if item.seconds is not None}
    queue = _Queue(work)
    try:
        with Progress(console, 1, total) as progress, Workers(parallel, threads, progress) as workers:
            under_way: dict[Future[Any], tuple[Work, Run | None, float]] = {}
            while True:
                while len(under_way) < parallel and (item := queue.take(_fits(took, deadline))):
                    unit, run = item
                    future = workers.submit(prepare, list(unit.runs)) if run is None else workers.submit(perform, run)
                    under_way[future] = (unit, run, time.monotonic())
                if not under_way:
                    return failed, left
                done, _ = wait(under_way, max(0.0, deadline - time.monotonic()), FIRST_COMPLETED)
                if not done:
                    raise OutOfTime
                for future in done:
                    unit, run, begun = under_way.pop(future)
                    if run is None:
                        lost = future.result()
                        failed, left = failed + len(lost), left - len(lost)
                        queue.prepared(unit, [run for run in unit.runs if run.arm not in lost])
                    elif future.result():
                        name = unit.comparison.name
                        took[name] = max(took.get(name, 0.0), time.monotonic() - begun)
                        keep(unit.comparison, run)
                        left -= 1
                    else:
                        failed, left = failed + 1, left - 1
    except OutOfTime:
        console.print("the time is over; the same command goes on with what is under way", highlight=False)
    except BrokenProcessPool as error:
        raise LwdnaError("a process was killed (out of memory?): fewer with --parallel") from error
    return failed, left


def _fits(took: dict[str, float], deadline: float) -> Callable[[Work], bool]:
    return lambda unit: time.monotonic() + took.get(unit.comparison.name, 0.0) < deadline


class _Queue:
    """What may be begun: the search of a seed, then its runs. Earlier work comes first."""

    def __init__(self, work: Sequence[Work]) -> None:
        self._ready: list[tuple[int, Work, Run | None]] = [(i, unit, None) for i, unit in enumerate(work)]
        self._place = {id(unit): i for i, unit in enumerate(work)}

    def take(self, fits: Callable[[Work], bool]) -> tuple[Work, Run | None] | None:
        for index, (_, unit, run) in enumerate(self._ready):
            if fits(unit):
                del self._ready[index]
                return unit, run
        return None

    def prepared(self, unit: Work, runs: Sequence[Run]) -> None:
        place = self._place[id(unit)]
        self._ready = sorted([*self._ready, *((place, unit, run) for run in runs)], key=lambda entry: entry[0])
