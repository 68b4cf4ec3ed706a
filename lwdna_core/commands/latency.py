"""`lwdna latency`: how long inference with some networks takes, and how much memory, side by side on this device."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwdna_core.commands.options import count, shape, usable_device
from lwdna_core.errors import LwdnaError

if TYPE_CHECKING:
    from rich.console import Console
    from torch import nn

    from lwdna_core.latency import Latency
    from lwdna_core.shrink.channels import Shapes

DESCRIPTION = """\
Time inference with every NETWORK, in turn and over many rounds, so that what
disturbs the machine disturbs them alike. Prints median, 5 to 95 % range,
throughput and peak memory, and says how each compares with the first one: a
difference that the rounds do not bear out is called noise.

NETWORK is package.module:factory, timm:NAME, pytorchcv:NAME, a name that a task
registers, a CHANNELS.json of `lwdna shrink`, or the folder of a run (that of a
search, which lies beside them, is passed over)."""

EXAMPLES = """\
examples:
  lwdna latency cifar_resnet20 channels.json --batch 1 64
  lwdna latency pytorchcv:mobilenetv2_w1 --input 3,224,224 --threads 1 --compile
  lwdna latency work_dirs/resnet20_digits/seed0/* --dtype fp32 bf16 --channels-last
  lwdna latency cifar_resnet20 channels.json --json latency.json --seconds 30
  lwdna latency cifar_resnet20 cifar_resnet20 --input 3,32,32       how loud is the noise?"""

DTYPES = ("fp32", "fp16", "bf16")
"""The names in `lwdna_core.latency.DTYPES`, which cannot be had without importing torch."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add = parser.add_argument
    add("networks", metavar="NETWORK", nargs="+", help="what to time; the first is what the others are compared with")
    add("--input", type=shape, action="append", metavar="C,H,W", help="shape of an input, no batch size; repeatable")
    add("--batch", type=count, nargs="+", default=[1], metavar="N", help="batch sizes (default: 1)")
    add("--dtype", choices=DTYPES, nargs="+", default=["fp32"], help="of weights and inputs (default: fp32)")
    add("--channels-last", action="store_true", help="the memory format that convolutions often run faster in")
    add("--compile", action="store_true", help="with torch.compile (compiling is not timed)")
    add("--cuda-graph", action="store_true", help="on a GPU: its own time, without Python's to start the kernels")
    add("--threads", type=count, metavar="N", help="of the CPU (default: torch's choice)")
    add("--no-fold", action="store_true", help="leave BatchNorm as it is instead of folding it into convolutions")
    add("--seconds", type=float, default=10.0, metavar="S", help="time for each batch and dtype (default: 10)")
    add("--device", metavar="D", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")
    add("--json", type=Path, metavar="OUT", help="write all figures to this file")


def run(args: argparse.Namespace) -> int:
    if args.json and not args.json.parent.is_dir():
        raise LwdnaError(f"--json {args.json}: there is no folder {args.json.parent}")

    import torch
    from rich.console import Console

    from lwdna_core.latency import measure

    device = usable_device(args.device)
    torch.manual_seed(0)
    networks, inputs = _networks(args.networks, args.input)
    example_inputs = (
        {name: torch.randn(1, *sizes[1:]) for name, sizes in inputs.items()}
        if isinstance(inputs, Mapping)
        else tuple(torch.randn(1, *sizes[1:]) for sizes in inputs)
    )
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 140)  # a file has no edge at which to fold names
    measured = []
    for dtype in dict.fromkeys(args.dtype):
        for batch in dict.fromkeys(args.batch):
            with console.status(f"batch {batch}, {dtype} ..."):
                latencies = measure(
                    networks,
                    example_inputs,
                    batch=batch,
                    dtype=dtype,
                    device=device,
                    channels_last=args.channels_last,
                    compile=args.compile,
                    cuda_graph=args.cuda_graph,
                    threads=args.threads,
                    fold=not args.no_fold,
                    seconds=args.seconds,
                )
            _print(latencies, console)
            measured.append(latencies)
    if args.json:
        _write(args.json, measured, inputs, device)
        console.print(f"wrote {args.json}", highlight=False, soft_wrap=True)
    return 0


def _networks(names: Sequence[str], shapes: Sequence[tuple[int, ...]] | None) -> tuple[dict[str, nn.Module], Shapes]:
    """The networks by the names that tell them apart, and the shapes of the input that they share, batch included."""
    from lwdna_core.compare.arms import SEARCH
    from lwdna_core.export import CHANNELS, load
    from lwdna_core.networks import build_network
    from lwdna_core.shrink import ChannelConfig

    runs = [name for name in names if Path(name).name != SEARCH]  # which lies beside the runs that `seed0/*` names
    if not runs:
        raise LwdnaError(f"{names[0]} is a search, no run: nothing was trained in it")
    names = runs
    networks: dict[str, nn.Module] = {}
    known: dict[str, Shapes] = {}
    for name in names:
        label = name if name not in networks else f"{name} ({sum(n == name for n in names[: len(networks) + 1])})"
        if Path(name).is_dir():
            known[name] = ChannelConfig.load(Path(name) / CHANNELS).input
            networks[label] = load(name)
        elif name.endswith(".json"):
            config = ChannelConfig.load(name)
            if not config.network:
                raise LwdnaError(f"{name} names no network that could be built")
            known[name] = config.input
            networks[label] = config.apply(build_network(config.network, **config.options), initialise=False)
        else:
            networks[label] = build_network(name)
    if shapes:
        return networks, [[1, *sizes] for sizes in shapes]
    if not known:
        raise LwdnaError("the networks' input is missing: give --input C,H,W")
    first, inputs = next(iter(known.items()))
    for name, other in known.items():
        if _samples(other) != _samples(inputs):
            raise LwdnaError(f"{first} and {name} were made for different inputs: give --input C,H,W for both")
    return networks, inputs


def _samples(inputs: Shapes) -> Any:
    """Shapes without the batch dimension."""
    if isinstance(inputs, Mapping):
        return {name: sizes[1:] for name, sizes in inputs.items()}
    return [sizes[1:] for sizes in inputs]


def _print(latencies: Sequence[Latency], console: Console) -> None:
    """A table of one batch size and dtype, and a sentence on each network but the first."""
    from rich.table import Table

    from lwdna_core.channel_chart import STYLE
    from lwdna_core.latency import sentence

    first = latencies[0]
    how = [f"batch {first.batch}", first.dtype, first.device]
    how += [f"{first.threads} thread{'s' * (first.threads != 1)}"] * (first.device == "cpu")
    how += ["channels last"] * first.channels_last + ["compiled"] * first.compiled
    how += ["as a CUDA graph"] * first.cuda_graph
    table = Table(title=", ".join(how), **STYLE)
    table.add_column("network", overflow="fold")
    for column in ("median, ms", "5 to 95 %, ms", "samples/s", "peak memory, MiB", "MACs", "parameters", "folded"):
        table.add_column(column, justify="right", no_wrap=True)
    for latency in latencies:
        table.add_row(
            latency.name,
            f"{1e3 * latency.median:.3f}",
            f"{1e3 * latency.low:.3f} to {1e3 * latency.high:.3f}",
            f"{latency.throughput:,.1f}",
            f"{latency.memory / 2**20:,.1f}",
            f"{latency.macs / 1e6:,.2f} M",
            f"{latency.params / 1e6:,.2f} M",
            f"{latency.folded} of {latency.batch_norms}",
        )
    console.print(table)
    lines = [f"{n.name}: BatchNorm not folded: {n.reason}" for n in latencies if n.reason]
    lines += [sentence(latency, first) for latency in latencies[1:]]
    if lines:
        console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _write(path: Path, measured: Sequence[Sequence[Latency]], inputs: Shapes, device: str) -> None:
    """Everything measured, with what is needed to measure it again."""
    import shlex
    import sys
    from dataclasses import asdict

    from lwdna_core.compare.results import FORMAT, commit, environment, write_json
    from lwdna_core.latency import ratio

    def row(latency: Latency, first: Latency) -> dict[str, Any]:
        summary = {key: getattr(latency, key) for key in ("median", "low", "high", "throughput")}
        against = ratio(latency, first)
        pair = {"vs": first.name, **asdict(against), "verdict": against.verdict}
        return {**asdict(latency), **summary, "ratio": None if latency is first else pair}

    content = {
        "format": FORMAT,
        "command": shlex.join(["lwdna", *sys.argv[1:]]),
        "commit": commit(),
        "environment": environment(device),
        "input": inputs,
        "measurements": [row(latency, latencies[0]) for latencies in measured for latency in latencies],
    }
    write_json(path, content)
