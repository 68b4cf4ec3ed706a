"""From the record of a traced forward pass to the channel graph: groups, names, reasons, closed forms of the cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from torch import Tensor
from torch.utils._pytree import tree_map_only

from lwdna_core.shrink.cuts import part
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
from lwdna_core.shrink.grouping import Grouping, Vectors, distinct, group_elements
from lwdna_core.shrink.ids import varying
from lwdna_core.shrink.record import ParamView, Record
from lwdna_core.shrink.subject import Subject


def assemble(record: Record, subject: Subject, inputs: Inputs, device: str | None) -> ChannelGraph:
    """Build the graph from a record of the forward pass on `device`."""
    roots = record.ids.roots()
    same: dict[bytes, np.ndarray] = {}
    known: dict[int, np.ndarray] = {}
    for ids in record.labels.values():
        if id(ids) not in known:
            vector = roots[ids.numpy()]
            known[id(ids)] = same.setdefault(vector.tobytes(), vector)
    vectors = {key: known[id(ids)] for key, ids in record.labels.items()}
    reasons = record.ids.frozen()
    grouping = group_elements(vectors, reasons, record)
    tokens, latents = _tokens(vectors, grouping)
    layers = _layers(record, vectors)
    forms = _Forms(roots, grouping, record.shapes)  # while what they go by is held here
    example = as_call(inputs)
    if device:
        example = tree_map_only(Tensor, lambda t: t.detach().to(device), example)
    found = [(path, name, entry, forms.of(roots[ids.numpy()])) for path, name, entry, ids in record.attributes]
    return ChannelGraph(
        groups=_groups(record, roots, vectors, grouping, tokens, layers),
        frozen=_frozen(vectors, reasons, tokens, record),
        layers=layers,
        tokens=tokens,
        attributes=tuple(Attribute(p, n, e, f) for p, n, e, f in found if f is not None and f[1]),
        latents=latents,
        inputs=input_shapes(inputs),
        example=example,
        trail=_trail(record, vectors, forms, subject),
        device=device,
        macs_form=_macs(record, forms),
        params_form=_params(subject, vectors, forms),
    )


def owner(tensor: str) -> str:
    """The module that owns a parameter; the parameter's own name, if it is the network itself."""
    plain = tensor.partition(".parametrizations.")[0]
    return plain if plain != tensor else tensor.rpartition(".")[0] or tensor


def _tokens(vectors: Vectors, grouping: Grouping) -> tuple[dict[tuple[str, int], Tokens], int]:
    """Tokens by (tensor, dim), and the number of latents: one per element, then one per fixed channel."""
    line = np.concatenate([np.zeros(0, dtype=np.int64), *distinct(vectors).values()])
    fixed = np.unique(line[(line >= 0) & (grouping.elements(line) < 0)])
    latent = grouping.element.copy()
    latent[fixed] = len(grouping.group) + np.arange(len(fixed))
    made: dict[int, Tokens] = {}
    for vector in vectors.values():
        if id(vector) not in made:
            element = grouping.elements(vector)
            made[id(vector)] = Tokens(element, latent[vector], grouping.runs(element)[0])
    return {key: made[id(v)] for key, v in vectors.items()}, len(grouping.group) + len(fixed)


def _groups(
    record: Record,
    roots: np.ndarray,
    vectors: Vectors,
    grouping: Grouping,
    tokens: dict[tuple[str, int], Tokens],
    layers: tuple[Layer, ...],
) -> tuple[ChannelGroup, ...]:
    classifiers = {(layer.tensor, layer.in_dim) for layer in layers if layer.classifier}
    slots: list[list[Slot]] = [[] for _ in grouping.sizes]
    place = {name: i for i, name in enumerate(record.shapes)}  # registered first, whatever ran first in this mode
    known: dict[int, list[tuple[int, np.ndarray]]] = {}
    places: dict[tuple[int, int, int], np.ndarray] = {}
    for (name, dim), token in tokens.items():
        if id(token) not in known:
            known[id(token)] = _positions(token, grouping, places)
        role = record.roles.get((name, dim), "follows")
        for g, positions in known[id(token)]:
            slots[g].append(Slot(name, dim, role, positions))
    mixed: list[dict[str, None]] = [{} for _ in grouping.sizes]
    causes = [(roots[ids.numpy()], op) for ids, op in record.mixed]
    causes += [(vectors[key], op) for key, op in record.standardised.items() if key in vectors]
    for mixing, op in causes:
        elements = grouping.elements(mixing)
        for g in np.unique(grouping.group[elements[elements >= 0]]):
            mixed[g][op] = None
    built, names = [], Counter[str]()
    for g, size in enumerate(grouping.sizes):
        first = min((s.role != "makes", place[s.tensor], s.tensor) for s in slots[g])
        names[name := owner(first[-1])] += 1
        unique = name if names[name] == 1 else f"{name}#{names[name]}"
        feeds = bool(classifiers) and any((s.tensor, s.dim) in classifiers for s in slots[g])
        built.append(ChannelGroup(unique, int(size), tuple(slots[g]), tuple(mixed[g]), feeds))
    return tuple(built)


def _positions(
    token: Tokens, grouping: Grouping, known: dict[tuple[int, int, int], np.ndarray]
) -> list[tuple[int, np.ndarray]]:
    """By group that lies along a dimension, the indices of each of its elements; those of `known` runs are shared."""
    lies: dict[int, list[np.ndarray]] = {}
    for g, start, copies in token.runs:
        run = start, int(grouping.sizes[g]), copies
        if run not in known:
            known[run] = np.arange(start, start + run[1] * copies).reshape(-1, copies)
        lies.setdefault(g, []).append(known[run])
    return [(g, np.hstack(pieces) if len(pieces) > 1 else pieces[0]) for g, pieces in lies.items()]


def _layers(record: Record, vectors: Vectors) -> tuple[Layer, ...]:
    """The layers, those marked as classifiers whose products leave the network."""
    leaving = np.unique(
        np.concatenate([np.zeros(0, dtype=np.int64), *(record.ids.find(i).ravel() for i in record.leaving)])
    )
    return tuple(
        replace(layer, classifier=True)
        if layer.linear and np.isin(vectors[layer.tensor, layer.out_dim], leaving).all() else layer
        for layer in record.layers.values()
    )  # fmt: skip


def _frozen(
    vectors: Vectors, reasons: dict[int, str], tokens: dict[tuple[str, int], Tokens], record: Record
) -> tuple[FrozenGroup, ...]:
    """What layers make that cannot change, once per layer, with the first reason."""
    found = {name: FrozenGroup(name, n, reason) for name, (n, reason) in record.opaque.items()}
    for (name, dim), vector in vectors.items():
        if record.roles.get((name, dim)) == "makes":
            fixed = vector[tokens[name, dim].element < 0]
            if len(fixed):
                reason = next((reasons[r] for r in fixed.tolist() if r in reasons), "unknown")
                found.setdefault(owner(name), FrozenGroup(owner(name), len(fixed), reason))
    return tuple(found.values())


class _Forms:
    """Sizes as linear forms of the groups' widths."""

    def __init__(self, roots: np.ndarray, grouping: Grouping, shapes: dict[str, tuple[int, ...]]) -> None:
        self.roots, self.grouping, self.shapes = roots, grouping, shapes
        self._known: dict[bytes, Form | None] = {}
        self._vectors: dict[int, Form | None] = {}
        self._along: dict[tuple[int, tuple[int, ...]], tuple[Form | None, ...]] = {}
        self._carried: dict[tuple[int, tuple[int, ...]], tuple[Form | None, ...]] = {}

    def of(self, roots: np.ndarray) -> Form | None:
        """The form of a dimension with these roots along it; None if elements of a group are not equally frequent."""
        key = roots.tobytes()
        if key not in self._known:
            self._known[key] = self._of(self.grouping.elements(roots))
        return self._known[key]

    def _of(self, elements: np.ndarray) -> Form | None:
        runs, irregular = self.grouping.runs(elements)
        free = elements[elements >= 0]
        if not irregular:
            each: dict[int, int] = {}
            for g, _, copies in runs:
                each[g] = each.get(g, 0) + copies
            return (len(elements) - len(free), tuple(sorted(each.items())))
        counts, pairs, starts = np.bincount(free, minlength=len(self.grouping.group)), [], self.grouping.starts
        for g in np.unique(self.grouping.group[free]):
            own = counts[starts[g] : starts[g + 1]]
            if own.min() != own.max():
                return None
            pairs.append((int(g), int(own[0])))
        return (len(elements) - len(free), tuple(pairs))

    def vector(self, vector: np.ndarray) -> Form | None:
        """The same for one of the vectors that lie along tensors, which are as many objects as they differ."""
        if id(vector) not in self._vectors:
            self._vectors[id(vector)] = self.of(vector)
        return self._vectors[id(vector)]

    def along(self, small: Tensor, shape: tuple[int, ...]) -> tuple[Form | None, ...]:
        """The forms of all dimensions of a tensor. Many activations have one core, which is looked at once."""
        key = id(small), shape
        if key not in self._along:
            found: list[Form | None] = [(n, ()) for n in shape]
            if small.numel() > 1:
                roots, offset = self.roots[small.numpy()], len(shape) - small.dim()
                for d in varying(small):
                    found[d + offset] = self.of(slab(roots, d))
            self._along[key] = tuple(found)
        return self._along[key]

    def carried(self, small: Tensor, shape: tuple[int, ...]) -> tuple[Form | None, ...]:
        """The same of an output; of one without channels nothing is known."""
        key = id(small), shape
        if key not in self._carried:
            empty = not (small.numpy() >= 0).any()
            self._carried[key] = (None,) * len(shape) if empty else self.along(small, shape)
        return self._carried[key]


def _shape(
    carries: Tensor | ParamView | None, shape: tuple[int, ...], vectors: Vectors, forms: _Forms
) -> tuple[Form | None, ...]:
    """What is known of an output's shape, by the ids or the parameter that it carries."""
    if isinstance(carries, Tensor):
        return forms.carried(carries, shape)
    box = None if carries is None else part(carries, forms.shapes[carries.name])
    if carries is None or box is None:
        return (None,) * len(shape)
    return tuple(
        forms.of(vectors[carries.name, d][start:end]) if (carries.name, d) in vectors else (end - start, ())
        for d, (start, end) in enumerate(box)
    )


def _trail(record: Record, vectors: Vectors, forms: _Forms, subject: Subject) -> Trail:
    shapes = [
        [_shape(carries, shape, vectors, forms) for carries, shape in zip(step.cores, step.shapes, strict=True)]
        for step in record.steps
    ]
    modes = {path: m.training for path, m in subject.modules.items()}
    steps = record.steps
    numbers = [s.numbers for s in steps]
    return Trail([s.op for s in steps], [s.line for s in steps], shapes, numbers, record.outputs, modes)


def _macs(record: Record, forms: _Forms) -> Cost:
    terms = []
    for term in record.terms:
        vectors = [forms.of(forms.roots[v.numpy()]) for v in term.vectors]
        terms.append((term.factor, [*forms.along(term.small, term.shape), *vectors]))
    return _cost(terms, len(forms.grouping.sizes))


def _params(subject: Subject, vectors: Vectors, forms: _Forms) -> Cost:
    terms: list[tuple[int, list[Form | None]]] = []
    for name, p in subject.parameters.items():
        known = [(n, vectors.get((name, d))) for d, n in enumerate(p.shape)]
        terms.append((1, [(n, ()) if vector is None else forms.vector(vector) for n, vector in known]))
    return _cost(terms, len(forms.grouping.sizes))


def _cost(terms: list[tuple[int, list[Form | None]]], groups: int) -> Cost:
    index: dict[Form, int] = {(1, ()): 0}
    rows, factors = [], []
    for factor, product in terms:
        row = []
        for form in product:
            if form is not None and form[1]:
                row.append(index.setdefault(form, len(index)))
            elif form is not None:
                factor *= form[0]
        factors.append(factor)
        rows.append(row)
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
    if roots.size == roots.shape[dim]:
        return roots.ravel()
    flat = np.moveaxis(roots, dim, 0).reshape(roots.shape[dim], -1)
    return np.where((flat == flat[:, :1]).all(1), flat[:, 0], -1)
