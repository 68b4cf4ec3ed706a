"""From folders of results to scores: what `lwdna eval tracking` does, without the printing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.annotations import Annotations, read_annotations
from tasks.tracking.evaluation.conventions import Convention, find_convention
from tasks.tracking.evaluation.doubts import doubts
from tasks.tracking.evaluation.layouts import few, find_trackers
from tasks.tracking.evaluation.lengths import length_warnings
from tasks.tracking.evaluation.names import NameBook
from tasks.tracking.evaluation.results import Protocol, read_results
from tasks.tracking.evaluation.scores import Scores


class Evaluation(NamedTuple):
    """Scores, and what they are of.

    Attributes:
        annotations: of the sequences that were evaluated.
        convention: by which they were.
        scores: of the trackers, in the order of their folders.
        warnings: what a reader of the scores should know.
    """

    annotations: Annotations
    convention: Convention
    scores: list[Scores]
    warnings: list[str]


def evaluate(
    results: Iterable[Path],
    annotations: Path,
    convention: str | None = None,
    protocol: Protocol | None = None,
    year: int | None = None,
    sequences: Path | None = None,
) -> Evaluation:
    """Score trackers; the arguments are those of the command line.

    Raises LwdnaError for files that are missing, unknown, or not as they should be.
    """
    known = read_annotations(annotations, year)
    rules = find_convention(convention, known.kind)
    book = NameBook(known.sequences)
    wanted = known.only(sequences) if sequences else known
    read = [read_results(name, folder, wanted, book, protocol) for name, folder in find_trackers(results, book).items()]
    warnings = [
        f"{tracker.tracker}: passed over {len(tracker.unknown)} results on sequences that {known.name} has not: "
        + few(tracker.unknown)
        for tracker in read
        if tracker.unknown
    ]
    warnings += [text for tracker in read for text in length_warnings(tracker, wanted, rules)]
    warnings += [text for tracker in read for text in doubts(tracker, wanted, rules)]
    protocols = {tracker.protocol: tracker.tracker for tracker in read}
    if len(protocols) > 1:
        told = ", ".join(f"{name} ({tracker})" for name, tracker in protocols.items())
        raise LwdnaError(f"results of different protocols do not compare: {told}; --protocol NAME, or fewer folders")
    if "TRE" in protocols and rules.name == "vot-toolkit":
        raise LwdnaError(
            "--convention vot-toolkit: it compares whole sequences, and TRE's runs begin in later frames; "
            "expected official, pysot or got10k"
        )
    if known.kind == "VOT" or rules.name == "vot-toolkit":
        from tasks.tracking.evaluation.vot import VotTruth, evaluate_overlaps, evaluate_resets

        truth = VotTruth(wanted, rules)
        score = evaluate_resets if "VOT" in protocols else evaluate_overlaps
        if truth.unbounded:
            warnings.append(f"overlap outside the frames counts where their size is not known: {few(truth.unbounded)}")
        return Evaluation(wanted, rules, [score(tracker, truth) for tracker in read], warnings)
    from tasks.tracking.evaluation.ope import evaluate_boxes, evaluate_got10k

    if known.kind == "GOT-10k" and rules.name == "got10k":
        return Evaluation(wanted, rules, [evaluate_got10k(tracker, wanted) for tracker in read], warnings)
    return Evaluation(wanted, rules, [evaluate_boxes(tracker, wanted, rules) for tracker in read], warnings)
