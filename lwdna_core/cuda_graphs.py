"""Captures work for a GPU as a CUDA graph: the CPU starts all of it in one call, as often as it likes."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import torch

from lwdna_core.errors import LwdnaError

Result = TypeVar("Result")


def capture(
    work: Callable[[], Result], device: torch.device, stream: torch.cuda.Stream | None = None
) -> tuple[torch.cuda.CUDAGraph, Result]:
    """A graph of the operations that `work` starts, and what it returns: tensors that every replay fills anew.

    Nothing is computed yet. The graph knows tensors by their addresses: whoever replays it keeps those that it reads.

    Args:
        work: is called once. It has run before, on the same stream: what is prepared once cannot be captured.
        device: a GPU, the current one.
        stream: where it is captured; None: one that nobody else uses.

    Raises:
        LwdnaError: where the work waits for the GPU, or computes on the CPU.
    """
    gc.collect()  # graphs before this one that only refer to themselves go with their memory
    graph, before = torch.cuda.CUDAGraph(), torch.cuda.current_stream(device)
    # threads of data loaders may go on meanwhile
    capturing = partial(torch.cuda.graph, capture_error_mode="thread_local")
    try:
        with capturing(graph, stream=stream or torch.cuda.Stream(device)):
            result = work()
    except RuntimeError as error:
        # What torch leaves undone where a capture fails: one that succeeds frees the generator for whoever comes next.
        with suppress(RuntimeError), capturing(torch.cuda.CUDAGraph(), stream=torch.cuda.Stream(device)):
            torch.zeros(1, device=device)
        torch.cuda.set_stream(before)
        cause = str(error.__context__ or error).partition("\n")[0]
        raise LwdnaError(
            f"cannot be captured as a CUDA graph; does it wait for the GPU, or compute on the CPU? {cause}"
        ) from error
    return graph, result
