"""Scores as tables: for the terminal, as CSV and as LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from tasks.tracking.evaluation.scores import MEASURES, SMALLER_IS_BETTER, Scores

_LATEX = str.maketrans(
    {sign: "\\" + sign for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def ranked(scores: Iterable[Scores]) -> list[Scores]:
    """The best first, by expected average overlap where there is one, else by the first of `MEASURES`."""
    listed = list(scores)
    measures = columns([tracker.values for tracker in listed])
    primary = "eao" if "eao" in measures else next(iter(measures), "")
    worst = -math.inf

    def key(tracker: Scores) -> float:
        value = known(tracker.values, primary)
        return worst if value is None else value

    return sorted(listed, key=key, reverse=True)


def known(values: Mapping[str, float], measure: str) -> float | None:
    """A measure's value; None where it does not apply or is undefined."""
    value = values.get(measure)
    return value if value is not None and math.isfinite(value) else None


def columns(rows: Iterable[Mapping[str, float]]) -> list[str]:
    """The measures that at least one row has."""
    listed = list(rows)
    return [measure for measure in MEASURES if any(known(row, measure) is not None for row in listed)]


def cell(measure: str, value: float | None) -> str:
    """A value for people to read."""
    return "-" if value is None else f"{value:.1f}" if measure == "lost" else f"{value:.4f}"


def table(rows: Mapping[str, Mapping[str, float]], first: str) -> list[list[str]]:
    """Header and rows of text: names in the first column, a column for each measure."""
    measures = columns(rows.values())
    header = [first, *(MEASURES[measure] for measure in measures)]
    return [header, *([name, *(cell(m, known(row, m)) for m in measures)] for name, row in rows.items())]


def as_text(scores: Sequence[Scores]) -> str:
    """Columns set apart by blanks, numbers to the right."""
    rows = table({tracker.tracker: tracker.values for tracker in scores}, "tracker")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def as_csv(scores: Sequence[Scores]) -> str:
    """A line for each tracker (sequence and attribute empty), and for each of its sequences and attributes."""
    lines: list[tuple[Scores, str, str, Mapping[str, float]]] = []
    for tracker in scores:
        lines.append((tracker, "", "", tracker.values))
        lines += [(tracker, name, "", values) for name, values in tracker.sequences.items()]
        lines += [(tracker, "", name, values) for name, values in tracker.attributes.items()]
    measures = columns(values for *_, values in lines)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["tracker", "protocol", "sequence", "attribute", *measures])
    for tracker, sequence, attribute, values in lines:
        writer.writerow([tracker.tracker, tracker.protocol, sequence, attribute, *(known(values, m) for m in measures)])
    return text.getvalue()


def as_latex(scores: Sequence[Scores]) -> str:
    """A table for booktabs, the best of every column in bold."""
    measures = columns(tracker.values for tracker in scores)
    best = {}
    for measure in measures:
        values = [value for tracker in scores if (value := known(tracker.values, measure)) is not None]
        best[measure] = min(values) if measure in SMALLER_IS_BETTER else max(values)
    lines = [rf"\begin{{tabular}}{{l{'r' * len(measures)}}}", r"\toprule"]
    lines += [" & ".join(["tracker", *(MEASURES[measure] for measure in measures)]) + r" \\", r"\midrule"]
    for tracker in scores:
        cells = [tracker.tracker.translate(_LATEX)]
        for measure in measures:
            value = known(tracker.values, measure)
            bold = value == best[measure] and len(scores) > 1
            cells.append(rf"\textbf{{{cell(measure, value)}}}" if bold else cell(measure, value))
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])
