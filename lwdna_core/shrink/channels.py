"""ChannelConfig: a channel configuration as people read it, as JSON, and applied to a fresh baseline."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lwdna_core.shrink.errors import ConfigError
from lwdna_core.shrink.forward import Inputs
from lwdna_core.shrink.graph import FrozenGroup
from lwdna_core.shrink.proof import trace
from lwdna_core.shrink.resize import resize

FORMAT = 1
Shapes = list[list[int]] | dict[str, list[int]]


@dataclass(frozen=True)
class Totals:
    """Cost of a network on the example input: MACs (see `ChannelGraph.macs`) and number of parameters."""

    macs: int
    params: int


@dataclass(frozen=True)
class GroupWidths:
    """One group: its channels in the baseline, the widened and the found network, the least that it may keep, whether
    it keeps just that, and whether no scored layer reads it.
    """

    name: str
    baseline: int
    widened: int
    found: int
    floor: int
    at_floor: bool = False
    unscored: bool = False


@dataclass(frozen=True)
class SearchCost:
    """What a search took: seconds, batches, and MACs (forward and backward)."""

    seconds: float
    batches: int
    macs: int


@dataclass(frozen=True)
class ChannelConfig:
    """A channel configuration of a network.

    Attributes:
        network, options: name under which the network can be built again, if it has one, and what its factory gets.
        input: shapes of the example inputs, batch dimension included: a list, or a dict for keyword inputs.
        baseline, widened, found: cost of the three networks on this input.
        groups: the widths, in the order in which the forward pass makes the channels.
        frozen: what kept its width, and why.
        unscored: names of groups that no scored layer reads; they keep the mean share of the others.
        limits: which floors prevented the budget, and what is reachable; None where it was met.
        search: what finding it took; None for a baseline.
        settings, seed: what it was found with.
    """

    network: str | None
    input: Shapes
    baseline: Totals
    widened: Totals
    found: Totals
    groups: tuple[GroupWidths, ...]
    frozen: tuple[FrozenGroup, ...] = ()
    unscored: tuple[str, ...] = ()
    limits: str | None = None
    search: SearchCost | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def widths(self) -> dict[str, int]:
        """The found width of every group."""
        return {g.name: g.found for g in self.groups}

    def apply(self, network: nn.Module, *, example_inputs: Inputs | None = None, initialise: bool = True) -> nn.Module:
        """This configuration of a fresh baseline: a plain instance of the same classes.

        Args:
            network: a baseline like the one that the configuration was found for; it is not modified.
            example_inputs: needed only where zeros of the shapes in `input` do not do.
            initialise: draw all weights afresh by the network's own rule (see `resize`), so that nothing depends on
                what the given instance holds.

        Raises:
            ConfigError: if the network is another one; says which groups are missing, unknown or of another width.
        """
        graph = trace(network, self._blank(network) if example_inputs is None else example_inputs)
        own, wanted = graph.widths, {g.name: g.baseline for g in self.groups}
        faults = [f"{n}: not in the network" for n in wanted if n not in own]
        faults += [f"{n}: unknown to the configuration" for n in own if n not in wanted]
        faults += [
            f"{n}: too {'wide' if wanted[n] > own[n] else 'narrow'}, the configuration is for {wanted[n]} channels, "
            f"the network has {own[n]}" for n in wanted if n in own and own[n] != wanted[n]
        ]  # fmt: skip
        if faults:
            more = f"; and {len(faults) - 8} more" if len(faults) > 8 else ""
            raise ConfigError(f"the configuration belongs to another network ({'; '.join(faults[:8])}{more})")
        return resize(network, graph, self.widths, initialise=initialise)

    def _blank(self, network: nn.Module) -> Inputs:
        first: Tensor | None = next(iter((*network.parameters(), *network.buffers())), None)

        def zeros(shape: list[int]) -> Tensor:
            return torch.zeros(shape) if first is None else torch.zeros(shape, device=first.device, dtype=first.dtype)

        if isinstance(self.input, dict):
            return {name: zeros(shape) for name, shape in self.input.items()}
        return tuple(zeros(shape) for shape in self.input)

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON, with the version of the format."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "channel configuration") -> ChannelConfig:
        """The inverse of `to_dict`.

        Raises:
            ConfigError: for another format, and for missing, unknown or wrongly typed keys; names `source` and the key.
        """
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, Mapping) else type(data).__name__
            raise ConfigError(f"{source}: expected a channel configuration of format {FORMAT}, found format {found!r}")
        values = {k: v for k, v in data.items() if k != "format"}
        try:
            for key in ("baseline", "widened", "found"):
                values[key] = _typed(Totals(**_mapping(key, values[key])))
            for key, kind in (("groups", GroupWidths), ("frozen", FrozenGroup)):
                if not isinstance(values[key], (list, tuple)):
                    raise TypeError(f"{key} must be a list, got {values[key]!r}")
                values[key] = tuple(_typed(kind(**_mapping(key, item))) for item in values[key])
            values["unscored"] = tuple(values.get("unscored", ()))
            for key, kinds in _KINDS.items():
                if key in values and not isinstance(values[key], kinds):
                    raise TypeError(f"{key} cannot be {values[key]!r}")
            if values.get("search") is not None:
                values["search"] = _typed(SearchCost(**_mapping("search", values["search"])))
            return cls(**values)
        except KeyError as error:
            raise ConfigError(f"{source}: key {error} is missing") from None
        except TypeError as error:
            raise ConfigError(
                f"{source}: {str(error).replace('ChannelConfig.__init__()', 'the configuration')}"
            ) from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write as JSON; the file appears whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        os.replace(part, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ChannelConfig:
        """Read what `save` wrote.

        Raises:
            ConfigError: names the file and what is wrong with it.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(f"{path}: not a complete JSON file ({error})") from None
        return cls.from_dict(data, str(path))


_KINDS: dict[str, tuple[type, ...]] = {
    "network": (str, type(None)), "input": (list, dict), "limits": (str, type(None)), "settings": (dict,),
    "seed": (int,), "options": (dict,),
}  # fmt: skip


def _mapping(key: str, item: Any) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise TypeError(f"{key} must hold objects, got {item!r}")
    return item


def _typed(item: Any) -> Any:
    """Check the numbers of a dataclass of ours."""
    for key, value in asdict(item).items():
        expected = {"name": str, "reason": str, "at_floor": bool, "unscored": bool, "seconds": float}.get(key, int)
        if type(value) is not expected and not (expected is float and type(value) is int):
            raise TypeError(f"{key} must be of type {expected.__name__}, got {value!r}")
    return item


def shapes_of(example_inputs: Inputs) -> Shapes:
    """Shapes of example inputs, as they stand in a configuration."""
    if isinstance(example_inputs, Mapping):
        return {name: list(t.shape) for name, t in example_inputs.items() if isinstance(t, Tensor)}
    return [list(t.shape) for t in tree_leaves(example_inputs) if isinstance(t, Tensor)]


def describe(network: nn.Module, example_inputs: Inputs) -> ChannelConfig:
    """The configuration that a network has as it is: found, widened and baseline are the same."""
    graph = trace(network, example_inputs)
    totals = Totals(graph.macs(), graph.params())
    groups = tuple(GroupWidths(g.name, g.size, g.size, g.size, floor=1) for g in graph.groups)
    return ChannelConfig(None, shapes_of(example_inputs), totals, totals, totals, groups, graph.frozen)
