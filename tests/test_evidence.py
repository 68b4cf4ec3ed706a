"""The evidence: what machines add to it, what the time allows, and the page."""

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
from benchmarks.evidence.manifest import CHOOSING, COMPARISONS, SEARCHES, Comparison
from benchmarks.evidence.page import sections, write_page
from benchmarks.evidence.schedule import Work, carry_out
from benchmarks.evidence.training_time import training_time
from lwdna_core.compare.config import load_experiment
from lwdna_core.errors import LwdnaError

NAME = "resnet20_digits"


def run(arm: str, seed: int, score: float, fingerprint: str = "f" * 64, **shrink: Any) -> store.Record:
    """What is kept of a run."""
    return {
        "format": 1, "task": "classification", "experiment": NAME, "arm": arm, "seed": seed, "fingerprint": fingerprint,
        "request": {}, "init": "fresh", "command": "python -m benchmarks.evidence", "commit": "c" * 40,
        "environment": {"device": "x86_64", "torch": "2.13.0", "threads": 1, "cuda": None},
        "metrics": {"accuracy/top1": score}, "items": {}, "network": {"macs": 90, "params": 80, "channels": {"a": 9}},
        "search": None, "train": {"seconds": 50.0}, "shrink": shrink, "groups": [["a", 10, 20, 9, arm == "lwdna"]],
        "protocol": {"task": "classification"},
    }  # fmt: skip


def test_every_config_of_the_manifest_can_be_read() -> None:
    for comparison in COMPARISONS:
        experiment = load_experiment(comparison.task, comparison.source)
        assert set(comparison.arms) <= experiment.known_arms.keys(), comparison.name


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


def test_the_page_shows_a_result_against_the_hypothesis(tmp_path: Path) -> None:
    for seed, noise in enumerate((0.0, 0.1, 0.2)):
        for arm, score in (("baseline", 90.0), ("lwdna", 88.0 + noise), ("uniform", 85.0 - noise)):
            store.add(tmp_path, NAME, run(arm, seed, score))
    page = write_page(tmp_path, tmp_path / "docs" / "evidence.md")
    text = page.read_text()
    assert "Against baseline, LW-DNA is better in 0, worse in 1 and not distinguishable in 0 of 1 comparisons" in text
    assert "Against uniform, LW-DNA is better in 1, worse in 0" in text
    assert text.count("its mean lies above in 0 of them") == text.count("its mean lies above in 1 of them") == 1
    assert "| lwdna | 88.10 ± 0.10 | 3 | 90 | 80 | −1.90 | −2.15 to −1.65 | worse than baseline |" in text
    assert "commits " + "c" * 40 in text
    for image in ("overview", NAME):
        assert (page.parent / "images" / "evidence" / f"{image}.svg").read_bytes().startswith(b"<?xml")


def test_shares_of_one_training_set_count_once_in_the_sign_test(tmp_path: Path) -> None:
    for name, score in ((NAME, 89.0), (f"{NAME}_fraction0.1", 91.0), (f"{NAME}_fraction0.5", 91.0)):
        for seed in range(3 + (name == NAME)):
            for arm, value in (("baseline", 90.0), ("lwdna", score + 0.1 * seed)):
                store.add(tmp_path, name, run(arm, seed, value))
    text = write_page(tmp_path, tmp_path / "docs" / "evidence.md").read_text()
    assert "its mean lies above in 2 of them. Each network with its data counted once, that is 0 of 1;" in text
    assert "in 100.0 % of such tables (sign test)" in text


def test_what_the_search_decides_is_told_from_what_fewer_macs_do(tmp_path: Path) -> None:
    for seed, noise in enumerate((0.0, 0.1, 0.2)):
        for arm, score in (("baseline", 90.0), ("uniform", 89.5), ("shuffled", 89.4), ("lwdna", 88.0 + noise)):
            store.add(tmp_path, NAME, run(arm, seed, score))
    text = write_page(tmp_path, tmp_path / "docs" / "evidence.md").read_text()
    assert "fewer MACs lies above 0 in 0 (resolved: 0 better, 1 worse)" in text
    assert "who gets them lies above 0 in 0 (resolved: 0 better, 1 worse)" in text
    assert "100.0 % of LW-DNA's groups keep just their floor" in text


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


def test_a_search_is_judged_where_it_was_not_chosen(tmp_path: Path) -> None:
    scores = {arm: 80.0 - place for place, arm in enumerate(SEARCHES[::-1])}  # the last of them is the best
    best = SEARCHES[-1]
    for seed, noise in enumerate((0.0, 0.1, 0.2)):
        for name in CHOOSING:
            task = "restoration" if name.startswith("dncnn") else "classification"
            metric = "psnr/photos" if task == "restoration" else "accuracy/top1"
            for arm, score in {"baseline": 85.0, **scores}.items():
                kept = run(arm, seed, score + noise)
                store.add(tmp_path, name, kept | {"task": task, "metrics": {metric: score + noise}})
        for arm, score in (("baseline", 90.0), ("uniform", 89.0), ("lwdna", 88.0), (best, 89.5 + noise)):
            store.add(tmp_path, NAME, run(arm, seed, score))
    text = write_page(tmp_path, tmp_path / "docs" / "evidence.md").read_text()
    assert f"is {best} ({best} {len(CHOOSING)}, " in text
    assert f"{best} − baseline lies above 0 in 0 (resolved: 0 better, 1 worse)" in text
    assert f"{best} − uniform lies above 0 in 1 (resolved: 1 better, 0 worse)" in text


def test_unevenness_is_told_from_which_layers_gain(tmp_path: Path) -> None:
    for seed in range(12):
        store.add(tmp_path, NAME, run("baseline", seed, 90.0))
        for arm, late in (("lwdna", 1), ("shuffled", -1)):  # the same unevenness, to either side
            wide, narrow = 10 + late * seed, 10 - late * seed
            groups = [["a", 30, 60, 20 + wide, False], ["b", 30, 60, 20 + narrow, False]]
            store.add(tmp_path, NAME, run(arm, seed, 90.0 - seed) | {"groups": groups})
    text = write_page(tmp_path, tmp_path / "docs" / "evidence.md").read_text()
    assert "(24 runs): unevenness −1.00, tilt +0.00; the most even third lies at −1.50 points" in text


def test_training_times_are_compared_where_both_runs_were_on_one_gpu_all_along(tmp_path: Path) -> None:
    gpu = {"device": "a GPU", "torch": "2.13.0", "threads": 1, "cuda": "13.0"}
    for seed, (elsewhere, seconds) in enumerate(((False, 60.0), (True, 600.0), (False, 90.0))):
        for arm, took in (("baseline", 50.0), ("lwdna", seconds)):
            one = run(arm, seed, 90.0) | {"environment": gpu, "train": {"seconds": took}}
            places = [{"step": 0, "environment": gpu, "commit": "c"}]
            if elsewhere and arm == "lwdna":
                places.append({"step": 9, "environment": {**gpu, "cuda": None}, "commit": "c"})
            store.add(tmp_path, NAME, one | {"sittings": places})
    study = training_time({section.entry.name: section for section in sections(tmp_path)})
    assert study is not None
    assert "1.50 (1.20 to 1.80)" in study.sentences[0]
    assert "100.0 % of its widths are no multiples of 4" in study.sentences[1]
