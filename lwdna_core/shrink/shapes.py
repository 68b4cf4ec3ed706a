"""What operations on the meta device put out, without running them.

On meta tensors many operations run decompositions written in Python, at 0.1 to 1 ms a piece, for shapes that follow
from the arguments. Here the commonest ones are computed, and the others remembered by their arguments. What is not
plain (layouts other than contiguous, types that differ, sizes that do not fit) is left to PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten
META = torch.device("meta")
_LIMIT = 20_000
_known: dict[Any, Any] = {}
_functional: dict[int, bool] = {}  # by identity, as overloads live for ever, and are slow to hash


def execute(func: Any, args: Any, kwargs: Any) -> Any:
    """The operation itself or, for tensors on the meta device, what it puts out."""
    shape = _RULES.get(id(func))
    if shape is not None and not kwargs and (out := shape(*args)) is not None:
        return out
    functional = _functional.get(id(func))
    if functional is None:
        schema = func._schema
        functional = (
            bool(schema.returns)
            and not schema.is_mutable
            and all(r.alias_info is None and str(r.type) == "Tensor" for r in schema.returns)
            and any("Tensor" in str(a.type) for a in schema.arguments)
        )
        _functional[id(func)] = functional
    if not functional:
        return func(*args, **kwargs)
    found: list[bool] = []
    key = (id(func), _key(args, found), _key(tuple(kwargs.items()), found) if kwargs else ())
    if not found or not all(found):  # no tensor, or some not on meta
        return func(*args, **kwargs)
    try:
        like = _known.get(key)
    except TypeError:  # an argument that cannot be hashed
        return func(*args, **kwargs)
    if like is None:
        out = func(*args, **kwargs)
        outputs = out if isinstance(out, tuple) else (out,)
        if all(isinstance(t, Tensor) and t.is_meta for t in outputs):
            if len(_known) >= _LIMIT:
                _known.clear()
            _known[key] = [(t.shape, t.stride(), t.dtype) for t in outputs]
        return out
    made = [torch.empty_strided(size, stride, dtype=dtype, device=META) for size, stride, dtype in like]
    return tuple(made) if len(made) > 1 else made[0]


def _key(values: Any, found: list[bool]) -> Any:
    """Arguments as something that can be hashed; notes for every tensor whether it is on meta."""
    key: list[Any] = []
    for v in values:
        if isinstance(v, Tensor):
            found.append(v.is_meta)
            key.append((v.shape, v.stride(), v.dtype))
        elif isinstance(v, (list, tuple)):
            key.append(_key(v, found))
        else:
            key.append((type(v), v))  # 1, 1.0 and True are equal
    return tuple(key)


def _plain(*tensors: Tensor) -> bool:
    """Whether all are contiguous meta tensors of one floating-point type."""
    dtype = tensors[0].dtype
    for t in tensors:
        if not (t.is_meta and t.dtype == dtype and t.is_contiguous()):
            return False
    return dtype.is_floating_point


def _empty(like: Tensor, shape: Any) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=META)


def _alike(x: Tensor) -> Tensor:
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device=META)  # faster than `empty`


def _unary(x: Tensor, *rest: Any) -> Tensor | None:
    return _alike(x) if _plain(x) else None


def _unary_(x: Tensor, *rest: Any) -> Tensor | None:
    return x if x.is_meta and x.dtype.is_floating_point else None


def _binary(a: Tensor, b: Any, *rest: Any) -> Tensor | None:
    if not isinstance(b, Tensor):
        return _unary(a) if type(b) in (int, float) else None
    if not _plain(a, b):
        return None
    left, right = a.shape, b.shape
    if left == right or (len(left) == len(right) and all(m in (n, 1) for n, m in zip(left, right, strict=True))):
        return _alike(a)
    return None


def _binary_(a: Tensor, b: Any, *rest: Any) -> Tensor | None:
    return a if _binary(a, b) is not None else None


def _convolution(
    x: Tensor, w: Tensor, bias: Tensor | None, stride: list[int], padding: list[int], dilation: list[int],
    transposed: bool, output_padding: list[int], groups: int,
) -> Tensor | None:  # fmt: skip
    size, kernel = x.shape, w.shape
    n = len(kernel) - 2
    if transposed or len(size) != n + 2 or not len(stride) == len(padding) == len(dilation) == n or not _plain(x, w):
        return None
    if size[1] != kernel[1] * groups or kernel[0] % groups or (bias is not None and bias.shape != kernel[:1]):
        return None
    space = [(size[i + 2] + 2 * padding[i] - dilation[i] * (kernel[i + 2] - 1) - 1) // stride[i] + 1 for i in range(n)]
    return _empty(x, (size[0], kernel[0], *space)) if min(space) > 0 and (bias is None or _plain(x, bias)) else None


def _batch_norm(x: Tensor, *statistics: Any) -> tuple[Tensor, Tensor, Tensor] | None:
    if not x.is_meta or x.dim() < 2:
        return None
    channels = x.size(1)
    if any(t.shape != (channels,) for t in statistics if isinstance(t, Tensor)):
        return None
    like = _alike(x) if x.is_contiguous() else torch.empty_like(x)
    saved = _saved(channels, x.dtype)
    return like, saved, saved


@cache
def _saved(channels: int, dtype: torch.dtype) -> Tensor:
    """What batch normalisation keeps for a backward pass: nobody tells one from another."""
    return torch.empty(channels, dtype=dtype, device=META)


def _mean(x: Tensor, dims: list[int] | None, keep: bool = False) -> Tensor | None:
    if not dims or not _plain(x):
        return None
    over = {d % x.dim() for d in dims}
    return _empty(x, [1 if d in over else n for d, n in enumerate(x.shape) if keep or d not in over])


def _pool(x: Tensor, kernel: list[int], stride: list[int], padding: list[int], up: bool) -> Any:
    """(N, C, H, W) after a window of `kernel` in 2 dimensions; `up` rounds sizes up, but no window starts outside."""
    if x.dim() != 4 or not _plain(x) or len(kernel) != 2:
        return None
    shape = list(x.shape)
    stride, padding = [list(v) * (2 // len(v)) for v in (stride or kernel, padding)]
    for i in range(2):
        n, k, s, p = x.shape[i + 2], kernel[i], stride[i], padding[i]
        out = (n + 2 * p - k + (s - 1 if up else 0)) // s + 1
        shape[i + 2] = out - 1 if up and (out - 1) * s >= n + p else out
        if 2 * p > kernel[i] or shape[i + 2] < 1:
            return None
    return _empty(x, shape)


def _max_pool(
    x: Tensor, kernel: list[int], stride: Any = (), padding: Any = (0,), dilation: Any = (1,), up: bool = False
) -> tuple[Tensor, Tensor] | None:
    if any(d != 1 for d in dilation) or (out := _pool(x, kernel, stride, padding, up)) is None:
        return None
    return out, torch.empty(out.shape, dtype=torch.int64, device=META)


def _avg_pool(
    x: Tensor, kernel: list[int], stride: Any = (), padding: Any = (0,), up: bool = False, *rest: Any
) -> Tensor | None:
    pooled: Tensor | None = _pool(x, kernel, stride, padding, up)
    return pooled


def _adaptive_pool(x: Tensor, size: list[int]) -> Tensor | None:
    return _empty(x, (*x.shape[:2], *size)) if x.dim() == 4 and _plain(x) and min(size) > 0 else None


def _cat(tensors: list[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0]
    if not _plain(*tensors):
        return None
    shape = list(first.shape)
    dim %= len(shape)
    for t in tensors[1:]:
        other = t.shape
        if len(other) != len(shape) or any(
            n != m for d, (n, m) in enumerate(zip(shape, other, strict=True)) if d != dim
        ):
            return None
        shape[dim] += other[dim]
    return _empty(first, shape)


def _addmm(bias: Tensor, a: Tensor, b: Tensor) -> Tensor | None:
    if not (a.is_meta and a.dtype == b.dtype == bias.dtype) or a.size(1) != b.size(0) or bias.shape != (b.size(1),):
        return None
    return _empty(a, (a.size(0), b.size(1)))


def _overloads(name: str, *overloads: str) -> list[Any]:
    packet = getattr(aten, name, None)
    return [getattr(packet, o) for o in overloads if hasattr(packet, o)] if packet is not None else []


_SHAPES: dict[Any, Callable[..., Any]] = {
    aten.convolution.default: _convolution,
    aten.native_batch_norm.default: _batch_norm,
    aten.mean.dim: _mean,
    aten.cat.default: _cat,
    aten.addmm.default: _addmm,
    aten.max_pool2d_with_indices.default: _max_pool,
    aten.avg_pool2d.default: _avg_pool,
    aten._adaptive_avg_pool2d.default: _adaptive_pool,
}
for _name in ("relu", "sigmoid", "tanh", "hardtanh", "leaky_relu", "silu", "hardswish", "hardsigmoid", "gelu", "mish",
              "elu", "clamp", "clamp_min", "clamp_max", "neg", "exp", "abs", "sqrt", "rsqrt", "softplus"):  # fmt: skip
    _SHAPES.update(dict.fromkeys(_overloads(_name, "default"), _unary))
    _SHAPES.update(dict.fromkeys(_overloads(_name + "_", "default"), _unary_))
for _name in ("add", "sub", "mul", "div"):
    _SHAPES.update(dict.fromkeys(_overloads(_name, "Tensor", "Scalar"), _binary))
    _SHAPES.update(dict.fromkeys(_overloads(_name + "_", "Tensor", "Scalar"), _binary_))
_RULES = {id(func): shape for func, shape in _SHAPES.items()}
