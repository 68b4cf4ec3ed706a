"""`lwdna report` from the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lwdna_core.cli import main

Compare = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(compare: Compare, tmp_path: Path) -> Path:
    """A comparison that was really run."""
    compare(seeds=2, max_steps=4)
    return tmp_path / "out" / "tiny"


def test_the_page_and_the_comparison_are_made_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "comparison.json").unlink()
    capsys.readouterr()
    assert main(["report", str(folder.parent)]) == 0
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"
    text = (folder / "report.html").read_text()
    assert "Too few seeds for a verdict on LW-DNA" in text
    assert "interleaved rounds" in text  # it could be rebuilt and timed
    assert json.loads((folder / "comparison.json").read_text())["arms"].keys() == {"baseline", "lwdna"}
    assert main(["report", str(folder), "--out", str(folder.parent / "copy.html")]) == 0
    assert (folder.parent / "copy.html").read_text() == text


def test_tables_are_printed_or_written(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["report", str(folder), "--format", "md"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("## tiny\n") and "| lwdna | " in printed
    assert main(["report", str(folder), "--format", "csv", "--out", str(tmp_path / "all.csv")]) == 0
    with (tmp_path / "all.csv").open() as file:
        assert {line["arm"] for line in csv.DictReader(file)} == {"baseline", "lwdna"}
    assert not (folder / "latency.json").exists()  # a table does not measure


def test_runs_of_two_protocols_are_not_put_side_by_side(
    folder: Path, compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(seeds=1, max_steps=2, work_dir=tmp_path / "other")
    (tmp_path / "other" / "tiny" / "seed0").rename(folder / "seed7")
    capsys.readouterr()
    assert main(["report", str(folder)]) == 2
    assert "runs of several protocols cannot be compared: max_steps: 4, 2" in capsys.readouterr().err


def test_one_faulty_comparison_does_not_keep_the_others_from_their_reports(
    folder: Path, compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(seeds=1, arms=("baseline",), max_steps=2, work_dir=tmp_path / "out" / "other")
    path = tmp_path / "out" / "other" / "tiny" / "seed0" / "baseline" / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "metrics": {"psnr/Set5": 30.0}}))
    (folder / "report.html").unlink()
    capsys.readouterr()
    assert main(["report", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert printed.out == f"{folder / 'report.html'}\n"
    assert f"{tmp_path / 'out' / 'other' / 'tiny'}: classification: no run has one of the task's metrics" in printed.err


def test_a_study_of_the_size_and_the_comparison_on_all_data_both_have_their_report(
    folder: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "classification", str(tiny), "--device", "cpu", "--work-dir", str(tmp_path / "out")]
    assert main([*words, "--seeds", "1", "--max-steps", "4", "--train-fraction", "0.5"]) == 0
    assert "Too few seeds for a verdict on LW-DNA" in (folder / "report.html").read_text()
    capsys.readouterr()
    assert main(["report", str(folder)]) == 0
    pages = [folder / "report.html", folder / "fraction0.5" / "report.html", folder / "fractions.html"]
    assert capsys.readouterr().out.split() == [str(path) for path in pages]
    assert "Too few seeds for a verdict on LW-DNA" in (folder / "report.html").read_text()
    assert main(["report", str(folder), "--format", "md"]) == 0
    titles = [line for line in capsys.readouterr().out.splitlines() if line.startswith("#")]
    assert titles == ["## tiny", "## tiny, 50 % of the training set"]
    assert main(["report", str(folder), "--format", "csv"]) == 0
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {line["train_fraction"] for line in lines} == {"", "0.5"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "there is no folder nowhere"),
        (["."], "no finished run at or below it"),
        ([".", "--out", "no/where.html"], "there is no folder no"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_one_file_cannot_show_two_comparisons(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (folder.parent / "second" / "seed0").mkdir(parents=True)
    (folder / "seed1").rename(folder.parent / "second" / "seed1")
    assert main(["report", str(folder.parent), "--out", str(tmp_path / "x.html")]) == 2
    assert "holds several" in capsys.readouterr().err
