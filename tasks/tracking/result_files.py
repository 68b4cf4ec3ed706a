"""What a tracker did, in the files that the toolkits of the field write and read."""

from __future__ import annotations

import os
from pathlib import Path

from tasks.tracking.experiments import Track


def result_file(folder: Path, protocol: str, sequence: str) -> Path:
    """Where the result on a sequence lies in a tracker's folder: SEQUENCE.txt, or VOT's first repetition."""
    if protocol == "VOT":
        return folder / "baseline" / sequence / f"{sequence}_001.txt"
    return folder / f"{sequence}.txt"


def write_track(path: Path, track: Track) -> None:
    """A line a frame: a box, or one of VOT's codes. The file appears whole or not at all."""
    lines = (",".join(f"{n:.4f}" if len(line) > 1 else f"{n:g}" for n in line) for line in track.lines)
    write_text(path, "".join(f"{line}\n" for line in lines))


def write_times(path: Path, track: Track) -> None:
    """Seconds in the tracker, a line a frame, as got10k's toolkit keeps them beside the results."""
    write_text(path, "".join(f"{seconds:.6f}\n" for seconds in track.seconds))


def write_text(path: Path, text: str) -> None:
    """Aside, then renamed: no half-written file is left. Folders are made where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    os.replace(aside, path)
