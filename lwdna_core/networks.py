"""Networks by name: a task's own, a factory in any module, or one of timm's or pytorchcv's."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from lwdna_core.compare.task import tasks, unknown
from lwdna_core.errors import LwdnaError
from lwdna_core.shrink.initialise import remember


class NetworkError(LwdnaError):
    """A name that leads to no network."""


def build_network(name: str, **kwargs: Any) -> nn.Module:
    """Build the network called `name`, freshly initialised from torch's global random state; its factory gets `kwargs`.

    `name` is one of
        cifar_resnet20            a network that an installed task registers
        package.module:factory    a function or class
        timm:resnet50             `timm.create_model`, no pretrained weights
        pytorchcv:resnet20_cifar10

    Raises NetworkError where the name leads nowhere (near names are listed), where the module cannot be imported, where
    the factory fails (with the arguments that it was given), and where it returns something else than a torch module.
    """
    factory = _factory(name)
    try:
        network = remember(lambda: factory(**kwargs))
    except Exception as error:  # the factory is the user's code: anything can come out of it
        given = ", ".join(f"{key}={value!r}" for key, value in kwargs.items())
        raise NetworkError(
            f"network {name!r}: its factory, called with ({given}), raised {type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, nn.Module):
        raise NetworkError(
            f"network {name!r}: expected a torch.nn.Module, its factory returned {type(network).__name__}"
        )
    return network


def structure(network: nn.Module) -> dict[str, Any]:
    """What tells a network from another one under the same name: its parameters' number, and a hash of its modules.

    The hash is of what `repr` shows and of the code of the modules' classes but for torch's, without its comments.
    """
    shown = re.sub(r" at 0x[0-9a-f]+", "", repr(network))  # of functions
    parts = [re.sub(r"\{([^{}]*)\}", lambda found: ", ".join(sorted(found[1].split(", "))), shown)]  # of sets
    classes = {base for module in network.modules() for base in type(module).__mro__}
    for cls in sorted(classes, key=lambda cls: f"{cls.__module__}.{cls.__qualname__}"):
        if cls.__module__.partition(".")[0] not in ("builtins", "torch", "typing"):
            with contextlib.suppress(OSError, TypeError, SyntaxError):  # there is no source of it
                parts.append(ast.dump(ast.parse(textwrap.dedent(inspect.getsource(cls)))))
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return {"params": sum(parameter.numel() for parameter in network.parameters()), "modules": digest}


def _factory(name: str) -> Callable[..., Any]:
    source, colon, attribute = name.partition(":")
    if not colon:
        known = {network: target for task in tasks().values() for network, target in task.networks.items()}
        if name not in known:
            raise unknown("network", name, known)
        return _factory(known[name])
    if source == "timm":
        timm = _import("timm", name)
        if attribute not in timm.list_models():
            raise unknown("timm network", attribute, timm.list_models())
        return lambda **kwargs: timm.create_model(attribute, **kwargs)
    if source == "pytorchcv":
        modules = _pytorchcv_modules(name)
        if attribute not in modules:
            raise unknown("pytorchcv network", attribute, modules)
        source = modules[attribute]
    module = _import(source, name)
    factory = getattr(module, attribute, None)
    if not callable(factory):
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise unknown(f"factory in {source}", attribute, public)
    return factory  # type: ignore[no-any-return]


def _import(module: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as error:  # whatever its code raises: a torchvision that does not fit torch raises RuntimeError
        raise NetworkError(f"network {name!r}: cannot import {module!r}: {type(error).__name__}: {error}") from error


def _pytorchcv_modules(name: str) -> dict[str, str]:
    """The module of every pytorchcv network, from the sources: `model_provider` imports them all, and torchvision."""
    models = _import("pytorchcv.models", name)
    modules = {}
    for info in pkgutil.iter_modules(models.__path__):
        source = Path(models.__path__[0], f"{info.name}.py")
        exported = re.search(r"^__all__ = (\[.*?\])", source.read_text(), re.S | re.M) if not info.ispkg else None
        for network in ast.literal_eval(exported[1]) if exported else ():
            if network.islower():
                modules[network] = f"pytorchcv.models.{info.name}"
    return modules
