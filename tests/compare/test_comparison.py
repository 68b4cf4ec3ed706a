"""What `comparison.json` says of results: which metrics, which pairs, which bootstrap."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from lwdna_core.compare.comparison import compare_results
from lwdna_core.compare.summary import print_comparison
from lwdna_core.compare.task import Metric, Task
from lwdna_core.compare.wording import difference_sentence, search_sentence, spread
from lwdna_core.errors import LwdnaError

TASK = Task(
    name="restoration",
    package="nowhere",
    defaults=(),
    metrics={"psnr/*": Metric("dB", True), "error/*": Metric("", False)},
    datasets={},
    networks={},
    loss="nowhere:loss",
)


def result(arm: str, seed: int, metrics: dict[str, float | None], **more: Any) -> dict[str, Any]:
    macs = {"baseline": 1000, "lwdna": 900}.get(arm, 901)
    return {
        "experiment": "edsr", "arm": arm, "seed": seed, "fingerprint": "a", "protocol": {}, "metrics": metrics,
        "items": {}, "network": {"macs": macs, "params": 100}, "search": None,
        "train": {"seconds": 100.0, "steps": 40, "steps_per_epoch": 10, "macs": 5000},
    } | more  # fmt: skip


def test_metrics_are_those_that_runs_have_in_the_order_of_the_task() -> None:
    runs = [result("baseline", 0, {"error/Set5": 0.1, "psnr/Set5": 30.0, "psnr/Set14": 28.0, "lr": 1.0})]
    found = compare_results(TASK, runs)
    assert list(found["metrics"]) == ["psnr/Set5", "psnr/Set14", "error/Set5"]
    assert found["metrics"]["error/Set5"] == {"unit": "", "higher_is_better": False}
    assert found["primary"] == "psnr/Set5"
    assert found["pairs"] == []
    json.dumps(found, allow_nan=False)
    with pytest.raises(LwdnaError, match="they have: lr"):
        compare_results(TASK, [result("baseline", 0, {"lr": 1.0})])


def test_a_lower_error_is_better_and_a_run_without_a_metric_is_left_out() -> None:
    runs = [result("baseline", seed, {"error/x": 0.2 + seed / 100}) for seed in range(4)]
    runs += [result("lwdna", seed, {"error/x": 0.1 + seed / 90}) for seed in range(3)]
    runs += [result("lwdna", 3, {"psnr/y": None})]
    found = compare_results(TASK, runs)
    (pair,) = (pair for pair in found["pairs"] if pair["metric"] == "error/x")
    assert (pair["verdict"], pair["n"]) == ("better", 3)
    assert pair["high"] < 0
    assert found["arms"]["lwdna"]["metrics"]["error/x"]["values"] == {"0": 0.1, "1": 0.1 + 1 / 90, "2": 0.1 + 2 / 90,
                                                                      "3": None}  # fmt: skip
    assert pair["seeds_needed"] == 3


def test_lwdna_is_compared_with_the_controls_too() -> None:
    names = ("widened", "shuffled", "lwdna", "lwdna-floor0.2", "baseline", "uniform")
    found = compare_results(TASK, [result(arm, 0, {"psnr/x": 30.0}) for arm in names])
    assert list(found["arms"]) == ["baseline", "lwdna", "uniform", "shuffled", "widened", "lwdna-floor0.2"]
    pairs = [(pair["arm"], pair["vs"]) for pair in found["pairs"]]
    against = ["uniform", "shuffled", "widened", "lwdna-floor0.2"]
    assert pairs == [(arm, "baseline") for arm in ("lwdna", *against)] + [("lwdna", arm) for arm in against]


def test_only_a_mean_of_items_is_bootstrapped() -> None:
    def runs(shift: float) -> list[dict[str, Any]]:
        found = []
        for arm, gain in (("baseline", 0.0), ("lwdna", 1.0)):
            items = {f"image{i}": 30 + i + gain * (i % 2) for i in range(10)}
            metric = sum(items.values()) / 10 + shift
            found += [result(arm, s, {"psnr/x": metric}, items={"psnr/x": items}) for s in range(2)]
        return found

    (pair,) = compare_results(TASK, runs(0))["pairs"]
    assert pair["bootstrap"]["n_items"] == 10
    assert 0 <= pair["bootstrap"]["low"] < pair["difference"] < pair["bootstrap"]["high"] <= 1
    assert pair["verdict"] == "too few seeds"  # whatever the items say
    (pair,) = compare_results(TASK, runs(1))["pairs"]
    assert pair["bootstrap"] is None


def test_a_sentence_says_cost_in_words_and_what_would_resolve_the_difference() -> None:
    values = {"baseline": (30.0, 30.1, 30.2), "lwdna": (30.1, 30.05, 30.4), "uniform": (31.0, 31.1, 31.2)}
    runs = [result(arm, seed, {"psnr/x": value}) for arm in values for seed, value in enumerate(values[arm])]
    found = compare_results(TASK, runs)
    sentences = [difference_sentence(found, pair) for pair in found["pairs"]]
    assert sentences[0] == (
        "lwdna − baseline, psnr/x: +0.08 dB, 95 % interval −0.23 to +0.40 (paired, Student t, 3 seeds): not "
        "distinguishable from baseline, at lower MACs (90.0 %) and as many parameters (100.0 %); "
        "a difference of this size and spread would take about 12 seeds to resolve"
    )
    assert sentences[1].endswith("better than baseline, at lower MACs (90.1 %) and as many parameters (100.0 %)")
    assert "worse than uniform, at equal MACs (99.9 %)" in sentences[2]


def test_the_cost_beside_a_difference_is_that_of_the_seeds_it_is_made_of() -> None:
    runs = [result("baseline", seed, {"psnr/x": 30.0 + seed}) for seed in range(2)]
    for seed, macs in enumerate((800, 900, 100)):
        network = {"macs": macs, "params": 50 * (seed + 1)}
        runs.append(result("lwdna", seed, {"psnr/x": 30.0 + seed, "psnr/y": 1.0}, network=network))
    pairs = {pair["metric"]: pair for pair in compare_results(TASK, runs)["pairs"]}
    assert pairs["psnr/x"]["cost"] == {"macs": 0.85, "params": 0.75}
    assert pairs["psnr/y"]["cost"] is None


def test_the_searchs_cost_is_a_share_of_the_baselines_training() -> None:
    cost = {"seconds": 5.0, "batches": 2, "macs": 1000}
    runs = [result("baseline", 0, {}), result("lwdna", 0, {}, search=cost), result("lwdna-x", 0, {}, search=cost)]
    assert search_sentence(runs) == (
        "search: 5.0 s and 1.00 kMACs for 2 batches, that is 5.0 % of the baseline's training in time and 20.0 % in "
        "MACs (0.20 and 0.80 epochs of the baseline's training)"
    )
    assert search_sentence(runs[:1]) is None


@pytest.mark.parametrize("width", [80, 160])
def test_every_number_of_many_metrics_can_be_read_on_the_terminal(width: int) -> None:
    sets = ("Set5", "Set14", "BSD68", "Urban100", "Manga109", "DIV2K")
    runs = [
        result(arm, seed, {f"psnr/{name}": 30 + shift + 0.37 * seed + index for index, name in enumerate(sets)})
        for arm, shift in (("baseline", 0), ("lwdna", 0.11)) for seed in range(3)
    ]  # fmt: skip
    found = compare_results(TASK, runs)
    written = io.StringIO()
    print_comparison(found, [], Console(file=written, width=width))
    printed = written.getvalue()
    for arm in found["arms"].values():
        for metric in arm["metrics"].values():
            assert f" {spread(metric, 'dB')} " in printed
    assert all(name in printed for name in found["metrics"])
    assert printed.count("+0.11 dB") == len(sets)
    assert "…" not in printed
