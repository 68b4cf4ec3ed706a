"""Surgery on a network: tensors of other shapes, and modules whose own attributes say so."""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lwdna_core.shrink.errors import ResizeError
from lwdna_core.shrink.graph import ChannelGraph, Tokens
from lwdna_core.shrink.initialise import RECORD
from lwdna_core.shrink.provenance import COMPILED
from lwdna_core.shrink.subject import Subject, is_parameter


class Plan:
    """What other widths mean for a network.

    Attributes:
        shapes: of the tensors that a group governs, by name.
    """

    def __init__(self, subject: Subject, graph: ChannelGraph, widths: Mapping[str, int]) -> None:
        self.graph = graph
        self.widths = [widths.get(g.name, g.size) for g in graph.groups]
        added = [width - g.size for width, g in zip(self.widths, graph.groups, strict=True)]
        more: dict[int, int] = {}  # by token, which many tensors share
        self.shapes: dict[str, list[int]] = {}
        for (name, dim), token in graph.tokens.items():
            t = subject.tensors.get(name)
            if t is None or t.size(dim) != len(token.element):
                found = "nothing" if t is None else list(t.shape)
                raise ResizeError(f"{name}: expected {len(token.element)} channels on dimension {dim}, found {found}")
            if token.runs:
                if id(token) not in more:
                    more[id(token)] = sum(copies * added[g] for g, _, copies in token.runs)
                if name not in self.shapes:
                    self.shapes[name] = list(t.shape)
                self.shapes[name][dim] += more[id(token)]
        paths = [path for name in self.shapes for path in subject.owners[id(subject.tensors[name])]]
        # in order; a parametrized tensor belongs to the module that uses it
        self._owners = dict.fromkeys(f".{path}".partition(".parametrizations.")[0][1:] for path in paths)

    def adjust(self, modules: Mapping[str, nn.Module]) -> None:
        """Let the attributes of modules (by path) follow their tensors, which are changed already."""
        for path in self._owners:
            _follow(modules[path])
        for a in self.graph.attributes:
            size = a.form[0] + sum(n * self.widths[g] for g, n in a.form[1])
            module = modules[a.module]
            if a.entry is None:
                setattr(module, a.name, size)
            else:
                held = list(getattr(module, a.name))
                held[a.entry] = size
                setattr(module, a.name, type(getattr(module, a.name))(held))


@torch.no_grad()
def rebuild(subject: Subject, graph: ChannelGraph, kept: Mapping[str, Sequence[int] | np.ndarray]) -> Subject:
    """A copy in which every group keeps these elements, in this order; without a check."""
    plan = Plan(subject, graph, {name: len(k) for name, k in kept.items()})
    lists = [np.asarray(kept[g.name]) for g in graph.groups]
    stretches = [_stretch(own) for own in lists]
    chosen: dict[int, tuple[int, int] | Tensor] = {}  # by token, which many tensors share
    memo: dict[int, Any] = {}
    for name in plan.shapes:
        t = subject.tensors[name]
        sides: dict[int, tuple[int, int] | Tensor] = {}
        for d in range(t.dim()):
            token = graph.tokens.get((name, d))
            if token is not None and token.runs:
                if id(token) not in chosen:
                    g, start, copies = token.runs[0]
                    whole = start == 0 and copies == 1 and len(token.element) == graph.groups[g].size
                    chosen[id(token)] = stretches[g] if whole else _stretch(_index(graph, token, lists))
                sides[d] = chosen[id(token)]
        new = _take(t, sides)
        if t.dim() == 4 and not t.is_contiguous() and t.is_contiguous(memory_format=torch.channels_last):
            new = new.contiguous(memory_format=torch.channels_last)
        memo[id(t)] = _parameter(new, t.requires_grad) if is_parameter(t) else new
    result = _copy(subject, memo)
    modules = {path: memo.get(id(m)) or result.get_submodule(path) for path, m in subject.modules.items()}
    plan.adjust(modules)
    return Subject(result, modules)


_ATOMS = frozenset((int, float, bool, str, type(None), torch.dtype, torch.device))

_CONTAINERS = frozenset((dict, OrderedDict, set))


def _parameter(t: Tensor, requires_grad: bool) -> nn.Parameter:
    made: nn.Parameter = torch.Tensor._make_subclass(nn.Parameter, t, requires_grad)  # as its constructor does
    return made


def _copy(subject: Subject, memo: dict[int, Any]) -> nn.Module:
    """`copy.deepcopy(network, memo)`, which spends most of its time on modules that have nothing special."""
    plain = [m for m in subject.modules.values() if _is_plain(m.__class__)]
    for m in plain:
        memo[id(m)] = m.__class__.__new__(m.__class__)
        if RECORD in m.__dict__:
            memo[id(m.__dict__[RECORD])] = m.__dict__[RECORD]
    rest = [t for t in subject.tensors.values() if id(t) not in memo]
    storages = Counter(t.untyped_storage()._cdata for t in rest if type(t) is Tensor)
    for t in rest:
        if type(t) is nn.Parameter:
            memo[id(t)] = _parameter(t.detach().clone(), t.requires_grad)
        elif type(t) is Tensor and _is_whole(t, storages):
            memo[id(t)] = t.clone()
    for m in plain:
        state: dict[str, Any] = m.__dict__.copy()
        state.pop(COMPILED, None)  # it belongs to the original
        for name, held in tuple(state.items()):
            kind = type(held)
            if kind in _ATOMS or (kind is tuple and _ATOMS.issuperset(map(type, held))):
                continue
            if kind in _CONTAINERS and not held:
                state[name] = kind()
            elif kind is list and _ATOMS.issuperset(map(type, held)):
                state[name] = memo.setdefault(id(held), held[:])
            elif name in ("_parameters", "_buffers", "_modules"):
                known = {n: None if v is None else memo.get(id(v)) for n, v in held.items()}
                state[name] = {
                    n: copy.deepcopy(held[n], memo) if v is None and held[n] is not None else v
                    for n, v in known.items()
                }
            elif isinstance(held, Tensor) and not held.is_leaf:  # computed by a hook, which computes it anew
                state[name] = held.detach().clone()
            else:
                state[name] = copy.deepcopy(held, memo)
        memo[id(m)].__setstate__(state)
    return copy.deepcopy(subject.network, memo)


def _is_whole(t: Tensor, storages: Mapping[int, int]) -> bool:
    """Whether a buffer has nothing but its values, and all those of its storage, which is its alone."""
    storage = t.untyped_storage()
    return storages[storage._cdata] == 1 and storage.nbytes() == t.nbytes and not t.requires_grad and not vars(t) \
        and t.is_contiguous()  # fmt: skip


@cache
def _is_plain(kind: type[nn.Module]) -> bool:
    """Whether modules of a class are copied as torch says, by their attributes."""
    inherited = all(
        getattr(kind, name, None) is getattr(nn.Module, name, None)
        for name in ("__new__", "__deepcopy__", "__reduce__", "__reduce_ex__", "__getstate__")
    )
    return inherited and kind.__setstate__.__module__.startswith("torch.nn") and not any(
        "__slots__" in vars(c) for c in kind.__mro__)  # fmt: skip


def _take(t: Tensor, sides: Mapping[int, tuple[int, int] | Tensor]) -> Tensor:
    """A copy that keeps these indices along these dimensions, or a stretch of them: where it starts, and its length."""
    if t.dim() == 1 and isinstance(sides[0], tuple):  # most are
        return t.narrow_copy(0, *sides[0])
    indices = []
    for dim, side in sides.items():
        if isinstance(side, Tensor):
            indices.append((dim, side.to(t.device)))
        else:
            t = t.narrow(dim, *side)
    if [dim for dim, _ in indices] == [0, 1]:
        return t[indices[0][1][:, None], indices[1][1]]
    for dim, index in indices:
        t = t.index_select(dim, index)
    return t if indices else t.clone(memory_format=torch.contiguous_format)


def _stretch(index: np.ndarray) -> tuple[int, int] | Tensor:
    """Indices as where they start and their number, where they are consecutive."""
    return (int(index[0]), len(index)) if (index[1:] - index[:-1] == 1).all() else torch.from_numpy(index)


def _index(graph: ChannelGraph, token: Tokens, kept: list[np.ndarray]) -> np.ndarray:
    """Which old index every new index along a dimension comes from: run by run, fixed entries stay."""
    pieces: list[np.ndarray] = []
    within: dict[tuple[int, int], np.ndarray] = {}  # a group in a grouped convolution has many equal runs
    at = 0
    for g, start, copies in token.runs:
        if start > at:
            pieces.append(np.arange(at, start))
        if (g, copies) not in within:
            own = kept[g]
            within[g, copies] = own if copies == 1 else (copies * own[:, None] + np.arange(copies)).ravel()
        pieces.append(start + within[g, copies])
        at = start + copies * graph.groups[g].size
    if at < len(token.element):
        pieces.append(np.arange(at, len(token.element)))
    return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]


def _follow(module: nn.Module) -> None:
    """A module's own attributes, from the shapes of its tensors."""
    weight = module._parameters.get("weight")
    for name in ("weight_v", "weight_orig"):  # hooks of weight_norm, spectral_norm and prune; `weight` is of before
        weight = module._parameters.get(name) if weight is None else weight
    weight = getattr(module, "weight", None) if weight is None else weight  # parametrized
    if isinstance(module, nn.modules.batchnorm._NormBase):
        own = next((t for t in (weight, module.running_mean) if t is not None), None)
        if own is not None:
            _set(module, num_features=own.numel())
    elif not isinstance(weight, Tensor):
        return
    elif isinstance(module, nn.modules.conv._ConvNd):
        groups, (ins, outs) = module.groups, (0, 1) if module.transposed else (1, 0)
        if groups == module.in_channels and groups > 1:  # depthwise
            multiplier = module.out_channels // module.in_channels
            groups = weight.size(0) if module.transposed else weight.size(0) // multiplier
        _set(
            module, groups=groups, in_channels=weight.size(ins) * (1 if module.transposed else groups),
            out_channels=weight.size(outs) * (groups if module.transposed else 1),
        )  # fmt: skip
    elif isinstance(module, nn.Linear):
        _set(module, in_features=weight.size(1), out_features=weight.size(0))
    elif isinstance(module, nn.GroupNorm):
        if module.num_groups == module.num_channels:
            _set(module, num_groups=weight.numel())
        _set(module, num_channels=weight.numel())
    elif isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
        _set(module, normalized_shape=tuple(weight.shape))
    elif isinstance(module, nn.PReLU):
        _set(module, num_parameters=weight.numel())


def _set(module: nn.Module, **sizes: int | tuple[int, ...]) -> None:
    """Set attributes past `nn.Module.__setattr__`, which first looks whether they are parameters."""
    for name, size in sizes.items():
        if name in module.__dict__:
            module.__dict__[name] = size
        else:
            setattr(module, name, size)
