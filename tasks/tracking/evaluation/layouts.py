"""The results of trackers, in the layouts that toolkits write.

    TRACKER/SEQUENCE.txt                            a box a line (pysot, got10k, siamfc)
    TRACKER/SEQUENCE.json                           the official OTB toolkit: OPE, SRE and TRE
    TRACKER/SRE/SEQUENCE.json, TRACKER/TRE/...      the same beside results of OPE, as `lwdna predict` leaves them
    TRACKER/SEQUENCE/SEQUENCE_001.txt               several runs of each sequence (got10k on GOT-10k)
    TRACKER/baseline/SEQUENCE/SEQUENCE_001.txt      VOT, with resets
    TRACKER/unsupervised/SEQUENCE/SEQUENCE_001.txt  VOT, without

`times/`, `performance.json` and `scores_*` are no sequences.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.names import NameBook

BESIDE_OPE: tuple[Literal["SRE"], Literal["TRE"]] = ("SRE", "TRE")
"""Protocols whose results may lie in a folder of that name, beside those of OPE."""
_NO_SEQUENCE = re.compile(r"performance\.json|scores_.*|.*_times?\.txt", re.IGNORECASE)
_RUN = re.compile(r"(.*)_(\d+)\.txt", re.DOTALL)


def find_trackers(folders: Iterable[Path], known: NameBook) -> dict[str, Path]:
    """Trackers by name: each folder is one, or a folder of them.

    A folder of trackers may hold other files as well, as long as none is called like a sequence that is `known`.

    Raises LwdnaError for a folder without results.
    """
    paths: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise LwdnaError(f"{folder}: there is no such folder of results")
        own = list(_results_in(folder))
        found = [folder] if own else []
        if not any(entry.is_dir() or known.find(_stem(entry)) for entry in own):
            inside = [path for path in sorted(folder.iterdir()) if path.is_dir()]
            inside = [path for path in inside if not _NO_SEQUENCE.fullmatch(path.name) and any(_results_in(path))]
            found = inside or found
        if not found:
            raise LwdnaError(
                f"{folder}: no results; expected SEQUENCE.txt, SEQUENCE.json, SEQUENCE/SEQUENCE_001.txt or "
                f"baseline/SEQUENCE/SEQUENCE_001.txt, in it or in its folders; {_there(folder)}"
            )
        paths += found
    paths = [path.absolute() for path in paths]
    paths = list(dict.fromkeys(path.parent if path.name in ("baseline", "unsupervised") else path for path in paths))
    names = [path.name for path in paths]
    return {(path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}"): path for path in paths}


def _there(folder: Path) -> str:
    """What lies in a folder without results."""
    files = [path for path in sorted(folder.glob("*")) + sorted(folder.glob("*/*")) if path.is_file()]
    if not files:
        return "there are no files"
    told = few([str(path.relative_to(folder)) for path in files])
    endings = sorted({path.suffix for path in files} - {".txt", ".json", ""})
    return f"there are {told}" + (f", and {few(endings)} is not read" if endings else "")


def _results_in(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The files and folders of a folder that hold results, of sequences of whatever name."""
    with os.scandir(folder) as entries:
        yield from filter(_holds_results, entries)


def holds_files(folder: Path, known: NameBook) -> bool:
    """Whether files of results on `known` sequences lie in a folder itself."""
    return any(not entry.is_dir() and known.find(_stem(entry)) for entry in _results_in(folder))


def _stem(entry: os.DirEntry[str]) -> str:
    return os.path.splitext(entry.name)[0]


def _holds_results(entry: os.DirEntry[str]) -> bool:
    if _NO_SEQUENCE.fullmatch(entry.name):
        return False
    if entry.is_dir():
        names = os.listdir(entry.path)
        return (
            entry.name in ("baseline", "unsupervised")
            or (entry.name in BESIDE_OPE and any(name.endswith(".json") for name in names))
            or any(_run_of(name, entry.name) for name in names)
        )
    return entry.name.endswith((".txt", ".json"))


def _run_of(file: str, sequence: str) -> bool:
    match = _RUN.fullmatch(file)
    return match is not None and match[1].lower() == sequence.lower()


def files_by_name(folder: Path) -> dict[str, list[str]]:
    """Result files by the names that the tracker gave the sequences."""
    files: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.is_dir():
            runs = sorted(name for name in os.listdir(entry.path) if _run_of(name, entry.name))
            if runs:
                files[entry.name] = [os.path.join(entry.path, name) for name in runs]
        elif not _NO_SEQUENCE.fullmatch(entry.name):
            stem = _stem(entry)
            if entry.name.endswith((".txt", ".json")):
                if stem in files:
                    raise LwdnaError(f"{entry.path}: there are results of {stem} in {files[stem][0]} as well")
                files[stem] = [entry.path]
    return files


def few(names: Sequence[str]) -> str:
    """The first names of a list."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
