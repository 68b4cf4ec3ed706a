"""What a comparison shows while it works: bars on a terminal, one line a run elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


class Progress:
    """Shows which arm and seed is at work, how far it is, and when all will be done.

    Args:
        console: where to. Without a terminal there are only plain lines.
        runs: how many runs there will be.
        steps: optimiser steps of each.
    """

    def __init__(self, console: Console, runs: int, steps: int) -> None:
        self.console = console
        self._bars = Bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"), console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._all = self._bars.add_task("all runs", total=runs * steps, status="")
        self._run = self._bars.add_task("", total=None, status="", visible=False)

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, name: str, steps: int | None = None) -> None:
        """A piece of work starts: a search (its length unknown) or a run of so many steps."""
        self._name, self._started = name, time.perf_counter()
        self._bars.reset(self._run, total=steps, description=name, status="", visible=True)

    def advance(self, steps: int) -> None:
        self._bars.advance(self._run, steps)
        self._bars.advance(self._all, steps)

    def report(self, where: str, values: Mapping[str, float]) -> None:
        """Show where the run is and its latest numbers."""
        shown = "  ".join([where, *(f"{name} {value:.4g}" for name, value in values.items())])
        self._bars.update(self._run, status=shown)

    def end(self, outcome: str) -> None:
        """The piece of work is over: leave one line of it."""
        seconds = time.perf_counter() - self._started
        self._bars.update(self._run, visible=False)
        self.console.print(f"{self._name}: {outcome} ({seconds:.0f} s)", highlight=False, markup=False, soft_wrap=True)
