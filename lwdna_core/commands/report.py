"""`lwdna report`: finished runs put side by side once more, as a page or as a table for a paper."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lwdna_core.errors import LwdnaError

DESCRIPTION = """\
Put the finished runs below WORK_DIR side by side again: comparison.json, and
report.html, one file that opens offline, for every comparison there, and
fractions.html where several sizes of the training set were compared; or, by
--format, the table that a paper would print. WORK_DIR is the folder of a
comparison (work_dirs/CONFIG) or any folder above.

The page shows latency and peak memory on this device; they are measured once, in
a few seconds, and kept in latency.json."""

EXAMPLES = """\
examples:
  lwdna report work_dirs
  lwdna report work_dirs/resnet20_digits --out digits.html
  lwdna report work_dirs/resnet20_digits --format latex
  lwdna report work_dirs --format csv --out all.csv"""

FORMATS = ("html", "md", "csv", "json", "latex")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    parser.add_argument("work_dir", type=Path, metavar="WORK_DIR", help="a comparison's folder, or one above several")
    parser.add_argument("--format", choices=FORMATS, default="html", help="default: %(default)s")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="default: report.html in the comparison's folder; tables are printed"
    )
    parser.add_argument("--no-latency", action="store_true", help="do not measure what has not been measured")


def run(args: argparse.Namespace) -> int:
    if not args.work_dir.is_dir():
        raise LwdnaError(f"there is no folder {args.work_dir}")
    if args.out and not args.out.parent.is_dir():
        raise LwdnaError(f"--out {args.out}: there is no folder {args.out.parent}")

    from lwdna_core.compare import report

    folders, studies = report.comparison_folders(args.work_dir), report.study_folders(args.work_dir)
    if args.format == "html" and args.out and len(folders + studies) > 1:
        names = ", ".join(map(str, [*studies, *folders]))
        raise LwdnaError(f"--out {args.out}: a page shows one comparison, and {args.work_dir} holds several: {names}")
    sound = []
    for folder in folders:
        try:
            report.update_comparison(folder)
        except LwdnaError as error:  # the others are none the worse
            if len(folders) == 1:
                raise
            print(f"lwdna: error: {error}", file=sys.stderr)
        else:
            sound.append(folder)
    status = 0 if sound == folders else 1
    if args.format == "html":
        for folder in sound:
            print(report.write_report(folder, out=args.out, measure=not args.no_latency))
        for folder in studies:
            print(report.write_study(folder))
        return status
    if not sound:
        return status
    text = report.render(sound, args.format)
    if args.out is None:
        sys.stdout.write(text)
        return status
    aside = args.out.with_name(f".{args.out.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, args.out)
    print(args.out)
    return status
