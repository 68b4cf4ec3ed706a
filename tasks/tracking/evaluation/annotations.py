"""The sequences of a benchmark, from a file of annotations or the folder of the data set."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.annotation_json import read_json
from tasks.tracking.evaluation.folders import read_folder
from tasks.tracking.evaluation.names import NameBook
from tasks.tracking.evaluation.sequence import Kind, Sequence, attribute_codes
from tasks.tracking.evaluation.textfiles import read_rows


@dataclass(frozen=True)
class Annotations:
    """The sequences of a benchmark.

    Attributes:
        name: of the file or folder they were read from.
        kind: of benchmark: it decides what is computed.
        sequences: by name.
        year: of a VOT challenge.
        tiger1: OTB: the ground truth of Tiger1 in 354 frames, if a `Tiger1_354.txt` lies beside the annotations.
    """

    name: str
    kind: Kind
    sequences: dict[str, Sequence]
    year: int | None = None
    tiger1: Sequence | None = None

    def only(self, listed: Path) -> Annotations:
        """The sequences that a file lists, one a line; a second column replaces their attributes.

        Raises LwdnaError with the line of a name that is none of the annotations'.
        """
        try:
            lines = listed.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise LwdnaError(f"--sequences {listed}: {error}") from None
        book, chosen = NameBook(self.sequences), {}
        for number, line in enumerate(lines, 1):
            name, _, attributes = line.partition("\t")
            if not name.strip():
                continue
            found = book.find(name.strip())
            if found is None:
                raise LwdnaError(f"{listed}, line {number}: {self.name} has no {name.strip()!r}{book.near(name)}")
            sequence = self.sequences[found]
            if attributes.strip():
                sequence = replace(sequence, attributes=attribute_codes(attributes.split(",")))
            chosen[found] = sequence
        if not chosen:
            raise LwdnaError(f"{listed}: no names of sequences")
        return replace(self, sequences=chosen)


def read_annotations(path: Path, year: int | None = None) -> Annotations:
    """Read a JSON file of annotations, as users of pysot have them, or the folder of a data set.

    Args:
        path: the file or the folder.
        year: of a VOT challenge; None: it is taken from the names in the path, if there is one.

    Raises:
        LwdnaError: it is neither, or a file is not as its benchmark has it (the message names file and line).
    """
    if path.is_dir():
        kind, sequences, root = *read_folder(path), path
    elif path.is_file():
        kind, sequences, root = *read_json(path), path.parent
    else:
        raise LwdnaError(f"--annotations {path}: there is no file or folder {path.absolute()}")
    if not sequences:
        raise LwdnaError(f"--annotations {path}: expected sequences with ground truth, found none")
    if year is None and (years := re.findall(r"VOT[-_ ]?(?:ST)?[-_ ]?(20\d\d)", str(path.absolute()), re.IGNORECASE)):
        year = int(years[-1])
    tiger1 = None
    file = root / "Tiger1_354.txt"
    if kind == "OTB" and file.is_file():
        tiger1 = Sequence("Tiger1", read_rows([file])[0], str(file))
    return Annotations(path.stem, kind, sequences, year if kind == "VOT" else None, tiger1)
