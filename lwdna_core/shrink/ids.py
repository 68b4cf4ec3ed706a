"""Channel ids, and which of them move together.

A *shadow* is an integer tensor of an activation's own shape: entry by entry the id of the channel that the entry
belongs to, or NONE. Almost every shadow is constant along batch and space, so shadows are expanded views (stride 0)
of a small core; `core` gives that core back, and every rule works on cores.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

NONE = -1
"""The id of an entry that belongs to no channel: a border, a mask, a sum over channels."""


class Ids:
    """A growing set of channel ids with union-find over them, and the reasons why some may not be resized."""

    def __init__(self) -> None:
        self._parent = np.arange(1024, dtype=np.int64)
        self._count = 0
        self._frozen: list[tuple[int, str]] = []

    @property
    def count(self) -> int:
        """How many ids there are."""
        return self._count

    def fresh(self, n: int) -> Tensor:
        """`n` ids that nobody has yet, as a 1-d tensor."""
        start, self._count = self._count, self._count + n
        if self._count > len(self._parent):
            grown = np.arange(max(2 * len(self._parent), self._count), dtype=np.int64)
            grown[:start] = self._parent[:start]
            self._parent = grown
        return torch.arange(start, self._count, device="cpu")

    def find(self, ids: Tensor | np.ndarray) -> np.ndarray:
        """The representative of every id (NONE stays NONE), in an array of the same shape."""
        flat = np.asarray(ids)
        roots = np.where(flat < 0, 0, flat)
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                break
            roots = self._parent[above]
        valid = flat[flat >= 0]
        self._parent[valid] = roots[flat >= 0]  # path compression
        return np.where(flat < 0, NONE, roots)

    def tie(self, a: Tensor, b: Tensor) -> None:
        """Declare that channels with these ids are dropped and kept together; shapes broadcast, NONE ties nothing."""
        left, right = np.broadcast_arrays(self.find(a), self.find(b))
        differ = (left != right) & (left >= 0) & (right >= 0)
        if not differ.any():
            return
        low, high = np.minimum(left, right)[differ], np.maximum(left, right)[differ]
        low, high = np.divmod(np.unique(low * self._count + high), self._count)
        if len(np.unique(high)) == len(high) and not np.isin(high, low).any():  # the usual case: one to one
            self._parent[high] = low
            return
        for x, y in zip(low.tolist(), high.tolist(), strict=True):
            first, second = sorted((self._root(x), self._root(y)))
            self._parent[second] = first

    def _root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = int(self._parent[i])
        return i

    def freeze(self, ids: Tensor, reason: str) -> None:
        """Declare that channels with these ids keep their number, and why. The first reason given is reported."""
        self._frozen += [(int(i), reason) for i in np.unique(self.find(ids)) if i >= 0]

    def frozen(self) -> dict[int, str]:
        """Reason by representative, of everything frozen so far."""
        reasons: dict[int, str] = {}
        for i, reason in self._frozen:
            reasons.setdefault(self._root(i), reason)
        return reasons


def core(shadow: Tensor) -> Tensor:
    """The smallest tensor that broadcasts to `shadow`: size 1 along every dimension on which nothing changes."""
    for d in range(shadow.dim()):
        if shadow.size(d) > 1 and shadow.stride(d) == 0:
            shadow = shadow.narrow(d, 0, 1)
    for d in range(shadow.dim()):
        if shadow.size(d) > 1 and bool((shadow == shadow.narrow(d, 0, 1)).all()):
            shadow = shadow.narrow(d, 0, 1)
    return shadow


def varying(small: Tensor) -> list[int]:
    """The dimensions of a core along which the ids change."""
    return [d for d in range(small.dim()) if small.size(d) > 1]


def merge(ids: Ids, small: Tensor, dims: Iterable[int]) -> Tensor:
    """Tie what lies along `dims` of a core, and return the core with size 1 there."""
    for d in dims:
        if small.size(d) > 1:
            first = small.amax(d, keepdim=True)  # NONE gives way to a real id
            ids.tie(small, first)
            small = first
    return small


def spread(vector: Tensor, dim: int, shape: Iterable[int]) -> Tensor:
    """A shadow of `shape` whose ids are `vector` along `dim` and constant elsewhere."""
    shape = list(shape)
    view = [1] * len(shape)
    view[dim] = vector.numel()
    return vector.reshape(view).expand(shape)


def nothing(shape: Iterable[int]) -> Tensor:
    """A shadow of NONE."""
    return torch.tensor(NONE, device="cpu").expand(list(shape))
