"""`lwdna shrink`: the LW-DNA configuration of a named network, as a table, a JSON file and a picture."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from lwdna_core.commands.options import count, shape, usable_device
from lwdna_core.errors import LwdnaError

DESCRIPTION = """\
Widen NETWORK, score its channels in a few batches, and shrink it to a budget
relative to what it was: its layer-wise differentiated configuration (LW-DNA).
Prints a table of layers; writes a JSON file and, beside it, a picture.

NETWORK is package.module:factory, timm:NAME, pytorchcv:NAME, or a name that a
task registers. Without --config the scores come from normal inputs and random
targets: cross-entropy for an N x K output, mean squared error against normal
noise for any other, summed over tuples and dicts."""

EXAMPLES = """\
examples:
  lwdna shrink cifar_resnet20 --input 3,32,32 --macs 0.9 --out channels.json
  lwdna shrink cifar_resnet20 --config resnet20_digits
  lwdna shrink timm:resnet50 --input 3,224,224 --width 1.5 --floor 0.3
  lwdna shrink timm:resnet50 --input 3,224,224 --align 8 --freeze 'layer1.*'
  lwdna shrink my_siamese:build --input 3,127,127 --input 3,255,255 --params 0.8"""

CRITERIA = ("gradient", "hypernet", "value", "magnitude", "gate", "gate_per_mac", "random", "uniform")
"""The names in `lwdna_core.shrink.criteria.CRITERIA`, which cannot be had without importing torch."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add = parser.add_argument
    add("network", metavar="NETWORK", help="the network to start from")
    add("--input", type=shape, action="append", metavar="C,H,W", help="shape of an input, no batch size; repeatable")
    add("--config", metavar="NAME", help="take data and loss from this experiment (a name or a path)")
    add("--out", type=Path, default=Path("channels.json"), metavar="FILE", help="where to write (default: %(default)s)")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--macs", type=float, metavar="R", help="budget / baseline (default: 0.9)")
    budget.add_argument("--params", type=float, metavar="R", help="the same for parameters, instead of MACs")
    add("--width", type=float, default=2.0, metavar="X", help="how far to widen first (default: %(default)s)")
    add("--floor", type=float, default=0.4, metavar="S", help="least share that a group keeps (default: %(default)s)")
    add(
        "--classifier-floor", type=float, default=0.45, metavar="S", help="before the classifier (default: %(default)s)"
    )
    add("--min-channels", type=count, default=1, metavar="N", help="every group keeps so many (default: %(default)s)")
    add("--align", type=count, default=1, metavar="N", help="found widths are multiples of N, 8 for tensor cores")
    add("--freeze", action="append", default=[], metavar="PATTERN", help="groups that stay as they are; repeatable")
    add("--criterion", choices=CRITERIA, default=CRITERIA[0], help="what scores the channels (default: %(default)s)")
    add("--rounds", type=count, default=1, metavar="N", help="widen and shrink so often (default: %(default)s)")
    add("--batches", type=count, metavar="N", help="number of random batches (default: 2)")
    add("--batch-size", type=count, metavar="N", help="their size (default: 8)")
    add("--seed", type=int, default=0, metavar="N", help="of weights and data (default: %(default)s)")
    add("--device", metavar="D", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")


def run(args: argparse.Namespace) -> int:
    if args.out.suffix != ".json":
        raise LwdnaError(f"--out {args.out}: expected a name that ends in .json (the picture goes beside it, as .svg)")
    if not args.out.parent.is_dir():
        raise LwdnaError(f"--out {args.out}: there is no folder {args.out.parent}")
    if not args.input and not args.config:
        raise LwdnaError("the network's input is missing: give --input C,H,W, or --config NAME")
    if args.config and (args.batches or args.batch_size):
        raise LwdnaError(f"--batches and --batch-size are for random data; those of --config {args.config} are its own")

    import torch
    from rich.console import Console

    from lwdna_core.channel_chart import draw, print_tables
    from lwdna_core.networks import build_network
    from lwdna_core.shrink import find

    device = usable_device(args.device)
    torch.manual_seed(args.seed)
    network = build_network(args.network).to(device)
    example_inputs, batches, loss, scores = _material(args, device)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)  # a file has no edge at which to fold names
    console.print(f"{args.network}: scores from {scores}, seed {args.seed}", highlight=False, soft_wrap=True)
    with console.status("searching ..."):
        config = find(
            network,
            example_inputs,
            batches,
            loss,
            macs=args.macs,
            params=args.params,
            width=args.width,
            criterion=args.criterion,
            floor=args.floor,
            classifier_floor=args.classifier_floor,
            min_channels=args.min_channels,
            align=args.align,
            freeze=args.freeze,
            rounds=args.rounds,
            seed=args.seed,
        )
    config = dataclasses.replace(config, network=args.network, settings={**config.settings, "scores": scores})
    print_tables(config, console)
    config.save(args.out)
    picture = args.out.with_suffix(".svg")
    draw(config, picture)
    console.print(f"wrote {args.out} and {picture}", highlight=False, soft_wrap=True)
    return 0


def _material(args: argparse.Namespace, device: str) -> tuple[Any, list[Any], Any, str]:
    """Example inputs, batches and loss, and in words what the scores come from."""
    import torch

    from lwdna_core.noise import noise_batches, noise_loss

    example_inputs = tuple(torch.randn(1, *shape, device=device) for shape in args.input or ())
    if args.config:
        from lwdna_core.compare.search import search_material

        _, experiment_inputs, batches, loss = search_material(args.config, args.seed, device)
        return (
            example_inputs or experiment_inputs,
            batches,
            loss,
            f"the first {len(batches)} training batches of {args.config}",
        )
    number, size = args.batches or 2, args.batch_size or 8
    batches = noise_batches(args.input, number, size, args.seed, device)
    return example_inputs, batches, noise_loss, f"{number} x {size} normal inputs and random targets"
