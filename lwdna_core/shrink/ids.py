"""Channel ids, and which of them move together.

A *shadow* is an integer tensor of an activation's own shape: entry by entry the id of the channel that the entry
belongs to, or NONE. Almost every shadow is constant along batch and space, so shadows are expanded views (stride 0)
of a small core; `core` gives that core back, and every rule works on cores.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

NONE = -1
"""The id of an entry that belongs to no channel: a border, a mask, a sum over channels."""


class Ids:
    """A growing set of channel ids with union-find over them, and the reasons why some may not be resized."""

    def __init__(self) -> None:
        self._parent = _singletons(1024)
        self._count = 0
        self._frozen: list[tuple[np.ndarray, str]] = []

    @property
    def count(self) -> int:
        """How many ids there are."""
        return self._count

    def fresh(self, n: int) -> Tensor:
        """`n` ids that nobody has yet, as a 1-d tensor."""
        start, self._count = self._count, self._count + n
        if self._count >= len(self._parent):
            grown = _singletons(max(2 * len(self._parent), self._count + 1))
            grown[:start] = self._parent[:start]
            self._parent = grown
        return torch.arange(start, self._count, device="cpu")

    def find(self, ids: Tensor | np.ndarray) -> np.ndarray:
        """The representative of every id (NONE stays NONE), in an array of the same shape."""
        flat = ids.numpy() if isinstance(ids, Tensor) else ids
        roots: np.ndarray = self._parent[flat]
        while not ((above := self._parent[roots]) == roots).all():
            roots = self._parent[above]
            self._parent[flat] = roots  # path compression
        return roots

    def tie(self, a: Tensor, b: Tensor) -> None:
        """Declare that channels with these ids are dropped and kept together; shapes broadcast, NONE ties nothing."""
        left, right = self.find(a), self.find(b)
        while True:
            low, high = np.minimum(left, right), np.maximum(left, right)
            differ = (low != high) & (low >= 0)
            if not differ.any():
                return
            low, high = low[differ], high[differ]
            # The least of those that a representative meets becomes its parent; then the others are looked at again.
            np.minimum.at(self._parent, high, low)
            others = self._parent[high] != low
            if not others.any():
                return
            left, right = self.find(low[others]), self.find(high[others])

    def freeze(self, ids: Tensor, reason: str) -> None:
        """Declare that channels with these ids keep their number, and why. The first reason given is reported."""
        self._frozen.append((np.unique(self.find(ids)), reason))

    def roots(self) -> np.ndarray:
        """The representative of every id, by id; the last entry is NONE's."""
        roots = np.append(self._parent[: self._count], NONE)
        while not np.array_equal(above := roots[roots], roots):
            roots = above
        return roots

    def frozen(self) -> dict[int, str]:
        """Reason by representative, of everything frozen so far."""
        reasons: dict[int, str] = {}
        roots = self.roots()
        for ids, reason in self._frozen:
            for root in roots[ids].tolist():
                reasons.setdefault(root, reason)
        reasons.pop(NONE, None)
        return reasons


def _singletons(n: int) -> np.ndarray:
    """Every id its own parent; the last entry, which is NONE's, belongs to nobody."""
    parent = np.arange(n, dtype=np.int64)
    parent[NONE] = NONE
    return parent


def core(shadow: Tensor) -> Tensor:
    """The smallest tensor that broadcasts to `shadow`: size 1 along every dimension on which nothing changes.

    It is remembered at the shadow, so that an activation's core is one object, whoever asks for it.
    """
    held = vars(shadow)
    if "core" in held:
        known: Tensor | None = held["core"]
        return shadow if known is None else known
    small, strides = shadow, shadow.stride()
    if 0 in strides:
        shape = [n if stride else 1 for n, stride in zip(shadow.shape, strides, strict=True)]
        small = shadow.as_strided(shape, strides, shadow.storage_offset())
    for d in varying(small):
        entries, before = small.numpy(), (slice(None),) * d
        first, last = entries[(*before, slice(1))], entries[(*before, slice(-1, None))]
        if first.item(0) == last.item(0) and (entries == first).all():
            small = small.narrow(d, 0, 1)
    if small is not shadow:
        held["core"] = small
    vars(small)["core"] = None  # itself
    return small


def holes(small: Tensor) -> bool:
    """Whether some entries of a core belong to no channel."""
    held = vars(small)
    if "holes" not in held:
        held["holes"] = bool((small.numpy() < 0).any())
    known: bool = held["holes"]
    return known


def varying(small: Tensor) -> list[int]:
    """The dimensions of a core along which the ids change."""
    return [d for d, n in enumerate(small.shape) if n > 1]


def merge(ids: Ids, small: Tensor, dims: Iterable[int]) -> Tensor:
    """Tie what lies along `dims` of a core, and return the core with size 1 there."""
    for d in dims:
        if small.size(d) > 1:
            first = small.amax(d, keepdim=True)  # NONE gives way to a real id
            ids.tie(small, first)
            small = first
    return small


def spread(vector: Tensor, dim: int, dims: int) -> Tensor:
    """A core of `dims` dimensions whose ids are `vector` along `dim`."""
    view = [1] * dims
    view[dim] = vector.numel()
    return vector.reshape(view)


def nothing(shape: Iterable[int]) -> Tensor:
    """A shadow of NONE."""
    return _nothing(tuple(shape))


@lru_cache(maxsize=4096)
def _nothing(shape: tuple[int, ...]) -> Tensor:
    return torch.tensor(NONE, device="cpu").expand(shape)
