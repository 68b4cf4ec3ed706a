"""What a config asks for that cannot be, or is hardly meant, is found before the work; a run leaves a set alone."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from lwdna_core.cli import main
from lwdna_core.compare.config import Recipe, load_experiment
from lwdna_core.compare.experiment import Request, check_request
from lwdna_core.data.sources import set_title
from lwdna_core.errors import LwdnaError
from tasks.restoration import check, load
from tasks.restoration.images import read_tensor
from tasks.restoration.metrics import KEPT
from tasks.restoration.model import RestorationPreprocessor, Restorer


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path / "data"))
    yield
    load._patches.cache_clear()
    load._images.cache_clear()
    check._warn.cache_clear()


def write(path: Path, *size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = torch.randint(0, 256, size, generator=torch.Generator().manual_seed(len(path.name)))
    Image.fromarray(pixels.byte().numpy()).save(path)


def own_set(folder: Path) -> tuple[str, ...]:
    return f"val_dataloader.dataset.sets={folder}", f"train_dataloader.dataset.held_out={folder}"


def checked(config: str, *options: str) -> None:
    Restorer.check(load_experiment("restoration", config, options))


@pytest.mark.parametrize(
    ("config", "option", "message"),
    [
        (
            "edsr_small_x2",
            "val_evaluator.convention=RGB",
            "val_evaluator: .*expected one of y, y-rounded, rgb, got 'RGB'",
        ),
        ("edsr_small_x2", "val_evaluator.border=-3", "val_evaluator: .*expected a number of pixels from 0 on, got -3"),
        (
            "edsr_small_x2",
            "experiment.network=edsr_small_x4",
            "edsr_small_x4 makes 900x600 pixels of 225x150, but photos/chelsea of val_dataloader has a target of "
            "450x300: .*scale must be that of the network",
        ),
        (
            "edsr_small_x2",
            "val_dataloader.dataset.scale=3",
            "edsr_small_x2 makes 300x200 .*target of 450x300: val_dataloader.dataset.scale must",
        ),
        ("edsr_small_x2", "experiment.network=dncnn_small", "fails on .* 1 channels, but got 3"),
        ("dncnn_small", "val_dataloader.dataset.colours=3", "dncnn_small fails on photos/.* 1 channels, but got 3"),
        ("dncnn_small", "model.tile=12", "tiles of 12 pixels are too small: expected 15 or more"),
        ("dncnn_small", "model.data_preprocessor.sigma=[55,0]", "model.data_preprocessor.sigma: expected a number"),
        ("dncnn_small", "val_dataloader.dataset.sigma=[15,-1]", "val_dataloader.dataset.sigma: expected a number"),
        ("edsr_small_x2", "model.data_preprocessor.sigma=25", "data_preprocessor.sigma=25: expected 0 at scale 2"),
    ],
)
def test_what_does_not_fit_is_found_before_the_work(config: str, option: str, message: str, tmp_path: Path) -> None:
    request = Request("restoration", Recipe(f"{config}_photos_short", (option,)), work_dir=tmp_path)
    with pytest.raises(LwdnaError, match=message):
        check_request(request)


def test_an_image_too_small_for_the_metric_is_found_before_the_work(tmp_path: Path) -> None:
    """11 pixels must remain inside a border of 2."""
    write(tmp_path / "test/a.png", 60, 60, 3)
    write(tmp_path / "test/b.png", 14, 60, 3)
    title = re.escape(set_title(f"{tmp_path}/test"))
    message = rf"{title}/b of val_dataloader: 60x14 pixels are too few: 11x11 must remain inside val_evaluator.border=2"
    with pytest.raises(LwdnaError, match=message):
        checked("edsr_small_x2_photos_short", *own_set(tmp_path / "test"))
    write(tmp_path / "test/b.png", 16, 60, 3)
    load._images.cache_clear()
    checked("edsr_small_x2_photos_short", *own_set(tmp_path / "test"))


@pytest.mark.parametrize(
    ("config", "options", "warning"),
    [
        ("dncnn_small", ["model.data_preprocessor.sigma=50"], r"noise of 25, which training does not have: .*sigma=50"),
        ("dncnn_small", ["val_dataloader.dataset.sigma=15,25,50"], r"noise of 15, 50, which training"),
        ("dncnn_small", ["model.data_preprocessor.sigma=0,20"], r"noise of 25, which training .*sigma=\[0, 20\]"),
        ("dncnn_small", ["model.data_preprocessor.sigma=0,55", "val_dataloader.dataset.sigma=15,25,50"], ""),
        ("dncnn_small", ["val_evaluator.border=2"], r"val_evaluator.border=2: published scores have 0 \(the scale"),
        ("edsr_small_x2", ["val_evaluator.border=0"], r"val_evaluator.border=0: published scores have 2 \(the scale"),
        ("dncnn_small", [], ""),
        ("edsr_small_x2", [], ""),
    ],
)
def test_what_is_hardly_meant_is_warned_of_once(
    config: str, options: list[str], warning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        checked(f"{config}_photos_short", *options)
    err = capsys.readouterr().err
    assert err.count("lwdna: warning: ") == bool(warning) and re.search(warning, err)


def test_the_network_sees_a_part_of_one_image_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the check takes as long for large sets."""
    seen: list[tuple[int, ...]] = []

    class Seeing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(x.shape))
            return x

    monkeypatch.setattr(check, "baseline", lambda experiment: Seeing())
    checked("dncnn_small_photos_short")
    assert seen == [(1, 1, 64, 64)]


class Mirrored(nn.Module):
    """Takes no image below 66 pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x, [65] * 4, mode="reflect")[..., 65:-65, 65:-65]


class Inner(nn.Module):
    """Makes four pixels less, as its targets have."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., 2:-2, 2:-2]


def test_a_network_that_wants_whole_images_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_experiment("restoration", "dncnn_small_photos_short")
    monkeypatch.setattr(check, "baseline", lambda experiment: Mirrored())
    Restorer.check(experiment)
    inner = [(check._Tested("a", torch.Size([1, 96, 96]), torch.Size([1, 92, 92])), torch.zeros(1, 96, 96))]
    monkeypatch.setattr(check, "baseline", lambda experiment: Inner())
    monkeypatch.setattr(check, "_images", lambda experiment: iter(inner))
    Restorer.check(experiment)


class WithLevels(RestorationPreprocessor):
    """The network gets the noise's level as a channel, and the level is what the recipe calls sigma."""

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        batch = super().forward(data, training)
        inputs = batch["inputs"] if training else batch["inputs"][0]
        more = torch.cat([inputs, torch.full_like(inputs, self.sigma / 255)], 1)  # type: ignore[operator]
        return {**batch, "inputs": more if training else [more]}


class TwoChannels(nn.Conv2d):
    def __init__(self) -> None:
        super().__init__(2, 1, 3, padding=1)


def test_what_a_preprocessor_of_ones_own_makes_is_its_own_business() -> None:
    checked(
        "dncnn_small_photos_short", f"experiment.network={__name__}:TwoChannels", "experiment.input=2,64,64",
        f"model.data_preprocessor.type={__name__}.WithLevels", "model.data_preprocessor.sigma=10",
    )  # fmt: skip


def test_a_metric_and_a_set_of_ones_own_need_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = [{"inputs": [torch.zeros(1, 8, 8)], "targets": [torch.zeros(1, 8, 8)]}]
    loaded = types.SimpleNamespace(loader=lambda *options: iter(bare))
    monkeypatch.setattr(check, "load_set", lambda *of: loaded)
    monkeypatch.setattr(check, "_borders", lambda experiment: iter(()))
    checked("dncnn_small_photos_short")


@pytest.mark.parametrize("beyond", [False, True])
def test_a_run_leaves_the_folder_of_its_test_set_alone(tmp_path: Path, beyond: bool) -> None:
    """It keeps its pictures in its own folder, also where the set's is absolute or beside the data folder."""
    folder = tmp_path / "originals"
    write(folder / "a.png", 40, 40)
    before = (folder / "a.png").read_bytes()
    (tmp_path / "data").mkdir()
    name = "../originals" if beyond else str(folder)
    words = ["compare", "restoration", "dncnn_small_photos_short", "--seeds", "1", "--arms", "baseline", "--device"]
    words += ["cpu", "--max-steps", "2", "--work-dir", str(tmp_path / "runs"), "--cfg-options"]
    assert main([*words, *(option.replace(str(folder), name) for option in own_set(folder))]) == 0
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("a.png", before)]
    run = tmp_path / "runs/dncnn_small_photos_short/seed0/baseline"
    title = set_title(name)
    result: dict[str, Any] = json.loads((run / "result.json").read_text())
    assert set(result["metrics"]) == {f"psnr/{title}", f"ssim/{title}"}
    assert torch.equal(read_tensor(run / KEPT / title / "a.target.png"), read_tensor(folder / "a.png"))
    report = (tmp_path / "runs/dncnn_small_photos_short/report.html").read_text()
    assert f"{title} / a" in report


def test_a_network_tested_at_several_levels_has_a_score_for_each(tmp_path: Path) -> None:
    words = ["compare", "restoration", "dncnn_small_photos_short", "--seeds", "1", "--arms", "baseline", "--device"]
    words += ["cpu", "--max-steps", "2", "--work-dir", str(tmp_path), "--cfg-options"]
    assert main([*words, "model.data_preprocessor.sigma=0,55", "val_dataloader.dataset.sigma=15,50"]) == 0
    path = tmp_path / "dncnn_small_photos_short/seed0/baseline/result.json"
    scores = json.loads(path.read_text())["metrics"]
    assert set(scores) == {f"{metric}/photos-sigma{sigma}" for metric in ("psnr", "ssim") for sigma in (15, 50)}
    assert scores["psnr/photos-sigma15"] > scores["psnr/photos-sigma50"]
