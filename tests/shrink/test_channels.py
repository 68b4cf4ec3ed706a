"""ChannelConfig: readable JSON with a format version, and the same network again in a new process."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lwdna_core.shrink import ChannelConfig, describe, resize, trace

from .masking import counted, remember
from .test_find import TASKS, found

REBUILD = """
import json, sys
import torch
from lwdna_core.shrink import ChannelConfig
from {package}.test_find import TASKS

build, inputs, _, _ = TASKS[sys.argv[1]]
torch.manual_seed(5)
network = ChannelConfig.load(sys.argv[2]).apply(build())
with torch.no_grad():
    out = network.eval()(*inputs) if isinstance(inputs, tuple) else network.eval()(inputs)
print(json.dumps([{{k: list(v.shape) for k, v in network.state_dict().items()}}, out.double().sum().item()]))
"""


@pytest.mark.parametrize("name", ["resnet", "densenet", "mobilenet", "edsr", "siamfc"])
def test_round_trip(name: str, tmp_path: Path) -> None:
    config = found(name)[0]
    file = tmp_path / "channels.json"
    config.save(file)
    assert ChannelConfig.load(file) == config
    assert ChannelConfig.from_dict(config.to_dict()) == config
    assert ChannelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert [f.name for f in tmp_path.iterdir()] == ["channels.json"], "nothing else is left"


def test_content_is_what_the_contract_says(tmp_path: Path) -> None:
    config, network, inputs, graph = found("resnet", macs=0.85, seed=3)
    config = dataclasses.replace(config, network="cifar_resnet14")
    config.save(tmp_path / "channels.json")
    text = (tmp_path / "channels.json").read_text()
    content = json.loads(text)
    assert content["format"] == 1 and content["network"] == "cifar_resnet14" and content["seed"] == 3
    assert content["input"] == [[1, 3, 12, 12]]
    for stage in ("baseline", "widened", "found"):
        assert set(content[stage]) >= {"macs", "params"}
    assert content["baseline"]["macs"] == counted(network, inputs)[0]
    assert [g["name"] for g in content["groups"]] == [g.name for g in graph.groups]
    assert set(content["groups"][0]) >= {"name", "baseline", "widened", "found", "floor", "at_floor", "unscored"}
    assert all(set(f) >= {"name", "size", "reason"} for f in content["frozen"])
    settings = content["settings"]
    assert (settings["macs"], settings["width"], settings["criterion"]) == (0.85, 2.0, "gradient")
    assert (settings["floor"], settings["classifier_floor"]) == (0.4, 0.45)
    assert len(text.splitlines()) > 10, "people read it"
    assert "NaN" not in text and "Infinity" not in text
    assert content["unscored"] == [] and content["limits"] is None
    assert content["search"]["batches"] == 2


def test_saving_replaces_whole_files(tmp_path: Path) -> None:
    """An existing file is replaced at once, and one that cannot be written leaves the old."""
    config, network, inputs, _ = found("chain")
    file = tmp_path / "channels.json"
    describe(network, inputs).save(file)
    config.save(file)
    assert ChannelConfig.load(file) == config
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(config, settings={"loss": object()}).save(file)
    assert ChannelConfig.load(file) == config and len(list(tmp_path.iterdir())) == 1


def test_apply_to_a_fresh_baseline() -> None:
    config, network, inputs, graph = found("resnet")
    build = TASKS["resnet"][0]
    fresh, other = build(), build()
    before = remember(fresh)
    torch.manual_seed(1)
    one = config.apply(fresh)
    torch.manual_seed(1)
    two = config.apply(other)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert all(torch.equal(before[k], v) for k, v in fresh.state_dict().items())
    kept = config.apply(network, initialise=False)
    shapes = {k: v.shape for k, v in resize(network, graph, config.widths).state_dict().items()}
    for applied in (one, kept):
        assert {k: v.shape for k, v in applied.state_dict().items()} == shapes
        assert type(applied) is type(fresh)
    narrow = [g for g in config.groups if g.found <= g.baseline]
    assert narrow and not torch.equal(one.conv1.weight, fresh.conv1.weight[: one.conv1.out_channels])
    assert {g.name: g.size for g in trace(one, inputs).groups} == config.widths


def test_state_of_a_shrunk_network_loads_into_an_applied_one() -> None:
    config, network, inputs, _ = found("densenet")
    trained = config.apply(network)
    with torch.no_grad():
        for t in trained.state_dict().values():
            t.copy_(torch.rand_like(t) if t.is_floating_point() else t)
    again = config.apply(TASKS["densenet"][0]())
    again.load_state_dict(trained.state_dict())
    assert torch.equal(trained.eval()(inputs), again.eval()(inputs))


@pytest.mark.parametrize("name", ["regnet", "siamfc"])
def test_same_network_in_a_new_process(name: str, tmp_path: Path) -> None:
    config = found(name)[0]
    file = tmp_path / "channels.json"
    config.save(file)
    package = __name__.rpartition(".")[0]
    build, inputs, _, _ = TASKS[name]
    torch.manual_seed(5)
    network = config.apply(build()).eval()
    with torch.no_grad():
        out = network(*inputs) if isinstance(inputs, tuple) else network(inputs)
    root = Path(__file__).parents[package.count(".") + 1]
    run = subprocess.run(
        [sys.executable, "-c", REBUILD.format(package=package), name, str(file)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(Path(__file__).parents[2])])},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    shapes, total = json.loads(run.stdout)
    assert shapes == {k: list(v.shape) for k, v in network.state_dict().items()}
    assert total == pytest.approx(out.double().sum().item(), rel=1e-6)


def test_configuration_is_frozen() -> None:
    config = found("chain")[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 4  # type: ignore[misc]
