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
        (["classification", "--strict-overlap"], "classification has no such flag; tasks that have: restoration"),
        (["classification", "--cfg-options", "train_cfg.epochs=3"], "there is: max_epochs"),
        (["classification", "--device", "cud"], "--device cud: not usable here"),
        (["classification", "resnet20_cifar10"], "data_batch_1 is missing in "),
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
    listed: dict[str, dict[str, str]] = {}
    for line in capsys.readouterr().out.splitlines():
        if not line.startswith(" "):
            heading = listed.setdefault(line, {})
        else:
            name, _, summary = line.strip().partition(" ")
            heading[name] = summary
    assert listed.keys() == {"configs:", "arms:"}
    assert listed["configs:"]["resnet20_digits"].endswith("(default)")
    assert "CIFAR-10" in listed["configs:"]["resnet20_cifar10"]
    assert list(listed["arms:"]) == [
        "baseline", "lwdna", "uniform", "random", "shuffled", "widened", "damped", "amplified", "mirrored",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--amp"], "--amp needs a GPU"),
        (["--launcher", "pytorch"], "RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR not set; start the command by torchrun"),
        (["--launcher", "pytorch", "--parallel", "2"], "--parallel and --launcher exclude each other"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(
    words: list[str], message: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["compare", "classification", str(tiny), "--device", "cpu", "--work-dir", str(tmp_path / "d"), *words])
        == 2
    )
    assert message in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_a_dry_run_prints_the_grid_and_writes_nothing(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "classification", str(tiny), "--device", "cpu", "--work-dir", str(tmp_path / "d"), "--dry-run"]
    assert main([*words, "--arms", "baseline", "lwdna", "--train-fraction", "0.5", "1"]) == 0
    printed = capsys.readouterr().out
    assert "fraction0.5: 8 steps a run" in " ".join(printed.split())
    assert "fraction1: 16 steps a run" in " ".join(printed.split())
    assert printed.count("at most") == 4  # lwdna, two seeds, two sizes
    assert not (tmp_path / "d").exists()


def test_a_dry_run_times_steps_of_a_set_of_one_batch_too(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "classification", str(tiny), "--device", "cpu", "--work-dir", str(tmp_path / "d"), "--dry-run"]
    assert main([*words, "--cfg-options", "train_dataloader.batch_size=400"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "4 steps a run" in printed and "at 0 s" not in printed
