"""Arrays that take long to make: made once, kept in the user's cache folder, shared by all processes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lwdna_core.data.sources import cache_folder


def kept(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """What `make` returns, or has returned before: then mapped from a file, so that processes share its memory.

    A file that is damaged is made again. Where none can be written (no room, no rights), every process has its own.

    Args:
        key: says all that the contents depend on.
        make: returns an array of numbers.
    """
    path = cache_folder() / "kept" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
    found = _mapped(path)
    if found is not None:
        return found
    array = np.ascontiguousarray(make())
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            np.save(file, array, allow_pickle=False)
            file.write(_checksum(array))
        os.replace(aside, path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        return array
    found = _mapped(path)
    return array if found is None else found


def _mapped(path: Path) -> np.ndarray | None:
    """The array in a file, which its checksum ends; None for a file that is missing or damaged."""
    try:
        # "c": torch wants arrays that it may write to; what is written stays in this process
        array: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            return array if file.read() == _checksum(array) else None
    except Exception:  # of a damaged file nearly anything
        return None


def _checksum(array: np.ndarray) -> bytes:
    return zlib.crc32(array.reshape(-1).view(np.uint8).data).to_bytes(4, "big")
