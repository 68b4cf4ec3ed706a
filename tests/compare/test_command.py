"""`lwdna compare` from the command line: exit statuses, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lwdna_core.cli import main


def test_a_comparison_runs_and_exits_with_0(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "compare",
        "classification",
        str(tiny),
        "--max-steps",
        "2",
        "--seeds",
        "1",
        "--work-dir",
        str(tmp_path / "d"),
    ]
    assert (
        main(
            [*words, "--device", "cpu", "--cfg-options", "optim_wrapper.optimizer.lr=0.01", "train_cfg.val_interval=1"]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "too few seeds for a verdict" in printed
    assert "epochs of the baseline's training" in printed
    comparison = json.loads((tmp_path / "d" / "tiny" / "comparison.json").read_text())
    assert comparison["arms"].keys() == {"baseline", "lwdna"}


def test_a_failed_run_exits_with_1(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "baseline")
    words = [
        "compare",
        "classification",
        str(tiny),
        "--max-steps",
        "2",
        "--seeds",
        "1",
        "--work-dir",
        str(tmp_path / "d"),
    ]
    assert main([*words, "--arms", "baseline"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["classification", "resnet20_digit"], "near ones: resnet20_digits"),
        (["clasification"], "near ones: classification"),
        (["classification", "--arms", "lwdn"], "near ones: lwdna"),
        (["classification", "--cfg-options", "train_cfg.epochs=3"], "there is: max_epochs"),
        (["classification", "--device", "cud"], "--device cud: not usable here"),
        (["classification", "resnet20_cifar10"], "data_batch_1 is missing: LWDNA_DATA"),
    ],
)
def test_a_mistake_is_one_line_and_exits_with_2(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["compare", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "work_dirs").exists()


def test_list_names_configs_and_arms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "classification", "--list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [
        "configs:",
        "resnet20_cifar10",
        "resnet20_digits",
        "arms:",
        "baseline",
        "lwdna",
    ]
    assert lines[2][-1] == "(default)"
