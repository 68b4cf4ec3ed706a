"""More and less of LW-DNA: whether its unevenness itself costs, and whether its direction matters."""

from __future__ import annotations

import numpy as np

from benchmarks.evidence import figures
from benchmarks.evidence.section import Section
from benchmarks.evidence.study import Row, Sections, Study, Table, as_pair, cell, common, counted_in_words, differences
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.statistics import ENOUGH, paired_difference
from lwdna_core.compare.wording import plural, points

AMPLITUDES = (("mirrored", -1.0), ("uniform", 0.0), ("damped", 0.5), (LWDNA, 1.0), ("amplified", 2.0))
"""Arms that share LW-DNA's pattern, and the power of its keep ratios that they have. All have its MACs."""
DIRECTION, UNEVENNESS = "direction", "unevenness"


def amplitude(sections: Sections) -> Study | None:
    """Scores over the power, in every comparison over the seeds that have all of these arms."""
    named = [(arm, arm, BASELINE) for arm, _ in AMPLITUDES]
    found = [(s, [*rows, *effects(s)]) for s in sections.values()
             if (rows := differences(s, named)) and rows[0][1]["n"] >= ENOUGH]  # fmt: skip
    if not found:
        return None
    direction, unevenness = (
        counted_in_words([row for _, rows in found for row in rows if row[0] == label])
        for label in (DIRECTION, UNEVENNESS)
    )
    curves = [
        (s.entry.title, s.unit, [(power, pair["difference"], pair["low"], pair["high"])
                                 for (_, power), (_, pair) in zip(AMPLITUDES, rows, strict=False)]) for s, rows in found
    ]  # fmt: skip
    return Study(
        "amplitude", "More and less of LW-DNA",
        figures.curves(curves, "power of LW-DNA's keep ratios (0: uniform, 1: LW-DNA, −1: mirrored)"),
        f"At equal MACs, in {plural(len(found), 'comparison')}, what LW-DNA's direction adds to the score "
        f"{direction}, and what its unevenness adds, whichever layers gain, {unevenness}.",
        [
            "Every arm has LW-DNA's MACs and its pattern, only more, less or the reverse of it: if the search found "
            "what helps, scores would rise from −1 over 0 to 1; if unevenness itself costs, they fall to both sides.",
            "For each seed, score = a + direction × power + unevenness × |power| by least squares; the table has mean "
            "and interval of the two over the seeds, beside the arms' differences to the baseline.",
        ],
        [Table(
            ("comparison", *(f"{arm} − baseline" for arm, _ in AMPLITUDES), DIRECTION, UNEVENNESS, "seeds"),
            [(f"{s.entry.title}, {points(s.unit) or 'AUC'}", *(cell(pair, s.unit) for _, pair in rows),
              str(rows[0][1]["n"])) for s, rows in found],
        )],
    )  # fmt: skip


def effects(section: Section) -> list[Row]:
    """Of power and of its absolute value on the score, by least squares for each seed that has all of the arms."""
    metric = section.comparison["primary"]
    arms = section.comparison["arms"]
    scores = common([arms[arm]["metrics"][metric]["values"] for arm in (*dict(AMPLITUDES), BASELINE)])
    powers = np.array([power for _, power in AMPLITUDES])
    design = np.stack([np.ones_like(powers), powers, abs(powers)], 1)
    table = np.array([list(values.values()) for values in scores[: len(AMPLITUDES)]])
    fitted = np.linalg.lstsq(design, table, rcond=None)[0]
    nothing = dict.fromkeys(scores[0], 0.0)
    apart = any(section.apart(arm, BASELINE) for arm, _ in AMPLITUDES)
    return [
        (label, as_pair(paired_difference(dict(zip(nothing, row.tolist(), strict=True)), nothing), True, apart))
        for label, row in zip((DIRECTION, UNEVENNESS), fitted[1:], strict=True)
    ]
