"""The evidence: what machines add to it, and what the time allows."""

from __future__ import annotations

import copy
import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.evidence import __main__ as command
from benchmarks.evidence import store
from benchmarks.evidence.manifest import COMPARISONS, Comparison
from benchmarks.evidence.page import sections
from benchmarks.evidence.schedule import Work, carry_out
from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.protocol import fingerprint, protocol
from lwdna_core.errors import LwdnaError

NAME = "resnet20_digits"


def run(arm: str, seed: int, score: float, fingerprint: str = "f" * 64, **shrink: Any) -> store.Record:
    """What is kept of a run."""
    return {
        "format": 1, "task": "classification", "experiment": NAME, "arm": arm, "seed": seed, "fingerprint": fingerprint,
        "request": {}, "init": "fresh", "command": "python -m benchmarks.evidence", "commit": "c" * 40,
        "environment": {"device": "x86_64", "torch": "2.13.0", "threads": 1, "cuda": None},
        "metrics": {"accuracy/top1": score}, "items": {}, "search": None,
        "network": {"macs": 90, "params": 80, "channels": {"a": 10 if arm == "baseline" else 9}},
        "train": {"seconds": 50.0, "macs": 10}, "shrink": shrink, "groups": [["a", 10, 20, 9, arm == "lwdna"]],
        "protocol": {"task": "classification"},
    }  # fmt: skip


def test_every_config_of_the_manifest_can_be_read() -> None:
    for comparison in COMPARISONS:
        experiment = load_experiment(comparison.task, comparison.source)
        assert set(comparison.arms) <= experiment.known_arms.keys(), comparison.name


@pytest.mark.parametrize("name", sorted({c.name for c in COMPARISONS if "cifar10_" in c.name or "photos" in c.name}))
def test_new_runs_are_of_the_protocol_of_those_that_are_kept(name: str, request: pytest.FixtureRequest) -> None:
    """Or they would go into a table of their own, and no seeds would ever add up."""
    kept = {fingerprint for fingerprint, *_ in store.load(store.RESULTS, name)}
    if not kept:
        pytest.skip("nothing is kept")
    comparison = next(c for c in COMPARISONS if c.name == name)
    if "cifar10_" in name:
        request.getfixturevalue("data_folder")
    experiment = load_experiment(comparison.task, comparison.source, train_fraction=comparison.fraction)
    assert {fingerprint(protocol(experiment))} == kept


def test_seeds_of_two_machines_add_up_and_what_is_there_stays(tmp_path: Path) -> None:
    here, there = run("lwdna", 0, 90.0, macs=0.9), run("lwdna", 1, 91.0, macs=0.9)
    there["environment"] = {**there["environment"], "device": "another"}
    for one in (here, there, run("lwdna", 0, 10.0, macs=0.9)):
        store.add(tmp_path, NAME, copy.deepcopy(one))
    assert store.load(tmp_path, NAME) == {store.key(here): here, store.key(there): there}


def test_an_arm_with_two_settings_is_refused(tmp_path: Path) -> None:
    store.add(tmp_path, NAME, run("lwdna", 0, 90.0, floor=0.4))
    with pytest.raises(LwdnaError, match=r"resnet20_digits\.json: arm 'lwdna' of seed 0 .*0\.4.* seed 1 has .*0\.2"):
        store.add(tmp_path, NAME, run("lwdna", 1, 90.0, floor=0.2))


def test_protocols_are_never_put_in_one_table(tmp_path: Path) -> None:
    for seed in range(3):
        for arm, score in (("baseline", 90.0), ("lwdna", 89.0)):
            store.add(tmp_path, NAME, run(arm, seed, score + seed))
    store.add(tmp_path, NAME, run("lwdna", 7, 50.0, fingerprint="e" * 64))
    found = sections(tmp_path)
    assert [len(section.runs) for section in found] == [1, 6]
    pair = found[1].pair("lwdna", "baseline")
    assert pair is not None and pair["difference"] == -1 and pair["n"] == 3


def test_work_that_would_not_end_in_time_is_left_out() -> None:
    comparison = Comparison("classification", NAME, "digits")
    work = Work(comparison, (), steps=1, seconds=3600)
    kept: list[object] = []
    failed, left = carry_out(
        [work], lambda *made: kept.append(made), deadline=time.monotonic() + 60, parallel=1, threads=1,
        console=Console(quiet=True),
    )  # fmt: skip
    assert (failed, left, kept) == (0, 0, [])


def test_the_command_runs_what_is_missing_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = Comparison("classification", NAME, "digits", ("baseline", "lwdna"), seeds=1)
    absent = Comparison("classification", "resnet20_cifar100_short", "no data")
    # what two entries of a protocol want is run once
    monkeypatch.setattr(command, "COMPARISONS", (absent, dataclasses.replace(entry, arms=("baseline",)), entry))
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path / "nothing"))
    words = ["evidence", "--max-steps", "1", "--parallel", "1", "--device", "cpu", "--work-dir", str(tmp_path / "work")]
    monkeypatch.setattr("sys.argv", words)
    assert command.main() == 0
    printed = capsys.readouterr().out
    assert "resnet20_cifar100_short: left out: " in printed and "0 runs are left" in printed
    assert printed.count("baseline: accuracy") == 1
    kept = store.load(tmp_path / "work" / "results", NAME)
    assert sorted(arm for _, arm, _ in kept) == ["baseline", "lwdna"]
    assert command.main() == 0
    assert "lwdna: accuracy" not in capsys.readouterr().out
    assert store.load(tmp_path / "work" / "results", NAME) == kept


def test_an_unknown_comparison_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["evidence", "--only", "nothing*"])
    assert command.main() == 2
    assert "resnet20_digits" in capsys.readouterr().err


def test_arms_are_chosen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evidence", "--list", "--device", "cpu", "--only", NAME, "--arms"]
    monkeypatch.setattr("sys.argv", [*words, "uniform", "random"])
    assert command.main() == 0
    assert "10 wanted: ResNet-20" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", [*words, "nobody"])
    assert command.main() == 2
    assert "--arms nobody: no comparison that was asked for has such an arm" in capsys.readouterr().err
