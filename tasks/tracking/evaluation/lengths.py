"""Results of another length than their ground truth: what the conventions make of them, and what is said about it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.annotations import Annotations
from tasks.tracking.evaluation.conventions import Convention
from tasks.tracking.evaluation.layouts import few
from tasks.tracking.evaluation.names import canonical
from tasks.tracking.evaluation.results import Results, Run
from tasks.tracking.evaluation.sequence import TIGER1_FRAMES, TIGER1_OMITTED, Sequence, without_omitted
from tasks.tracking.evaluation.spans import Floats
from tasks.tracking.evaluation.textfiles import Rows


def truth_of(sequence: Sequence, annotations: Annotations, convention: Convention) -> Sequence:
    """A sequence with the ground truth that the convention compares boxes with: another one for OTB's Tiger1."""
    if annotations.kind == "OTB" and canonical(sequence.name) == "tiger1":
        if convention.name in ("official", "got10k") and annotations.tiger1:
            return annotations.tiger1
        if convention.name == "pysot" and len(sequence) == TIGER1_FRAMES:
            rows = Rows(sequence.rows.values[4 * TIGER1_OMITTED :], sequence.rows.counts[TIGER1_OMITTED:])
            return replace(sequence, rows=rows, first_frame=sequence.first_frame + TIGER1_OMITTED)
    return sequence


def of_length(found: Floats, length: int, run: Run, sequence: Sequence, convention: Convention) -> Floats:
    """A run's boxes (N, 4) as many as the `length` frames of its truth, as far as the convention cuts or fills them.

    Raises LwdnaError with the file, and the line from which on it is too long, where the convention refuses it.
    """
    if len(found) > length:
        if convention.long == "refuse":
            raise LwdnaError(f"{run.source}, line {length + 1}: one more than the {length} frames in {sequence.source}")
        return found[:length]
    if len(found) < length and convention.short == "miss":
        return np.concatenate([found, np.full((length - len(found), 4), np.nan)])
    if len(found) < length and convention.short == "refuse":
        raise LwdnaError(
            f"{run.source}: ends at line {len(found)} of {length}, the frames of ground truth in {sequence.source}"
        )
    return found


def length_warnings(results: Results, annotations: Annotations, convention: Convention) -> list[str]:
    """What a reader of the scores should know of results that are shorter or longer than their ground truth.

    Not of TRE's, whose runs begin anywhere.
    """
    late, shorter, longer = False, [], []
    for name, runs in results.runs.items() if results.protocol != "TRE" else ():
        truth = truth_of(annotations.sequences[name], annotations, convention)
        lengths = {len(without_omitted(run.rows, truth)) for run in [*runs, *results.unsupervised.get(name, ())]}
        if truth is annotations.tiger1 and len(truth) - TIGER1_OMITTED in lengths:
            late = True
        elif min(lengths) < len(truth):
            shorter.append(name)
        if max(lengths) > len(truth):
            longer.append(name)
    told = []
    if late:
        told.append(
            "Tiger1 has 349 lines and its ground truth 354, which begin at another frame; "
            f"convention {convention.name} scores them as they stand"
        )
    if shorter:
        missing = convention.short == "miss" and annotations.kind != "VOT"
        so = "; the missing frames count as failures" if missing else ", which is cut to their length"
        told.append(f"results on {few(shorter)} are shorter than the ground truth{so}")
    if longer:
        told.append(f"results on {few(longer)} are longer than the ground truth, and cut to its length")
    return [f"{results.tracker}: {text}" for text in told]
