"""Scores of trackers as OTB, VOT, GOT-10k, LaSOT and UAV123 publish them, from result files; numpy alone is needed.

>>> from pathlib import Path
>>> from tasks.tracking.evaluation import evaluate
>>> found = evaluate([Path("results/STRUCK")], Path("OTB100.json"))  # doctest: +SKIP
>>> found.scores[0].values["auc"]  # doctest: +SKIP
0.4617
"""

from tasks.tracking.evaluation.annotations import Annotations, read_annotations
from tasks.tracking.evaluation.conventions import CONVENTIONS, Convention
from tasks.tracking.evaluation.evaluator import Evaluation, evaluate
from tasks.tracking.evaluation.scores import Scores
from tasks.tracking.evaluation.sequence import Sequence

__all__ = [
    "CONVENTIONS",
    "Annotations",
    "Convention",
    "Evaluation",
    "Scores",
    "Sequence",
    "evaluate",
    "read_annotations",
]
