"""Which elements make a group, and how a group lies along the dimensions that it governs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lwdna_core.shrink.provenance import Record

LUMP = "its channels are tied to each other{}, so none can go alone"
IRREGULAR = "its channels lie in an irregular order in {} (dimension {})"
Runs = tuple[tuple[tuple[int, int, int], ...], frozenset[int]]
Vectors = dict[tuple[str, int], np.ndarray]


@dataclass(frozen=True)
class Grouping:
    """Free elements, numbered group by group.

    Attributes:
        element: by representative id, the number of its element; -1 where it is fixed.
        group: by element, its group.
        sizes: by group, its number of elements.
        starts: by group, its first element; the number of elements at the end.
    """

    element: np.ndarray
    group: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    _runs: dict[bytes, Runs] = field(default_factory=dict)

    def elements(self, roots: np.ndarray) -> np.ndarray:
        """Elements of representatives, -1 for fixed ones and for NONE."""
        return np.where(roots < 0, -1, self.element[roots])

    def runs(self, element: np.ndarray) -> Runs:
        """How groups lie along a dimension: runs of all elements of a group in order, each `copies` times in a row.

        Args:
            element: per index along the dimension, its element or -1.

        Returns:
            (group, start, copies) of every run, from left to right; and the groups that do not lie in runs.
        """
        key = element.tobytes()
        if key not in self._runs:  # normalisations repeat the vectors of convolutions
            self._runs[key] = self._find_runs(element)
        return self._runs[key]

    def _find_runs(self, element: np.ndarray) -> Runs:
        found: list[tuple[int, int, int]] = []
        irregular: set[int] = set()
        owner = np.full(len(element), -1)
        owner[element >= 0] = self.group[element[element >= 0]]
        ends = [*(np.flatnonzero(owner[1:] != owner[:-1]) + 1).tolist(), len(element)]
        for begin, end in zip([0, *ends[:-1]], ends, strict=True):
            if begin == end or (g := int(owner[begin])) < 0:
                continue
            size, index, i = int(self.sizes[g]), element[begin:end] - self.starts[g], 0
            while i < len(index):
                copies = int((index[i:] != index[i]).argmax()) if size > 1 else 1
                if copies == 0 or not np.array_equal(index[i : i + copies * size], np.repeat(np.arange(size), copies)):
                    irregular.add(g)
                    break
                found.append((g, begin + i, copies))
                i += copies * size
        return tuple(found), frozenset(irregular)


def group_elements(vectors: Vectors, reasons: dict[int, str], record: Record) -> Grouping:
    """Group what lies side by side in the same tensors, equally often.

    Args:
        vectors: by (tensor, dim), the representatives along it.
        reasons: of what is frozen, by representative; lumps and irregular groups are added.
        record: says which vectors layers make, and what tied channels to each other.
    """
    frozen = np.zeros(record.ids.count, dtype=bool)
    while True:
        frozen[list(reasons)] = True
        members, most = _partition(vectors, frozen, record)
        element = np.full(record.ids.count, -1)
        order = np.concatenate([np.zeros(0, dtype=np.int64), *members])
        element[order] = np.arange(len(order))
        sizes = [len(m) for m in members]
        grouping = Grouping(
            element, np.repeat(np.arange(len(members)), sizes), np.array(sizes, dtype=np.int64), np.cumsum([0, *sizes])
        )
        single = {g: m[0] for g, m in enumerate(members) if len(m) == 1}
        faults = {g: _lump(r, record) if most[r] > 1 else "a single channel" for g, r in single.items()}
        for (name, dim), vector in vectors.items():
            for g in grouping.runs(grouping.elements(vector))[1]:
                faults.setdefault(g, IRREGULAR.format(name, dim))
        if not faults:
            return grouping
        for g, reason in faults.items():
            reasons.update(dict.fromkeys(members[g].tolist(), reason))


def _partition(vectors: Vectors, frozen: np.ndarray, record: Record) -> tuple[list[np.ndarray], np.ndarray]:
    """Free representatives by group, in the order in which layers make them; and how often each lies in one vector."""
    # Two elements are alike if every vector holds them equally often: compared by sums of random numbers per vector.
    signature, most = np.zeros((len(frozen), 2), dtype=np.uint64), np.zeros(len(frozen), dtype=np.int64)
    draw = np.random.default_rng(0)
    for vector in vectors.values():
        present, times = np.unique(vector[vector >= 0], return_counts=True)
        signature[present] += draw.integers(1 << 63, size=2, dtype=np.uint64) * times[:, None].astype(np.uint64)
        most[present] = np.maximum(most[present], times)
    made = [v for key, v in vectors.items() if record.roles.get(key) == "makes"]
    rest = [v for key, v in vectors.items() if record.roles.get(key) != "makes"]
    line = np.concatenate([np.zeros(0, dtype=np.int64), *made, *rest])
    line = line[(line >= 0) & ~frozen[line]]
    roots = line[np.sort(np.unique(line, return_index=True)[1])]
    _, first, label = np.unique(signature[roots], axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))[label.ravel()]
    ordered = roots[np.argsort(rank, kind="stable")]
    return np.split(ordered, np.cumsum(np.bincount(rank))[:-1]) if len(roots) else [], most


def _lump(root: int, record: Record) -> str:
    return LUMP.format(next((f" by {op}" for ids, op in record.tied if root in record.ids.find(ids)), ""))
