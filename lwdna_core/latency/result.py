"""What a measurement of latency says: times by round, and how two networks compare round by round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Latency:
    """How long inference with one network takes.

    Attributes:
        name: of the network.
        batch: samples a call.
        dtype: "fp32", "fp16" or "bf16", of weights and inputs alike.
        device: torch's name of it.
        channels_last, compiled, cuda_graph, threads: how it ran; `threads` counts for the CPU only.
        folded, batch_norms: BatchNorm layers that are part of a convolution now, and those that the network has.
        reason: why none could be folded (see `fold_batch_norm`).
        macs, params: of the network as it was given; MACs of one sample.
        memory: peak of a call, in bytes. On CUDA what its allocator counts: weights, inputs, activations, workspace. On
            the CPU weights, inputs and activations that are alive at once in eager mode, without what kernels use
            inside themselves.
        rounds: seconds a call, a number for each round. Round k of networks that were measured together followed one
            another closely.
    """

    name: str
    batch: int
    dtype: str
    device: str
    channels_last: bool
    compiled: bool
    cuda_graph: bool
    threads: int
    folded: int
    batch_norms: int
    reason: str | None
    macs: int
    params: int
    memory: int
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds a call."""
        return float(np.median(self.rounds))

    @property
    def low(self) -> float:
        """5th percentile of the rounds, in seconds a call."""
        return float(np.percentile(self.rounds, 5))

    @property
    def high(self) -> float:
        """95th percentile of the rounds, in seconds a call."""
        return float(np.percentile(self.rounds, 95))

    @property
    def throughput(self) -> float:
        """Samples a second."""
        return self.batch / self.median


@dataclass(frozen=True)
class Ratio:
    """Time of a network over the time of another: median of the rounds' ratios, and its 95 % interval.

    `low` and `high` are None where there are too few rounds for an interval (fewer than 6).
    """

    median: float
    low: float | None
    high: float | None
    rounds: int

    @property
    def verdict(self) -> str:
        """One of "slower", "faster", "within the noise" and "too few rounds"."""
        if self.low is None or self.high is None:
            return "too few rounds"
        if self.low <= 1 <= self.high:
            return "within the noise"
        return "slower" if self.low > 1 else "faster"


def ratio(latency: Latency, reference: Latency) -> Ratio:
    """Time of `latency` over that of `reference`, paired by round; both from one call of `measure`."""
    return paired_ratio(latency.rounds, reference.rounds)


def paired_ratio(times: Sequence[float], reference: Sequence[float]) -> Ratio:
    """The median of the ratios, with the interval that their order gives it, whatever their distribution.

    The median of the population lies between the k-th smallest and the k-th largest of n values except with probability
    2 P(B < k), B binomial with n trials and probability 1/2; k is the largest with which that is at most 0.05.

    >>> paired_ratio([2, 4, 9, 8, 10, 12], [1, 2, 3, 4, 5, 6])
    Ratio(median=2.0, low=2.0, high=3.0, rounds=6)
    """
    ratios = sorted(t / r for t, r in zip(times, reference, strict=True))
    n, below, rank = len(ratios), 0.0, 0
    while (below := below + math.comb(n, rank) / 2**n) <= (1 - CONFIDENCE) / 2:
        rank += 1
    low, high = (ratios[rank - 1], ratios[n - rank]) if rank else (None, None)
    return Ratio(float(np.median(ratios)), low, high, n)


def sentence(latency: Latency, reference: Latency) -> str:
    """How a network compares with the reference, in words."""
    found = ratio(latency, reference)
    text = f"{latency.name} takes {found.median:.3f} times as long as {reference.name}"
    if found.low is not None:
        text += f" (95 % interval {found.low:.3f} to {found.high:.3f}, {found.rounds} paired rounds)"
    verdict = {
        "too few rounds": f"{found.rounds} rounds are too few to tell this from noise",
        "within the noise": "no difference beyond the noise",
    }.get(found.verdict, found.verdict)
    if latency.macs == reference.macs or not reference.macs:
        return f"{text}: {verdict}"
    share = latency.macs / reference.macs
    plainly = (found.verdict, share < 1) in (("slower", True), ("faster", False))
    return f"{text}: {verdict}{' although' if plainly else ','} at {share:.1%} of its MACs"
