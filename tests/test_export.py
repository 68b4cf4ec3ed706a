"""A shrunk network leaves the process: weights and channels in a folder, torch.export, ONNX."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import lwdna_core
from lwdna_core.errors import LwdnaError
from lwdna_core.export import ExportError, to_onnx
from lwdna_core.networks import build_network
from lwdna_core.shrink import ChannelConfig, ConfigError, find

NETWORKS = """
import torch
from torch import nn

class Enlarge(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 12, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(12, 20, 3, padding=1), nn.PReLU(20), nn.Conv2d(20, 12, 3, padding=1))
        self.up = nn.Sequential(nn.Conv2d(12, 48, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(12, 3, 3, padding=1))

    def forward(self, x):
        x = self.head(x)
        return self.up(x + self.body(x))

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)
        self.c.weight = self.b.weight
        self.d = nn.Conv2d(6, 2, 1)

    def forward(self, x, other):
        return self.d(self.c(self.b(self.a(x)).relu())) + other.mean()
"""
SHAPES = {"cifar_resnet20": (3, 32, 32), "export_networks:Enlarge": (3, 12, 10)}


@pytest.fixture(autouse=True)
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the module with networks."""
    home = tmp_path / "networks"
    home.mkdir()
    (home / "export_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(home)
    return home


def shrunk(name: str) -> tuple[nn.Module, ChannelConfig, Tensor]:
    """A network with other widths in every group, statistics that are not the initial ones, and a batch of one."""
    return copy.deepcopy(_shrunk(name))


@functools.cache
def _shrunk(name: str) -> tuple[nn.Module, ChannelConfig, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(1, *SHAPES[name])
    config = find(build_network(name), x, [], lambda *_: torch.zeros(()), macs=0.6, criterion="random", floor=0.1)
    config = dataclasses.replace(config, network=name)
    kept = {g.found / g.baseline for g in config.groups}
    assert len(kept) > len(config.groups) // 2, "not heterogeneous"
    network = config.apply(build_network(name))
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.randn(4, *SHAPES[name]))
    return network.eval(), config, x


@pytest.mark.parametrize("name", SHAPES)
def test_a_new_process_rebuilds_the_network(name: str, tmp_path: Path, networks: Path) -> None:
    network, config, x = shrunk(name)
    lwdna_core.save(network, config, tmp_path / "runs" / "a")
    assert {path.name for path in (tmp_path / "runs" / "a").iterdir()} == {"channels.json", "model.safetensors"}
    save_file({"x": x}, tmp_path / "x.safetensors")
    script = (
        "import lwdna_core, torch; from safetensors.torch import load_file, save_file\n"
        f"torch.set_num_threads({torch.get_num_threads()})\n"  # sums are rounded as they are divided among threads
        "torch.manual_seed(3); network = lwdna_core.load('runs/a')\n"
        "assert not any(module.training for module in network.modules())\n"
        "drawn = torch.randn(2); torch.manual_seed(3); assert torch.equal(drawn, torch.randn(2))\n"
        "save_file({'y': network(load_file('x.safetensors')['x']).detach()}, 'y.safetensors')\n"
    )
    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(networks)}, check=True
    )
    assert torch.equal(load_file(tmp_path / "y.safetensors")["y"], network(x))


def test_importing_the_package_imports_no_torch() -> None:
    script = "import sys, lwdna_core; assert 'torch' not in sys.modules; assert not hasattr(lwdna_core, 'nothing')"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_precision_and_tied_weights_survive(tmp_path: Path) -> None:
    inputs = torch.randn(1, 3, 4, 4), torch.randn(1, 2)
    config = find(build_network("export_networks:Tied"), inputs, [], lambda *_: torch.zeros(()), criterion="uniform")
    config = dataclasses.replace(config, network="export_networks:Tied")
    network = config.apply(build_network("export_networks:Tied")).double()
    lwdna_core.save(network, config, tmp_path)
    loaded = lwdna_core.load(tmp_path)
    assert loaded.b.weight is loaded.c.weight
    doubles = [t.double() for t in inputs]
    assert torch.equal(loaded(*doubles), network(*doubles))


@pytest.mark.parametrize("name", SHAPES)
def test_torch_export_takes_any_batch_size(name: str, tmp_path: Path) -> None:
    network, _, x = shrunk(name)
    program = torch.export.export(network, (x.repeat(2, 1, 1, 1),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, tmp_path / "program.pt2")
    again = torch.export.load(tmp_path / "program.pt2").module()
    for batch in (1, 5):
        images = torch.randn(batch, *SHAPES[name])
        torch.testing.assert_close(again(images), network(images))


@pytest.mark.parametrize("name", SHAPES)
def test_onnxruntime_agrees_at_any_batch_size(name: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    network, config, _ = shrunk(name)
    assert to_onnx(network.train(), config, tmp_path / "network.onnx")
    assert network.training and [path.name for path in tmp_path.glob("*net*.onnx*")] == ["network.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    for batch in (1, 5):
        images = torch.randn(batch, *SHAPES[name])
        (out,) = session.run(None, {given.name: images.numpy()})
        torch.testing.assert_close(torch.from_numpy(out), network.eval()(images), rtol=0, atol=1e-4)


def test_a_network_that_takes_the_batch_for_channels_is_written_for_one_sample(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    network = build_network("siamfc_small").eval()  # correlates every pair on its own, by groups
    config = dataclasses.replace(shrunk("export_networks:Enlarge")[1], input=[[1, 3, 127, 127], [1, 3, 255, 255]])
    assert not to_onnx(network, config, tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
    images = [torch.randn(shape) for shape in config.input]
    (out,) = session.run(None, {given.name: x.numpy() for given, x in zip(session.get_inputs(), images, strict=True)})
    torch.testing.assert_close(torch.from_numpy(out), network(*images), rtol=0, atol=1e-4)


def test_what_torch_cannot_export_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x)) if x.sum() > 0 else x

    config = dataclasses.replace(shrunk("export_networks:Enlarge")[1], input=[[1, 3, 4, 4]])
    with pytest.raises(ExportError, match="cannot export"):
        to_onnx(Branches(), config, tmp_path / "network.onnx")
    assert not list(tmp_path.glob("*.onnx*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `save` leaves of the pixel-shuffle network."""
    network, config, _ = shrunk("export_networks:Enlarge")
    lwdna_core.save(network, config, tmp_path / "saved")
    return tmp_path / "saved"


def test_saving_over_a_folder_replaces_it_whole(folder: Path) -> None:
    first = load_file(folder / "model.safetensors")
    network = lwdna_core.load(folder)
    with torch.no_grad():
        next(network.parameters()).zero_()
    lwdna_core.save(network, ChannelConfig.load(folder / "channels.json"), folder)
    second = load_file(folder / "model.safetensors")
    assert first["head.weight"].any() and not second["head.weight"].any()
    assert sorted(path.name for path in folder.iterdir()) == ["channels.json", "model.safetensors"]


@pytest.mark.parametrize("file", ["channels.json", "model.safetensors"])
def test_missing_and_truncated_files_are_named(file: str, folder: Path) -> None:
    (folder / file).write_bytes((folder / file).read_bytes()[:100])
    with pytest.raises(ConfigError, match=f"{file}: not a complete"):
        lwdna_core.load(folder)
    (folder / file).unlink()
    with pytest.raises(ConfigError, match=f"{file}: No such file"):
        lwdna_core.load(folder)


def test_a_configuration_needs_the_name_of_a_network(folder: Path) -> None:
    path = folder / "channels.json"
    config = dataclasses.replace(ChannelConfig.load(path), network=None)
    with pytest.raises(ConfigError, match="names no network"):
        lwdna_core.save(lwdna_core.load(folder), config, folder)
    config.save(path)
    with pytest.raises(ConfigError, match=r"channels\.json names no network"):
        lwdna_core.load(folder)
    dataclasses.replace(config, network="export_networks:Enlarg").save(path)
    with pytest.raises(LwdnaError, match="Enlarge"):
        lwdna_core.load(folder)


def test_a_network_of_another_size_is_not_saved(folder: Path) -> None:
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(ConfigError, match=r"parameters, the configuration's has"):
        lwdna_core.save(build_network("export_networks:Enlarge"), ChannelConfig.load(folder / "channels.json"), folder)
    assert (folder / "model.safetensors").read_bytes() == before


def test_weights_that_do_not_fit_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "head.weight": torch.zeros(2, 3, 3, 3)}, path)
    with pytest.raises(ConfigError, match=r"head\.weight: expected shape \[\d+, 3, 3, 3\], found \[2, 3, 3, 3\]"):
        lwdna_core.load(folder)
    save_file({name: t for name, t in tensors.items() if name != "body.1.weight"}, path)
    with pytest.raises(ConfigError, match=r"model\.safetensors does not fit .*body\.1\.weight"):
        lwdna_core.load(folder)
    save_file({**tensors, "tail.weight": torch.zeros(1)}, path)
    with pytest.raises(ConfigError, match=r"tail\.weight"):
        lwdna_core.load(folder)
    assert json.loads((folder / "channels.json").read_text())["network"] == "export_networks:Enlarge"
