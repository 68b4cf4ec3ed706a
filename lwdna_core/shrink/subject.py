"""A network on stand-ins for its parameters and buffers, put back as it was whatever its forward pass did."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from lwdna_core.shrink.provenance import COMPILED

_EVERY = tuple(vars(nn.Module()))
_CONTAINERS = frozenset((list, dict, set, OrderedDict, defaultdict, deque))


class Subject:
    """A network to be run many times on stand-ins, and left as it was: its parts are listed once.

    Attributes:
        modules: by path, as in `named_modules`.
        tensors: by name, as in `named_parameters` and `named_buffers`, parameters first.
        owners: paths of the modules where a tensor is registered, by its identity.
        compiled: modules whose calls `torch.compile` has replaced; here they run eagerly.
    """

    def __init__(self, network: nn.Module, modules: dict[str, Any] | None = None) -> None:
        self.network = network
        self.modules = _named_modules(network, "", {}, set()) if modules is None else modules
        self.compiled = [m for m in self.modules.values() if COMPILED in m.__dict__]
        self.tensors: dict[str, Tensor] = {}
        self.owners: dict[int, list[str]] = {}
        for kind in ("_parameters", "_buffers"):
            for path, m in self.modules.items():
                for name, t in getattr(m, kind).items():
                    if t is None:
                        continue
                    if id(t) in self.owners:
                        self.owners[id(t)].append(path)
                    else:
                        self.owners[id(t)] = [path]
                        self.tensors[f"{path}.{name}" if path else name] = t

    @cached_property
    def _own(self) -> list[dict[str, Tensor | None]]:
        """Where tensors are registered."""
        return [d for m in self.modules.values() for d in (m._parameters, m._buffers) if d]

    @cached_property
    def _held(self) -> list[tuple[Any, Any]]:
        """All that a forward may change: what it remembers (a grid, a counter, features) is of the stand-ins' kind.

        Kept from the first run on, as a network that is only copied needs none.
        """
        return [
            (d, d.copy()) for m in self.modules.values() for d in (m.__dict__, m._parameters, m._buffers, m._modules)
        ]

    @cached_property
    def _extras(self) -> list[Any]:
        """Attributes with a state of their own: containers and generators."""
        every = (v for m in self.modules.values() for v in _extra(m.__dict__))
        return [v for v in every if v.__class__ in _CONTAINERS or isinstance(v, torch.Generator)]

    @cached_property
    def _containers(self) -> list[tuple[Any, Any]]:
        """What a forward or a hook may fill: a cache, a list of features."""
        left = [v for v in self._extras if v.__class__ in _CONTAINERS]
        found: dict[int, tuple[Any, Any]] = {}
        while left:
            held = left.pop()
            if id(held) not in found:
                found[id(held)] = held, held.copy()
                inside = held.values() if isinstance(held, dict) else held
                left += [v for v in inside if v.__class__ in _CONTAINERS]
        return list(found.values())

    @property
    def generators(self) -> list[torch.Generator]:
        """Of random numbers, which the network has for itself."""
        return [v for v in self._extras if isinstance(v, torch.Generator)]

    @cached_property
    def parameters(self) -> dict[str, nn.Parameter]:
        return {n: t for n, t in self.tensors.items() if is_parameter(t)}

    @contextmanager
    def swapped(self, stand_ins: Mapping[int, Tensor]) -> Iterator[None]:
        """Every tensor replaced by its stand-in, wherever it is registered; afterwards everything is put back.

        `torch.func.functional_call` does the same but for modules registered under two names, which it leaves broken.
        """
        held, containers = self._held, self._containers  # before anything is changed
        try:
            for own in self._own:
                for name, t in own.items():
                    if t is not None:
                        own[name] = stand_ins[id(t)]
            yield
        finally:
            for now, kept in held:
                if now or kept:
                    now.clear()
                    now.update(kept)
            for now, kept in containers:
                now.clear()
                (now.update if isinstance(now, (dict, set)) else now.extend)(kept)


def _extra(own: dict[str, Any]) -> Iterator[Any]:
    """What a module holds besides what every module has, which stands first where nothing was set before it."""
    first = next(iter(own), None) == _EVERY[0]
    return islice(own.values(), len(_EVERY), None) if first else (v for k, v in own.items() if k not in _EVERY)


def _named_modules(m: nn.Module, path: str, found: dict[str, Any], seen: set[int]) -> dict[str, Any]:
    """`dict(network.named_modules())` without a generator for every level of nesting, which is three times as slow."""
    if id(m) not in seen:
        seen.add(id(m))
        found[path] = m
        for name, child in m._modules.items():
            if child is not None:
                _named_modules(child, f"{path}.{name}" if path else name, found, seen)
    return found


def is_parameter(t: Tensor) -> TypeGuard[nn.Parameter]:
    """As `isinstance`, which for parameters is slow."""
    return type(t) is nn.Parameter or (type(t) is not Tensor and isinstance(t, nn.Parameter))
