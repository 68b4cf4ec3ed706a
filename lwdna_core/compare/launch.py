"""Processes that share every batch, as torchrun starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as distributed

from lwdna_core.commands.options import usable_device
from lwdna_core.errors import LwdnaError


@contextmanager
def launched(launcher: str, device: str | None) -> Iterator[tuple[str, bool]]:
    """Join the group of processes that `launcher` ("none", "pytorch") has started, and leave it at the end.

    Args:
        launcher: as mmengine names it.
        device: the user's wish; with "pytorch" and CUDA every process takes the GPU of its local rank.

    Yields: this process's device, and whether it is the one that writes and prints.

    Raises LwdnaError where the device cannot be used, or torchrun's variables are not set.
    """
    if launcher == "none":
        yield usable_device(device), True
        return
    missing = [name for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR") if name not in os.environ]
    if missing:
        raise LwdnaError(f"--launcher pytorch: {', '.join(missing)} not set; start the command by torchrun")
    # mmengine's own init_dist takes a CUDA device for granted.
    if usable_device(device).startswith("cuda"):
        chosen = usable_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(chosen)
    else:
        chosen = usable_device(device)
    distributed.init_process_group("nccl" if chosen.startswith("cuda") else "gloo")
    try:
        yield chosen, distributed.get_rank() == 0
    finally:
        distributed.destroy_process_group()
