"""The files that a comparison leaves, what it keeps, and what it refuses."""

from __future__ import annotations

import importlib
import json
import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.search import material, search_material
from lwdna_core.errors import LwdnaError
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig

Compare = Callable[..., tuple[int, str]]


def strict(path: Path) -> dict[str, Any]:
    """A JSON file without NaN and infinities, which are not JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{path} holds {word}")

    content: dict[str, Any] = json.loads(path.read_text(), parse_constant=refuse)
    return content


def state(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_files_hold_what_the_contract_says(compare: Compare, tmp_path: Path) -> None:
    failed, printed = compare(seeds=2, max_steps=2, command="lwdna compare classification tiny")
    folder = tmp_path / "out" / "tiny"
    assert failed == 0
    assert {path.name for path in folder.glob("seed0/*")} == {"search", "baseline", "lwdna"}

    result = strict(folder / "seed1" / "lwdna" / "result.json")
    assert result.keys() == {
        "format", "task", "experiment", "arm", "seed", "fingerprint", "protocol", "command", "date", "commit",
        "environment", "sittings",
        "metrics", "items", "curve", "network", "search", "train", "request", "init",
    }  # fmt: skip
    assert [result[key] for key in ("task", "experiment", "arm", "seed")] == ["classification", "tiny", "lwdna", 1]
    assert result["command"] == "lwdna compare classification tiny"
    assert result["sittings"] == [{"step": 0, "environment": result["environment"], "commit": result["commit"]}]
    assert result["metrics"]["accuracy/top1"] == result["curve"][-1]["accuracy/top1"]
    assert result["search"].keys() == {"seconds", "batches", "macs"}
    assert result["search"]["batches"] == 2
    assert strict(folder / "seed1" / "baseline" / "result.json")["search"] is None

    channels = ChannelConfig.load(folder / "seed1" / "lwdna" / "channels.json")
    assert channels == ChannelConfig.load(folder / "seed1" / "search" / "channels.json")
    assert channels.network == "tiny_parts:build"
    assert result["network"] == {
        "macs": channels.found.macs, "params": channels.found.params, "channels": channels.widths
    }  # fmt: skip
    network = channels.apply(build_network(channels.network))
    network.load_state_dict(load_file(folder / "seed1" / "lwdna" / "model.safetensors"))

    comparison = strict(folder / "comparison.json")
    assert comparison["primary"] == "accuracy/top1"
    assert comparison["metrics"]["accuracy/top1"] == {"unit": "%", "higher_is_better": True}
    assert comparison["fingerprint"] == result["fingerprint"]
    for arm in ("baseline", "lwdna"):
        results = {str(seed): strict(folder / f"seed{seed}" / arm / "result.json") for seed in (0, 1)}
        values = {seed: result["metrics"]["accuracy/top1"] for seed, result in results.items()}
        summary = comparison["arms"][arm]["metrics"]["accuracy/top1"]
        assert summary["values"] == values and summary["n"] == 2
        assert summary["mean"] == pytest.approx(sum(values.values()) / 2)
    pair = comparison["pairs"][0]
    assert (pair["arm"], pair["vs"], pair["n"], pair["verdict"]) == ("lwdna", "baseline", 2, "too few seeds")
    assert "better" not in printed


def test_every_arm_is_built_alike_and_starts_from_fresh_weights(compare: Compare, tmp_path: Path) -> None:
    compare(seeds=1, arms=("baseline",), max_steps=1)
    folder = tmp_path / "out" / "tiny" / "seed0" / "baseline"
    channels = ChannelConfig.load(folder / "channels.json")
    assert channels.found == channels.baseline
    assert all(group.found == group.baseline for group in channels.groups)


def test_a_complete_comparison_is_left_alone_and_more_seeds_only_add(compare: Compare, tmp_path: Path) -> None:
    compare(seeds=1, max_steps=2)
    before = state(tmp_path / "out")
    for resume in (False, True):
        failed, printed = compare(seeds=1, max_steps=2, resume=resume)
        assert failed == 0
        assert "all 2 runs are there already" in printed
        assert state(tmp_path / "out") == before

    compare(seeds=2, arms=("baseline",), max_steps=2)
    after = state(tmp_path / "out")
    changed = {path for path in before if before[path] != after[path] and Path(path).is_file()}
    assert {Path(path).name for path in changed} <= {"comparison.json", "protocol.json", "report.html"}
    comparison = strict(tmp_path / "out" / "tiny" / "comparison.json")
    assert [arm["metrics"]["accuracy/top1"]["n"] for arm in comparison["arms"].values()] == [2, 1]
    assert comparison["pairs"][0]["n"] == 1
    assert comparison["pairs"][0]["low"] is None


def test_a_failed_run_is_reported_and_the_others_go_on(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "seed0/lwdna")
    failed, printed = compare(seeds=2, max_steps=2)
    assert failed == 1
    assert "RuntimeError: out of luck" in printed
    folder = tmp_path / "out" / "tiny"
    assert "Traceback" in (folder / "seed0" / "lwdna" / "error.log").read_text()
    assert (folder / "seed1" / "lwdna" / "result.json").exists()

    monkeypatch.delenv("FAIL")
    with pytest.raises(LwdnaError, match=r"unfinished runs \(seed0/lwdna\): --resume"):
        compare(seeds=2, max_steps=2)
    failed, _ = compare(seeds=2, max_steps=2, resume=True)
    assert failed == 0
    assert not (folder / "seed0" / "lwdna" / "error.log").exists()


def test_a_search_that_fails_is_tried_once_for_all_arms_that_need_it(compare: Compare, tiny: Path) -> None:
    own = 'dict(name="lwdna-own", macs=0.9)'
    tiny.write_text(tiny.read_text().replace('"lwdna"]', f'"lwdna", "uniform", "widened", {own}]'))
    failed, printed = compare(seeds=1, max_steps=2, options=("experiment.shrink.macs=9",))
    assert failed == 3
    assert printed.count("its search failed: macs must be above 0 and at most 2.799") == 2  # what both controls say
    folder = tiny.parent / "out" / "tiny" / "seed0"
    assert {path.parent.name for path in folder.glob("*/result.json")} == {"baseline", "lwdna-own"}
    assert not any((folder / arm / "channels.json").exists() for arm in ("search", "lwdna", "uniform", "widened"))


def test_a_run_that_is_measured_in_another_tasks_metrics_ends_with_the_first_evaluation(
    compare: Compare, tmp_path: Path
) -> None:
    parts = (tmp_path / "tiny_parts.py").read_text()
    own = "from mmengine.evaluator import BaseMetric\nclass Foreign(BaseMetric):\n    process = lambda *_: None\n"
    (tmp_path / "foreign_parts.py").write_text(f"{parts}\n{own}    compute_metrics = lambda *_: {{'psnr': 30.0}}\n")
    failed, printed = compare(seeds=1, arms=("baseline",), options=("val_evaluator.type=foreign_parts.Foreign",))
    assert failed == 1
    assert "val_evaluator gives psnr, none of classification's metrics: accuracy/top1" in printed


def test_a_training_that_diverges_is_no_result(compare: Compare, tmp_path: Path) -> None:
    failed, printed = compare(seeds=1, arms=("baseline",), options=("optim_wrapper.optimizer.lr=1e30",))
    assert failed == 1
    assert "the training loss is nan at the end of epoch 1: this recipe diverges here" in printed
    assert not (tmp_path / "out" / "tiny" / "seed0" / "baseline" / "result.json").exists()


def test_a_network_that_differs_from_build_to_build_is_not_trained(compare: Compare, tmp_path: Path) -> None:
    parts = (tmp_path / "tiny_parts.py").read_text().replace("def build():", "def build(outputs=iter(range(10, 99))):")
    (tmp_path / "fickle_parts.py").write_text(parts.replace("nn.Linear(8, 10)", "nn.Linear(8, next(outputs))"))
    with pytest.raises(LwdnaError, match="does fickle_parts:build build the same network every time"):
        compare(seeds=1, arms=("baseline",), max_steps=2, options=("experiment.network=fickle_parts:build",))
    assert not list(tmp_path.glob("out/tiny/seed0/baseline/*.pth"))


def test_a_network_that_is_not_what_its_channels_were_made_for_is_not_trained(compare: Compare, tmp_path: Path) -> None:
    compare(seeds=1, arms=("baseline",), max_steps=2)
    run = tmp_path / "out" / "tiny" / "seed0" / "baseline"
    (run / "result.json").unlink()
    channels = strict(run / "channels.json")
    channels["found"]["params"] += 1
    (run / "channels.json").write_text(json.dumps(channels))
    failed, printed = compare(seeds=1, arms=("baseline",), max_steps=2, resume=True)
    assert failed == 1
    assert "parameters with these channels, and had" in printed


NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = build()

    def forward(self, x):
        return self.layers(x)
"""
CHANGES = {
    "parameters": ("nn.Linear(8, 10)", "nn.Linear(8, 10, bias=False)"),
    "a stride": ("nn.Conv2d(8, 8, 3, 2, 1", "nn.Conv2d(8, 8, 3, 1, 1"),
    "what forward does": ("return self.layers(x)", "return self.layers(x * 2)"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_network_under_the_same_name_is_not_mixed(
    change: str, compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a compiled module is taken for current where the source has the same second and size
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = f"own_parts_{change.split()[-1]}"
    own = (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.layers = build()\n\n"
    )
    own += "    def forward(self, x):\n        return self.layers(x)\n"
    module = tmp_path / f"{name}.py"
    module.write_text((tmp_path / "tiny_parts.py").read_text() + "\n" + own)
    wishes: dict[str, Any] = {"seeds": 1, "max_steps": 2, "options": (f"experiment.network={name}:Net",)}
    compare(**wishes, arms=("baseline",))
    before, after = CHANGES[change]
    commented = module.read_text().replace("def forward(self, x):", "def forward(self, x):  # a remark")

    def becomes(text: str) -> None:
        module.write_text(text)
        importlib.invalidate_caches()
        sys.modules.pop(name, None)
        linecache.clearcache()

    becomes(commented)
    compare(**wishes, arms=("baseline",))
    becomes(commented.replace(before, after))
    with pytest.raises(LwdnaError, match=r"of another protocol \(there, now\): network\.modules"):
        compare(**wishes, arms=("lwdna",), resume=True)


def test_results_of_another_protocol_are_not_mixed(compare: Compare, tmp_path: Path) -> None:
    compare(seeds=1, arms=("baseline",), max_steps=2)
    with pytest.raises(LwdnaError, match=r"config\.optim_wrapper\.optimizer\.lr: 0\.05, 0\.1"):
        compare(seeds=1, arms=("baseline",), max_steps=2, options=("optim_wrapper.optimizer.lr=0.1",))
    with pytest.raises(LwdnaError, match=r"max_steps: 2, 3"):
        compare(seeds=1, arms=("baseline",), max_steps=3)
    # What an arm is, and where things happen, is not part of the protocol.
    compare(seeds=1, max_steps=2, options=("experiment.shrink.macs=0.8", "default_hooks.checkpoint.interval=3"))
    with pytest.raises(LwdnaError, match=r"searched with macs=0\.8, now macs=0\.9"):
        compare(seeds=2, max_steps=2)


def test_the_batches_of_a_search_may_be_smaller_than_those_of_training(compare: Compare, tmp_path: Path) -> None:
    smaller = ("experiment.shrink.batch_size=10", "experiment.shrink.batches=3")
    experiment = load_experiment("classification", "resnet20_digits", smaller)
    whole = material(load_experiment("classification", "resnet20_digits"), {"batches": 1}, 1, "cpu").batches[0]
    batches = material(experiment, experiment.shrink, 1, "cpu").batches
    assert [len(batch["labels"]) for batch in batches] == [10, 10, 10]
    assert torch.equal(torch.cat([batch["labels"] for batch in batches]), whole["labels"][:30])

    compare(seeds=1, max_steps=2, options=smaller)
    found = ChannelConfig.load(tmp_path / "out" / "tiny" / "seed0" / "search" / "channels.json")
    assert (found.settings["batch_size"], found.settings["batches"]) == (10, 3)
    with pytest.raises(LwdnaError, match=r"searched with batch_size=10, now batch_size=None"):
        compare(seeds=2, max_steps=2, options=smaller[1:])
    # it is no part of the protocol, and other arms need no search
    assert compare(seeds=2, max_steps=2, options=smaller)[0] == 0


def test_search_material_is_what_the_training_begins_with() -> None:
    network, (example,), batches, loss = search_material("resnet20_digits", seed=1)
    assert example.shape == (1, 3, 32, 32)
    assert [batch["inputs"].shape for batch in batches] == [(50, 3, 32, 32)] * 2
    assert loss(network, batches[0]).shape == ()
    again = search_material("resnet20_digits", seed=1).batches
    assert all(torch.equal(a["inputs"], b["inputs"]) for a, b in zip(batches, again, strict=True))
    with pytest.raises(LwdnaError, match="near ones: resnet20_digits"):
        search_material("resnet20_digit")
