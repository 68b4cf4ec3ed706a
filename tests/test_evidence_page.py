"""The evidence's page: what it concludes, and what it says of the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy.stats import ttest_rel

from benchmarks.evidence import store
from benchmarks.evidence.amplitude import AMPLITUDES
from benchmarks.evidence.manifest import CHOOSING, SEARCHES
from benchmarks.evidence.page import write_page
from benchmarks.evidence.section import sections
from benchmarks.evidence.studies import MAIN
from benchmarks.evidence.tally import probability, tally
from benchmarks.evidence.training_time import training_time
from tests.test_evidence import NAME, run

TITLE = "ResNet-20, handwritten digits"


def written(results: Path) -> str:
    """The page of these results."""
    return write_page(results, results / "docs" / "evidence.md").read_text()


def test_the_page_shows_a_result_against_the_hypothesis(tmp_path: Path) -> None:
    for seed, noise in enumerate((0.0, 0.1, 0.2)):
        for arm, score in (("baseline", 90.0), ("lwdna", 88.0 + noise), ("uniform", 85.0 - noise)):
            store.add(tmp_path, NAME, run(arm, seed, score))
    page = write_page(tmp_path, tmp_path / "docs" / "evidence.md")
    text = page.read_text()
    assert "Against baseline, LW-DNA is better in 0, worse in 1 and not distinguishable in 0 of 1 comparisons" in text
    assert "Against uniform, LW-DNA is better in 1, worse in 0" in text
    assert text.count("Its mean lies above in 0 of 1") == text.count("Its mean lies above in 1 of 1") == 1
    assert "| lwdna | 88.10 ± 0.10 | 3 | 90 (100.0 %) | 80 | −1.90 | −2.15 to −1.65 | worse than baseline | – |" in text
    assert "commits " + "c" * 40 in text
    for image in ("overview", NAME):
        assert (page.parent / "images" / "evidence" / f"{image}.svg").read_bytes().startswith(b"<?xml")


def test_shares_of_one_training_set_count_once_in_the_sign_test(tmp_path: Path) -> None:
    for name, score in ((NAME, 89.0), (f"{NAME}_fraction0.1", 91.0), (f"{NAME}_fraction0.5", 91.0)):
        for seed in range(3 + (name == NAME)):
            for arm, value in (("baseline", 90.0), ("lwdna", score + 0.1 * seed)):
                store.add(tmp_path, name, run(arm, seed, value))
    text = written(tmp_path)
    assert "Its mean lies above in 2 of 3. Each network with its data counted once, on its largest share" in text
    assert "of the training set, that is 0 of 1; if both" in text
    assert "in 100.0 % of such tables (sign test)" in text


def test_what_the_search_decides_is_told_from_what_fewer_macs_do(tmp_path: Path) -> None:
    for seed, noise in enumerate((0.0, 0.1, 0.2)):
        for arm, score in (("baseline", 90.0), ("uniform", 89.5), ("shuffled", 89.4), ("lwdna", 88.0 + noise)):
            store.add(tmp_path, NAME, run(arm, seed, score))
    text = written(tmp_path)
    assert "a network that stays uniform (lies above 0 in 0 (resolved: 0 better, 1 worse))" in text
    assert "which layer gets which width, lies above 0 in 0 (resolved: 0 better, 1 worse) in 1 comparison." in text
    assert "100.0 % of LW-DNA's groups keep just their floor" in text


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
    text = written(tmp_path)
    assert f"is {best}. Of 1 comparison that the choice never saw" in text
    assert f"| {best} | {len(CHOOSING)} |" in text
    assert f"{best} − baseline lies above 0 in 0 (resolved: 0 better, 1 worse)" in text
    assert f"{best} − uniform lies above 0 in 1 (resolved: 1 better, 0 worse)" in text


def test_unevenness_is_told_from_which_layers_gain(tmp_path: Path) -> None:
    for seed in range(12):
        store.add(tmp_path, NAME, run("baseline", seed, 90.0))
        for arm, late in (("lwdna", 1), ("shuffled", -1)):  # the same unevenness, to either side
            wide, narrow = 10 + late * seed, 10 - late * seed
            groups = [["a", 30, 60, 20 + wide, False], ["b", 30, 60, 20 + narrow, False]]
            store.add(tmp_path, NAME, run(arm, seed, 90.0 - seed) | {"groups": groups})
    text = written(tmp_path)
    assert "| digits, points | 24 | −1.00 | +0.00 | −1.50 |".replace("digits", TITLE) in text


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
    assert study.tables[0].rows == [(TITLE, "1.50", "1.20 to 1.80", "2")]
    assert "100.0 % of its widths are no multiples of 4" in study.sentences[0]


def test_holms_correction_counts_all_comparisons(tmp_path: Path) -> None:
    """Against scipy's paired t test: a p of 0.02 is a verdict alone, and none among three."""
    baseline, arm = [90.0, 90.5, 91.0, 90.2], [89.0, 89.9, 89.8, 89.9]
    expected = float(ttest_rel(arm, baseline).pvalue)
    assert 0.05 / 3 < expected < 0.05
    for name, shift in ((NAME, 0.0), (f"{NAME}_fraction0.1", None), (f"{NAME}_fraction0.5", None)):
        for seed, (base, score) in enumerate(zip(baseline, arm, strict=True)):
            store.add(tmp_path, name, run("baseline", seed, base))
            store.add(tmp_path, name, run("lwdna", seed, score if shift is not None else base + 0.1 * (-1) ** seed))
        found = sections(tmp_path)
        row = tally(found)["baseline"]
        assert (row.verdicts["worse"], row.holm) == (1, len(found) == 1)
    pair = next(s for s in found if s.entry.name == NAME).pair("lwdna", "baseline")
    assert pair is not None and probability(pair) == pytest.approx(expected)


def test_runs_of_a_seed_from_different_places_are_marked(tmp_path: Path) -> None:
    for seed in range(3):
        store.add(tmp_path, NAME, run("baseline", seed, 90.0 + seed))
        one = run("lwdna", seed, 90.5 + seed)
        store.add(tmp_path, NAME, one | {"environment": {**one["environment"], "threads": 1 + (seed == 1)}})
    text = written(tmp_path)
    assert "Not trained in the same places as the baseline of their seed: lwdna of seed 1." in text
    assert "**+0.50 (+0.50 to +0.50)**†" in text


def test_a_search_that_returns_the_baseline_confirms_nothing(tmp_path: Path) -> None:
    same = SEARCHES[-1]
    for seed, noise in enumerate((0.0, 0.1, 0.2)):
        for name in CHOOSING:
            task = "restoration" if name.startswith("dncnn") else "classification"
            metric = "psnr/photos" if task == "restoration" else "accuracy/top1"
            for place, arm in enumerate(("baseline", *SEARCHES)):
                kept = run(arm, seed, 80.0)
                store.add(tmp_path, name, kept | {"task": task, "metrics": {metric: 80.0 + place + noise}})
        for arm, score in (("baseline", 90.0), ("uniform", 89.0), ("lwdna", 88.0), (same, 90.0 + noise)):
            kept = run(arm, seed, score)
            widths = {"a": 10 if arm in ("baseline", same) else 9}
            store.add(tmp_path, NAME, kept | {"network": {**kept["network"], "channels": widths}})
    text = written(tmp_path)
    assert f"(On {TITLE} it returned the baseline's own channels: no test of anything.)" in text
    assert (
        f"The channels of {same} of seeds 0, 1, 2 are the baseline's own: what it scores above it there, +0.00" in text
    )


def test_direction_and_unevenness_are_told_apart(tmp_path: Path) -> None:
    """Scores that fall by 1 for each unit of |power| and rise by 0.4 for each of power."""
    scores = {"baseline": 90.0} | {arm: 89.0 - abs(power) + 0.4 * power for arm, power in AMPLITUDES}
    for seed, noise in enumerate((0.0, 0.1, 0.3)):
        for arm, score in scores.items():
            power = dict(AMPLITUDES).get(arm, 0.0)
            store.add(tmp_path, MAIN, run(arm, seed, score + noise + noise * power))
    text = written(tmp_path)
    row = next(line for line in text.splitlines() if "| **−2.53" in line).split(" | ")
    assert row[6].startswith("**+0.53 (+0.15") and row[7].startswith("**−1.00 (")
    assert "direction adds to the score lies above 0 in 1 (resolved: 1 better" in text
    assert "whichever layers gain, lies above 0 in 0 (resolved: 0 better, 1 worse)." in text
