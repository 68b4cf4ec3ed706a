"""`lwdna eval`: a task's own evaluation, of results that may come from anywhere."""

from __future__ import annotations

import argparse

from lwdna_core.commands.handover import hand_over
from lwdna_core.compare.task import task_names

DESCRIPTION = """\
Evaluate results on the terms of a task's field: boxes of a tracker, restored images,
class scores. What it takes is the task's own: `lwdna eval TASK --help` says."""

EXAMPLES = """\
examples:
  lwdna eval tracking --help
  lwdna eval restoration --help"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("task", metavar="TASK", help=f"an installed task: {', '.join(task_names())}")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="the task's own arguments")


def run(args: argparse.Namespace) -> int:
    return hand_over(args.task, "eval", f"lwdna eval {args.task}", args.words)
