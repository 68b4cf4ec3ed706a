"""`lwdna compare`: baseline and LW-DNA trained under one protocol over several seeds, and put side by side."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import shlex
import sys
from pathlib import Path

from lwdna_core.commands.options import count
from lwdna_core.compare.task import Task, find_task, task_names, tasks
from lwdna_core.errors import LwdnaError

DESCRIPTION = """\
Train the arms of an experiment (the network as it is, its LW-DNA, controls) under
one protocol: same seeds, same batches, same schedule; only the channels differ.
Prints a table and writes WORK_DIR/CONFIG/comparison.json and report.html and, for
every run, WORK_DIR/CONFIG/seed<k>/<arm>/result.json, channels.json and
model.safetensors.

Finished runs are kept: more --seeds or --arms only add runs."""

EXAMPLES = """\
examples:
  lwdna compare classification
  lwdna compare classification --list
  lwdna compare classification resnet20_cifar10 --seeds 5 --device cuda
  lwdna compare restoration edsr_small_x2_photos_short
  lwdna compare tracking siamfc_small_composed_short --arms baseline lwdna uniform
  lwdna compare classification --resume            after an interruption
  lwdna compare classification --arms baseline lwdna uniform random shuffled
  lwdna compare classification --dry-run           what would be run, and for how long
  lwdna compare classification resnet20_cifar10 --parallel 4 --device cuda
  lwdna compare classification resnet20_cifar10 --train-fraction 0.1 0.25 0.5 1
  torchrun --nproc-per-node 4 -m lwdna_core.cli compare classification CONFIG --launcher pytorch
  lwdna compare classification --cfg-options optim_wrapper.optimizer.lr=0.05 --work-dir lr0.05"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("task", metavar="TASK", help=f"an installed task: {', '.join(task_names())}")
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
    parser.add_argument(
        "--train-fraction", type=_fraction, nargs="+", metavar="F", help="compare at each of these shares of the data"
    )
    parser.add_argument("--parallel", type=count, default=1, metavar="N", help="so many runs at once (default: 1)")
    parser.add_argument(
        "--threads",
        type=count,
        metavar="N",
        help="of torch in each process (default: all cores, divided by --parallel)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the runs with costs and an estimate of the time")
    parser.add_argument(
        "--amp", nargs="?", const="float16", choices=("float16", "bfloat16"), help="mixed precision, on a GPU"
    )
    parser.add_argument(
        "--compile", nargs="?", const="default", choices=("default", "reduce-overhead", "max-autotune"), metavar="MODE",
        help="compile the network (torch.compile)",
    )  # fmt: skip
    parser.add_argument(
        "--cuda-graph", action="store_true",
        help="on a GPU, replay each training step as one CUDA graph: several times as fast where the GPU waits for the "
        "CPU, as with small networks",
    )  # fmt: skip
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch"),
        default="none",
        help="who started the processes that share each batch",
    )
    parser.add_argument("--vis", choices=("tensorboard",), help="write the curves for a viewer, too")
    parser.set_defaults(flags=[])
    flags: dict[str, list[str]] = {}
    for task in tasks().values():
        for flag, (_, text) in task.flags.items():
            flags.setdefault(flag, []).append(f"{task.name}: {text}")
    for flag, texts in flags.items():
        parser.add_argument(f"--{flag}", dest="flags", action="append_const", const=flag, help="; ".join(texts))


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"expected a share of the training set, above 0 and at most 1, got {text!r}")
    return value


def run(args: argparse.Namespace) -> int:
    task = find_task(args.task)
    if args.list:
        return _list(args.task)
    if args.parallel > 1 and args.launcher != "none":
        raise LwdnaError("--parallel and --launcher exclude each other: one shares a device, the other a batch")

    options = (*args.cfg_options, *(_option(task, flag) for flag in args.flags))
    if args.vis and importlib.util.find_spec(args.vis) is None:
        raise LwdnaError(f"--vis {args.vis} needs the package {args.vis}: pip install 'lwdna[{args.vis}]'")

    from rich.console import Console

    from lwdna_core.compare.config import Recipe
    from lwdna_core.compare.dry_run import print_plan
    from lwdna_core.compare.experiment import Request, check_request, run_experiment
    from lwdna_core.compare.fractions import check_fractions, run_fractions
    from lwdna_core.compare.launch import launched

    with launched(args.launcher, args.device) as (device, leads):
        if args.amp and not device.startswith("cuda"):
            raise LwdnaError(f"--amp needs a GPU: on {device} autocast is slower than float32; leave it out")
        console = Console(quiet=not leads)
        if not console.is_terminal:
            console.width = 160  # a file has no edge at which to fold
        requests = [
            Request(
                task=args.task,
                recipe=Recipe(_lasting(config), options, args.max_steps, None, args.amp, args.compile),
                seeds=args.seeds,
                arms=args.arms and tuple(args.arms),
                work_dir=args.work_dir,
                resume=args.resume,
                device=device,
                command=shlex.join(["lwdna", *sys.argv[1:]]),
                cuda_graph=args.cuda_graph,
                parallel=args.parallel,
                threads=args.threads,
                vis=args.vis,
            )
            for config in args.configs or task.defaults
        ]
        for request in requests:  # all of them, before the first one takes its time
            if args.train_fraction:
                check_fractions(request, args.train_fraction)
            else:
                check_request(request)
        failed = 0
        for request in requests:
            if args.dry_run:
                print_plan(request, args.train_fraction or [None], console)
            elif args.train_fraction:
                failed += run_fractions(request, args.train_fraction, console)
            else:
                failed += run_experiment(request, console)
    return 1 if failed else 0


def _option(task: Task, flag: str) -> str:
    """What a task's own flag stands for, as --cfg-options has it."""
    if flag not in task.flags:
        having = ", ".join(other.name for other in tasks().values() if flag in other.flags)
        raise LwdnaError(f"--{flag}: {task.name} has no such flag; tasks that have: {having}")
    return task.flags[flag][0]


def _lasting(config: str) -> str:
    """A name, or a path that holds in other folders too: runs are tested again from anywhere."""
    return str(Path(config).resolve()) if config.endswith(".py") else config


def _list(name: str) -> int:
    from lwdna_core.compare.arms import ARMS

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
