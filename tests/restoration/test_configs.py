"""Every config of the task: consistent in itself, and of the length and schedule of its source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from lwdna_core.cli import main
from lwdna_core.compare.config import Experiment, load_experiment
from lwdna_core.compare.task import find_task
from lwdna_core.networks import build_network
from tasks.restoration.noise import evaluation_levels, training_levels
from tasks.restoration.sets import TEST, TRAINING

CONFIGS = sorted(find_task("restoration").configs())


def load(name: str) -> Experiment:
    return load_experiment("restoration", name)


def steps(experiment: Experiment) -> int:
    cfg = experiment.cfg
    per_epoch = -(-cfg.train_dataloader.dataset["count"] // cfg.train_dataloader.batch_size)  # mind dict's own count()
    return int(cfg.train_cfg.max_epochs * per_epoch)


@pytest.mark.parametrize("name", CONFIGS)
def test_its_parts_belong_together(name: str) -> None:
    experiment = load(name)
    cfg = experiment.cfg
    train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    scale, colours = train.get("scale", 1), train.get("colours", 3)
    assert (val.get("scale", 1), val.get("colours", 3)) == (scale, colours)
    assert cfg.val_evaluator.border == (scale if scale > 1 else 0)
    assert train["size"] % scale == 0
    lowest, highest = training_levels(cfg.model.data_preprocessor.get("sigma", 0))
    levels = evaluation_levels(val.get("sigma", 0)).values()
    assert all(lowest <= level <= highest for level in levels) and (min(levels) > 0) == (scale == 1)
    assert (lowest < highest) == (len(levels) > 1) == ("_blind_" in name)
    assert set(train.held_out) == set(val.sets)  # no image of a test set is trained on
    assert set(train.sets) <= {"photos", *TRAINING} and set(val.sets) <= {"photos", *TEST}
    ((channels, height, width),) = experiment.inputs
    assert channels == colours
    with torch.device("meta"):
        network = build_network(experiment.network)
        out = network.eval()(torch.zeros(1, channels, height, width))
    assert out.shape == (1, channels, scale * height, scale * width)
    if match := re.search(r"_x(\d)_", name):
        assert scale == int(match[1])
    if match := re.search(r"_sigma(\d+)_", name):
        assert lowest == int(match[1])


@pytest.mark.parametrize(
    ("pattern", "size", "batch", "length", "drops"),
    [
        # reference: Lim et al. 2017 and EDSR-PyTorch: LR patches of 48, 300k steps, halved at 200k
        (r"edsr_x2_div2k", 96, 16, 300_000, [200]),
        (r"edsr_x4_div2k", 192, 16, 300_000, [200]),
        # DHP's scripts: 300 epochs of 2,013 steps, a tenth from epoch 200; 60 of 10,000, a tenth from 40
        (r"edsr_8x128_x\d_div2k", 192, 16, 603_900, [200]),
        (r"srresnet_x\d_div2k", 96, 16, 603_900, [200]),
        (r"dncnn_sigma\d+_div2k", 64, 64, 600_000, [40]),
        (r"unet_sigma\d+_div2k", 128, 16, 600_000, [40]),
        # DnCNN's training code: 238,336 patches an epoch, 180 epochs, a fifth at 30, 60 and 90
        (r"dncnn_sigma\d+_train400", 40, 128, 180 * 1862, [30, 60, 90]),
        # reference: Zhang et al. 2017: for blind denoising patches of 50, 128 x 3,000 of them
        (r"dncnn_blind_train400", 50, 128, 180 * 3000, [30, 60, 90]),
    ],
)
def test_recipes_are_those_of_their_sources(pattern: str, size: int, batch: int, length: int, drops: list[int]) -> None:
    names = [name for name in CONFIGS if re.fullmatch(pattern, name)]
    assert names
    for name in names:
        experiment = load(name)
        cfg = experiment.cfg
        assert (cfg.train_dataloader.dataset["size"], cfg.train_dataloader.batch_size) == (size, batch)
        assert steps(experiment) == length
        assert cfg.param_scheduler[0].milestones == drops
        assert cfg.optim_wrapper.optimizer.type == "Adam"
        assert cfg.optim_wrapper.optimizer.lr == (1e-3 if "train400" in name else 1e-4)
        assert cfg.model.data_preprocessor.loss == ("mse" if "train400" in name else "l1")


def test_short_ones_take_20000_steps_or_seconds() -> None:
    short = [name for name in CONFIGS if name.endswith("_short")]
    lengths = {name: steps(load(name)) for name in short}
    assert {name: length for name, length in lengths.items() if "photos" not in name} == {
        name: 20_000 for name in short if "photos" not in name
    }
    assert max(length for name, length in lengths.items() if "photos" in name) <= 600


def test_without_its_data_a_config_says_what_to_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path))
    assert main(["compare", "restoration", "edsr_x4_div2k", "--work-dir", str(tmp_path / "w")]) == 2
    assert re.search("`lwdna data fetch (DIV2K|Set5)` puts it there", capsys.readouterr().err)
    assert not (tmp_path / "w").exists()
