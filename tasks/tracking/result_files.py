"""What a tracker did, in the files that the toolkits of the field write and read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.tracking.experiments import Track


def result_file(folder: Path, protocol: str, sequence: str) -> Path:
    """Where the result on a sequence lies in a tracker's folder.

    SEQUENCE.txt; VOT's first repetition; SRE/SEQUENCE.json and TRE/SEQUENCE.json as the official toolkit writes them.
    """
    if protocol == "VOT":
        return folder / "baseline" / sequence / f"{sequence}_001.txt"
    return folder / f"{sequence}.txt" if protocol == "OPE" else folder / protocol / f"{sequence}.json"


def write_tracks(path: Path, protocol: str, tracks: Sequence[Track]) -> None:
    """A line a frame: a box, or one of VOT's codes; or all runs of SRE or TRE. The file appears whole or not at all."""
    if protocol in ("SRE", "TRE"):
        write_text(path, json.dumps([_official(protocol, track) for track in tracks]) + "\n")
        return
    lines = (",".join(f"{n:.4f}" if len(line) > 1 else f"{n:g}" for n in line) for line in tracks[0].lines)
    write_text(path, "".join(f"{line}\n" for line in lines))


def _official(protocol: str, track: Track) -> dict[str, Any]:
    return {
        "seqName": track.sequence,
        "evalType": protocol,
        "startFrame": track.start,
        "endFrame": track.start + len(track.lines) - 1,
        "shiftType": track.shift,
        "fps": round(float(len(track.seconds) / track.seconds.sum()), 2),
        "resType": "rect",
        "res": [[round(n, 4) for n in line.tolist()] for line in track.lines],
    }


def write_times(path: Path, tracks: Sequence[Track]) -> None:
    """Seconds in the tracker, a line a frame, as got10k's toolkit keeps them beside the results."""
    write_text(path, "".join(f"{seconds:.6f}\n" for track in tracks for seconds in track.seconds))


def write_text(path: Path, text: str) -> None:
    """Aside, then renamed: no half-written file is left. Folders are made where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    os.replace(aside, path)
