"""lwdna predict on folders of images of all kinds."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from lwdna_core.cli import main
from lwdna_core.export import save
from lwdna_core.networks import build_network
from lwdna_core.shrink import describe
from tasks.restoration.images import read_tensor
from tasks.restoration.quality import quantized


def finished_run(folder: Path, name: str, colours: int) -> nn.Module:
    """The folder that a run of this network would leave, and the network, with random weights everywhere."""
    torch.manual_seed(0)
    network = build_network(name).eval()
    channels = dataclasses.replace(describe(network, torch.zeros(1, colours, 16, 16)), network=name)
    save(network, channels, folder)
    result = {"format": 1, "task": "restoration", "experiment": "edsr_small_x2_photos_short"}
    (folder / "result.json").write_text(json.dumps(result))
    return network


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_a_folder_is_restored_file_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_run(tmp_path / "run", "edsr_small_x2", 3)  # as it begins: bicubic interpolation
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(noise(12, 15, 3)).save(folder / "colour.png")
    Image.fromarray(noise(9, 8)).save(folder / "gray.bmp")
    Image.fromarray(noise(20, 20, 3)).quantize(4).save(folder / "palette.png")
    assert main(["predict", str(tmp_path / "run"), str(folder), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    assert "3 images restored" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"colour.png", "gray.png", "palette.png"}
    for path in folder.iterdir():
        given = read_tensor(path)
        expected = quantized(F.interpolate(given[None].float(), scale_factor=2, mode="bicubic")[0])
        restored = read_tensor(tmp_path / "out" / f"{path.stem}.png")
        assert restored.shape == expected.shape
        assert (restored.int() - expected.int()).abs().max() <= 1


def test_the_output_is_the_networks(tmp_path: Path) -> None:
    network = finished_run(tmp_path / "run", "dncnn_small", 1)
    Image.fromarray(noise(21, 17)).save(tmp_path / "noisy.png")
    Image.fromarray(noise(21, 17, 3)).save(tmp_path / "colour.png")
    for name in ("noisy", "colour"):
        command = ["predict", str(tmp_path / "run"), str(tmp_path / f"{name}.png"), "--out", str(tmp_path / "out")]
        assert main([*command, "--device", "cpu"]) == 0
        given = read_tensor(tmp_path / f"{name}.png")
        with torch.no_grad():  # a colour image channel by channel
            expected = quantized(255 * network(given[:, None].float() / 255))[:, 0]
        restored = read_tensor(tmp_path / "out" / f"{name}.png")
        assert (restored.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("option", [["--tile", "40"], ["--ensemble"]])
def test_in_tiles_and_eight_times(tmp_path: Path, option: list[str]) -> None:
    network = finished_run(tmp_path / "run", "dncnn_small", 1)
    Image.fromarray(noise(60, 50)).save(tmp_path / "noisy.png")
    command = ["predict", str(tmp_path / "run"), str(tmp_path / "noisy.png"), "--device", "cpu"]
    assert main([*command, "--out", str(tmp_path / "out"), *option]) == 0
    x = read_tensor(tmp_path / "noisy.png")[None].float() / 255
    with torch.no_grad():
        if option == ["--ensemble"]:
            ways = [(k, mirror) for k in range(4) for mirror in (False, True)]
            turned = [(x.flip(3) if mirror else x).rot90(k, (2, 3)) for k, mirror in ways]
            back = [network(one).rot90(-k, (2, 3)) for one, (k, _) in zip(turned, ways, strict=True)]
            y = torch.stack([b.flip(3) if mirror else b for b, (_, mirror) in zip(back, ways, strict=True)]).mean(0)
        else:
            y = network(x)
    restored = read_tensor(tmp_path / "out" / "noisy.png")
    assert (restored.int() - quantized(255 * y)[0].int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda f: None, r"in: no images"),
        (lambda f: (f / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n"), r"a\.png: cannot be read as an image"),
        (
            lambda f: [Image.fromarray(noise(8, 8)).save(f / name) for name in ("a.png", "a.bmp")],
            r"a\.png: a\.bmp would be written to .*out/a\.png as well",
        ),
        (lambda f: Image.fromarray(noise(8, 8, 4), "CMYK").save(f / "a.jpg"), r"a\.jpg: its pixels are CMYK"),
    ],
)
def test_what_it_refuses_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], prepare: object, message: str
) -> None:
    finished_run(tmp_path / "run", "edsr_small_x2", 3)
    (tmp_path / "in").mkdir()
    prepare(tmp_path / "in")  # type: ignore[operator]
    command = ["predict", str(tmp_path / "run"), str(tmp_path / "in"), "--device", "cpu"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_tile_that_is_too_small_stops_it_at_the_first_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_run(tmp_path / "run", "edsr_small_x2", 3)
    (tmp_path / "in").mkdir()
    for name, side in (("a", 8), ("b", 50)):
        Image.fromarray(noise(side, side, 3)).save(tmp_path / "in" / f"{name}.png")
    words = ["predict", str(tmp_path / "run"), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*words, "--tile", "40"]) == 2
    assert "tiles of 40 pixels are too small: expected 41 or more" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_originals_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_run(tmp_path / "run", "edsr_small_x2", 3)
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "a.png")
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "a.png"), "--out", str(tmp_path)]) == 2
    assert "a.png would be overwritten" in capsys.readouterr().err
