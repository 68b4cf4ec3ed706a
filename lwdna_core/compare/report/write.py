"""Finds comparisons, and writes what a report is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lwdna_core.compare.comparison import compare_results, read_results
from lwdna_core.compare.report import tables
from lwdna_core.compare.report.material import Material, gather
from lwdna_core.compare.report.page import fractions_page, page
from lwdna_core.compare.report.timing import measure_latency, read_latency
from lwdna_core.compare.results import read_json, write_json
from lwdna_core.compare.task import find_task
from lwdna_core.errors import LwdnaError

FORMATS: dict[str, Callable[[Sequence[Material]], str]] = {
    "md": tables.as_markdown, "csv": tables.as_csv, "json": tables.as_json, "latex": tables.as_latex,
}  # fmt: skip
"""By name: what makes text of comparisons. "html" is not among them: see `write_report` and `write_study`."""
REPORT, STUDY = "report.html", "fractions.html"
_MOST_SECONDS = 4.0  # for measuring latency
_SHARE = 0.02  # of the time that training took: what measuring latency may cost unasked
_LEAST_SECONDS = 0.5  # less is not worth the noise


def comparison_folders(folder: Path) -> list[Path]:
    """The folders at or below `folder` that hold the seeds of a comparison. Raises LwdnaError where there is none."""
    found = {path.parents[2] for path in folder.rglob("seed*/*/result.json")}
    if not found:
        raise LwdnaError(f"{folder}: no finished run at or below it; expected the work_dir of lwdna compare")
    return sorted(found)


def study_folders(folder: Path) -> list[Path]:
    """The folders at or below `folder` that hold comparisons at several sizes of the training set."""
    return sorted(path.parent for path in folder.rglob("fractions.json"))


def update_comparison(folder: Path) -> dict[str, Any]:
    """`comparison.json` of a folder, made anew from its results; it is written only where that changes it.

    Raises LwdnaError, naming the folder, for results that cannot be read or do not belong together.
    """
    results = read_results(folder)
    try:
        comparison = compare_results(find_task(results[0]["task"]), results)
    except LwdnaError as error:
        raise LwdnaError(f"{folder}: {error}") from error
    path = folder / "comparison.json"
    try:
        current = read_json(path) == comparison
    except LwdnaError:  # missing, or damaged
        current = False
    if not current:
        write_json(path, comparison)
    return comparison


def write_report(folder: Path, *, out: Path | None = None, measure: bool | None = None) -> Path:
    """Write the HTML report of a comparison, and return its path.

    The same results give the same file: one that is there already stays untouched.

    Args:
        folder: that of the seeds.
        out: where to, instead of `report.html` in the folder.
        measure: time the networks on this device where that has not been done; None does so if it costs at most 2 % of
            what training took.

    Raises:
        LwdnaError: if there is no finished run, or for results that cannot be read or do not belong together.
    """
    results, note = read_results(folder), None
    if results and read_latency(folder, results) is None:
        allowed = min(_MOST_SECONDS, _SHARE * sum(result["train"]["seconds"] for result in results))
        if measure or (measure is None and allowed >= _LEAST_SECONDS):
            try:
                measure_latency(folder, results, _MOST_SECONDS if measure else allowed)
            except Exception as error:  # the network's own code runs here
                note = f"Latency could not be measured: {error}.".replace(f"{folder}{os.sep}", "")
    path = out or folder / REPORT
    _write(path, page(gather(folder), note))
    return path


def write_study(folder: Path) -> Path:
    """Write the HTML report of comparisons at several sizes of the training set, and return its path.

    The folder may be that of a comparison on the whole set as well, whose report has another name.
    """
    path = folder / STUDY
    _write(path, fractions_page(folder, read_json(folder / "fractions.json")))
    return path


def render(folders: Sequence[Path], form: str) -> str:
    """The table of every comparison among the folders, in one of the `FORMATS`."""
    return FORMATS[form]([gather(folder) for folder in folders])


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") == text:
        return
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)
