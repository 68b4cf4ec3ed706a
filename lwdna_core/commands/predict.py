"""`lwdna predict`: what a finished run makes of the user's own input."""

from __future__ import annotations

import argparse
from pathlib import Path

from lwdna_core.commands.handover import hand_over

DESCRIPTION = """\
Apply the trained network of a run to INPUT. What goes in and what comes out is the
task's: class names and probabilities of images, restored images, a tracked video.
`lwdna predict RUN --help` lists the options of the run's task."""

EXAMPLES = """\
examples:
  lwdna predict work_dirs/resnet20_digits/seed0/lwdna --help
  lwdna predict work_dirs/resnet20_digits/seed0/lwdna images/ --out predictions"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="INPUT --out DIR ...", help="the task's own")


def run(args: argparse.Namespace) -> int:
    from lwdna_core.compare.run_folder import read_run

    task = read_run(args.run_folder)["task"]
    return hand_over(task, "predict", f"lwdna predict {args.run_folder}", args.words, run_folder=args.run_folder)
