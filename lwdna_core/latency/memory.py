"""How much memory a forward pass holds at its peak, where no allocator keeps count."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveTensors(TorchDispatchMode):
    """Adds up the tensors that are alive at once, each storage once; what a kernel uses inside itself is not seen.

    >>> import torch
    >>> x = torch.zeros(1000)
    >>> with LiveTensors([x]) as tensors:
    ...     y = (x + 1) * 2  # x, x + 1 and y at once, 4 bytes an entry; x + 1 is gone after that
    ...     z = y.view(10, 100) + 1
    >>> tensors.peak
    12000

    Args:
        held: tensors that are there from the start: weights and inputs.

    Attributes:
        peak: bytes.
    """

    def __init__(self, held: Iterable[Tensor]) -> None:
        super().__init__()
        self.peak = 0
        self._live: dict[int, int] = {}  # bytes of a storage by its address
        self._finalizers: list[weakref.finalize[..., Any]] = []
        for tensor in held:
            self._add(tensor)

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._add(leaf)
        return out

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._live:
            self._live[key] = storage.nbytes()
            # torch keeps one Python object for a storage for as long as the storage lives
            self._finalizers.append(weakref.finalize(storage, self._live.pop, key, None))
            self.peak = max(self.peak, sum(self._live.values()))

    def __exit__(self, *exception: Any) -> None:
        for finalizer in self._finalizers:
            finalizer.detach()
        super().__exit__(*exception)
