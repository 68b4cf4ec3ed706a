"""What LW-DNA's widths cost in training time on a GPU, whose kernels are made for channels in multiples of a few."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from benchmarks.evidence import figures
from benchmarks.evidence.section import Section
from benchmarks.evidence.study import Sections, Study, Table
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.results import in_one_place
from lwdna_core.compare.wording import number, plural, share

ALIGNED = 4  # of channels, with TF32: NVIDIA, "Optimizing Convolutional Layers", section on tensor cores


def training_time(sections: Sections) -> Study | None:
    """LW-DNA's training time over its baseline's, where both were trained on one GPU from beginning to end."""
    rows = [(section, ratios) for section in sections.values() if (ratios := _ratios(section))]
    if not rows:
        return None
    macs = [section.comparison["arms"][LWDNA]["macs"] / section.comparison["arms"][BASELINE]["macs"]
            for section, _ in rows]  # fmt: skip
    found = [group[3] for section, _ in rows for run in section.runs if run["arm"] == LWDNA for group in run["groups"]]
    return Study(
        "training_time", "What it takes to train, on a GPU",
        figures.ranges([(section.entry.title, fmean(r), min(r), max(r)) for section, r in rows],
                       "LW-DNA's training time / the baseline's"),
        "With fewer MACs, LW-DNA takes longer to train on a GPU than its baseline in "
        f"{sum(fmean(ratios) > 1 for _, ratios in rows)} of {plural(len(rows), 'comparison')}: "
        f"{number(min(fmean(r) for _, r in rows), 2)} to {number(max(fmean(r) for _, r in rows), 2)} times as long.",
        [
            f"It has {' and '.join(dict.fromkeys(share(m) for m in sorted(macs)))} of the MACs. "
            f"{share(_odd(found))} of its widths are no multiples of {ALIGNED}, for which TF32's kernels are made; "
            "whether that is why has not been measured (`--align` keeps widths in multiples).",
            "Pairs of one seed that one command trained on one GPU; it was shared with others, as the commands say, so "
            "that single ratios are rough.",
        ],
        [Table(
            ("comparison", "LW-DNA's seconds / the baseline's", "range", "pairs"),
            [(section.entry.title, number(fmean(r), 2), f"{number(min(r), 2)} to {number(max(r), 2)}" if len(r) > 1
              else "–", str(len(r))) for section, r in rows],
        )],
    )  # fmt: skip


def _ratios(section: Section) -> list[float]:
    """One for each seed whose two runs were made by one command in one place, on a GPU."""
    took: dict[tuple[str, int], tuple[Any, float]] = {}
    for run in section.runs:
        if run["environment"]["cuda"] and in_one_place(run):
            how = (run["environment"], run["commit"], run["command"])
            took[run["arm"], int(run["seed"])] = how, float(run["train"]["seconds"])
    return [
        took[LWDNA, seed][1] / seconds
        for (arm, seed), (how, seconds) in took.items()
        if arm == BASELINE and (LWDNA, seed) in took and took[LWDNA, seed][0] == how
    ]


def _odd(widths: list[int]) -> float:
    return fmean(width % ALIGNED != 0 for width in widths)
