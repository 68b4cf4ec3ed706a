"""`lwdna test`: a finished run evaluated again."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from lwdna_core.commands.options import usable_device

DESCRIPTION = """\
Rebuild the network of a finished run from its folder, evaluate it on the
validation data of its config, and compare with what result.json says. On the
machine that trained it the numbers are the same; on another device they may
differ by rounding."""

EXAMPLES = """\
examples:
  lwdna test work_dirs/resnet20_digits/seed0/lwdna
  lwdna test work_dirs/resnet20_digits/seed0/lwdna --device cpu"""

_ROUNDING = 1e-6  # relative


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("--device", metavar="D", help="cpu, cuda, cuda:1 ... (default: cuda where there is one)")


def run(args: argparse.Namespace) -> int:
    from lwdna_core.compare.run_folder import read_run

    read_run(args.run_folder)  # a mistake is told before torch is imported

    from rich.console import Console
    from rich.table import Table

    from lwdna_core.compare.evaluation import evaluate_run

    result, metrics = evaluate_run(args.run_folder, usable_device(args.device))
    console = Console()
    title = f"{result['task']}: {result['experiment']} seed {result['seed']} {result['arm']}"
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    for column in ("now", "result.json", ""):
        table.add_column(column, justify="right")
    same = True
    for name, value in metrics.items():
        kept = result["metrics"].get(name)
        agree = kept is not None and math.isclose(value, kept, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
        same &= agree
        table.add_row(name, f"{value:.4f}", "–" if kept is None else f"{kept:.4f}", "same" if agree else "differs")
    console.print(table)
    if not same:
        console.print(
            f"the run was evaluated on {result['environment']['device']} with torch {result['environment']['torch']}",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    return 0
