"""The table of a comparison as a paper would print it: Markdown, CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from lwdna_core.compare.arms import BASELINE
from lwdna_core.compare.report.material import Material
from lwdna_core.compare.wording import amount, difference_sentence, number, places, share, spread, title


def rows(material: Material) -> list[dict[str, Any]]:
    """An entry for each arm: its numbers and paired differences to the baseline; plain data, None where undefined."""
    comparison = material.comparison
    differences = {(p["arm"], p["metric"]): p for p in comparison["pairs"] if p["vs"] == BASELINE}
    found = []
    for arm, row in comparison["arms"].items():
        metrics = {}
        for name, metric in row["metrics"].items():
            pair = differences.get((arm, name))
            keys = ("difference", "low", "high", "verdict", "bootstrap", "seeds_needed")
            metrics[name] = {k: metric[k] for k in ("mean", "std", "n")} | {k: pair[k] if pair else None for k in keys}
        timed = material.latency["arms"].get(arm) if material.latency else None
        search = material.search_cost(arm)
        found.append(
            {"experiment": comparison["experiment"], "train_fraction": comparison["train_fraction"], "arm": arm,
             "seeds": len(row["networks"]), "macs": row["macs"],
             "params": row["params"], "latency_seconds": timed["median"] if timed else None,
             "peak_memory_bytes": timed["memory"] if timed else None,
             "search_seconds": search["seconds"] if search else None, "metrics": metrics}
        )  # fmt: skip
    return found


def as_json(materials: Sequence[Material]) -> str:
    """A list with the comparisons' contents, and the rows of their tables."""
    content = [{**material.comparison, "rows": rows(material)} for material in materials]
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def as_csv(materials: Sequence[Material]) -> str:
    """A line for each arm and metric of each comparison, numbers in full; an undefined one is empty."""
    lines: list[dict[str, Any]] = []
    for row in (row for material in materials for row in rows(material)):
        for name, metric in row["metrics"].items():
            bootstrap = metric["bootstrap"] or {"low": None, "high": None}
            line = {k: v for k, v in row.items() if k != "metrics"} | {"metric": name}
            line |= {k: v for k, v in metric.items() if k != "bootstrap"}
            lines.append(line | {"bootstrap_low": bootstrap["low"], "bootstrap_high": bootstrap["high"]})
    written = io.StringIO()
    writer = csv.DictWriter(written, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return written.getvalue()


def as_markdown(materials: Sequence[Material]) -> str:
    """A table under a heading for each comparison, and its differences in words."""
    parts = []
    for material in materials:
        header, body = _printed(material)
        lines = [f"## {title(material.comparison)}", "", _line(header)]
        lines += ["|" + "|".join(["---", *["--:"] * (len(header) - 1)]) + "|", *map(_line, body), ""]
        lines += [f"- {difference_sentence(material.comparison, pair)}" for pair in material.comparison["pairs"]]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def as_latex(materials: Sequence[Material]) -> str:
    """A `table` with booktabs' rules for each comparison."""
    parts = []
    for material in materials:
        header, body = _printed(material)
        seeds = max(len(arm["networks"]) for arm in material.comparison["arms"].values())
        caption = (
            f"{title(material.comparison)}: mean and standard deviation over {seeds} seeds; "
            "in brackets the 95 % interval of the paired difference to the baseline (Student t)."
        )
        lines = [
            "% \\usepackage{booktabs}",
            "\\begin{table}",
            "  \\centering",
            f"  \\caption{{{_tex(caption)}}}",
            f"  \\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
            "    \\toprule",
            f"    {' & '.join(map(_tex, header))} \\\\",
            "    \\midrule",
            *(f"    {' & '.join(map(_tex, line))} \\\\" for line in body),
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table}",
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _printed(material: Material) -> tuple[list[str], list[list[str]]]:
    """Header and body as text."""
    comparison = material.comparison
    units = {name: metric["unit"] for name, metric in comparison["metrics"].items()}
    baseline = comparison["arms"].get(BASELINE)
    header = ["arm", *(f"{name} ({unit})" if unit else name for name, unit in units.items()), "seeds", "MACs", "params"]
    body = []
    for row in rows(material):
        scores = []
        for name, metric in row["metrics"].items():
            text, decimals = spread(metric, units[name]), places(units[name])
            if metric["low"] is not None:
                low, high = (number(metric[bound], decimals, sign=True) for bound in ("low", "high"))
                text += f" [{low}, {high}]"
            scores.append(text)
        costs = [amount(row[key]) for key in ("macs", "params")]
        if baseline and row["arm"] != BASELINE:
            shares = (share(row[key] / baseline[key]) for key in ("macs", "params"))
            costs = [f"{cost} ({ratio})" for cost, ratio in zip(costs, shares, strict=True)]
        body.append([row["arm"], *scores, str(row["seeds"]), *costs])
    return header, body


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _tex(text: str) -> str:
    text = re.sub(r"([%&_#$])", r"\\\1", text)
    return text.replace("±", "$\\pm$").replace("−", "$-$").replace("–", "--").replace(" \\%", "\\,\\%")
