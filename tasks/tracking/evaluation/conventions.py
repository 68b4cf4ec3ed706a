"""What the toolkits do differently: one table that all else reads. `docs/tracking-evaluation.md` explains it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lwdna_core.errors import LwdnaError

Name = Literal["official", "pysot", "got10k", "vot-toolkit"]


@dataclass(frozen=True)
class Convention:
    """How a toolkit scores.

    Attributes:
        name: as the command line calls it.
        overlap_thresholds: (21,) those of the success curve. They differ in the last bit between toolkits.
        first_is_truth: the first box of a run is replaced by the ground truth.
        unannotated: of frames whose truth has no size or position. "official": any of x, y, w, h not above 0 is a
            failure in overlap and a hit in precision; "pysot": w or h not above 0 is a failure, a centre not above 0 a
            hit; "got10k": nan is left out, anything else is an ordinary frame.
        short: of results shorter than the truth: "cut" the truth, "miss" what is missing, or "refuse" the file.
        long: of longer ones: "cut" the results or "refuse" the file.
        invalid: a result that is nan or has no size is a failure ("fail"), or the one before is repeated ("repeat").
        normaliser: what the normalised error is divided by: the "truth"'s width and height, or those "or one" pixel.
        raster: how regions are drawn for VOT's overlap; None: exact polygons.
        accuracy: VOT's accuracy: mean over all "frames", over "sequences" weighted by length, or over "tags" by frames.
        eao: which fragments VOT's expected average overlap is made from; None: the toolkit has none.
    """

    name: Name
    overlap_thresholds: NDArray[np.float64]
    first_is_truth: bool
    unannotated: Literal["official", "pysot", "got10k"]
    short: Literal["cut", "miss", "refuse"]
    long: Literal["cut", "refuse"]
    normaliser: Literal["truth", "or one"]
    raster: Literal["pysot", "vot-toolkit"] | None
    accuracy: Literal["frames", "sequences", "tags"]
    eao: Literal["pysot", "vot-toolkit"] | None
    invalid: Literal["fail", "repeat"] = "fail"


OFFICIAL = Convention(
    name="official",
    overlap_thresholds=np.arange(21) / 20,
    first_is_truth=True,
    unannotated="official",
    short="cut",
    long="refuse",
    normaliser="truth",
    raster="pysot",
    accuracy="frames",
    eao="pysot",
)
PYSOT = Convention(
    name="pysot",
    overlap_thresholds=np.arange(0, 1.05, 0.05),
    first_is_truth=False,
    unannotated="pysot",
    short="miss",
    long="refuse",
    normaliser="truth",
    raster="pysot",
    accuracy="frames",
    eao="pysot",
)
GOT10K = Convention(
    name="got10k",
    overlap_thresholds=np.linspace(0, 1, 21),
    first_is_truth=True,
    unannotated="got10k",
    short="cut",
    long="cut",
    normaliser="or one",
    raster=None,
    accuracy="tags",
    eao=None,
)
VOT_TOOLKIT = Convention(
    name="vot-toolkit",
    overlap_thresholds=np.linspace(0, 1, 21),
    first_is_truth=False,
    unannotated="got10k",
    short="refuse",
    long="refuse",
    normaliser="truth",
    raster="vot-toolkit",
    accuracy="sequences",
    eao="vot-toolkit",
)
CONVENTIONS = {convention.name: convention for convention in (OFFICIAL, PYSOT, GOT10K, VOT_TOOLKIT)}

LASOT = {"official": replace(OFFICIAL, long="cut", invalid="repeat"), "pysot": replace(PYSOT, long="cut")}
"""What differs on LaSOT. Its own toolkit (calc_seq_err_robust.m) and pysot (toolkit/datasets/lasot.py) cut results on
monkey-17, whose last frames have no ground truth any more."""

EAO_INTERVALS = {2015: (108, 371), 2016: (108, 371), 2017: (100, 356), 2018: (100, 356), 2019: (46, 291)}
"""The sequence lengths, first and last, over which VOT averaged the expected overlap of a year."""


def find_convention(name: str | None, kind: str) -> Convention:
    """The convention called `name`, as it is on this kind of annotations; None: the one by which results there are
    published.
    """
    default = {"VOT": "pysot", "GOT-10k": "got10k"}.get(kind, "official")
    if (name or default) not in CONVENTIONS:
        raise LwdnaError(f"unknown convention {name!r}; there are: {', '.join(CONVENTIONS)}")
    convention = CONVENTIONS[name or default]  # type: ignore[index]
    return LASOT.get(convention.name, convention) if kind == "LaSOT" else convention
