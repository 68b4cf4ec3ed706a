"""Runs in processes of their own, several at once: small networks leave a large device idle."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any

from lwdna_core.compare.progress import Display, Reporter, follow

_display: Reporter
_at_once = 1  # processes like this one, which share the machine


class Workers:
    """A pool of processes that show their progress here.

    Args:
        count: how many.
        threads: of each, for torch. Results on the CPU depend on it in the last bits.
        display: where progress is shown.
    """

    def __init__(self, count: int, threads: int, display: Display) -> None:
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self._queue = context.Queue()
        self._listener = threading.Thread(target=follow, args=(self._queue, display), daemon=True)
        self._on_end: Any = None
        self._pool = ProcessPoolExecutor(count, context, initializer=_start, initargs=(self._queue, threads, count))

    def __enter__(self) -> Workers:
        if threading.current_thread() is threading.main_thread():
            self._on_end = signal.signal(signal.SIGTERM, _end)  # without it the processes would work on
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        if self._on_end is not None:
            signal.signal(signal.SIGTERM, self._on_end)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._queue.put(None)
        self._listener.join(timeout=None if kind is None else 2)  # a process that was ended may hold the queue
        self._queue.cancel_join_thread()

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Have `work(*arguments, display)` done by a process."""
        return self._pool.submit(_call, work, arguments)


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _start(queue: Any, threads: int, count: int) -> None:
    global _display, _at_once
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _display, _at_once = Reporter(queue), count
    if "fork" in multiprocessing.get_all_start_methods():  # for workers that load data; mmengine would warn, and do so
        multiprocessing.set_start_method("fork", force=True)
    import torch

    torch.set_num_threads(threads)


def _call(work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return work(*arguments, _display)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def own_cores() -> int:
    """This process's share of them, where several runs (--parallel) or parts of one (torchrun) are at work here."""
    return max(1, cores() // (_at_once * int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
