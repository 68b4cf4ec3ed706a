"""What a comparison shows while it works: bars on a terminal, one line a piece of work elsewhere.

Several pieces may be under way at once, in processes of their own, which have a `Reporter` in place of `Progress`.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars


class Line(Protocol):
    """One piece of work that is under way: a search or a run."""

    def advance(self, steps: int) -> None: ...

    def report(self, where: str, values: Mapping[str, float]) -> None:
        """Show where the work is, and its latest numbers."""
        ...

    def note(self, text: str) -> None:
        """Leave a line of text."""
        ...

    def end(self, outcome: str) -> None:
        """The work is over: leave one line of it."""
        ...


class Display(Protocol):
    """Where pieces of work announce themselves."""

    def begin(self, name: str, steps: int | None = None) -> Line:
        """A piece of work starts: a search (its length unknown) or a run of so many steps."""
        ...


class Progress:
    """Shows which arms and seeds are at work, how far they are, and when all will be done.

    Args:
        console: where to. Without a terminal there are only plain lines.
        runs: how many runs there will be.
        steps: optimiser steps of each.
    """

    def __init__(self, console: Console, runs: int, steps: int) -> None:
        self.console = console
        self.bars = Bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"), console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self.all = self.bars.add_task("all runs", total=runs * steps, status="")

    def __enter__(self) -> Progress:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def begin(self, name: str, steps: int | None = None) -> Line:
        return _Bar(self, name, steps)


class _Bar:
    def __init__(self, progress: Progress, name: str, steps: int | None) -> None:
        self._progress, self._name, self._started = progress, name, time.perf_counter()
        self._bar = progress.bars.add_task(name, total=steps, status="")

    def advance(self, steps: int) -> None:
        self._progress.bars.advance(self._bar, steps)
        self._progress.bars.advance(self._progress.all, steps)

    def report(self, where: str, values: Mapping[str, float]) -> None:
        shown = "  ".join([where, *(f"{name} {value:.4g}" for name, value in values.items())])
        self._progress.bars.update(self._bar, status=shown)

    def note(self, text: str) -> None:
        self._progress.console.print(f"{self._name}: {text}", highlight=False, markup=False, soft_wrap=True)

    def end(self, outcome: str) -> None:
        self._progress.bars.remove_task(self._bar)
        self.note(f"{outcome} ({time.perf_counter() - self._started:.0f} s)")


class Reporter:
    """A display for another process, which sends what happens through a queue; `follow` shows it there.

    Args:
        queue: with a method `put`.
    """

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self._keys = itertools.count()

    def begin(self, name: str, steps: int | None = None) -> Line:
        return _Sender(self._queue, (os.getpid(), next(self._keys)), name, steps)


class _Sender:
    EVERY = 0.2  # seconds between two messages on steps

    def __init__(self, queue: Any, key: tuple[int, int], name: str, steps: int | None) -> None:
        self._queue, self._key = queue, key
        self._steps, self._sent = 0, time.perf_counter()
        self._send("begin", name, steps)

    def _send(self, *message: object) -> None:
        self._queue.put((self._key, *message))

    def advance(self, steps: int) -> None:
        self._steps += steps
        if time.perf_counter() - self._sent > self.EVERY:
            self._flush()

    def _flush(self) -> None:
        self._send("advance", self._steps)
        self._steps, self._sent = 0, time.perf_counter()

    def report(self, where: str, values: Mapping[str, float]) -> None:
        self._send("report", where, dict(values))

    def note(self, text: str) -> None:
        self._send("note", text)

    def end(self, outcome: str) -> None:
        self._flush()
        self._send("end", outcome)


def follow(queue: Any, display: Display) -> None:
    """Show what reporters send through `queue`, until it holds None."""
    lines: dict[Any, Line] = {}
    while (message := queue.get()) is not None:
        key, what, *arguments = message
        if what == "begin":
            lines[key] = display.begin(*arguments)
        else:
            getattr(lines[key], what)(*arguments)
