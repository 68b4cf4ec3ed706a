"""Networks by name: every kind of name, and what each mistake is told."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from lwdna_core.compare.task import tasks
from lwdna_core.errors import LwdnaError
from lwdna_core.networks import build_network


def test_a_factory_in_a_module_gets_the_keywords() -> None:
    network = build_network("torch.nn:Conv2d", in_channels=3, out_channels=5, kernel_size=1)
    assert isinstance(network, nn.Conv2d)
    assert network.weight.shape == (5, 3, 1, 1)


def test_every_network_that_a_task_registers_can_be_built() -> None:
    names = [name for task in tasks().values() for name in task.networks]
    assert names, "no task is installed"
    for name in names:
        assert any(parameter.requires_grad for parameter in build_network(name).parameters()), name


def test_weights_follow_torch_seed() -> None:
    def build(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        weight = build_network("torch.nn:Linear", in_features=4, out_features=4).weight
        assert isinstance(weight, torch.Tensor)
        return weight

    assert torch.equal(build(1), build(1))
    assert not torch.equal(build(1), build(2))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cifar_resnet2O", "cifar_resnet20"),
        ("torch.nn:Conv2", "Conv2d"),
        ("no_such_package.at_all:build", "no_such_package"),
        ("torch.nn:", "torch.nn"),
        ("collections:OrderedDict", "OrderedDict"),
        ("torch.nn:Conv2d", "in_channels"),
    ],
)
def test_a_name_that_leads_to_no_network_says_why(name: str, said: str) -> None:
    with pytest.raises(LwdnaError) as caught:
        build_network(name)
    assert said in str(caught.value)


def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_more.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LwdnaError, match=r"needs_more.*a_package_that_is_not_there"):
        build_network("needs_more:build")


def test_a_factory_that_raises_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raises.py").write_text("def build(width=1):\n    raise TypeError('its own')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LwdnaError, match=r"raises:build.*width=2.*TypeError: its own"):
        build_network("raises:build", width=2)


@pytest.mark.skipif(importlib.util.find_spec("timm") is not None, reason="timm is installed")
def test_timm_missing_is_the_users_to_mend() -> None:
    with pytest.raises(LwdnaError, match=r"timm:resnet18.*No module named 'timm'"):
        build_network("timm:resnet18")


def test_timm() -> None:
    for name in ("timm", "torchvision"):
        pytest.importorskip(name, reason=f"needs {name}", exc_type=ImportError)
    assert build_network("timm:resnet18", num_classes=7)(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    with pytest.raises(LwdnaError, match="resnet18"):
        build_network("timm:resnet_18")


@pytest.mark.skipif(importlib.util.find_spec("pytorchcv") is None, reason="needs pytorchcv")
def test_pytorchcv() -> None:
    assert build_network("pytorchcv:resnet20_cifar10")(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    with pytest.raises(LwdnaError, match="resnet20_cifar100"):
        build_network("pytorchcv:resnet20_cifar_100")
