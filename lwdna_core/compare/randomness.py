"""Randomness as a function of (seed, epoch, step), never of what was drawn before.

That is why arms see the same data and the same augmentation, and why a resumed run equals an undisturbed one.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook

# What a stream of random numbers is for; the second part of its key.
STEP = 1
NETWORK = 2
SEARCH = 3


def reseed(seed: int, purpose: int, *key: int) -> None:
    """Seed Python, numpy and torch (the CPU and all CUDA devices) from a key of integers, in 0.05 ms."""
    state = int(np.random.SeedSequence((seed, purpose, *key)).generate_state(1, np.uint64)[0])
    random.seed(state)
    np.random.seed(state % 2**32)
    # torch.manual_seed would also put a stack trace aside for every kind of device that is not there, at 2 ms a step.
    torch.default_generator.manual_seed(state)
    if torch.cuda.is_initialized():  # else it would put one aside as well
        torch.cuda.manual_seed_all(state)


class RandomnessHook(Hook):  # type: ignore[misc]
    """Tells the loader its epoch, and reseeds all generators before every step.

    Processes that share a batch have the same ones: each draws for the whole batch and takes the numbers of its part.
    A step covers augmentation (kornia takes no generator of its own), dropout, and whatever else draws.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def before_train_epoch(self, runner: Any) -> None:
        runner.train_dataloader.set_epoch(runner.epoch)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        reseed(self.seed, STEP, runner.epoch, batch_idx)
