"""Networks of timm. It imports without torchvision here: stand-ins declare what its data pipeline takes from it."""

from __future__ import annotations

import enum
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from torch import nn

from .catalogue import TIMM, params
from .judge import Network, Row


class Interpolation(enum.Enum):
    NEAREST, BILINEAR, BICUBIC, BOX, HAMMING, LANCZOS = "nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"


class Declared(ModuleType):
    """A module in which every name is a class; networks use none of them."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(self, name, Interpolation if name == "InterpolationMode" else type(name, (nn.Module,), {}))
        return getattr(self, name)


class Torchvision(MetaPathFinder, Loader):
    """Finds torchvision and whatever is imported from it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.partition(".")[0] == "torchvision" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Declared(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


@pytest.fixture(scope="module", autouse=True)
def timm() -> Iterator[None]:
    """Imports timm; torchvision is missing again afterwards, as the other tests expect."""
    if importlib.util.find_spec("timm") is None:
        pytest.skip("timm is not installed: CONTRIBUTING.md tells how, without torchvision")
    finder = Torchvision()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("timm")
    finally:
        sys.meta_path.remove(finder)
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    yield


@pytest.mark.parametrize("case", params(TIMM))
def test_network(case: Network, verdict: Callable[[Network], Row]) -> None:
    verdict(case)
