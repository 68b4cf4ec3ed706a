"""Scores as one page that opens offline: tables, and the plots inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from tasks.tracking.evaluation.scores import Scores
from tasks.tracking.evaluation.sequence import ATTRIBUTES
from tasks.tracking.evaluation.tables import table

_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; }
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; }
summary { cursor: pointer; }"""


def as_html(scores: Sequence[Scores], title: str, about: str, plots: Mapping[str, str]) -> str:
    """The page.

    Args:
        scores: of all trackers, the best first.
        title: its heading.
        about: one paragraph: what was evaluated, by which convention.
        plots: SVG text by caption.
    """
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(about)}</p>",
        _table({t.tracker: t.values for t in scores}, "tracker"),
    ]
    parts += [
        f'<figure role="img" aria-label="{escape(caption)}">{_inline(svg)}</figure>' for caption, svg in plots.items()
    ]
    for tracker in scores:
        parts.append(f"<h2>{escape(tracker.tracker)}</h2>")
        if tracker.attributes:
            named = {
                f"{name} ({ATTRIBUTES[name]})" if name in ATTRIBUTES else name: row
                for name, row in tracker.attributes.items()
            }
            parts += ["<h3>Attributes</h3>", _table(named, "attribute")]
        parts += [
            f"<details><summary>{len(tracker.sequences)} sequences</summary>",
            _table(tracker.sequences, "sequence") + "</details>",
        ]
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>\n{_STYLE}\n</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _table(rows: Mapping[str, Mapping[str, float]], first: str) -> str:
    header, *body = table(rows, first)
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in header)
    lines = [
        f'<tr><th scope="row">{escape(name)}</th>' + "".join(f"<td>{text}</td>" for text in cells) + "</tr>"
        for name, *cells in body
    ]
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody>\n</table>"


def _inline(svg: str) -> str:
    """Without what stands before the element, which has no place inside a page."""
    return svg[svg.index("<svg") :]
