"""Times inference with several networks in turn, so that what disturbs the machine disturbs them alike."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from lwdna_core.cuda_graphs import capture
from lwdna_core.errors import LwdnaError
from lwdna_core.latency.folding import count_batch_norms, fold_batch_norm
from lwdna_core.latency.memory import LiveTensors
from lwdna_core.latency.result import Latency
from lwdna_core.shrink.forward import Inputs, as_call

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_ROUNDS = 60  # what calls a round are chosen for; there are fewer where the machine is disturbed
_LEAST_ROUNDS = 3
_WARM_UP = 0.2  # share of the time
_UNTIMED = 2  # calls before every round, since another network had the caches; torch's Timer makes as many

Call = Callable[[], Any]
Clock = Callable[[int], float]
"""Makes so many calls; returns seconds a call."""


class _How(NamedTuple):
    """What all networks of one measurement share; the fields of `Latency`."""

    batch: int
    dtype: str
    device: str
    channels_last: bool
    compiled: bool
    cuda_graph: bool
    threads: int


def measure(
    networks: Mapping[str, nn.Module],
    example_inputs: Inputs,
    *,
    batch: int = 1,
    dtype: str = "fp32",
    device: torch.device | str = "cpu",
    channels_last: bool = False,
    compile: bool = False,
    cuda_graph: bool = False,
    threads: int | None = None,
    fold: bool = True,
    seconds: float = 10.0,
) -> list[Latency]:
    """Time inference with every network, in rounds: one after the other, and again.

    Each is copied, set to eval mode, its BatchNorm folded, brought to the device and the precision, and called until
    its time no longer falls. Then come about 60 rounds, at least 3: in each, every network is called as often as the
    time allows. On CUDA events around these calls take their time, elsewhere `torch.utils.benchmark` does.

    Args:
        networks: by name; they are not modified.
        example_inputs: what each of them takes: a tensor, a tuple, or a mapping of keyword arguments. The first entry
            along the first dimension of every tensor is repeated to a batch.
        batch: samples a call.
        dtype: "fp32", "fp16" or "bf16": weights and inputs are converted; no autocast.
        device: where to run.
        channels_last: weights and inputs of 4 dimensions in this memory format.
        compile: `torch.compile` in its default mode; compiling is not timed.
        cuda_graph: what is timed is the replay of a call that was captured as a CUDA graph: the GPU's own time, where
            otherwise it waits for Python to start its kernels.
        threads: of the CPU; None keeps torch's number.
        fold: fold BatchNorm where that provably changes nothing.
        seconds: for all networks together. Preparing them, and the least number of rounds, may take longer.

    Raises:
        LwdnaError: for an unknown dtype, a CUDA graph elsewhere than on a GPU, and if a network cannot be copied or run
            this way; names it.
    """
    if dtype not in DTYPES:
        raise LwdnaError(f"unknown dtype {dtype!r}; there are: {', '.join(DTYPES)}")
    where = str(torch.device(device))
    if cuda_graph and not where.startswith("cuda"):
        raise LwdnaError(f"CUDA graphs (--cuda-graph) need a GPU, not {where}")
    how = _How(batch, dtype, where, channels_last, compile, cuda_graph, threads or torch.get_num_threads())
    share = seconds / max(1, len(networks))
    clocks: dict[str, Clock] = {}
    facts: dict[str, dict[str, Any]] = {}
    calls: dict[str, int] = {}
    with _settings(how, len(networks)):
        for name, network in networks.items():
            try:
                clocks[name], facts[name] = _prepare(network, example_inputs, fold, how)
                once = _warm_up(clocks[name], _WARM_UP * share)
            except Exception as error:  # the network's own code, or torch's compiler: anything can come out of them
                what = "compiled " * compile + "inference " + "as a CUDA graph " * cuda_graph
                what += f"in {dtype} with a batch of {batch} on {how.device}"
                reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
                raise LwdnaError(f"{name}: {what} failed: {reason}") from error
            calls[name] = max(1, int((1 - _WARM_UP) * share / _ROUNDS / once) - _UNTIMED)
        rounds: list[dict[str, float]] = []
        deadline = time.perf_counter() + (1 - _WARM_UP) * seconds
        while len(rounds) < _LEAST_ROUNDS or time.perf_counter() < deadline:
            rounds.append({name: clock(calls[name]) for name, clock in clocks.items()})
    return [
        Latency(name=name, **how._asdict(), **facts[name], rounds=tuple(times[name] for times in rounds))
        for name in networks
    ]


def _prepare(original: nn.Module, example_inputs: Inputs, fold: bool, how: _How) -> tuple[Clock, dict[str, Any]]:
    """A clock for a copy of the network, and all that a `Latency` says of it but the times."""
    device, cuda = torch.device(how.device), how.device.startswith("cuda")
    there_before = torch.cuda.memory_allocated(device) if cuda else 0
    folded, reason = 0, None
    if fold:
        network, folded, reason = fold_batch_norm(original, _batch(example_inputs, 1))
    else:
        network = copy.deepcopy(original).eval()
    network.requires_grad_(False).to(device, DTYPES[how.dtype])
    if how.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def ready(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().to(device, DTYPES[how.dtype] if tensor.is_floating_point() else None)
        flat = tensor.dim() != 4 or not how.channels_last
        return tensor if flat else tensor.contiguous(memory_format=torch.channels_last)

    one, (args, kwargs) = (
        tree_map_only(Tensor, ready, as_call(_batch(example_inputs, batch))) for batch in (1, how.batch)
    )
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*one[0], **one[1])
    held = [*network.parameters(), *network.buffers(), *tree_leaves((args, kwargs))]
    run: Call = torch.compile(network, dynamic=False) if how.compiled else network
    clock = (_cuda_clock if cuda else _clock)(lambda: run(*args, **kwargs), how)
    if cuda:
        clock(1)  # what cuDNN tries out and what the compiler does are over
        torch.cuda.reset_peak_memory_stats(device)
        clock(1)
        memory = torch.cuda.max_memory_allocated(device) - there_before
        if how.cuda_graph:
            clock = _cuda_clock(_captured(lambda: run(*args, **kwargs), device), how)
    else:
        with torch.no_grad(), LiveTensors(t for t in held if isinstance(t, Tensor)) as tensors:
            network(*args, **kwargs)
        memory = tensors.peak
    return clock, {
        "folded": folded,
        "batch_norms": count_batch_norms(original),
        "reason": reason,
        "macs": counter.get_total_flops() // 2,
        "params": sum(parameter.numel() for parameter in original.parameters()),
        "memory": memory,
    }


@torch.inference_mode()
def _captured(call: Call, device: torch.device) -> Call:
    """A call that was made before, as a graph: every call of it does the same on the same tensors."""
    with torch.cuda.device(device):
        graph, _ = capture(call, device)

    def replay(_: Call = call) -> None:  # which holds the tensors that the graph reads
        graph.replay()

    return replay


def _clock(call: Call, how: _How) -> Clock:
    timer = Timer("call()", globals={"call": torch.inference_mode()(call)}, num_threads=how.threads)
    return lambda number: timer.timeit(number).mean


def _cuda_clock(call: Call, how: _How) -> Clock:
    device = torch.device(how.device)

    @torch.inference_mode()
    def clock(number: int) -> float:
        with torch.cuda.device(device):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            for _ in range(_UNTIMED):
                call()
            # No waiting before the start: the device is busy with the untimed calls while the host hands it these.
            start.record()
            for _ in range(number):
                call()
            end.record()
            end.synchronize()
        return float(start.elapsed_time(end)) / 1000 / number  # it counts milliseconds

    return clock


def _warm_up(clock: Clock, limit: float) -> float:
    """Call until the time of a call has not fallen by 5 % for three blocks, or for `limit` seconds; returns it."""
    clock(1)  # compiles, loads kernels, allocates
    started, best, unchanged = time.perf_counter(), math.inf, 0
    while not math.isfinite(best) or (unchanged < 3 and time.perf_counter() < started + limit):
        now = clock(max(1, int(limit / 20 / best)))
        unchanged = 0 if now < 0.95 * best else unchanged + 1
        best = min(best, now)
    return best


@contextmanager
def _settings(how: _How, networks: int) -> Iterator[None]:
    """Threads, cuDNN's choice of kernels by trying them, and room for all networks in the compiler's cache."""
    threads, benchmark = torch.get_num_threads(), torch.backends.cudnn.benchmark
    torch.set_num_threads(how.threads)
    torch.backends.cudnn.benchmark = True
    try:
        if how.compiled:
            torch.compiler.reset()
            with torch._dynamo.config.patch(recompile_limit=max(8, networks)):
                yield
        else:
            yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = benchmark


def _batch(inputs: Inputs, batch: int) -> Inputs:
    repeated: Inputs = tree_map_only(Tensor, lambda t: t[:1].repeat(batch, *[1] * (t.dim() - 1)), inputs)
    return repeated
