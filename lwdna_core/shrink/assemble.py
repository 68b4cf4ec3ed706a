"""From the record of a traced forward pass to the channel graph: groups, names, reasons, closed forms of the cost."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from lwdna_core.shrink.forward import Inputs, as_call, input_shapes
from lwdna_core.shrink.graph import (
    Attribute,
    ChannelGraph,
    ChannelGroup,
    Cost,
    Form,
    FrozenGroup,
    Layer,
    Slot,
    Tokens,
    Trail,
)
from lwdna_core.shrink.provenance import Record

LUMP = "its channels are tied to each other{}, so none can go alone"
IRREGULAR = "its channels lie in an irregular order in {}"


def assemble(record: Record, network: nn.Module, inputs: Inputs, device: str | None) -> ChannelGraph:
    """Build the graph. Elements that lie side by side in the same tensors, equally often, make a group."""
    roots = {key: record.ids.find(ids) for key, ids in record.labels.items()}
    reasons = record.ids.frozen()
    groups = _groups(roots, reasons, record)
    number = {int(r): i for i, r in enumerate(r for g in groups for r in g)}  # element by root
    latent = dict(number)
    for vector in roots.values():
        for r in vector:
            if r >= 0:
                latent.setdefault(int(r), len(latent))
    tokens = {
        key: Tokens(
            np.array([number.get(int(r), -1) for r in vector], dtype=np.int64),
            np.array([latent.get(int(r), -1) for r in vector], dtype=np.int64),
        )
        for key, vector in roots.items()
    }
    built, names = [], Counter[str]()
    mixed = [(set(record.ids.find(ids).flat), op) for ids, op in record.mixed]
    mixed += [(set(roots[key].tolist()), op) for key, op in record.standardised.items() if key in roots]
    layers = _layers(record, roots)
    classifiers = {layer.tensor: layer.in_dim for layer in layers if layer.classifier}
    start = 0
    for members in groups:
        elements = np.arange(start, start := start + len(members))
        slots = tuple(
            Slot(name, dim, record.roles.get((name, dim), "follows"), positions)
            for (name, dim), t in tokens.items()
            if (positions := _positions(t.element, elements)) is not None
        )
        first = next((s for s in slots if s.role == "makes"), slots[0])
        name = owner(first.tensor)
        names[name] += 1
        built.append(
            ChannelGroup(
                name if names[name] == 1 else f"{name}#{names[name]}",
                len(members),
                slots,
                tuple(dict.fromkeys(op for ids, op in mixed if ids & set(members))),
                any(classifiers.get(s.tensor) == s.dim for s in slots),
            )
        )
    forms = _Forms(record, number, [g.size for g in built])
    example = as_call(inputs)
    if device:
        example = tree_map_only(Tensor, lambda t: t.detach().to(device), example)
    found = [(path, name, entry, forms.of(record.ids.find(ids))) for path, name, entry, ids in record.attributes]
    return ChannelGraph(
        groups=tuple(built),
        frozen=_frozen(roots, reasons, number, record),
        layers=layers,
        tokens=tokens,
        attributes=tuple(Attribute(p, n, e, f) for p, n, e, f in found if f is not None and f[1]),
        latents=len(latent),
        inputs=input_shapes(inputs),
        example=example,
        trail=_trail(record, forms, network),
        device=device,
        macs_form=_macs(record, forms),
        params_form=_params(network, roots, forms),
    )


def owner(tensor: str) -> str:
    """The module that owns a parameter; the parameter's own name, if it is the network itself."""
    return (
        tensor.partition(".parametrizations.")[0]
        if ".parametrizations." in tensor
        else tensor.rpartition(".")[0] or tensor
    )


def _groups(roots: dict[tuple[str, int], np.ndarray], reasons: dict[int, str], record: Record) -> list[list[int]]:
    """Roots of the free elements, group by group. Irregular and lumped ones are added to `reasons`."""
    while True:
        signature: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for k, vector in enumerate(roots.values()):
            for r, n in Counter(vector.tolist()).items():
                if r >= 0 and r not in reasons:
                    signature[r].append((k, n))
        members: dict[tuple[tuple[int, int], ...], list[int]] = defaultdict(list)
        for r in _in_order(roots, record):
            if r in signature:
                members[tuple(signature[r])].append(r)
        added = False
        for key, group in members.items():
            reason = _lump(group[0], record) if len(group) == 1 and max(n for _, n in key) > 1 else None
            for k, _ in key:
                name, dim = list(roots)[k]
                if reason is None and not _regular(list(roots.values())[k], group):
                    reason = IRREGULAR.format(f"{name} (dimension {dim})")
            if reason:
                reasons.update(dict.fromkeys(group, reason))
                added = True
        if not added:
            return list(members.values())


def _lump(root: int, record: Record) -> str:
    return LUMP.format(next((f" by {op}" for ids, op in record.tied if root in record.ids.find(ids)), ""))


def _in_order(roots: dict[tuple[str, int], np.ndarray], record: Record) -> list[int]:
    """Every root once, in the order in which layers make them."""
    made = [v for key, v in roots.items() if record.roles.get(key) == "makes"]
    rest = [v for key, v in roots.items() if record.roles.get(key) != "makes"]
    return list(dict.fromkeys(int(r) for vector in made + rest for r in vector if r >= 0))


def _regular(vector: np.ndarray, group: list[int]) -> bool:
    """Whether the members lie in runs: all of them in order, each the same number of times in a row."""
    order = {r: i for i, r in enumerate(group)}
    at = np.array([i for i, r in enumerate(vector) if int(r) in order])
    index = np.array([order[int(vector[i])] for i in at])
    return runs(at, index, len(group)) is not None


def runs(at: np.ndarray, index: np.ndarray, size: int) -> list[tuple[int, int]] | None:
    """Runs of a group in a dimension as (start, copies): all `size` elements in order, each `copies` times in a row.

    Args:
        at: positions of the group's channels, ascending; index: which element each of them is.
    """
    found, i = [], 0
    while i < len(at):
        copies = 1
        while i + copies < len(at) and index[i + copies] == index[i] and size > 1:
            copies += 1
        length = copies * size
        expected = np.repeat(np.arange(size), copies)
        if not np.array_equal(index[i : i + length], expected):
            return None
        if not np.array_equal(at[i : i + length], at[i] + np.arange(length)):
            return None
        found.append((int(at[i]), copies))
        i += length
    return found


def _positions(element: np.ndarray, elements: np.ndarray) -> np.ndarray | None:
    at = np.nonzero((element >= elements[0]) & (element <= elements[-1]))[0]
    if not len(at):
        return None
    return at[np.argsort(element[at], kind="stable")].reshape(len(elements), -1)


def _layers(record: Record, roots: dict[tuple[str, int], np.ndarray]) -> tuple[Layer, ...]:
    """The layers, those marked as classifiers whose products leave the network."""
    leaving = {int(r) for ids in record.leaving for r in record.ids.find(ids).flat if r >= 0}
    return tuple(
        replace(layer, classifier=layer.linear and set(roots[layer.tensor, layer.out_dim].tolist()) <= leaving)
        for layer in record.layers.values()
    )


def _frozen(
    roots: dict[tuple[str, int], np.ndarray], reasons: dict[int, str], number: dict[int, int], record: Record
) -> tuple[FrozenGroup, ...]:
    """What layers make that cannot change, once per layer, with the first reason."""
    found = {name: FrozenGroup(name, n, reason) for name, (n, reason) in record.opaque.items()}
    for (name, dim), vector in roots.items():
        if record.roles.get((name, dim)) == "makes":
            fixed = [int(r) for r in vector if int(r) not in number]
            if fixed:
                reason = next((reasons[r] for r in fixed if r in reasons), "unknown")
                found.setdefault(owner(name), FrozenGroup(owner(name), len(fixed), reason))
    return tuple(found.values())


class _Forms:
    """Sizes as linear forms of the groups' widths."""

    def __init__(self, record: Record, number: dict[int, int], sizes: list[int]) -> None:
        self.record, self.number, self.sizes = record, number, np.array(sizes, dtype=np.int64)
        self.group = np.repeat(np.arange(len(sizes)), sizes)

    def of(self, roots: np.ndarray) -> Form | None:
        """The form of a dimension with these roots along it; None if elements of a group are not equally frequent."""
        elements = np.array([self.number.get(int(r), -1) for r in roots], dtype=np.int64)
        free = elements[elements >= 0]
        if not len(free):
            return (len(elements), ())
        counts = np.bincount(free, minlength=len(self.group))
        pairs = []
        for g in np.unique(self.group[free]):
            own = counts[self.group == g]
            if own.min() != own.max():
                return None
            pairs.append((int(g), int(own[0])))
        return (len(elements) - len(free), tuple(pairs))

    def along(self, small: Tensor, shape: tuple[int, ...]) -> tuple[Form | None, ...]:
        """The forms of all dimensions of a tensor."""
        roots = self.record.ids.find(small)
        offset = len(shape) - small.dim()
        return tuple(
            self.of(slab(roots, d - offset)) if d >= offset and small.size(d - offset) > 1 else (n, ())
            for d, n in enumerate(shape)
        )


def _trail(record: Record, forms: _Forms, network: nn.Module) -> Trail:
    shapes = [
        [(None,) * len(shape) if small is None or not (small >= 0).any() else forms.along(small, shape)
         for small, shape in zip(step.cores, step.shapes, strict=True)]
        for step in record.steps
    ]  # fmt: skip
    modes = {path: m.training for path, m in network.named_modules()}
    steps = record.steps
    numbers = [s.numbers for s in steps]
    return Trail([s.op for s in steps], [s.line for s in steps], shapes, numbers, record.outputs, modes)


def _macs(record: Record, forms: _Forms) -> Cost:
    terms = []
    for term in record.terms:
        vectors = [forms.of(record.ids.find(v)) for v in term.vectors]
        terms.append((term.factor, [*forms.along(term.small, term.shape), *vectors]))
    return _cost(terms, len(forms.sizes))


def _params(network: nn.Module, roots: dict[tuple[str, int], np.ndarray], forms: _Forms) -> Cost:
    terms = []
    for name, p in network.named_parameters():
        terms.append((1, [forms.of(roots[name, d]) if (name, d) in roots else (n, ()) for d, n in enumerate(p.shape)]))
    return _cost(terms, len(forms.sizes))


def _cost(terms: list[tuple[int, list[Form | None]]], groups: int) -> Cost:
    index: dict[Form, int] = {(1, ()): 0}
    rows, factors = [], []
    for factor, product in terms:
        sizes = [f for f in product if f is not None]
        factors.append(factor * math.prod(n for n, pairs in sizes if not pairs))
        rows.append([index.setdefault(f, len(index)) for f in sizes if f[1]])
    most = max(map(len, rows), default=0)
    multiplicity = np.zeros((len(index), groups), dtype=np.int64)
    for (_, pairs), i in index.items():
        for g, n in pairs:
            multiplicity[i, g] = n
    return Cost(
        np.array([n for n, _ in index], dtype=np.int64),
        multiplicity,
        np.array(factors, dtype=np.int64),
        np.array([row + [0] * (most - len(row)) for row in rows], dtype=np.int64).reshape(len(rows), most),
    )


def slab(roots: np.ndarray, dim: int) -> np.ndarray:
    """Per index along `dim`, the one element that all its entries belong to, or -1 where they differ."""
    flat = np.moveaxis(roots, dim, 0).reshape(roots.shape[dim], -1)
    return np.where((flat == flat[:, :1]).all(1), flat[:, 0], -1)
