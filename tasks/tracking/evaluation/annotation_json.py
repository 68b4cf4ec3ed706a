"""Annotations in the JSON layout that users of pysot have: OTB100.json, VOT2018.json, LaSOT.json, UAV123.json."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.image_size import image_size
from tasks.tracking.evaluation.json_arrays import load_json
from tasks.tracking.evaluation.names import canonical
from tasks.tracking.evaluation.sequence import FIRST_FRAMES, TAGS, Kind, Sequence, attribute_codes
from tasks.tracking.evaluation.textfiles import Rows, read_bytes


def read_json(path: Path) -> tuple[Kind, dict[str, Sequence]]:
    """The kind of benchmark and its sequences.

    Raises LwdnaError with the file, the sequence, and what is missing or wrong about it.
    """
    content = load_json([read_bytes(path)], ("gt_rect", "absent", *TAGS), [path], strings="img_names")[0]
    if not isinstance(content, dict) or not content or not all(isinstance(item, dict) for item in content.values()):
        raise LwdnaError(f"{path}: expected an object of sequences by name, as pysot's OTB100.json is one")
    sequences = {name: _sequence(name, item, path) for name, item in content.items()}
    items = list(content.values())
    if path.stem.upper().startswith("VOT") or any(TAGS[0] in item for item in items):
        kind: Kind = "VOT"
    elif "absent" in items[0] or path.stem.upper().startswith("LASOT"):
        kind = "LaSOT"
    elif path.stem.upper().startswith("UAV"):
        kind = "UAV123"
    elif path.stem.upper().startswith("GOT"):
        kind = "GOT-10k"
    else:
        kind = "OTB"
    return kind, sequences


def _sequence(name: str, item: dict[str, Any], path: Path) -> Sequence:
    source = f"{path}, {name}"
    truth = item.get("gt_rect")
    if not isinstance(truth, Rows) or not len(truth.values):
        raise LwdnaError(f"{source}: no ground truth under gt_rect")

    def flags(key: str) -> NDArray[np.float64] | None:
        values = item.get(key)
        if not isinstance(values, Rows) or not len(values.values):
            return None
        if len(values.values) != len(truth):
            raise LwdnaError(f"{source}, {key}: {len(values.values)} values for {len(truth)} frames")
        return values.values

    absent = flags("absent")
    frames = item.get("img_names") or []
    frame = str(frames[0]) if frames else ""
    digits = re.findall(r"\d+", frame.rpartition("/")[2])
    return Sequence(
        name,
        truth,
        source,
        first_frame=int(digits[-1]) if digits else FIRST_FRAMES.get(canonical(name), 1),
        attributes=attribute_codes(item.get("attr")),
        tags={tag: values > 0 for tag in TAGS if (values := flags(tag)) is not None},
        # Some files write 1 where the target is to be seen, others where it is not; in the first frame it always is.
        present=None if absent is None else absent == absent[0],
        size=_size(item, path.parent / frame if frame else None),
    )


def _size(item: dict[str, Any], frame: Path | None) -> Callable[[], tuple[float, float] | None]:
    """Width and height of the frames, from the file or, as pysot takes them, from the first image beside it."""
    values = item.get("width"), item.get("height")
    numbers = [float(value) for value in values if isinstance(value, int | float)]

    def size() -> tuple[float, float] | None:
        if len(numbers) == 2:
            return numbers[0], numbers[1]
        return image_size(frame) if frame is not None and frame.is_file() else None

    return size
