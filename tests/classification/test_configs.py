"""The configs: every network with every data set that it is for, under the recipe of that set."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from lwdna_core.compare.config import Experiment, load_experiment
from lwdna_core.compare.task import resolve
from lwdna_core.networks import build_network
from tasks.classification import task

CIFAR = {"epochs": 300, "batch": 64, "steps": [150, 225]}
TINY = {"epochs": 220, "batch": 64, "steps": [200, 205, 210, 215]}
IMAGENET = {"epochs": 150, "batch": 256, "steps": None}  # a cosine
# Prefix of the networks, side of the images, and the published recipe.
DATA = {
    "cifar10": ("cifar_", 32, CIFAR),
    "cifar100": ("cifar_", 32, CIFAR),
    "tiny_imagenet": ("tiny_", 64, TINY),
    "imagenet": ("", 224, IMAGENET),
}
# Registered for ImageNet because CIFAR's are made from them; no experiment of the paper.
WITHOUT = {"regnetx_600mf", "regnetx_800mf", "regnety_600mf", "regnety_800mf"}
PAIRS = [
    (name, data)
    for data, (prefix, *_) in DATA.items()
    for name in task.networks
    if (name.startswith(prefix) if prefix else not name.startswith(("cifar_", "tiny_")) and name not in WITHOUT)
]


def config(name: str, data: str) -> str:
    return f"{name.removeprefix(DATA[data][0])}_{data}"


@cache
def load(name: str) -> Experiment:
    return load_experiment("classification", name)


def test_there_is_a_config_for_every_pair_and_for_nothing_else() -> None:
    names = {config(*pair) for pair in PAIRS} | {"resnet18_image_folder"}
    assert set(task.configs()) == names | {f"{name}_short" for name in names} | {"resnet20_digits"}
    assert set(task.defaults) <= set(task.configs())


@pytest.mark.parametrize("data", DATA)
def test_recipes_are_the_published_ones(data: str) -> None:
    _, side, recipe = DATA[data]
    for name in [name for name, other in PAIRS if other == data]:
        experiment = load(config(name, data))
        cfg = experiment.cfg
        assert (experiment.network, experiment.inputs) == (name, ((3, side, side),))
        # all others have the number of outputs that their data set asks for without being told
        assert experiment.options == ({"num_classes": 100} if data == "cifar100" else {})
        assert cfg.train_cfg.max_epochs == recipe["epochs"]
        assert cfg.train_dataloader.batch_size == recipe["batch"]
        assert cfg.train_dataloader.dataset.type == cfg.val_dataloader.dataset.type == data
        (scheduler,) = cfg.param_scheduler
        if recipe["steps"]:
            assert (scheduler.type, scheduler.milestones, scheduler.gamma) == ("MultiStepLR", recipe["steps"], 0.1)
        else:
            assert (scheduler.type, scheduler.T_max) == ("CosineAnnealingLR", recipe["epochs"])
        expected = {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4 if "vgg" in name else 1e-4}
        assert cfg.optim_wrapper.optimizer == expected | ({"nesterov": True} if "densenet" in name else {})
        assert cfg.model.data_preprocessor.flip
        # The published command for ResNet-50 asks for 0.23 of the widened network, 0.906 of the baseline.
        assert experiment.shrink == {
            "macs": 0.906 if name == "resnet50" else 0.9,
            "width": 2.0,
            "criterion": "gradient",
            "floor": 0.4,
            "classifier_floor": 0.45,
            "batches": 2,
        } | ({"batch_size": 32} if data == "imagenet" else {})


@pytest.mark.parametrize("data", DATA)
def test_short_recipes_have_30_epochs_and_the_same_shape(data: str) -> None:
    for name in [name for name, other in PAIRS if other == data]:
        long, short = load(config(name, data)).cfg.to_dict(), load(f"{config(name, data)}_short").cfg.to_dict()
        assert short["train_cfg"]["max_epochs"] == 30
        (full,), (brief,) = long.pop("param_scheduler"), short.pop("param_scheduler")
        if full["type"] == "MultiStepLR":
            stretched = [30 * step / long["train_cfg"]["max_epochs"] for step in full["milestones"]]
            assert all(min(abs(step - other) for other in brief["milestones"]) < 1 for step in stretched)
            assert all(min(abs(step - other) for other in stretched) < 1 for step in brief["milestones"])
        else:
            assert brief["T_max"] == 30
        assert full["type"] == brief["type"]
        assert {**long, "train_cfg": None} == {**short, "train_cfg": None}


def test_a_pair_without_a_file_is_the_config_of_another_network() -> None:
    option = "experiment.network=pytorchcv:resnet20_cifar100"
    pytest.importorskip("pytorchcv", reason="CONTRIBUTING.md tells how to install pytorchcv, without torchvision")
    experiment = load_experiment("classification", "resnet20_cifar100", [option])
    network = build_network(experiment.network, **experiment.options)
    assert network(torch.zeros(1, *experiment.inputs[0])).shape == (1, 100)


def test_a_folder_of_images_is_named_on_the_command_line() -> None:
    options = [
        "train_dataloader.dataset.folder=flowers",
        "val_dataloader.dataset.folder=flowers",
        "experiment.options.num_classes=102",
    ]
    experiment = load_experiment("classification", "resnet18_image_folder", options)
    assert experiment.cfg.train_dataloader.dataset.folder == "flowers"
    assert build_network(experiment.network, **experiment.options).fc.out_features == 102


def test_the_plug_leads_to_what_it_names() -> None:
    for target in (*task.datasets.values(), *task.networks.values(), task.loss, task.pictures):
        assert callable(resolve(str(target)))
    names = {
        load(name).cfg[part].dataset.type for name in task.configs() for part in ("train_dataloader", "val_dataloader")
    }
    assert names == set(task.datasets)
