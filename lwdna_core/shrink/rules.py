"""What each operation does to channel ids, except for the layers with weights (see `layers`).

A rule reads the shadows of its inputs and sets those of its outputs. An operation that has no rule freezes whatever
flows through it: the engine never guesses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from lwdna_core.shrink.ids import NONE, core, merge, nothing, varying
from lwdna_core.shrink.provenance import Op, ParamView, Tracer

Rule = Callable[[Tracer, Op], None]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operations of these names."""

    def add(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return add


def apply(tracer: Tracer, op: Op) -> None:
    """Set the shadows of an operation's outputs."""
    import lwdna_core.shrink.layers  # registers its rules

    function = RULES.get(op.name) or RULES.get(op.name.rstrip("_") if op.name.endswith("_") else "")
    if function is None:
        function = elementwise if op.pointwise else unknown
    function(tracer, op)


def unknown(tracer: Tracer, op: Op) -> None:
    """No rule: what flows through is frozen, and what comes out is a constant to everybody else."""
    for t in op.tensors():
        if (ids := tracer.ids_of(t)) is not None:
            tracer.ids.freeze(core(ids), f"{op.name}, an operation without a rule, {tracer.site()}")


@rule("native_dropout", "prelu", "_prelu_kernel", "rrelu_with_noise", "where", "bernoulli", "dropout", "alpha_dropout",
      "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "clone", "contiguous", "detach",
      "alias", "_to_copy", "lift_fresh", "copy", "clamp", "gelu", "hardswish", "mish", "silu", "addcmul", "addcdiv",
      "native_alpha_dropout", "lerp", "_copy_from", "to")  # fmt: skip
def elementwise(tracer: Tracer, op: Op) -> None:
    """Ids that meet are tied; a size-1 side that is stretched over other channels ties nothing."""
    inputs, target = [t for t in op.tensors() if t.dim() > 0], op.outputs()[0]
    shadows = [(t, s) for t in inputs if (s := tracer.ids_of(t)) is not None]
    views = [v for t in inputs if tracer.ids_of(t) is None and (v := tracer.view_of(t)) is not None]
    before = tracer.ids_of(op.args.get("self"))
    unlearnt = op.name.endswith("_") and _partial(target) and (before is None or not bool((before >= 0).any()))
    met = meet(tracer, [s for _, s in shadows], tuple(target.shape)) if shadows else None
    if met is not None:
        for t in inputs:
            if tracer.ids_of(t) is None and tracer.view_of(t) is None:
                _literal(tracer, op, t, met)
        for view in views:
            label_view(tracer, view, met)
    widest = max(views, key=lambda v: v.proxy.numel(), default=None)
    if widest and widest.proxy.numel() == target.numel() and all(tracer.view_of(t) for t, _ in shadows):
        tracer.shadows[target] = widest  # a weight, scaled or standardised
    elif met is not None:
        if unlearnt and bool((met >= 0).any()):  # the shadow of the whole cannot learn what a part of it becomes
            tracer.ids.freeze(met, f"assignment into a part of a tensor, {tracer.site()}")
        for out in op.outputs():
            tracer.set(out, met if out.shape == target.shape else nothing(out.shape))


def meet(tracer: Tracer, shadows: list[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Broadcast shadows against each other, tie what meets, and return the core of the result."""
    small = [core(s).reshape([1] * (len(shape) - s.dim()) + list(core(s).shape)) for s in shadows]
    full = [[1] * (len(shape) - s.dim()) + list(s.shape) for s in shadows]
    axes = {d for s in small for d in varying(s)}
    result = torch.full([1] * len(shape), NONE, device="cpu")
    for s, size in zip(small, full, strict=True):
        stretched = [d for d in axes if size[d] == 1 and shape[d] > 1]
        if stretched:  # a map times channels: not channels of the same kind
            if varying(s):
                for other in small:
                    tracer.ids.freeze(other, f"an outer product of channels, {tracer.site()}")
            tracer.ids.freeze(s, f"stretched over other channels, {tracer.site()}")
            continue
        tracer.ids.tie(result, s)
        result = torch.where(result < 0, s, result)
    return core(result)


def _literal(tracer: Tracer, op: Op, constant: Tensor, met: Tensor) -> None:
    """A constant of the network's own code with an entry per channel fixes their number."""
    offset = met.dim() - constant.dim()
    if any(d >= offset and constant.size(d - offset) > 1 for d in varying(met)):
        tracer.ids.freeze(met, f"{op.name} with a constant of shape {list(constant.shape)}, {tracer.site()}")


def label_view(tracer: Tracer, view: ParamView, met: Tensor) -> None:
    """Channels met a parameter entry by entry: find the dimension of the parameter along which they lie."""
    proxy = view.proxy[(None,) * (met.dim() - view.proxy.dim())]
    ids = met.reshape([1] * (proxy.dim() - met.dim()) + list(met.shape))
    shape = tracer.record.shapes[view.name]
    if any(proxy.size(d) == 1 for d in varying(ids)):
        return  # the parameter is stretched over the channels: nothing of it lies along them
    order = sorted(range(proxy.dim()), key=lambda d: (-proxy.stride(d), proxy.size(d) == 1))
    permuted = proxy.permute(order)
    if proxy.numel() != math.prod(shape) or not permuted.is_contiguous():
        tracer.ids.freeze(ids, f"part of parameter {view.name} as a factor, {tracer.site()}")
        return
    laid = core(ids.expand(proxy.shape).permute(order).reshape(shape))
    if len(varying(laid)) > 1:
        tracer.ids.freeze(laid, f"parameter {view.name} with channels on several dimensions, {tracer.site()}")
        return
    for d in varying(laid):
        tracer.record.label(view.name, d, laid.flatten())


def _partial(t: Tensor) -> bool:
    return t.untyped_storage().nbytes() > t.numel() * t.element_size()


# operations that only rearrange entries are executed on the ids


@rule("view", "_unsafe_view", "reshape", "_reshape_alias", "unflatten", "flatten")
def view(tracer: Tracer, op: Op) -> None:
    """Where one axis of channels is split in two, the inner part counts on (or the outer, as the proof decides)."""
    source, out = op.args["self"], op.out
    if _proxy(tracer, op, lambda t: t.reshape(out.shape)):
        return
    if (ids := tracer.ids_of(source)) is None:
        return
    before = core(ids)
    after = core(ids.reshape(out.shape))
    axes = varying(after)
    if len(axes) > len(varying(before)):
        kept = axes[-1] if tracer.choose(2) == 0 else axes[0]
        after = merge(tracer.ids, after, [d for d in axes if d != kept])
    tracer.set(out, after)


def _proxy(tracer: Tracer, op: Op, move: Callable[[Tensor], Tensor]) -> bool:
    """Rearranging a parameter leads to a view of it that is followed; True where that was the case."""
    seen = tracer.view_of(op.args["self"])
    if seen is None:
        return False
    try:
        moved = move(seen.proxy)
    except RuntimeError:
        return False
    if moved.untyped_storage()._cdata != seen.proxy.untyped_storage()._cdata:
        return False
    tracer.shadows[op.out] = ParamView(seen.name, moved)
    return True


@rule("permute", "transpose", "t", "unsqueeze", "squeeze", "numpy_T", "movedim", "swapaxes", "flip")
def move(tracer: Tracer, op: Op) -> None:
    """Same call, on ids."""
    args, kwargs = op.raw
    if _proxy(tracer, op, lambda t: op.func(t, *args[1:], **kwargs)):
        return
    if (ids := tracer.ids_of(args[0])) is not None:
        tracer.set(op.out, op.func(ids, *args[1:], **kwargs))


@rule("unfold")
def windows(tracer: Tracer, op: Op) -> None:
    """Windows over space; windows over channels are beyond us."""
    ids = tracer.ids_of(op.args["self"])
    if ids is not None and op.args["dimension"] % ids.dim() in varying(core(ids)):
        return unknown(tracer, op)
    move(tracer, op)


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(tracer: Tracer, op: Op) -> None:
    """The inner part of the split counts, as in `view`."""
    if (ids := tracer.ids_of(op.args["self"])) is None:
        return
    small, groups = core(ids), op.args["groups"]
    if small.size(1) > 1:
        small = merge(tracer.ids, small.unflatten(1, (groups, -1)), [1])
        small = small.expand([groups if d == 1 else n for d, n in enumerate(small.shape)]).transpose(1, 2).flatten(1, 2)
    tracer.set(op.out, small)


@rule("expand", "broadcast_to", "expand_as", "repeat", "tile")
def expand(tracer: Tracer, op: Op) -> None:
    """A map of one channel stretched to many is no channel of theirs."""
    source, out = op.args["self"], op.out
    if op.name in ("expand", "broadcast_to") and _proxy(tracer, op, lambda t: t.expand(out.shape)):
        return
    if (ids := tracer.ids_of(source)) is None:
        return
    small, shape = core(ids), [1] * (out.dim() - source.dim()) + list(source.shape)
    if not varying(small) and out.dim() > 1 and shape[1] == 1 and out.size(1) > 1:
        tracer.ids.freeze(small, f"stretched over other channels, {tracer.site()}")
        small = nothing([1])
    if op.name in ("repeat", "tile"):
        repeats = list(op.args.get("repeats", op.args.get("dims")))
        small = small.reshape([1] * (out.dim() - small.dim()) + list(small.shape))
        small = small.repeat([r if small.size(d) > 1 else 1 for d, r in enumerate(repeats)])
    tracer.set(out, small)


@rule("cat", "stack", "concat", "concatenate", "hstack", "vstack")
def join(tracer: Tracer, op: Op) -> None:
    """Ids side by side; a constant among them is a fixed stretch."""
    tensors, dim = list(op.args["tensors"]), op.args.get("dim", 0)
    dim %= op.out.dim()
    shadows = [tracer.ids_of(t) for t in tensors]
    if all(s is None for s in shadows):
        return
    parts = []
    for t, s in zip(tensors, shadows, strict=True):
        if s is None:
            fixed = tracer.ids.fresh(1)
            tracer.ids.freeze(fixed, f"{op.name} with a constant, {tracer.site()}")
            s = fixed.expand(t.shape)
        small = core(s)
        if op.name == "stack":
            parts.append(small.unsqueeze(dim))
        else:
            parts.append(small if small.size(dim) == t.size(dim) else small.expand(
                [t.size(d) if d == dim else small.size(d) for d in range(t.dim())]))  # fmt: skip
    shape = [max(p.size(d) for p in parts) for d in range(op.out.dim())]
    whole = torch.cat([p.expand([p.size(d) if d == dim else n for d, n in enumerate(shape)]) for p in parts], dim)
    # Joined over batch, space or branches: the parts need equal channels.
    tracer.set(op.out, merge(tracer.ids, whole, [dim]) if any(n > 1 for d, n in enumerate(shape) if d != dim) else whole)


@rule("split", "split_with_sizes", "chunk", "unbind", "slice", "select", "narrow", "unsafe_chunk", "unsafe_split",
      "unsafe_split_with_sizes", "split_copy", "tensor_split")  # fmt: skip
def cut(tracer: Tracer, op: Op) -> None:
    """Cuts an axis of channels where its length says so: the parts must shrink alike, so equal places are tied.

    If the sizes are written in the network's own code instead, the proof finds out and freezes.
    """
    source, outs = op.args["self"], op.outputs()
    ids = tracer.ids_of(source)
    if ids is None:
        return
    dim = op.args.get("dim", 0) % source.dim()
    small = core(ids)
    if small.size(dim) > 1:
        places = _places(op, source.size(dim), dim)
        block = math.gcd(source.size(dim), *places)
        if block < source.size(dim):
            tracer.choices = 1
            blocks = small.unflatten(dim, (-1, block))
            small = merge(tracer.ids, blocks, [dim]).expand(blocks.shape).flatten(dim, dim + 1)
    full = small.expand(source.shape)
    args, kwargs = op.raw
    moved = op.func(full, *args[1:], **kwargs)
    for out, part in zip(outs, [moved] if isinstance(moved, Tensor) else moved, strict=True):
        tracer.set(out, part)


def _places(op: Op, n: int, dim: int) -> list[int]:
    """Where a cut falls."""
    if op.name == "select":
        at = op.args["index"] % n
        return [at, at + 1]
    if op.name == "slice":
        if op.args.get("step", 1) != 1:
            return [1]
        start, end = op.args.get("start") or 0, op.args.get("end")
        end = n if end is None else end
        return [max(start + n, 0) if start < 0 else min(start, n), max(end + n, 0) if end < 0 else min(end, n)]
    lengths = [1 if op.name == "unbind" else t.size(dim) for t in op.outputs()]
    return [sum(lengths[:i]) for i, _ in enumerate(pairwise([0, *lengths]), 1)]


@rule("constant_pad_nd", "pad")
def pad(tracer: Tracer, op: Op) -> None:
    """Borders in space belong to nobody; channels of zeros are a literal number of channels."""
    if (ids := tracer.ids_of(op.args["self"])) is None:
        return
    small, widths = core(ids), list(op.args["pad"])
    padded = {small.dim() - 1 - i // 2 for i, n in enumerate(widths) if n}
    if padded & set(varying(small)):
        fixed = tracer.ids.fresh(1)
        for frozen in (small, fixed):
            tracer.ids.freeze(frozen, f"channels padded with constants, {tracer.site()}")
        tracer.set(op.out, torch.ops.aten.constant_pad_nd(ids, widths, int(fixed)))
    else:
        tracer.set(op.out, small)


@rule("roll")
def roll(tracer: Tracer, op: Op) -> None:
    """A shift in space keeps the ids; a shift of channels counts them."""
    if (ids := tracer.ids_of(op.args["self"])) is None:
        return
    small = core(ids)
    if {d % small.dim() for d in op.args.get("dims") or range(small.dim())} & set(varying(small)):
        tracer.ids.freeze(small, f"roll over channels, {tracer.site()}")
    tracer.set(op.out, small)


@rule("index_select", "gather", "index", "sort", "topk", "cumsum", "cumprod", "take_along_dim", "argsort")
def pick(tracer: Tracer, op: Op) -> None:
    """Keeps the ids where the axis of channels is not the one that is worked on; freezes them otherwise."""
    if op.name == "index" or (ids := tracer.ids_of(op.args["self"])) is None:
        return unknown(tracer, op)
    small = core(ids)
    if op.args.get("dim", -1) % op.args["self"].dim() in varying(small):
        return unknown(tracer, op)
    for out in op.outputs():
        tracer.set(out, small if out.dtype.is_floating_point else nothing(out.shape))


@rule("pixel_shuffle", "pixel_unshuffle")
def pixel_shuffle(tracer: Tracer, op: Op) -> None:
    """Shuffle: the r * r channels that make one are one element. Unshuffle: every channel becomes r * r copies."""
    if (ids := tracer.ids_of(op.args["self"])) is None:
        return
    small = core(ids)
    axis, r2 = op.out.dim() - 3, int(op.args.get("upscale_factor", op.args.get("downscale_factor"))) ** 2
    small = merge(tracer.ids, small, [d for d in varying(small) if d > axis])
    if op.name == "pixel_shuffle" and small.size(axis) > 1:
        small = merge(tracer.ids, small.unflatten(axis, (-1, r2)), [axis + 1]).squeeze(axis + 1)
    elif op.name == "pixel_unshuffle":
        small = small.repeat_interleave(r2, axis)
    tracer.set(op.out, small if small.size(axis) in (1, op.out.size(axis)) else nothing(op.out.shape))


# operations over space keep the channel; reductions keep what they agree on


@rule(*(f"{kind}{n}d" for n in (1, 2, 3) for kind in ("avg_pool", "adaptive_avg_pool", "_adaptive_avg_pool",
      "adaptive_max_pool", "reflection_pad", "replication_pad", "fractional_max_pool", "max_unpool", "upsample_nearest",
      "_upsample_nearest_exact", "grid_sampler_")),
      *(f"max_pool{n}d{tail}" for n in (1, 2, 3) for tail in ("", "_with_indices")),
      "upsample_linear1d", "upsample_bilinear2d", "_upsample_bilinear2d_aa", "upsample_bicubic2d",
      "_upsample_bicubic2d_aa", "upsample_trilinear3d", "grid_sampler_2d", "grid_sampler_3d", "im2col", "col2im")  # fmt: skip
def over_space(tracer: Tracer, op: Op) -> None:
    """Whatever lies in one channel is tied over space, and the channel goes on."""
    source = op.args.get("self", op.args.get("input"))
    if (ids := tracer.ids_of(source)) is None:
        return
    spatial = 2 if op.name == "im2col" else next(int(c) for c in op.name if c.isdigit())
    spatial = 1 if op.name == "col2im" else spatial
    small = core(ids)
    small = merge(tracer.ids, small, [d for d in varying(small) if d >= small.dim() - spatial])
    if op.name in ("im2col", "col2im"):
        kernel, axis = math.prod(op.args["kernel_size"]), 1
        if op.name == "im2col":
            small = small.squeeze(-1).repeat_interleave(kernel, axis)
        elif small.size(axis) > 1:
            small = merge(tracer.ids, small.unflatten(axis, (-1, kernel)), [axis + 1]).squeeze(axis + 1).unsqueeze(-1)
    for out in op.outputs():
        tracer.set(out, small if out.dim() == small.dim() or op.name == "im2col" else nothing(out.shape))


@rule("mean", "sum", "amax", "amin", "max", "min", "argmax", "argmin", "var", "std", "var_mean", "std_mean", "norm",
      "linalg_vector_norm", "logsumexp", "prod", "any", "all", "median", "nansum", "count_nonzero", "aminmax")  # fmt: skip
def reduce(tracer: Tracer, op: Op) -> None:
    """Keeps an id where all reduced entries agree. A sum over a stack of branches is an addition: it ties."""
    source = op.args.get("self", op.args.get("input"))
    if op.name in ("max", "min") and isinstance(op.args.get("other"), Tensor):
        return elementwise(tracer, op)
    seen = tracer.view_of(source)
    if seen is not None and tracer.ids_of(source) is None:
        return  # statistics of a weight (weight standardisation): a constant to the weight's channels
    if (ids := tracer.ids_of(source)) is None:
        return
    dims = op.args.get("dim")
    dims = list(range(source.dim())) if dims is None or dims == [] else [dims] if isinstance(dims, int) else list(dims)
    dims = [d % source.dim() for d in dims]
    small = core(ids)
    if set(varying(small)) - set(dims):
        small = merge(tracer.ids, small, [d for d in varying(small) if d in dims])
    elif varying(small):
        roots = tracer.ids.find(small)
        if (roots != roots.flat[0]).any():
            tracer.record.mixed.append((small, f"{op.name} over channels, {tracer.site()}"))
            small = nothing([1] * source.dim())
        else:
            small = small.flatten()[:1].reshape([1] * source.dim())
    for out in op.outputs():
        kept = small if out.dim() == source.dim() else small.reshape(
            [small.size(d) for d in range(source.dim()) if d not in dims])  # fmt: skip
        tracer.set(out, kept if out.dtype.is_floating_point or not varying(kept) else nothing(out.shape))


@rule("_softmax", "_log_softmax", "softmax", "log_softmax", "glu")
def softmax(tracer: Tracer, op: Op) -> None:
    """Keeps the ids; over channels it mixes them, and over a stack of branches it weighs them against each other."""
    if (ids := tracer.ids_of(op.args["self"])) is None:
        return
    small, dim = core(ids), op.args["dim"] % op.args["self"].dim()
    if op.name == "glu":
        small = merge(tracer.ids, small.unflatten(dim, (2, -1)), [dim]).squeeze(dim) if small.size(dim) > 1 else small
    elif varying(small) == [dim]:
        tracer.record.mixed.append((small, f"softmax over channels, {tracer.site()}"))
    tracer.set(op.out, small)


@rule("zeros", "ones", "full", "empty", "rand", "randn", "new_zeros", "new_ones", "new_full", "new_empty", "zero",
      "fill", "normal", "uniform", "empty_strided", "new_empty_strided", "scalar_tensor")  # fmt: skip
def blank(tracer: Tracer, op: Op) -> None:
    """A tensor without channels of its own; if it has to match some, the proof sees whether its size follows them."""
    if tracer.ids_of(op.out) is None and tracer.view_of(op.out) is None:
        tracer.set(op.out, nothing(op.out.shape))


@rule("size", "sym_size", "stride", "numel", "is_nonzero", "_local_scalar_dense", "item", "equal", "arange",
      "linspace", "_assert_async", "randint", "randperm")  # fmt: skip
def outside(tracer: Tracer, op: Op) -> None:
    """No activation comes of it."""


def channel_ids(tracer: Tracer, ids: Tensor, axis: int) -> Tensor:
    """The ids along one axis, everything that lies in one position of it tied."""
    small = core(ids)
    small = merge(tracer.ids, small, [d for d in varying(small) if d != axis])
    return small.flatten().expand(ids.size(axis)) if small.numel() == 1 else small.flatten()
