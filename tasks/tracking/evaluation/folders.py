"""The folders of data sets, as their owners lay them out: OTB, VOT, GOT-10k, LaSOT, UAV123.

OTB       Jogging/groundtruth_rect.1.txt  attrs.txt  img/0001.jpg
VOT       bag/groundtruth.txt  occlusion.tag  color/00000001.jpg
GOT-10k   GOT-10k_Val_000001/groundtruth.txt  cover.label  meta_info.ini  00000001.jpg
LaSOT     airplane/airplane-1/groundtruth.txt  full_occlusion.txt  out_of_view.txt  img/00000001.jpg
          annos/att/airplane-1.txt, from its evaluation toolkit
UAV123    anno/UAV123/bike1.txt  anno/UAV123/att/bike1.txt; or one of the folders in anno, UAV20L too
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.frame_files import IMAGES
from tasks.tracking.evaluation.image_size import image_size
from tasks.tracking.evaluation.names import canonical
from tasks.tracking.evaluation.sequence import FIRST_FRAMES, TAGS, Kind, Sequence, attribute_codes
from tasks.tracking.evaluation.textfiles import Rows, read_rows

_TARGET = re.compile(r"groundtruth_rect(?:\.(\d+))?\.txt")
LASOT_ATTRIBUTES = ("IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC")
"""In the order of the toolkit's files."""
UAV123_ATTRIBUTES = ("SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SOB")
"""In the order of the files beside the annotations, which is that of the data set's own table of them."""


def read_folder(path: Path) -> tuple[Kind, dict[str, Sequence]]:
    """The kind of benchmark, which its files tell, and its sequences.

    Raises LwdnaError for a folder of no known layout, and with file and line for ground truth that cannot be read or is
    empty: a mean over fewer sequences is another score.
    """
    if files := sorted((path / "anno" / "UAV123").glob("*.txt")):
        return "UAV123", _named([_uav123(*pair) for pair in _read(files)])
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir())
    truths = [file for folder in folders for file in sorted(folder.iterdir()) if _TARGET.fullmatch(file.name)]
    if truths:
        return "OTB", _otb(truths)
    truths = [file for folder in folders if (file := folder / "groundtruth.txt").is_file()]
    truths = truths or sorted(path.glob("*/*/groundtruth.txt"))
    if not truths and path.absolute().name.upper().startswith("UAV") and (files := sorted(path.glob("*.txt"))):
        return "UAV123", _named([_uav123(*pair) for pair in _read(files)])
    if not truths:
        raise LwdnaError(
            f"--annotations {path}: expected folders of sequences with groundtruth_rect.txt or groundtruth.txt, "
            "or anno/UAV123/*.txt, or a folder UAV... of such files"
        )
    if any((file.parent / "meta_info.ini").is_file() or (file.parent / "cover.label").is_file() for file in truths):
        return "GOT-10k", _named([_got10k(*pair) for pair in _read(truths)])
    if any((file.parent / "full_occlusion.txt").is_file() for file in truths):
        return "LaSOT", _named([_lasot(*pair) for pair in _read(truths)])
    return "VOT", _named([_vot(*pair) for pair in _read(truths)])


def _read(files: list[Path]) -> list[tuple[Path, Rows]]:
    """Files and their lines; an empty file is passed over where another of its folder is of another target."""
    read = list(zip(files, read_rows(files), strict=True))
    filled = {file.parent for file, rows in read if len(rows) and _TARGET.fullmatch(file.name)}
    for file, rows in read:
        if not len(rows) and file.parent not in filled:
            raise LwdnaError(f"{file}: the file is empty")
    return [(file, rows) for file, rows in read if len(rows)]


def _named(sequences: list[Sequence]) -> dict[str, Sequence]:
    return {sequence.name: sequence for sequence in sequences}


def _otb(files: list[Path]) -> dict[str, Sequence]:
    """Every target is a sequence; an empty file beside another (Human4's first) is none."""
    sequences = []
    for file, rows in _read(files):
        folder, target = file.parent, _TARGET.fullmatch(file.name)
        assert target
        attributes = folder / "attrs.txt"
        names = attributes.read_text(encoding="utf-8-sig").split(",") if attributes.is_file() else []
        sequences.append(
            Sequence(
                folder.name + (f"-{target[1]}" if target[1] else ""),
                rows,
                str(file),
                first_frame=FIRST_FRAMES.get(canonical(folder.name), 1),
                attributes=attribute_codes(names),
                size=_size_of_frames(folder / "img"),
                folder=folder / "img",
            )
        )
    return _named(sequences)


def _vot(file: Path, rows: Rows) -> Sequence:
    folder = file.parent
    frames = folder / "color" if (folder / "color").is_dir() else folder
    tags = {}
    for tag in TAGS:
        path = folder / f"{tag}.tag"
        if not path.is_file():
            path = folder / f"{tag}.label"  # so called until 2016
        if path.is_file():
            tags[tag] = _flags(path, len(rows)) > 0
    return Sequence(folder.name, rows, str(file), tags=tags, size=_size_of_frames(frames), folder=frames, origin=0)


def _got10k(file: Path, rows: Rows) -> Sequence:
    folder, cover = file.parent, file.parent / "cover.label"
    meta = folder / "meta_info.ini"
    present = _flags(cover, len(rows)) > 0 if cover.is_file() else None
    size = _size_of_frames(folder)
    if meta.is_file() and (
        match := re.search(r"resolution\s*[:=]\s*\(?\s*(\d+)\s*,\s*(\d+)", meta.read_text(errors="replace"))
    ):
        width, height = float(match[1]), float(match[2])

        def size() -> tuple[float, float] | None:
            return width, height

    return Sequence(folder.name, rows, str(file), present=present, size=size, folder=folder)


def _lasot(file: Path, rows: Rows) -> Sequence:
    folder = file.parent
    hidden = np.zeros(len(rows), bool)
    for name in ("full_occlusion.txt", "out_of_view.txt"):
        if (folder / name).is_file():
            hidden |= _flags(folder / name, len(rows)) > 0
    return Sequence(
        folder.name,
        rows,
        str(file),
        attributes=_lasot_attributes(folder),
        present=~hidden,
        size=_size_of_frames(folder / "img"),
        folder=folder / "img",
    )


def _uav123(file: Path, rows: Rows) -> Sequence:
    attributes = _attributes(file.parent / "att" / file.name, UAV123_ATTRIBUTES)
    return Sequence(file.stem, rows, str(file), attributes=attributes)


def _lasot_attributes(folder: Path) -> tuple[str, ...]:
    """Where the folder `annos` of the evaluation toolkit lies beside the sequences or their categories."""
    for home in (folder.parent, folder.parent.parent):
        if attributes := _attributes(home / "annos" / "att" / f"{folder.name}.txt", LASOT_ATTRIBUTES):
            return attributes
    return ()


def _attributes(path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that a file of 0 and 1 marks; none without the file."""
    if not path.is_file():
        return ()
    flags = read_rows([path])[0].values
    if len(flags) != len(names):
        raise LwdnaError(f"{path}, line 1: {len(flags)} values for {len(names)} attributes")
    return attribute_codes([name for name, flag in zip(names, flags, strict=True) if flag])


def _flags(path: Path, frames: int) -> NDArray[np.float64]:
    values = read_rows([path])[0].values
    if len(values) != frames:
        raise LwdnaError(f"{path}: {len(values)} values for {frames} frames of ground truth")
    return values


def _size_of_frames(folder: Path) -> Callable[[], tuple[float, float] | None]:
    """Width and height of a folder's first image, once they are asked for."""

    def size() -> tuple[float, float] | None:
        files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGES] if folder.is_dir() else []
        return image_size(min(files)) if files else None

    return size
