"""`lwdna eval tracking`: scores of trackers from their result files, as their field publishes them."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.annotations import Annotations
from tasks.tracking.evaluation.conventions import CONVENTIONS, EAO_INTERVALS, Convention
from tasks.tracking.evaluation.evaluator import evaluate
from tasks.tracking.evaluation.results import PROTOCOLS
from tasks.tracking.evaluation.scores import Scores
from tasks.tracking.evaluation.tables import as_csv, as_latex, as_text, ranked

DESCRIPTION = """\
Score trackers from their result files: OTB (OPE, SRE, TRE), VOT (accuracy,
robustness, expected average overlap; with resets or without), GOT-10k, LaSOT and
UAV123, with the figures that the toolkits of the field give.

RESULTS_DIR is a tracker's folder or a folder of such. In a tracker's folder lie
SEQUENCE.txt, SEQUENCE.json (the official OTB toolkit), SEQUENCE/SEQUENCE_001.txt,
or baseline/SEQUENCE/SEQUENCE_001.txt (VOT).

Toolkits score the same boxes differently; --convention says whose way is taken:
official is the default for OTB, LaSOT and UAV123, pysot (the official MATLAB EAO)
for VOT, got10k for GOT-10k. docs/tracking-evaluation.md tells what differs."""

EXAMPLES = """\
examples:
  lwdna eval tracking results/OTB100/* --annotations OTB100.json --json scores.json
  lwdna eval tracking results/STRUCK --annotations OTB100.json --sequences tb_50.txt
  lwdna eval tracking results/VOT2018 --annotations VOT2018.json --plots plots
  lwdna eval tracking results/MyTracker --annotations VOT/ --year 2018 --convention vot-toolkit"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    add = parser.add_argument
    add("results", nargs="+", type=Path, metavar="RESULTS_DIR", help="a tracker's results, or a folder of trackers")
    add("--annotations", type=Path, required=True, metavar="PATH", help="OTB100.json, VOT2018.json ..., or a data set")
    add("--convention", choices=tuple(CONVENTIONS), help="whose scores (default: those that are published)")
    add("--protocol", choices=PROTOCOLS, help="how the tracker was run (default: what the layout of the files tells)")
    add("--year", type=int, metavar="YYYY", help="of the VOT challenge (default: from the name of the annotations)")
    add("--sequences", type=Path, metavar="FILE", help="only the sequences that a file lists, one a line")
    add("--plots", type=Path, metavar="DIR", help="draw plots there, as SVG")
    for kind in ("json", "csv", "latex", "html"):
        add(
            f"--{kind}", type=Path, metavar="FILE", help=f"write the scores as {kind.upper().replace('LATEX', 'LaTeX')}"
        )


def run(args: argparse.Namespace) -> int:
    started = time.perf_counter()
    for option in ("json", "csv", "latex", "html"):
        path = getattr(args, option)
        if path is not None and (not path.absolute().parent.is_dir() or path.is_dir()):
            raise LwdnaError(f"--{option} {path}: expected the name of a file in a folder that exists")
    if args.plots is not None:
        there = next(path for path in (args.plots.absolute(), *args.plots.absolute().parents) if path.exists())
        if not there.is_dir():
            raise LwdnaError(f"--plots {args.plots}: expected the name of a folder, and {there} is a file")
    annotations, convention, scores, warnings = evaluate(
        args.results, args.annotations, args.convention, args.protocol, args.year, args.sequences
    )
    for warning in warnings:
        print(f"lwdna: warning: {warning}", file=sys.stderr)
    seconds = time.perf_counter() - started
    scores = ranked(scores)
    about = _about(annotations, convention, scores)
    print(about)
    print(as_text(scores))
    print(f"{seconds:.2f} s")
    if args.json:
        content = {
            "convention": convention.name,
            "evaluation_seconds": seconds,
            "annotations": annotations.name,
            "trackers": [tracker.to_json() for tracker in scores],
        }
        _write(args.json, json.dumps(content, allow_nan=False) + "\n")
    if args.csv:
        _write(args.csv, as_csv(scores))
    if args.latex:
        _write(args.latex, as_latex(scores))
    if args.plots or args.html:
        _write_plots(args.plots, args.html, scores, annotations, about)
    return 0


def _about(annotations: Annotations, convention: Convention, scores: list[Scores]) -> str:
    frames = sum(map(len, annotations.sequences.values()))
    number = len(annotations.sequences)
    text = (
        f"{annotations.name}, {scores[0].protocol}, convention {convention.name}: "
        f"{number} sequence{'s' * (number != 1)}, {frames} frames"
    )
    if "expected_overlap_curve" in scores[0].curves:
        if annotations.year in EAO_INTERVALS:
            low, high = EAO_INTERVALS[annotations.year]
            return f"{text}; EAO over lengths {low} to {high} (VOT{annotations.year})"
        years = f"{min(EAO_INTERVALS)} to {max(EAO_INTERVALS)}"
        return f"{text}; no EAO: it is defined for the years {years}, --year names one"
    return text


def _write_plots(
    folder: Path | None, page: Path | None, scores: list[Scores], annotations: Annotations, about: str
) -> None:
    from tasks.tracking.evaluation.page import as_html
    from tasks.tracking.evaluation.plots import draw_plots

    shown = {}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for name, caption, svg in draw_plots(scores, annotations):
        if folder is not None:
            _write(folder / name, svg)
        shown[caption] = svg
    if page is not None:
        _write(page, as_html(scores, f"Trackers on {annotations.name}", about, shown))


def _write(path: Path, content: str) -> None:
    """Aside, then renamed: no half-written file is left."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(content, encoding="utf-8")
    os.replace(aside, path)
    print(f"wrote {path}")
