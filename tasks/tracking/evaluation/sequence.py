"""What is known of one sequence of a benchmark: its ground truth, attributes, tags, and where the frames lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.frame_files import image_files
from tasks.tracking.evaluation.names import canonical
from tasks.tracking.evaluation.regions import regions_of
from tasks.tracking.evaluation.shapes import Regions
from tasks.tracking.evaluation.spans import Floats
from tasks.tracking.evaluation.textfiles import Rows

Kind = Literal["OTB", "VOT", "GOT-10k", "LaSOT", "UAV123"]

ATTRIBUTES = {
    "IV": "Illumination Variation",
    "SV": "Scale Variation",
    "OCC": "Occlusion",
    "DEF": "Deformation",
    "MB": "Motion Blur",
    "FM": "Fast Motion",
    "IPR": "In-Plane Rotation",
    "OPR": "Out-of-Plane Rotation",
    "OV": "Out-of-View",
    "BC": "Background Clutters",
    "LR": "Low Resolution",
}
"""OTB's, in its order."""
_CODES = {canonical(name): code for code, name in ATTRIBUTES.items()}

TAGS = ("camera_motion", "illum_change", "motion_change", "size_change", "occlusion")
"""VOT's, as its files are called."""


@dataclass(frozen=True)
class Sequence:
    """One sequence with one target.

    Attributes:
        name: as the annotations spell it.
        rows: ground truth, a line a frame: boxes x, y, w, h or polygons x1, y1, x2, y2, ...
        source: where the truth was read, for errors.
        first_frame: the number of the first frame that is annotated, in the names of the files.
        attributes: OTB's short names, or those of the annotations.
        tags: VOT's, (N,) booleans by name.
        present: (N,) where the target is to be seen; None: everywhere.
        size: a function that gives width and height of the frames, or None where they are not known.
        folder: where the frames lie; None where they are not beside the annotations.
        origin: the number of the first pixel: 1, and VOT's 0.
    """

    name: str
    rows: Rows
    source: str
    first_frame: int = 1
    attributes: tuple[str, ...] = ()
    tags: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    present: NDArray[np.bool_] | None = None
    size: Callable[[], tuple[float, float] | None] = lambda: None
    folder: Path | None = None
    origin: int = 1

    def __len__(self) -> int:
        return len(self.rows)

    def boxes(self) -> Floats:
        """(N, 4) x, y, w, h. Raises LwdnaError with the line that is no box."""
        return self.rows.table(4, self.source)

    def regions(self) -> Regions:
        """Boxes and polygons. Raises LwdnaError with the line that is neither."""
        return regions_of(self.rows, self.source).regions

    def frames(self) -> list[Path]:
        """The image files of the annotated frames, in the order of their numbers.

        Raises LwdnaError where there are none, or not as many as lines of ground truth.
        """
        if self.folder is None or not self.folder.is_dir():
            raise LwdnaError(f"{self.source}: the frames of {self.name} are not beside it")
        files = image_files(self.folder)
        numbers = [_number(file) for file in files]
        if self.first_frame > 1 and None not in numbers:
            files = [file for file, n in zip(files, numbers, strict=True) if n is not None and n >= self.first_frame]
        if len(files) > len(self) and canonical(self.name) in SHORTER_THAN_FRAMES:
            files = files[: len(self)]
        if len(files) != len(self):
            raise LwdnaError(
                f"{self.folder}: {len(files)} frames, but {len(self)} lines of ground truth in {self.source}"
            )
        return files


SHORTER_THAN_FRAMES = {"david": 471, "football1": 74, "freeman3": 460, "freeman4": 283, "diving": 215}
"""Sequences of OTB whose last frames have no ground truth, and the length of it."""
FIRST_FRAMES = {"david": 300, "blurcar1": 247, "blurcar3": 3, "blurcar4": 18}
"""Sequences of OTB whose ground truth does not begin at frame 1. Those of the BlurCars have no earlier files either."""

TIGER1_FRAMES, TIGER1_OMITTED = 354, 5
"""All frames of OTB's Tiger1, and how many of them at its beginning the benchmark's list omits."""


def without_omitted(rows: Rows, sequence: Sequence) -> Rows:
    """Results on all frames of Tiger1, without those that its annotations omit; any other results as they are."""
    if canonical(sequence.name) != "tiger1" or (len(rows), len(sequence)) != (
        TIGER1_FRAMES,
        TIGER1_FRAMES - TIGER1_OMITTED,
    ):
        return rows
    return Rows(rows.values[rows.counts[:TIGER1_OMITTED].sum() :], rows.counts[TIGER1_OMITTED:])


def attribute_codes(names: object) -> tuple[str, ...]:
    """Short names of attributes, OTB's in its order."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return ()
    codes = {_CODES.get(canonical(name.strip()), name.strip()) for name in names if name.strip()}
    return tuple(code for code in ATTRIBUTES if code in codes) + tuple(sorted(codes - ATTRIBUTES.keys()))


def _number(file: Path) -> int | None:
    digits = re.findall(r"\d+", file.stem)
    return int(digits[-1]) if digits else None
