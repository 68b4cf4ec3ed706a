"""The scores of one tracker, whatever the benchmark."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.tracking.evaluation.spans import Floats

MEASURES = {
    "auc": "AUC",
    "precision_20": "P20",
    "normalised_precision_20": "norm. P20",
    "overlap_precision_50": "OP50",
    "success_rate_50": "SR50",
    "success_rate_75": "SR75",
    "eao": "EAO",
    "accuracy": "A",
    "robustness": "R",
    "lost": "lost",
    "ao": "AO",
}
"""What is measured, in the order in which it is shown, and its short name."""

SMALLER_IS_BETTER = ("robustness", "lost")


@dataclass(frozen=True)
class Scores:
    """One tracker's.

    Attributes:
        tracker: its name.
        protocol: OPE, SRE, TRE or VOT.
        values: by measure; only those that apply.
        curves: by name: success over overlap thresholds from 0 to 1, precision over 0 to 50 pixels, normalised
            precision over 0 to 0.5, expected overlap over sequence lengths from 1.
        sequences: measures by sequence.
        attributes: measures by attribute or tag.
        attribute_curves: curves by attribute.
    """

    tracker: str
    protocol: str
    values: Mapping[str, float]
    curves: Mapping[str, Floats] = field(default_factory=dict)
    sequences: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    attribute_curves: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `--json` writes it: no key where a measure does not apply or is undefined."""
        content: dict[str, Any] = {"name": self.tracker, "protocol": self.protocol, **_defined(self.values)}
        content |= {name: [_number(value) for value in curve.tolist()] for name, curve in self.curves.items()}
        content["sequences"] = {name: _defined(values) for name, values in self.sequences.items()}
        content["attributes"] = {name: _defined(values) for name, values in self.attributes.items()}
        return content


def _defined(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
