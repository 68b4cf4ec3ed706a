"""A search that does better: chosen on some comparisons, looked at in others that the choice never saw."""

from __future__ import annotations

from benchmarks.evidence import figures
from benchmarks.evidence.manifest import CHOOSING, SEARCHES
from benchmarks.evidence.study import Sections, Study, above, counted_in_words, differences, listed
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.wording import plural

REFERENCES = (BASELINE, "uniform", LWDNA)


def searches(sections: Sections) -> Study | None:
    """The search with the least sum of ranks against the baseline, and what it is worth elsewhere."""
    named = [(arm, arm, BASELINE) for arm in SEARCHES]
    chosen_on = [(s, rows) for name in CHOOSING if (s := sections.get(name)) and (rows := differences(s, named))]
    if len(chosen_on) < len(CHOOSING):
        return None
    ranks = dict.fromkeys(SEARCHES, 0)
    for _, rows in chosen_on:
        for rank, (arm, _) in enumerate(sorted(rows, key=above, reverse=True), 1):
            ranks[arm] += rank
    best = min(ranks, key=ranks.__getitem__)
    against = [(f"{best} − {other}", best, other) for other in REFERENCES if other != best]
    seen = [(s, rows) for s in sections.values() if s.entry.name not in CHOOSING and (rows := differences(s, against))]
    counted = [
        f"{label} {counted_in_words([row for _, rows in seen for row in rows if row[0] == label])}"
        for label, *_ in against
    ]
    titles = " and ".join(s.entry.title for s, _ in chosen_on)
    return Study(
        "searches", "A search that does better?",
        figures.panels(
            [(f"chosen on: {s.entry.title}", s.unit, rows) for s, rows in chosen_on]
            + [(f"seen after the choice: {s.entry.title}", s.unit, rows) for s, rows in seen]
        ),
        [
            f"Of {plural(len(SEARCHES), 'search', 'es')}, the one with the least sum of ranks on {titles} is {best} ("
            + ", ".join(f"{arm} {total}" for arm, total in sorted(ranks.items(), key=lambda item: item[1])) + ").",
            "On comparisons that the choice never saw: "
            + "; ".join(f"{s.entry.title}: {listed(rows, s.unit)}" for s, rows in seen) + "."
            if seen else "It has not been tried on others.",
            f"Of {plural(len(seen), 'comparison')}: " + "; ".join(counted) + "." if seen else "",
        ],
    )  # fmt: skip
