"""OTB's other protocols drive the tracker as they are evaluated, and sets are scored by their own measures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lwdna_core.cli import main
from lwdna_core.errors import LwdnaError
from tasks.tracking.data import TrialSet, benchmark, videos
from tasks.tracking.evaluation import evaluate
from tasks.tracking.evaluation.starts import SHIFTS, shifted_boxes
from tasks.tracking.experiments import PROTOCOLS
from tasks.tracking.metrics import TRACKS, TrackingScores

Writer = Callable[..., Path]
NAME = "siamfc_small_composed_short-baseline-seed0"


class Drifting:
    """Moves by a pixel a frame from where it was started."""

    def init(self, frame: Tensor, box: Tensor) -> None:
        self.box = box

    def update(self, frame: Tensor) -> Tensor:
        self.box = self.box + torch.tensor([1.0, 0, 0, 0])
        return self.box


@pytest.fixture(autouse=True)
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path))


def scored(tests: TrialSet, folder: Path) -> dict[str, float]:
    metric = TrackingScores()
    metric.dataset_meta = dict(tests.metainfo)
    for trial in tests.trials:
        metric.process({}, [{"trial": trial, "tracks": PROTOCOLS[trial.protocol](Drifting(), trial.sequence)}])
    values = metric.evaluate(len(tests))
    metric.keep(folder)
    return values


def test_sre_starts_from_twelve_boxes_and_tre_from_twenty_frames(otb: Writer) -> None:
    otb("Moving", length=60)
    sre, tre = benchmark("OTB", protocols=("SRE", "TRE")).trials
    runs = PROTOCOLS["SRE"](Drifting(), sre.sequence)
    boxes = shifted_boxes(sre.sequence.boxes[0], 320, 240)
    assert [run.shift for run in runs] == list(SHIFTS)
    assert all((run.lines[0] == boxes[run.shift]).all() and len(run.lines) == 60 for run in runs)
    runs = PROTOCOLS["TRE"](Drifting(), tre.sequence)
    assert len(runs) == 20 and (runs[0].start, runs[-1].start) == (1, 41)
    for run in runs:
        assert len(run.lines) == 60 - run.start + 1
        assert (run.lines[0] == tre.sequence.boxes[run.start - 1]).all()


@pytest.mark.parametrize("protocol", ["OPE", "SRE", "TRE"])
def test_scores_in_training_are_those_of_the_files(otb: Writer, tmp_path: Path, protocol: str) -> None:
    otb("Moving", length=30), otb("Another", seed=1, length=26)
    values = scored(benchmark("OTB", protocols=(protocol,)), tmp_path / "run")
    called = "OTB" if protocol == "OPE" else f"OTB-{protocol}"
    found = evaluate([tmp_path / "run" / TRACKS / "OTB"], tmp_path / "OTB", protocol=protocol)  # type: ignore[arg-type]
    (tracker,) = found.scores
    assert (tracker.tracker, tracker.protocol) == ("OTB", protocol)
    for measure in ("auc", "precision_20"):
        assert values[f"{measure}/{called}"] == pytest.approx(tracker.values[measure], abs=1e-12)
    assert 0 < values[f"auc/{called}"] < 1


def test_a_set_that_is_named_by_its_folder_stays_as_it_is(otb: Writer, tmp_path: Path) -> None:
    """Results lie in the run's own folder, whatever the set's path is, and never in the set."""
    otb("Moving", length=12)
    home, elsewhere = tmp_path / "OTB", tmp_path / "data" / "sets"
    elsewhere.mkdir(parents=True)
    before = {file: file.stat().st_mtime_ns for file in home.rglob("*")}
    for k, (name, title) in enumerate(
        [(str(home), str(home)[1:]), ("data/../OTB", "data/_/OTB"), ("./OTB/", "OTB"), ("OTB", "OTB")]
    ):
        tests, run = benchmark(name), tmp_path / f"run{k}"
        values = scored(tests, run)
        assert f"auc/{title}" in values and all(metric.endswith(f"/{title}") for metric in values)
        assert [path.relative_to(run) for path in run.rglob("Moving.txt")] == [Path(TRACKS, title, "Moving.txt")]
        assert tests.trials[0].set == title
    assert {file: file.stat().st_mtime_ns for file in home.rglob("*")} == before


def test_a_set_in_the_data_folder_itself_is_called_like_that(
    otb: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    otb("Moving", length=12)
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path / "OTB"))
    assert {trial.set for trial in benchmark(".").trials} == {"OTB"}


def test_two_sets_of_one_title_are_refused(otb: Writer, tmp_path: Path) -> None:
    otb("Moving", length=12)
    beside = str(tmp_path / "OTB")
    with pytest.raises(LwdnaError, match=r"the sets OTB and \./OTB are both called OTB in results"):
        benchmark(["OTB", "./OTB"])
    assert len(benchmark(["OTB", beside])) == 2


def test_gaps_of_a_set_are_found_before_any_work(otb: Writer, tmp_path: Path) -> None:
    home = otb("Short", length=12)
    with pytest.raises(LwdnaError, match="Short: TRE needs a valid box with 20 frames left"):
        benchmark("OTB", protocols=("OPE", "TRE"))
    with pytest.raises(LwdnaError, match="unknown protocol 'SER'; near ones: SRE"):
        benchmark("OTB", protocols=("SER",))
    with pytest.raises(LwdnaError, match="protocol VOT is for sets of VOT, and OTB is one of OTB"):
        benchmark("OTB", protocols=("VOT",))
    (home / "groundtruth_rect.txt").rename(home / "groundtruth.txt")
    home.parent.rename(tmp_path / "VOT")
    with pytest.raises(LwdnaError, match="protocol SRE is OTB's, and VOT is a set of VOT"):
        benchmark("VOT", protocols=("SRE",))


def test_a_data_set_is_tracked_under_every_protocol(
    comparison: Path, otb: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    otb("Moving", length=22)
    run, out = comparison / "seed0" / "baseline", tmp_path / "out"
    words = ["predict", str(run), str(tmp_path / "OTB"), "--out", str(out), "--device", "cpu", "--protocol"]
    for protocol in ("OPE", "SRE", "TRE"):
        assert main([*words, protocol]) == 0
    runs = json.loads((out / NAME / "SRE" / "Moving.json").read_text())
    assert [run["shiftType"] for run in runs] == list(SHIFTS) and {run["evalType"] for run in runs} == {"SRE"}
    capsys.readouterr()
    assert main([*words, "SRE"]) == 0  # nothing is tracked again
    assert "0 sequences tracked, 1 were there" in capsys.readouterr().out
    scores = {}
    for protocol in ("OPE", "SRE", "TRE"):
        command = ["eval", "tracking", str(out), "--annotations", str(tmp_path / "OTB"), "--protocol", protocol]
        assert main([*command, "--json", str(tmp_path / "scores.json")]) == 0
        (scores[protocol],) = json.loads((tmp_path / "scores.json").read_text())["trackers"]
    assert {name: found["protocol"] for name, found in scores.items()} == {name: name for name in scores}
    assert len({found["auc"] for found in scores.values()}) == 3
    (out / NAME / "Moving.txt").unlink()
    assert main(["eval", "tracking", str(out), "--annotations", str(tmp_path / "OTB")]) == 2
    assert "results of SRE and TRE; --protocol says which of them" in capsys.readouterr().err


def got10k(home: Path, otb: Writer, hidden: int) -> None:
    """A sequence of OTB's layout in GOT-10k's, whose target is hidden in one frame."""
    made = otb("Moving", length=12)
    (made / "img").rename(home)
    (made / "groundtruth_rect.txt").rename(home / "groundtruth.txt")
    (home / "cover.label").write_text("".join(f"{0 if k == hidden else 8}\n" for k in range(12)))
    made.rmdir()


def test_got10k_is_scored_by_average_overlap(otb: Writer, tmp_path: Path) -> None:
    home = tmp_path / "GOT-10k" / "val" / "GOT-10k_Val_000001"
    home.parent.mkdir(parents=True)
    got10k(home, otb, hidden=5)
    values = scored(benchmark("GOT-10k/val"), tmp_path / "run")
    assert set(values) == {f"{name}/GOT-10k/val" for name in ("ao", "success_rate_50", "success_rate_75")}
    truth = np.loadtxt(home / "groundtruth.txt", delimiter=",")
    boxes = truth[:1] + np.arange(12)[:, None] * [1, 0, 0, 0]
    shared = np.minimum(truth[:, :2] + truth[:, 2:], boxes[:, :2] + boxes[:, 2:]) - np.maximum(truth, boxes)[:, :2]
    shared = shared.clip(0).prod(1)
    overlaps = (shared / (truth[:, 2:].prod(1) + boxes[:, 2:].prod(1) - shared))[[1, 2, 3, 4, 6, 7, 8, 9, 10, 11]]
    assert values["ao/GOT-10k/val"] == pytest.approx(overlaps.mean(), abs=1e-6)
    assert values["success_rate_50/GOT-10k/val"] == pytest.approx((overlaps > 0.5).mean())
    assert values["success_rate_75/GOT-10k/val"] == pytest.approx((overlaps > 0.75).mean())


def test_one_pass_over_vot_counts_pixels_as_its_annotations(otb: Writer, tmp_path: Path) -> None:
    """VOT's boxes count from 0 and the tracker's from 1: what it is started with is the truth."""
    home = otb("Moving", length=6)
    boxes = np.loadtxt(home / "groundtruth_rect.txt", delimiter=",")
    np.savetxt(tmp_path / "truth", boxes - [1, 1, 0, 0], delimiter=",", fmt="%.2f")
    (home / "img").rename(home / "color")
    (home / "groundtruth_rect.txt").unlink()
    (tmp_path / "truth").rename(home / "groundtruth.txt")
    home.parent.rename(tmp_path / "VOT")
    tests = benchmark("VOT", protocols=("OPE",))
    (track,) = PROTOCOLS["OPE"](Drifting(), tests.trials[0].sequence)
    assert track.lines[0] == pytest.approx(boxes[0] - [1, 1, 0, 0], abs=0.006)
    assert tests.trials[0].sequence.boxes[0] == pytest.approx(boxes[0], abs=0.006)
    values = scored(tests, tmp_path / "run")
    (found,) = evaluate([tmp_path / "run" / TRACKS / "VOT"], tmp_path / "VOT", protocol="OPE").scores
    assert values == {"ao/VOT": pytest.approx(found.values["ao"], abs=1e-4)}


def test_lasots_own_split_is_kept(
    comparison: Path, otb: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, seed in (("cat-1", 0), ("cat-2", 1), ("dog-3", 2)):
        made = otb(name, seed=seed)
        home = tmp_path / "LaSOT" / name.partition("-")[0] / name
        home.parent.mkdir(parents=True, exist_ok=True)
        (made / "groundtruth_rect.txt").rename(made / "groundtruth.txt")
        (made / "full_occlusion.txt").write_text("0,0,0,0\n")
        made.rename(home)
    assert len(benchmark("LaSOT")) == 3
    (tmp_path / "LaSOT" / "testing_set.txt").write_text("cat-2\nzebra-9\n")
    tested, learned = benchmark("LaSOT"), videos("LaSOT", pairs=2)
    assert [sequence.name for sequence in tested.sequences] == ["cat-2"]
    assert [sequence.name for sequence in learned.sequences] == ["cat-1", "dog-3"]
    learned.check_disjoint(tested)
    run, out = str(comparison / "seed0" / "baseline"), tmp_path / "out"
    assert main(["predict", run, str(tmp_path / "LaSOT"), "--out", str(out), "--device", "cpu"]) == 0
    assert [file.name for file in (out / NAME).glob("*.txt")] == ["cat-2.txt"]
    told = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("lwdna eval"))
    assert main(told.removeprefix("lwdna ").removesuffix(" gives the scores").split()) == 0
    assert "LaSOT, OPE, convention official: 1 sequence, 4 frames" in capsys.readouterr().out
    (tmp_path / "LaSOT" / "testing_set.txt").write_text("zebra-9\n")
    with pytest.raises(LwdnaError, match=r"no sequence that is in testing_set.txt"):
        benchmark("LaSOT")
