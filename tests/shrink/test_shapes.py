"""What is said of an operation on the meta device is what PyTorch says of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from lwdna_core.shrink.shapes import execute

from .masking import call
from .zoo import CASES, Case


class Compared(TorchDispatchMode):
    """Every operation is run and predicted, twice: what was remembered is used the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        in_place = func._schema.is_mutable
        predicted = [] if in_place else [execute(func, args, kwargs) for _ in range(2)]
        out = func(*args, **kwargs)
        if in_place and isinstance(out, Tensor):
            predicted = [execute(func, args, kwargs)]
            assert predicted[0] is args[0]
        for found in predicted:
            assert list(map(about, tree_leaves(found))) == list(map(about, tree_leaves(out))), func
        self.count += 1
        return out


def about(t: Any) -> Any:
    """Metadata of a tensor; the strides of a dimension of size 1 say nothing."""
    if not isinstance(t, Tensor):
        return t
    strides = [s for s, n in zip(t.stride(), t.shape, strict=True) if n > 1] if t.numel() else []
    return t.shape, strides, t.dtype, t.device.type


def compare(function: Any, *args: Any, **kwargs: Any) -> int:
    args = tree_map_only(Tensor, lambda t: t.to("meta"), args)
    with torch.no_grad(), Compared() as mode:
        function(*args, **kwargs)
    return mode.count


@pytest.mark.parametrize("training", (False, True))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_operation_of_a_network(case: Case, training: bool) -> None:
    network, inputs = case.build().train(training), case.inputs
    try:
        compare(lambda *_: call(network.to("meta"), tree_map_only(Tensor, lambda t: t.to("meta"), inputs)))
    except (NotImplementedError, RuntimeError):
        pytest.skip("needs real values")


SIZES = st.integers(1, 6)
PAIRS = st.tuples(SIZES, SIZES)


@given(st.integers(1, 3), PAIRS, PAIRS, PAIRS, st.tuples(st.integers(0, 3), st.integers(0, 3)), st.booleans())
def test_windows(groups: int, size: tuple, kernel: tuple, stride: tuple, padding: tuple, up: bool) -> None:
    """Convolution and pooling, at sizes that do not fit too."""
    x, w = torch.empty(2, 2 * groups, *size, device="meta"), torch.empty(3 * groups, 2, *kernel, device="meta")
    agree(F.conv2d, x, w, None, stride, padding, (1, 2), groups)
    agree(F.max_pool2d, x, kernel, stride, padding, 1, up)
    agree(F.avg_pool2d, x, kernel, stride, padding, up)


def agree(function: Any, *args: Any) -> None:
    """The same metadata, or an error from both."""
    try:
        function(*args)
    except RuntimeError:
        with pytest.raises(RuntimeError), Predicted():
            function(*args)
    else:
        compare(function, *args)


class Predicted(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return execute(func, args, kwargs or {})


X = torch.empty(2, 4, 5, 5)


@pytest.mark.parametrize("a, b", [
    (X, X), (X, torch.empty(1, 4, 1, 1)), (torch.empty(1, 4, 1, 1), X), (X, torch.empty(5)), (X, X.double()),
    (X, X.to(memory_format=torch.channels_last)), (X.int(), X), (X.int(), 2.5), (X, 2), (X, torch.tensor(2.0)),
    (X.transpose(1, 2), X.transpose(1, 2)), (X, X.transpose(2, 3)),
])  # fmt: skip
def test_types_layouts_and_sizes_that_meet(a: Tensor, b: Any) -> None:
    for function in (torch.add, torch.mul, torch.div, torch.sub):
        assert compare(function, a, b) > 0
    for function in (F.silu, torch.sigmoid, F.hardswish, F.gelu, F.relu):
        if a.is_floating_point():
            assert compare(function, a) > 0


@pytest.mark.parametrize("parts", [
    [X, X], [X, X.transpose(2, 3)], [X, X.double()], [X, torch.empty(2, 1, 5, 5)], [torch.empty(0), X],
    [X.to(memory_format=torch.channels_last)] * 2,
])  # fmt: skip
def test_concatenation(parts: list[Tensor]) -> None:
    assert compare(torch.cat, parts, 1) > 0


def test_means_keep_or_drop() -> None:
    for dims, keep in (((2, 3), True), ((-1,), False), ((), True), ((1, 2, 3), False)):
        assert compare(torch.mean, X, dims, keep) > 0
        assert compare(torch.mean, X.transpose(1, 3), dims, keep) > 0


def test_what_does_not_fit_is_refused() -> None:
    bad = [
        (F.conv2d, torch.empty(1, 3, 4, 4), torch.empty(2, 4, 1, 1)),
        (F.linear, torch.empty(1, 3), torch.empty(2, 4), torch.empty(2)),
        (torch.add, torch.empty(1, 3), torch.empty(1, 2)),
        (torch.cat, [torch.empty(1, 3, 2), torch.empty(1, 3, 4)], 1),
        (F.batch_norm, torch.empty(1, 3, 2, 2), torch.empty(2), torch.empty(2)),
    ]
    for function, *args in bad:
        with pytest.raises(RuntimeError), Predicted():
            function(*tree_map_only(Tensor, lambda t: t.to("meta"), args))
