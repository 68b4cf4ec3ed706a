"""The folder of one finished run, as commands get it from a user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lwdna_core.compare.results import read_json
from lwdna_core.errors import LwdnaError

_SHOWN = 4  # runs that an error names


def read_run(folder: Path) -> dict[str, Any]:
    """The content of a run's `result.json`.

    Raises LwdnaError where there is none, with the runs that lie below the folder, and for a damaged one.
    """
    path = folder / "result.json"
    if path.is_file():
        return read_json(path)
    if not folder.is_dir():
        raise LwdnaError(f"there is no folder {folder}")
    below = sorted(str(found.parent) for found in folder.rglob("seed*/*/result.json"))
    runs = ", ".join(below[:_SHOWN]) + f" and {len(below) - _SHOWN} more" * (len(below) > _SHOWN)
    hint = f"it holds the runs {runs}" if below else "expected work_dirs/CONFIG/seed0/lwdna or the like"
    raise LwdnaError(f"{folder} is not a finished run (no result.json): {hint}")
