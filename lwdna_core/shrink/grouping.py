"""Which elements make a group, and how a group lies along the dimensions that it governs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lwdna_core.shrink.record import Record

LUMP = "its channels are tied to each other{}, so none can go alone"
IRREGULAR = "its channels lie in an irregular order in {} (dimension {})"
Runs = tuple[tuple[tuple[int, int, int], ...], frozenset[int]]
Vectors = dict[tuple[str, int], np.ndarray]
"""By (tensor, dim), the representatives along it; equal ones are one object."""


@dataclass(frozen=True)
class Grouping:
    """Free elements, numbered group by group.

    Attributes:
        element: by representative id, the number of its element; -1 where it is fixed, and at the end, which is NONE's.
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
        found: np.ndarray = self.element[roots]
        return found

    def runs(self, element: np.ndarray) -> Runs:
        """How groups lie along a dimension: runs of all elements of a group in order, each `copies` times in a row.

        Args:
            element: per index along the dimension, its element or -1.

        Returns:
            (group, start, copies) of every run, from left to right; and the groups that do not lie in runs.
        """
        key = element.tobytes()
        if key not in self._runs:
            self._runs[key] = self._find_runs(element)
        return self._runs[key]

    def _find_runs(self, element: np.ndarray) -> Runs:
        if len(element) and (first := int(element[0])) >= 0:  # as nearly always: a group and nothing else
            g = int(self.group[first])
            if first == self.starts[g] and len(element) == self.sizes[g] and (element[1:] - element[:-1] == 1).all():
                return ((g, 0, 1),), frozenset()
        found: list[tuple[int, int, int]] = []
        irregular: set[int] = set()
        owner = np.append(self.group, -1)[element]
        # (with `diff`, `append` and the like, thousands of small calls cost as much as all the rest)
        changes = np.flatnonzero(owner[1:] != owner[:-1]) + 1
        begins = np.concatenate(([0][: len(owner)], changes)).astype(np.int64)
        ends = np.concatenate((changes, [len(owner)][: len(owner)])).astype(np.int64)
        jumps = np.zeros(len(owner), dtype=np.int64)
        (element[1:] - element[:-1] != 1).cumsum(out=jumps[1:])
        for begin, end, g in zip(begins.tolist(), ends.tolist(), owner[begins].tolist(), strict=True):
            if g < 0:
                continue
            size, first = int(self.sizes[g]), int(self.starts[g])
            if end - begin == size and jumps[begin] == jumps[end - 1] and element[begin] == first:
                found.append((g, begin, 1))
                continue
            index, i = element[begin:end] - first, 0
            while i < len(index):
                copies = int((index[i:] != index[i]).argmax()) if size > 1 else 1
                run, rest = copies * size, index[i:]
                if copies and len(rest) % run == 0:  # are all that follow alike?
                    again = rest.reshape(-1, size, copies)
                    if (again == np.arange(size)[:, None]).all():
                        found += [(g, start, copies) for start in range(begin + i, end, run)]
                        break
                if copies == 0 or not np.array_equal(rest[:run], np.repeat(np.arange(size), copies)):
                    irregular.add(g)
                    break
                found.append((g, begin + i, copies))
                i += run
        return tuple(found), frozenset(irregular)


def distinct(vectors: Vectors) -> dict[tuple[str, int], np.ndarray]:
    """Those of the vectors that differ, under the first of their names: normalisations repeat what layers make."""
    first: dict[int, tuple[str, int]] = {}
    return {key: v for key, v in vectors.items() if first.setdefault(id(v), key) == key}


def group_elements(vectors: Vectors, reasons: dict[int, str], record: Record) -> Grouping:
    """Group what lies side by side in the same tensors, equally often.

    Args:
        vectors: what lies along which tensors.
        reasons: of what is frozen, by representative; lumps and irregular groups are added.
        record: says which vectors layers make, and what tied channels to each other.
    """
    count = record.ids.count
    single = distinct(vectors)
    order = _order(vectors, single, record)
    # Two elements are alike if every vector holds them equally often: compared by sums of a random number per vector.
    # What an attribute counts is a group of its own, or the attribute would not know its number.
    signature = np.zeros(count, dtype=np.uint64)
    draw = np.random.default_rng(0)
    counted = [record.ids.find(ids) for *_, ids in record.attributes]
    for vector in (*single.values(), *counted):
        np.add.at(signature, vector[vector >= 0], draw.integers(1 << 63, dtype=np.uint64))
    frozen = np.zeros(count, dtype=bool)
    while True:
        frozen[list(reasons)] = True
        members = _partition(order[~frozen[order]], signature)
        element = np.full(count + 1, -1)
        line = np.concatenate([np.zeros(0, dtype=np.int64), *members])
        element[line] = np.arange(len(line))
        sizes = [len(m) for m in members]
        grouping = Grouping(
            element, np.repeat(np.arange(len(members)), sizes), np.array(sizes, dtype=np.int64), np.cumsum([0, *sizes])
        )
        lumps = {g: m[0] for g, m in enumerate(members) if len(m) == 1}
        faults = {
            g: _lump(r, record) if any((v == r).sum() > 1 for v in single.values()) else "a single channel"
            for g, r in lumps.items()
        }
        for (name, dim), vector in single.items():
            for g in grouping.runs(grouping.elements(vector))[1]:
                faults.setdefault(g, IRREGULAR.format(name, dim))
        if not faults:
            return grouping
        for g, reason in faults.items():
            reasons.update(dict.fromkeys(members[g].tolist(), reason))


def _order(vectors: Vectors, single: Vectors, record: Record) -> np.ndarray:
    """All representatives that lie along tensors, in the order in which layers make them; what none makes is last."""
    made = {key: v for key, v in vectors.items() if record.roles.get(key) == "makes"}
    line = np.concatenate([np.zeros(0, dtype=np.int64), *distinct(made).values(), *single.values()])
    line = line[line >= 0]
    place = np.full(record.ids.count, len(line))
    place[line[::-1]] = np.arange(len(line))[::-1]  # the first place is written last
    roots = np.flatnonzero(place < len(line))
    return roots[np.argsort(place[roots])]


def _partition(roots: np.ndarray, signature: np.ndarray) -> list[np.ndarray]:
    """Representatives by group; groups and what is in them in the given order."""
    if not len(roots):
        return []
    _, first, label = np.unique(signature[roots], return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))[label]
    return np.split(roots[np.argsort(rank, kind="stable")], np.cumsum(np.bincount(rank))[:-1])


def _lump(root: int, record: Record) -> str:
    return LUMP.format(next((f" by {op}" for ids, op in record.tied if root in record.ids.find(ids)), ""))
