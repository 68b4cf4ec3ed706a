"""`lwdna compare`: baseline and LW-DNA trained under one protocol over several seeds, and put side by side."""

from __future__ import annotations

import argparse
import ast
import shlex
import sys
from pathlib import Path

from lwdna_core.commands.options import count, usable_device

DESCRIPTION = """\
Train the arms of an experiment (the network as it is, its LW-DNA) under one protocol: same seeds, same batches, same
schedule; only the channels differ. Prints a table and writes WORK_DIR/CONFIG/comparison.json and, for every run,
WORK_DIR/CONFIG/seed<k>/<arm>/result.json, channels.json and model.safetensors.

Finished runs are kept: more --seeds or --arms only add runs."""

EXAMPLES = """\
examples:
  lwdna compare classification
  lwdna compare classification --list
  lwdna compare classification resnet20_cifar10 --seeds 5 --device cuda
  lwdna compare classification --resume            after an interruption
  lwdna compare classification --cfg-options optim_wrapper.optimizer.lr=0.05 --work-dir lr0.05"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("task", metavar="TASK", help="an installed task: classification")
    parser.add_argument("configs", metavar="CONFIG", nargs="*", help="name or path (default: the task's own choice)")
    parser.add_argument("--seeds", type=count, metavar="N", help="seeds 0 .. N-1 (default: the config's)")
    parser.add_argument("--arms", nargs="+", metavar="A", help="what to compare (default: the config's)")
    parser.add_argument(
        "--max-steps", type=count, metavar="N", help="end every run after N steps, its schedule scaled to them"
    )
    parser.add_argument(
        "--work-dir", type=Path, default=Path("work_dirs"), metavar="D", help="where results go (default: %(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with unfinished runs")
    parser.add_argument("--list", action="store_true", help="list the task's configs, and the arms, and stop")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="change existing keys of the config"
    )
    parser.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")


def run(args: argparse.Namespace) -> int:
    from lwdna_core.compare.task import find_task

    task = find_task(args.task)
    if args.list:
        return _list(args.task)

    from rich.console import Console

    from lwdna_core.compare.experiment import Request, run_experiment

    console = Console()
    failed = 0
    for config in args.configs or task.defaults:
        request = Request(
            task=args.task,
            config=config,
            options=tuple(args.cfg_options),
            max_steps=args.max_steps,
            seeds=args.seeds,
            arms=args.arms and tuple(args.arms),
            work_dir=args.work_dir,
            resume=args.resume,
            device=usable_device(args.device),
            command=shlex.join(["lwdna", *sys.argv[1:]]),
        )
        failed += run_experiment(request, console)
    return 1 if failed else 0


def _list(name: str) -> int:
    from lwdna_core.compare.arms import ARMS
    from lwdna_core.compare.task import find_task

    task = find_task(name)
    configs = task.configs()
    width = max(map(len, [*configs, *ARMS]))
    print("configs:")
    for config, path in configs.items():
        summary = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        print(f"  {config:{width}}  {summary}{'  (default)' * (config in task.defaults)}")
    print("arms:")
    for arm, what in ARMS.items():
        print(f"  {arm:{width}}  {what.summary}")
    return 0
