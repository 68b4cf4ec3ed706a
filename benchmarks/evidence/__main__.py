"""`python -m benchmarks.evidence`: run what is missing as far as the time allows, and write the page."""

from __future__ import annotations

import argparse
import fnmatch
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.evidence import store
from benchmarks.evidence.manifest import COMPARISONS, Comparison
from benchmarks.evidence.page import PAGE, write_page
from benchmarks.evidence.schedule import Work, carry_out
from lwdna_core.commands.options import count, usable_device
from lwdna_core.compare.config import Recipe
from lwdna_core.compare.experiment import Request, check_request, make_grid
from lwdna_core.compare.protocol import fingerprint
from lwdna_core.compare.results import environment, in_one_place
from lwdna_core.compare.runner import run_steps
from lwdna_core.compare.workers import cores
from lwdna_core.errors import LwdnaError

_AT_ONCE = 6  # processes that share a GPU: small networks leave it idle


def main() -> int:
    """Returns the exit status: 1 where a run failed, 2 for a mistake of the user's."""
    args = _parser().parse_args()
    console = Console()
    if not console.is_terminal:
        console.width = 160
    try:
        return _run(args, console)
    except LwdnaError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--minutes", type=float, default=40, metavar="N", help="stop then (default: %(default)s)")
    parser.add_argument("--device", metavar="D", help="cpu, cuda ... (default: cuda where there is one)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these comparisons alone; shell patterns")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="these arms of them alone")
    parser.add_argument("--seeds", type=count, metavar="N", help="so many of each comparison (default: the manifest's)")
    parser.add_argument("--parallel", type=count, metavar="N", help="processes (default: the cores; on a GPU 6)")
    parser.add_argument("--eager", action="store_true", help="on a GPU: training steps that are no CUDA graphs")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/evidence"), metavar="D")
    parser.add_argument(
        "--max-steps", type=count, metavar="N",
        help="a rehearsal: every run ends after N steps; results and page go below --work-dir",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="list the comparisons and what is there of them, and stop")
    parser.add_argument("--page", action="store_true", help="write the page from the results that are there, and stop")
    return parser


def _run(args: argparse.Namespace, console: Console) -> int:
    deadline = time.monotonic() + 60 * args.minutes
    device = usable_device(args.device)
    results = args.work_dir / "results" if args.max_steps else store.RESULTS
    page = args.work_dir / "evidence.md" if args.max_steps else PAGE
    chosen = _chosen(args.only, device, bool(args.max_steps))
    if args.arms:
        chosen = _with_arms(chosen, args.arms)
    if args.list:
        for comparison in chosen:
            there = len(store.load(results, comparison.name))
            wanted = len(comparison.arms) * comparison.seeds
            console.print(f"{comparison.name}: {there} runs kept, {wanted} wanted: {comparison.title}", highlight=False)
        return 0
    failed = 0
    if not args.page:
        parallel = args.parallel or (_AT_ONCE if device.startswith("cuda") else cores())
        work = _missing(chosen, args, device, results, console)
        failed, left = carry_out(
            work, lambda comparison, run: store.add(results, comparison.name, store.record(run.folder)),
            deadline=deadline, parallel=parallel, threads=max(1, cores() // parallel), console=console,
        )  # fmt: skip
        console.print(f"{left} runs are left", highlight=False)
    console.print(f"page: {write_page(results, page)}", highlight=False, soft_wrap=True)
    return 1 if failed else 0


def _chosen(patterns: list[str] | None, device: str, rehearsal: bool) -> list[Comparison]:
    """In the order of their value; on a GPU those that need one come first, elsewhere they come only when named."""
    if patterns:
        chosen = [c for c in COMPARISONS if any(fnmatch.fnmatchcase(c.name, pattern) for pattern in patterns)]
        if not chosen:
            raise LwdnaError(
                f"--only {' '.join(patterns)}: there are {', '.join(dict.fromkeys(c.name for c in COMPARISONS))}"
            )
        return chosen
    if device.startswith("cuda") or rehearsal:
        return sorted(COMPARISONS, key=lambda c: not c.large)
    return [c for c in COMPARISONS if not c.large]


def _with_arms(comparisons: list[Comparison], arms: list[str]) -> list[Comparison]:
    """Comparisons cut down to these arms; those that have none of them are left out."""
    cut = [replace(c, arms=tuple(arm for arm in c.arms if arm in arms)) for c in comparisons]
    if chosen := [c for c in cut if c.arms]:
        return chosen
    raise LwdnaError(f"--arms {' '.join(arms)}: no comparison that was asked for has such an arm")


def _missing(
    chosen: list[Comparison], args: argparse.Namespace, device: str, results: Path, console: Console
) -> list[Work]:
    """The work that is left. A comparison whose data are not there is named and left out."""
    machine = environment(device)["device"]
    work: list[Work] = []
    asked: set[tuple[str, str, int]] = set()  # by an entry before, of the same protocol
    for comparison in chosen:
        request = Request(
            comparison.task, Recipe(comparison.source, (), args.max_steps, comparison.fraction),
            args.seeds or comparison.seeds, comparison.arms, args.work_dir, resume=True, device=device,
            command=shlex.join(["python", "-m", "benchmarks.evidence", *sys.argv[1:]]),
            cuda_graph=device.startswith("cuda") and not args.eager,
        )  # fmt: skip
        try:
            experiment, hashed = check_request(request)
        except LwdnaError as error:
            console.print(f"{comparison.name}: left out: {error}", highlight=False, markup=False, soft_wrap=True)
            continue
        protocol = fingerprint(hashed)
        there = store.load(results, comparison.name)
        wanted = {(protocol, run.arm, run.seed): run for run in make_grid(request, experiment, protocol)}
        runs = []
        for key, run in wanted.items():
            if key in there or key in asked:
                continue
            asked.add(key)
            if (run.folder / "result.json").exists():  # a command that was ended before it could keep it
                store.add(results, comparison.name, store.record(run.folder))
            else:
                runs.append(run)
        like = [
            r["train"]["seconds"]
            for r in there.values() if in_one_place(r) and r["environment"]["device"] == machine
        ]  # fmt: skip
        steps = run_steps(experiment) if runs else 0
        work += [
            Work(comparison, tuple(run for run in runs if run.seed == seed), steps, max(like, default=None))
            for seed in dict.fromkeys(run.seed for run in runs)
        ]
    return work


if __name__ == "__main__":
    sys.exit(main())
