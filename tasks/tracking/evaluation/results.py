"""The results of a tracker, read from the files that `layouts` finds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.annotations import Annotations
from tasks.tracking.evaluation.json_arrays import load_json
from tasks.tracking.evaluation.layouts import BESIDE_OPE, few, files_by_name, holds_files
from tasks.tracking.evaluation.names import NameBook, canonical
from tasks.tracking.evaluation.spans import Floats
from tasks.tracking.evaluation.textfiles import Rows, parse_rows, read_bytes

Protocol = Literal["OPE", "SRE", "TRE", "VOT"]
PROTOCOLS: tuple[Protocol, ...] = ("OPE", "SRE", "TRE", "VOT")


@dataclass(frozen=True)
class Run:
    """One run of a tracker over a sequence, or over the end of it.

    Attributes:
        rows: a line a frame.
        source: the file.
        start: the number of its first frame, as the frames' files are called; None: the annotations' first frame, or
            with TRE the one that lets it end with them.
    """

    rows: Rows
    source: str
    start: int | None = None


@dataclass(frozen=True)
class Results:
    """What one tracker left.

    Attributes:
        tracker: its name.
        protocol: how it was run.
        runs: by sequence, as the annotations spell it.
        unsupervised: VOT: the runs without resets, where there are both.
        unknown: files and folders that are passed over, as the annotations have no sequence of their name.
    """

    tracker: str
    protocol: Protocol
    runs: Mapping[str, list[Run]]
    unsupervised: Mapping[str, list[Run]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def read_results(
    tracker: str, folder: Path, annotations: Annotations, known: NameBook, protocol: Protocol | None = None
) -> Results:
    """Read a tracker's results on the sequences of `annotations`; others that are `known` are passed over.

    Raises LwdnaError for a sequence without results, two files for one sequence, results that are not of `protocol`,
    and, with file and line, for what is no number.
    """
    if annotations.kind == "VOT":
        return _of_vot(tracker, folder, annotations, known, protocol)
    if protocol == "VOT":
        raise LwdnaError(f"--protocol VOT: {annotations.name} holds no annotations of VOT")
    if (folder / "baseline").is_dir():
        raise LwdnaError(f"{folder}: these are results on VOT, and {annotations.name} holds no annotations of VOT")
    beside = [name for name in BESIDE_OPE if (folder / name).is_dir()]
    if protocol is None and beside and not files_by_name(folder):
        if len(beside) > 1:
            raise LwdnaError(f"{folder}: results of {' and '.join(beside)}; --protocol says which of them")
        protocol = beside[0]
    home = folder / protocol if protocol in beside else folder
    told, runs, unknown = _read(home, annotations, known)
    if protocol and told and told != protocol:
        raise LwdnaError(f"{folder}: these results are of {told}, not of --protocol {protocol}")
    if protocol in BESIDE_OPE and told is None and (once := [name for name, of in runs.items() if len(of) == 1]):
        raise LwdnaError(
            f"{folder}: --protocol {protocol}: one run of {few(once)}, as OPE leaves it; expected "
            f"{protocol}/SEQUENCE.json, SEQUENCE.json that says evalType {protocol}, or SEQUENCE/SEQUENCE_001.txt ..."
        )
    return Results(tracker, protocol or told or "OPE", runs, unknown=unknown)


def _of_vot(
    tracker: str, folder: Path, annotations: Annotations, known: NameBook, protocol: Protocol | None
) -> Results:
    if protocol in ("SRE", "TRE"):
        raise LwdnaError(f"--protocol {protocol} is OTB's, and {annotations.name} is VOT's")
    with_resets, without = folder / "baseline", folder / "unsupervised"
    if with_resets.is_dir() and protocol != "OPE":
        _, runs, unknown = _read(with_resets, annotations, known)
        free = _read(without, annotations, known)[1] if without.is_dir() else {}
        return Results(tracker, "VOT", runs, free, unknown)
    if without.is_dir():
        _, runs, unknown = _read(without, annotations, known)
        resets = False
    elif with_resets.is_dir() and not holds_files(folder, known):
        runs, unknown, resets = {}, (), True
    else:  # SEQUENCE.txt may lie beside `baseline/`, as `lwdna predict` leaves them
        _, runs, unknown = _read(folder, annotations, known)
        resets = any(_in_runs(run) for of_sequence in runs.values() for run in of_sequence)
    if protocol == "OPE" and resets:
        raise LwdnaError(
            f"{folder}: --protocol OPE: these runs have resets; expected unsupervised/ or SEQUENCE.txt in it"
        )
    if protocol == "VOT" and not resets:
        raise LwdnaError(f"{folder}: --protocol VOT: expected baseline/SEQUENCE/SEQUENCE_001.txt in it")
    return Results(tracker, "VOT" if resets else "OPE", runs, unknown=unknown)


def _in_runs(run: Run) -> bool:
    path = Path(run.source)
    return path.parent.name == path.stem.rpartition("_")[0]


def _read(
    folder: Path, annotations: Annotations, known: NameBook
) -> tuple[Protocol | None, dict[str, list[Run]], tuple[str, ...]]:
    """The protocol that the files tell, the runs of the sequences that are wanted, and files of unknown sequences."""
    files = files_by_name(folder)
    matched: dict[str, str] = {}
    unknown = []
    for name, paths in files.items():
        found = known.find(name)
        if found is None:
            unknown.append(os.path.relpath(paths[0], folder).split(os.sep)[0])
        elif found in matched:
            raise LwdnaError(f"{folder}: {matched[found]!r} and {name!r} are both results of {found}")
        else:
            matched[found] = name
    missing = [name for name in annotations.sequences if name not in matched]
    if missing:
        raise LwdnaError(
            f"{folder}: no results for {len(missing)} of {len(annotations.sequences)} sequences ({few(missing)})"
            + (f"; not known are {few(unknown)}{_renamed(unknown, missing, known)}" if unknown else "")
            + "; --sequences FILE evaluates those that a file lists"
        )
    wanted = {name: files[matched[name]] for name in annotations.sequences}
    if any(paths[0].endswith(".json") for paths in wanted.values()):
        return *_official(wanted), tuple(unknown)
    paths = [path for of_sequence in wanted.values() for path in of_sequence]
    rows = dict(zip(paths, parse_rows([read_bytes(path) for path in paths], paths), strict=True))
    for path in paths:
        if not len(rows[path]):
            raise LwdnaError(f"{path}: the file is empty")
    return None, {name: [Run(rows[path], path) for path in paths] for name, paths in wanted.items()}, tuple(unknown)


def _renamed(unknown: list[str], missing: list[str], known: NameBook) -> str:
    """What to say where an unknown file bears the name of a sequence without results, and something else."""
    for file in unknown:
        stem, ending = os.path.splitext(file)
        if (name := known.inside(stem)) in missing:
            return f"; {file} should be called {name}{ending}"
    return ""


def _official(files: Mapping[str, list[str]]) -> tuple[Protocol, dict[str, list[Run]]]:
    """The official toolkit's files: a list of runs with `res`, a list of boxes or of affine parameters."""
    protocols: set[Any] = set()
    results = {}
    paths = [of_sequence[0] for of_sequence in files.values()]
    contents = load_json([read_bytes(path) for path in paths], ["res"], paths)
    for name, path, content in zip(files, paths, contents, strict=True):
        runs = content if isinstance(content, list) else [content]
        try:
            protocols |= {run["evalType"] for run in runs}
            results[name] = [
                Run(_boxes(run, path), path, None if run.get("startFrame") is None else int(run["startFrame"]))
                for run in runs
            ]
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            raise LwdnaError(f"{path}: not as the official OTB toolkit writes it: {error!r}") from None
        if not runs:
            raise LwdnaError(f"{path}: there are no runs in it")
    if len(protocols) != 1 or not protocols <= {"OPE", "SRE", "TRE"}:
        found = ", ".join(sorted(map(str, protocols)))
        raise LwdnaError(
            f"{Path(paths[0]).parent}: expected results of OPE, SRE or TRE, and of one of them, got {found}"
        )
    return protocols.pop(), results


def _boxes(run: Mapping[str, Any], path: str) -> Rows:
    rows, kind = run["res"], canonical(run["resType"])
    if not isinstance(rows, Rows) or not len(rows):
        raise LwdnaError(f"{path}: there is a run without frames")
    if kind == "rect":
        return rows
    if kind in ("affine-ivt", "ivtaff"):
        size = np.ravel(run["tmplsize"]).astype(float)
        boxes = affine_boxes(rows.table(6, path), float(size[0]), float(size[1]))
        return Rows(boxes.ravel(), np.full(len(boxes), 4))
    raise LwdnaError(f"{path}: resType {run['resType']!r}; rect and affine_ivt are known")


def affine_boxes(parameters: Floats, width: float, height: float) -> Floats:
    """Boxes from IVT's affine parameters of a template, as OTB's toolkit makes them: corners rounded down.

    Args:
        parameters: (N, 6) x and y of the centre, and the matrix that maps the template's x and y: xx, xy, yx, yy at the
            places 2 to 5.
        width, height: of the template.

    Returns:
        (N, 4) x, y, w, h.
    """
    centre, matrix = parameters[:, :2], parameters[:, 2:].reshape(-1, 2, 2)
    corner = matrix @ np.array([width / 2, height / 2])
    start, end = np.floor(centre - corner), np.floor(centre + corner)
    return np.concatenate([start, end - start], axis=1)
