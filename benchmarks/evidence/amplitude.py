"""More and less of LW-DNA: whether its unevenness itself costs, and whether its direction matters."""

from __future__ import annotations

from benchmarks.evidence import figures
from benchmarks.evidence.study import Row, Sections, Study, Table, cell, counted_in_words, differences
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.wording import plural, points

AMPLITUDES = (("mirrored", -1.0), ("uniform", 0.0), ("damped", 0.5), (LWDNA, 1.0), ("amplified", 2.0))
"""Arms that share LW-DNA's pattern, and the power of its keep ratios that they have. All have its MACs."""
_NAMED = (
    *((arm, arm, BASELINE) for arm, _ in AMPLITUDES),
    ("LW-DNA − uniform", LWDNA, "uniform"),
    ("amplified − uniform", "amplified", "uniform"),
    ("mirrored − uniform", "mirrored", "uniform"),
    ("LW-DNA − mirrored", LWDNA, "mirrored"),
)


def amplitude(sections: Sections) -> Study | None:
    """Scores over the power, in every comparison over the seeds that have all of these arms."""
    found = [(s, dict(rows)) for s in sections.values() if (rows := differences(s, _NAMED))]
    if not found:
        return None

    def told(label: str) -> str:
        rows: list[Row] = [(label, rows[label]) for _, rows in found]
        return counted_in_words(rows)

    curves = [
        (s.entry.title, s.unit, [(power, rows[arm]["difference"], rows[arm]["low"], rows[arm]["high"])
                                 for arm, power in AMPLITUDES]) for s, rows in found
    ]  # fmt: skip
    return Study(
        "amplitude", "More and less of LW-DNA",
        figures.curves(curves, "power of LW-DNA's keep ratios (0: uniform, 1: LW-DNA, −1: mirrored)"),
        f"At equal MACs, in {plural(len(found), 'comparison')}, LW-DNA − uniform {told('LW-DNA − uniform')}; with "
        f"twice its unevenness, amplified − uniform {told('amplified − uniform')}; turned round, mirrored − uniform "
        f"{told('mirrored − uniform')}; LW-DNA − mirrored {told('LW-DNA − mirrored')}.",
        [
            "Every arm has LW-DNA's MACs and its pattern, only more, less or the reverse of it: if the search found "
            "what helps, scores would rise from −1 over 0 to 1; if unevenness itself costs, they fall to both sides.",
            "Differences to the baseline, each comparison over the seeds that all of its arms have; the bands are "
            "their intervals.",
        ],
        [Table(
            ("comparison", *(label if "−" in label else f"{label} − baseline" for label, *_ in _NAMED), "seeds"),
            [(f"{s.entry.title}, {points(s.unit) or 'AUC'}", *(cell(rows[label], s.unit) for label, *_ in _NAMED),
              str(rows[LWDNA]["n"])) for s, rows in found],
        )],
    )  # fmt: skip
