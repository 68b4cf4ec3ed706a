"""Reads pickles that hold numpy arrays and plain containers, and refuses all others."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lwdna_core.errors import LwdnaError

_MULTIARRAY: Any = import_module("numpy._core.multiarray")

# All that an array of numbers needs, under the names of numpy 1 and 2; strings, numbers, lists and dicts need none.
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _MULTIARRAY._reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _MULTIARRAY._reconstruct,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, but only numpy arrays are admitted")
        return _ALLOWED[module, name]


def unpickle(path: Path) -> Any:
    """The object in the pickle `path`; strings that Python 2 wrote become str (latin-1).

    Nothing in the file is called but numpy's own array constructors. Raises LwdnaError, naming the file, where it is
    missing, truncated, no pickle, or refers to anything else.
    """
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except OSError as error:
        raise LwdnaError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise LwdnaError(f"{path}: not an admissible pickle: {error or type(error).__name__}") from error
