"""All arms of a comparison: what they cost, what they start from, and that only the network differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lwdna_core.compare.config import load_experiment
from lwdna_core.errors import LwdnaError
from lwdna_core.shrink import ChannelConfig

Compare = Callable[..., tuple[int, str]]


def test_the_controls_follow_the_search_of_their_seed(compare: Compare, tmp_path: Path) -> None:
    arms = ("shuffled", "uniform", "random", "widened", "baseline", "lwdna")
    failed, printed = compare(seeds=1, arms=arms, max_steps=2)
    assert failed == 0
    assert printed.count("search:") == 2  # one search, and what it cost
    folder = tmp_path / "out" / "tiny" / "seed0"
    configs = {arm: ChannelConfig.load(folder / arm / "channels.json") for arm in arms}
    results = {arm: json.loads((folder / arm / "result.json").read_text()) for arm in arms}
    assert configs["lwdna"] == ChannelConfig.load(folder / "search" / "channels.json")
    for arm in ("shuffled", "uniform", "random"):
        assert configs[arm].found.macs <= configs["lwdna"].found.macs
        assert results[arm]["search"] is None
    assert configs["widened"].found == configs["lwdna"].widened
    for arm in arms:
        assert results[arm]["network"]["macs"] == configs[arm].found.macs
        assert results[arm]["fingerprint"] == results["baseline"]["fingerprint"]
        assert results[arm]["protocol"] == results["baseline"]["protocol"]
        assert results[arm]["init"] == "fresh"
        assert results[arm]["date"] >= "2026-01-01"


def test_a_config_names_arms_of_its_own(compare: Compare, tiny: Path, tmp_path: Path) -> None:
    text = tiny.read_text().replace(
        '["baseline", "lwdna"]', '["lwdna", dict(name="lwdna-floor0.1", floor=0.1, macs=0.5)]'
    )
    tiny.write_text(text)
    failed, _ = compare(seeds=1, max_steps=2)
    assert failed == 0
    folder = tmp_path / "out" / "tiny" / "seed0"
    own = ChannelConfig.load(folder / "search" / "lwdna-floor0.1" / "channels.json")
    assert own.settings["floor"] == 0.1 and own.found.macs <= 0.5 * own.baseline.macs
    assert own == ChannelConfig.load(folder / "lwdna-floor0.1" / "channels.json")
    assert ChannelConfig.load(folder / "lwdna" / "channels.json").settings["floor"] == 0.4
    tiny.write_text(text.replace("floor=0.1, macs=0.5", "floor=0.2, macs=0.5"))
    with pytest.raises(
        LwdnaError, match=r"lwdna-floor0\.1/channels\.json was searched with floor=0\.1, now floor=0\.2"
    ):
        compare(seeds=2, max_steps=2)


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ("dict(name='lwdna', floor=0.1)", "cannot be called 'lwdna'"),
        ("dict(floor=0.1)", "cannot be called ''"),
        ("dict(name='a/b', floor=0.1)", "cannot be called 'a/b'"),
        ("dict(name='x', flor=0.1)", "near ones: floor"),
    ],
)
def test_a_faulty_arm_of_a_config_is_named(arm: str, message: str, tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace('["baseline", "lwdna"]', f"[{arm}]"))
    with pytest.raises(LwdnaError, match=message):
        load_experiment("classification", str(tiny))


@pytest.mark.parametrize("criterion", ["gradient", "hypernet"])
def test_the_hypernetworks_weights_are_a_start_on_request(criterion: str, compare: Compare, tmp_path: Path) -> None:
    options = ("experiment.init=hypernet", f"experiment.shrink.criterion={criterion}")
    # at a learning rate of 0 the weights at the end are those at the beginning
    still = ("optim_wrapper.optimizer.lr=0.0", "optim_wrapper.optimizer.weight_decay=0.0")
    failed, _ = compare(seeds=1, max_steps=1, options=(*options, *still))
    assert failed == 0
    folder = tmp_path / "out" / "tiny" / "seed0"
    start = load_file(folder / "search" / "start.safetensors")
    end = load_file(folder / "lwdna" / "model.safetensors")
    for name, weight in start.items():
        if "running" not in name and "tracked" not in name:
            assert torch.equal(weight, end[name]), name
    inits = {arm: json.loads((folder / arm / "result.json").read_text())["init"] for arm in ("baseline", "lwdna")}
    assert inits == {"baseline": "fresh", "lwdna": "hypernet"}


def test_the_init_belongs_to_the_protocol(compare: Compare) -> None:
    compare(seeds=1, arms=("baseline",), max_steps=1)
    with pytest.raises(LwdnaError, match=r"config\.experiment\.init: \(absent\), hypernet"):
        compare(seeds=1, arms=("baseline",), max_steps=1, options=("experiment.init=hypernet",))


def test_each_share_of_the_data_is_a_comparison_of_its_own(compare: Compare, tiny: Path, tmp_path: Path) -> None:
    from lwdna_core.cli import main

    words = ["compare", "classification", str(tiny), "--device", "cpu", "--work-dir", str(tmp_path / "out")]
    assert main([*words, "--seeds", "1", "--train-fraction", "0.5", "0.25"]) == 0
    folder = tmp_path / "out" / "tiny"
    fractions = json.loads((folder / "fractions.json").read_text())["fractions"]
    assert list(fractions) == ["0.25", "0.5"]
    steps = {}
    for size, comparison in fractions.items():
        assert comparison == json.loads((folder / f"fraction{size}" / "comparison.json").read_text())
        result = json.loads((folder / f"fraction{size}" / "seed0" / "lwdna" / "result.json").read_text())
        assert result["protocol"]["train_fraction"] == float(size)
        steps[size] = result["train"]["steps"]
    assert steps == {"0.25": 4, "0.5": 8}  # 100 and 200 images in batches of 100, 4 epochs
    assert fractions["0.25"]["fingerprint"] != fractions["0.5"]["fingerprint"]
    # a larger size only adds
    assert main([*words, "--seeds", "1", "--train-fraction", "1"]) == 0
    assert list(json.loads((folder / "fractions.json").read_text())["fractions"]) == ["0.25", "0.5", "1"]


def test_sizes_of_several_protocols_are_not_mixed(
    compare: Compare, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lwdna_core.cli import main

    words = ["compare", "classification", str(tiny), "--device", "cpu", "--work-dir", str(tmp_path / "out")]
    words += ["--seeds", "1", "--arms", "baseline", "--max-steps"]
    assert main([*words, "1", "--train-fraction", "0.5"]) == 0
    assert main([*words, "2", "--train-fraction", "1"]) == 2
    assert "max_steps: 1, 2" in capsys.readouterr().err
    assert not (tmp_path / "out" / "tiny" / "fraction1").exists()


def test_what_an_interrupted_run_of_another_protocol_left_is_not_used(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setenv("INTERRUPT_AT", "1")
        compare(seeds=1, arms=("lwdna",), options=("experiment.init=hypernet",))
    with pytest.raises(LwdnaError, match=r"experiment\.init: hypernet, \(absent\)"):
        compare(seeds=1, arms=("lwdna",), resume=True)


def test_a_setting_that_is_the_default_may_be_said(compare: Compare) -> None:
    """`rounds` is stored where it is not 1, and searches are older than some settings."""
    wishes: dict[str, Any] = {"seeds": 1, "max_steps": 1}
    assert compare(arms=("lwdna",), **wishes)[0] == 0
    failed, printed = compare(arms=("uniform",), options=("experiment.shrink.rounds=1",), **wishes)
    assert failed == 0, printed
    with pytest.raises(LwdnaError, match=r"searched with rounds=1, now rounds=2 is asked for"):
        compare(arms=("uniform",), options=("experiment.shrink.rounds=2",), resume=True, **wishes)
