"""Channels in multiples of 8: what they cost in accuracy, and what they gain in time."""

from __future__ import annotations

from pathlib import Path

from benchmarks.evidence import figures
from benchmarks.evidence.section import Section
from benchmarks.evidence.study import Study, Table, cell, differences, plain
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.results import read_json
from lwdna_core.compare.wording import number, points, share

_LATENCY = Path(__file__).parents[1] / "results" / "latency.json"
_ALIGNED = "lwdna-align8"


def alignment(section: Section | None) -> Study | None:
    """Both kinds of channels against the baseline: accuracy of one network, time of inference of others."""
    named = [(LWDNA, LWDNA, BASELINE), (_ALIGNED, _ALIGNED, BASELINE), ("aligned − as found", _ALIGNED, LWDNA)]
    rows = differences(section, named) if section else []
    if section is None or not rows or not _LATENCY.exists():
        return None
    ratios = read_json(_LATENCY)["ratios"]
    both = [(what, ratio, ratios[aligned]) for what, ratio in ratios.items()
            if (aligned := what.replace(",", "_align8,", 1)) in ratios]  # fmt: skip
    faster = sum(aligned["ratio"] < found["ratio"] for _, found, aligned in both)
    return Study(
        "align", "Channels in multiples of 8",
        figures.ranges(
            [(f"{what}: {kind}", ratio["ratio"], ratio["low"], ratio["high"])
             for what, found, aligned in both for kind, ratio in (("as found", found), ("aligned", aligned))],
            "time of inference / the baseline's, median and range",
        ),
        f"With channels in multiples of 8, inference on a CPU is faster than with those found in {faster} of "
        f"{len(both)} cases; the accuracy's change is {plain(rows[2][1], section.unit)} {points(section.unit)}.",
        [
            "Times are those of [the latency benchmark](latency.md), each over the baseline's; they are of other "
            f"networks than the accuracy, which is that of {section.entry.title} ({rows[0][1]['n']} seeds).",
            "Multiples of 8 leave a small network little choice: the MACs reached are in the table.",
        ],
        [
            Table(("accuracy", points(section.unit)), [(label, cell(pair, section.unit)) for label, pair in rows]),
            Table(
                ("time of inference / the baseline's", "as found", "aligned", "MACs as found", "MACs aligned"),
                [(what, number(found["ratio"], 2), number(aligned["ratio"], 2), share(found["macs"]),
                  share(aligned["macs"])) for what, found, aligned in both],
            ),
        ],
    )  # fmt: skip
