"""The table of a comparison as Markdown, CSV, JSON and LaTeX: the numbers of `comparison.json`, nothing lost."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lwdna_core.compare.report import comparison_folders, render, update_comparison
from lwdna_core.errors import LwdnaError

Make = Callable[..., Path]


def test_csv_has_every_number_in_full(make: Make) -> None:
    folder = make(arms=["baseline", "lwdna"], metrics=["accuracy/top1", "accuracy/top5"], images=500)
    comparison = update_comparison(folder)
    lines = list(csv.DictReader(io.StringIO(render([folder], "csv"))))
    assert [(line["arm"], line["metric"]) for line in lines] == [
        (arm, metric) for arm in ("baseline", "lwdna") for metric in ("accuracy/top1", "accuracy/top5")
    ]
    for line in lines:
        metric = comparison["arms"][line["arm"]]["metrics"][line["metric"]]
        assert float(line["mean"]) == metric["mean"] and float(line["std"]) == metric["std"]
    (pair,) = (p for p in comparison["pairs"] if p["metric"] == "accuracy/top1")
    assert float(lines[2]["low"]) == pair["low"] and lines[2]["verdict"] == pair["verdict"]
    assert float(lines[2]["bootstrap_high"]) == pair["bootstrap"]["high"]
    assert lines[0]["difference"] == lines[3]["bootstrap_low"] == ""


def test_json_holds_comparisons_and_rows(make: Make) -> None:
    folder = make()
    (content,) = json.loads(render([folder], "json"))
    comparison = update_comparison(folder)
    assert {key: content[key] for key in comparison} == json.loads(json.dumps(comparison))
    assert content["rows"][1]["metrics"]["accuracy/top1"]["difference"] == comparison["pairs"][0]["difference"]
    assert content["rows"][1]["search_seconds"] == 1.5


def test_markdown_and_latex_print_the_same_cells(make: Make) -> None:
    folders = [make(), make("other_net", seeds=2)]
    markdown, latex = render(folders, "md"), render(folders, "latex")
    assert markdown.count("## ") == latex.count("\\begin{tabular}") == latex.count("\\bottomrule") == 2
    tables = re.findall(r"\\midrule\n(.*?)\n    \\bottomrule", latex, re.S)
    printed = [
        [cell.strip() for cell in line.removesuffix("\\\\").split("&")]
        for table in tables for line in table.splitlines()
    ]  # fmt: skip
    plain = [[re.sub(r"\\,\\%", " %", c).replace("$\\pm$", "±").replace("$-$", "−") for c in line] for line in printed]
    rows = [line for line in markdown.splitlines() if line.startswith(("| baseline", "| lwdna"))]
    assert plain == [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert "resnet20\\_digits" in latex and "over 2 seeds" in latex
    assert not re.search(r"(?<!\\)[%_&#](?!.*\\\\)", latex.replace("% \\usepackage", "")), "a bare sign"


def test_folders_are_found_at_any_depth(make: Make, tmp_path: Path) -> None:
    one, two = make(), make("sizes/fraction0.5")
    assert comparison_folders(tmp_path) == [one, two]
    assert comparison_folders(one) == [one]
    with pytest.raises(LwdnaError, match="no finished run"):
        comparison_folders(one / "seed0" / "lwdna")


def test_comparison_json_is_made_anew_only_where_runs_changed(make: Make) -> None:
    folder = make()
    update_comparison(folder)
    path = folder / "comparison.json"
    before = path.stat().st_mtime_ns
    update_comparison(folder)
    assert path.stat().st_mtime_ns == before
    path.write_text("{")  # damaged: nothing in it is needed
    update_comparison(folder)
    assert json.loads(path.read_text())["arms"]["lwdna"]["metrics"]["accuracy/top1"]["n"] == 3
