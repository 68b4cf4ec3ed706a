"""What layers with weights do to channel ids: convolutions, matrix products, normalisations.

A layer reads the ids along its input side and makes fresh ones for its output side. The products are noted for the
closed form of the MACs, the weights for the hypernetwork.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lwdna_core.shrink.cuts import part
from lwdna_core.shrink.graph import Layer
from lwdna_core.shrink.ids import core, merge, nothing, spread, varying
from lwdna_core.shrink.provenance import Op, Tracer
from lwdna_core.shrink.record import ParamView, Term
from lwdna_core.shrink.rules import channel_ids, label_view, meet, rule, unknown


def _dimension(view: ParamView, shape: tuple[int, ...], dim: int) -> int | None:
    """The parameter's own dimension that dimension `dim` of a view runs along, if it is one as a whole."""
    proxy = view.proxy
    strides = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    for d, stride in enumerate(strides):
        if shape[d] == proxy.size(dim) and (stride == proxy.stride(dim) or shape[d] == 1):
            return d
    return None


def _whole(view: ParamView, shape: tuple[int, ...]) -> bool:
    return view.proxy.shape == torch.Size(shape) and view.proxy.is_contiguous()


def _count(tracer: Tracer, out: Tensor, vectors: list[Tensor], factor: int) -> None:
    ids = tracer.ids_of(out)
    small = core(ids) if ids is not None else nothing([1] * out.dim())
    tracer.record.terms.append(Term(tuple(out.shape), small, vectors, factor))


@rule("convolution", "_convolution", "convolution_overrideable", "cudnn_convolution", "mkldnn_convolution")
def convolution(tracer: Tracer, op: Op) -> None:
    """Plain, grouped, depthwise and transposed convolutions in 1, 2 and 3 dimensions."""
    x, w, bias = op.args["input"], op.args["weight"], op.args.get("bias")
    groups, transposed, out = op.args["groups"], op.args.get("transposed", False), op.out
    ids, view = tracer.ids_of(x), tracer.view_of(w)
    kernel = math.prod(w.shape[2:])
    if ids is None:
        ids = nothing(x.shape)
    whole = view is not None and _whole(view, tracer.record.shapes[view.name])
    box = None if view is None or whole else part(view, tracer.record.shapes[view.name])
    if view is None or not (whole or box):
        if view is not None or tracer.ids_of(w) is None:
            return _opaque(tracer, op, out.size(1), "with a weight that is computed")
        return _correlate(tracer, ids, tracer.ids_of(w), groups, out, kernel)
    small = core(ids)
    axes = varying(small)
    if axes == [2] and (along := _along_channels(small, x, w, out)) is not None:
        tracer.record.mixed.append((along, f"a convolution along channels, {tracer.site()}"))
        tracer.set(out, along)
        return _count(tracer, out, [], kernel)
    if axes and 1 not in axes:  # channels folded into the batch: a kernel shared by all
        if w.size(0) > 1 or w.size(1) > 1 or axes != [0]:
            return _opaque(tracer, op, out.size(1), "over channels that do not lie along dimension 1")
        tracer.set(out, small)
        return _count(tracer, out, [], kernel)
    record, name = tracer.record, view.name
    if box is not None:
        return _convolve_part(tracer, op, small, view, box)
    n = x.size(1)
    read = nothing([n]) if small.numel() == 1 and int(small) in record.entering else channel_ids(tracer, ids, 1)
    in_dim, out_dim = (0, 1) if transposed else (1, 0)
    if groups > 1 and groups == n:  # depthwise: every channel goes on, `multiplier` times
        made = read.repeat_interleave(out.size(1) // n)
        record.label(name, 0, read if transposed else made)
    else:
        each = read
        if groups > 1:
            tracer.record.tied.append((read, f"{groups} groups, {tracer.site()}"))
            each = merge(tracer.ids, read.unflatten(0, (groups, -1)), [0]).flatten().expand(n // groups)
        record.label(name, in_dim, each.repeat(groups) if transposed and groups > 1 else each, "reads")
        made = record.made(name, out_dim, 1 if transposed else groups)
        made = made.repeat(groups) if transposed and groups > 1 else made
    follow(tracer, bias, made)
    tracer.set(out, spread(made, 1, out.dim()))
    record.layers.setdefault(name, Layer(name, in_dim, out_dim, groups if transposed else 1))
    # An input entry of a transposed convolution takes part in as many products as an output entry of a plain one.
    if transposed:
        record.terms.append(Term(tuple(x.shape), core(ids), [record.labels[name, 1]] if (name, 1) in record.labels
                                 else [], kernel * (1 if (name, 1) in record.labels else w.size(1))))  # fmt: skip
    else:
        known = record.labels.get((name, 1))
        _count(tracer, out, [known] if known is not None else [], kernel * (1 if known is not None else w.size(1)))


def _convolve_part(tracer: Tracer, op: Op, small: Tensor, view: ParamView, box: list[tuple[int, int]]) -> None:
    """A convolution with a part of a weight, as octave convolutions have four of."""
    record, name, out = tracer.record, view.name, op.out
    if op.args["groups"] > 1 or op.args.get("transposed", False):
        return _opaque(tracer, op, out.size(1), "with a part of a weight in groups, or transposed")
    own = [record.along(name, d)[start:end] for d, (start, end) in enumerate(box[:2])]
    if 1 in varying(small):
        tracer.ids.tie(own[1], channel_ids(tracer, small, 1))
    else:
        tracer.ids.freeze(own[1], f"reads what does not change, {tracer.site()}")
    for d, role in enumerate(("makes", "reads")):
        record.label(name, d, record.along(name, d), role)
    follow(tracer, op.args.get("bias"), own[0])
    tracer.set(out, spread(own[0], 1, out.dim()))
    record.layers.setdefault(name, Layer(name, 1, 0))
    _count(tracer, out, [own[1]], math.prod(n for n in op.args["weight"].shape[2:]))


def _report(tracer: Tracer, op: Op, size: int, why: str) -> None:
    path = tracer.modules[-1][0] if tracer.modules else op.name
    tracer.record.opaque[path or op.name] = (size, f"{op.name} {why}, {tracer.site()}")


def _opaque(tracer: Tracer, op: Op, size: int, why: str) -> None:
    """A layer that is beyond us: reported, and everything stays."""
    _report(tracer, op, size, why)
    unknown(tracer, op)


def _along_channels(small: Tensor, x: Tensor, w: Tensor, out: Tensor) -> Tensor | None:
    """Channel attention by a 1-d convolution over the channels (ECA): the ids along the length go on."""
    if x.dim() == 3 and w.shape[:2] == (1, 1) and out.size(2) == x.size(2) == small.size(2):
        return small if small.unique().numel() == small.numel() else None
    return None


def _correlate(tracer: Tracer, ids: Tensor, kernel: Tensor | None, groups: int, out: Tensor, extent: int) -> None:
    """An activation as the kernel of spatial `extent` (Siamese tracking): the contracted sides are tied."""
    assert kernel is not None
    small = core(kernel)
    if len(varying(small)) > 1 or any(d > 1 for d in varying(small)):
        for frozen in (core(ids), small):
            tracer.ids.freeze(frozen, f"convolution with an activation as kernel, {tracer.site()}")
    o, i = kernel.size(0), kernel.size(1)
    sides = small.amax(tuple(range(2, small.dim()))).expand(o, i)
    x = channel_ids(tracer, ids, 1).unflatten(0, (groups, -1))
    tracer.ids.tie(sides.unflatten(0, (groups, -1)), x.unsqueeze(1))
    depthwise = i == 1 and 0 in varying(small)
    tracer.set(out, spread(sides[:, 0], 1, out.dim()) if depthwise else nothing(out.shape))
    _count(tracer, out, [sides[0]], extent)


def follow(tracer: Tracer, parameter: Tensor | None, ids: Tensor) -> None:
    """A bias, scale or statistic has one entry per channel."""
    if parameter is None:
        return
    name, record = tracer.names.get(id(parameter)), tracer.record
    if name is not None and (name, 0) not in record.labels and record.shapes[name] == (ids.numel(),):
        record.label(name, 0, ids)
        return
    view = tracer.view_of(parameter)
    if view is not None and (view.name, 0) not in tracer.record.labels and _whole(view, (len(ids),)):
        tracer.record.label(view.name, 0, ids)
    elif (own := tracer.ids_of(parameter)) is not None:
        tracer.ids.tie(own.flatten(), ids)
    elif view is None:
        tracer.ids.freeze(ids, f"a constant of {parameter.numel()} entries, {tracer.site()}")


@rule("mm", "bmm", "addmm", "baddbmm")
def product(tracer: Tracer, op: Op) -> None:
    """Matrix products: of activations with a weight, or of activations with each other."""
    a = op.args.get("batch1", op.args.get("mat1", op.source))
    b = op.args["batch2" if "batch2" in op.args else "mat2"]
    bias = op.args["self"] if op.name in ("addmm", "baddbmm") else None
    left, right = tracer.view_of(a), tracer.view_of(b)
    if right is not None and left is None:
        _project(tracer, op, a, -1, right, -2, -1)
    elif left is not None and right is None:
        _project(tracer, op, b, -2, left, -1, -2)
    elif left is None and right is None:
        _contract(tracer, op, a, b)
    else:  # two weights: a constant
        return unknown(tracer, op)
    if bias is not None and tracer.ids_of(bias) is not None:
        out = tracer.ids_of(op.out)
        both = [s for s in (out, tracer.ids_of(bias)) if s is not None]
        tracer.set(op.out, meet(tracer, both, tuple(op.out.shape)))
    return None


def _project(tracer: Tracer, op: Op, x: Tensor, axis: int, view: ParamView, k_dim: int, m_dim: int) -> None:
    """x, contracted along `axis`, with a weight: a linear layer, whatever its layout."""
    record, out = tracer.record, op.out
    shape = record.shapes[view.name]
    k, m = _dimension(view, shape, k_dim % view.proxy.dim()), _dimension(view, shape, m_dim % view.proxy.dim())
    ids = tracer.ids_of(x)
    small = core(ids) if ids is not None else nothing([1] * x.dim())
    axis, out_axis = axis % x.dim(), (m_dim if axis == -1 else -2) % out.dim()
    inner = x.size(axis)
    if varying(small) and axis not in varying(small):
        _report(tracer, op, out.size(out_axis), "over positions, not channels")
        tracer.set(out, small)
        return _count(tracer, out, [], inner)
    if k is None or m is None or k == m or math.prod(shape) != shape[k] * shape[m]:
        return _opaque(tracer, op, out.size(out_axis), "with a weight of another shape than (out, in)")
    if not varying(small) and inner > 1:
        tracer.ids.freeze(small, f"flattened to {inner} features, {tracer.site()}")
        read = nothing([inner])
    else:
        read = channel_ids(tracer, small.expand([inner if d == axis else n for d, n in enumerate(small.shape)]), axis)
    record.label(view.name, k, read, "reads")
    made = record.made(view.name, m)
    tracer.set(out, spread(made, out_axis, out.dim()))
    record.layers.setdefault(view.name, Layer(view.name, k, m, linear=True))
    return _count(tracer, out, [record.labels[view.name, k]], 1)


def _contract(tracer: Tracer, op: Op, a: Tensor, b: Tensor) -> None:
    """Two activations: the contracted sides are tied, the rows of one or the columns of the other go on."""
    shadows = [tracer.ids_of(t) for t in (a, b)]
    left, right = (core(s) if s is not None else nothing([1] * a.dim()) for s in shadows)
    n = a.dim()
    inner_l, inner_r = n - 1 in varying(left), n - 2 in varying(right)
    outer_l, outer_r = set(varying(left)) - {n - 1}, set(varying(right)) - {n - 2}
    small, vectors, factor = nothing([1] * n), [], a.size(-1)
    if (inner_l and outer_l) or (inner_r and outer_r) or (outer_l and outer_r) or inner_l != inner_r:
        for frozen in (left, right):
            tracer.ids.freeze(frozen, f"{op.name} of activations, {tracer.site()}")
    elif inner_l:
        vectors, factor = [left.flatten()], 1
        tracer.ids.tie(left.flatten(), right.flatten())
    elif outer_l or outer_r:
        small = left if outer_l else right
    tracer.set(op.out, small)
    _count(tracer, op.out, vectors, factor)


@rule("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "cudnn_batch_norm",
      "miopen_batch_norm", "_batch_norm_with_update", "_batch_norm_no_update", "batch_norm")  # fmt: skip
def batch_norm(tracer: Tracer, op: Op) -> None:
    """Keeps the ids and governs scale, shift and statistics by them."""
    x, out = op.args["input"], op.outputs[0]
    keys = ("weight", "bias", "running_mean", "running_var")
    view = tracer.view_of(x)
    if view is not None and tracer.ids_of(x) is None:  # a weight, standardised per output
        for d in range(1, len(tracer.record.shapes[view.name])):
            tracer.record.standardised[view.name, d] = f"a standardised weight, {tracer.site()}"
        if (gain := tracer.ids_of(op.args.get("weight"))) is not None:
            label_view(tracer, view, gain.reshape(1, -1, *[1] * (x.dim() - 2)))
        tracer.shadows[out] = view
        return
    if (ids := tracer.ids_of(x)) is None:
        return unknown(tracer, op)
    vector = channel_ids(tracer, ids, 1)
    for key in keys:
        follow(tracer, op.args.get(key), vector)
    tracer.shadows[out] = ids


@rule("native_layer_norm", "_fused_rms_norm", "rms_norm")
def layer_norm(tracer: Tracer, op: Op) -> None:
    """Normalises over trailing dimensions: mixes the channels that lie along them."""
    x, out = op.args["input"], op.outputs[0]
    if (ids := tracer.ids_of(x)) is None:
        return
    small = core(ids)
    axes = [d for d in varying(small) if d >= x.dim() - len(op.args["normalized_shape"])]
    if axes:
        tracer.record.mixed.append((small, f"{op.name}, {tracer.site()}"))
    _affine(tracer, op, small, out)


@rule("native_group_norm")
def group_norm(tracer: Tracer, op: Op) -> None:
    """The groups stay and all narrow alike, which ties equal places in them; mixes the channels of a group."""
    x, out, groups = op.args["input"], op.outputs[0], op.args["group"]
    if (ids := tracer.ids_of(x)) is None:
        return
    vector = channel_ids(tracer, ids, 1)
    if groups < vector.numel():
        each = vector.unflatten(0, (groups, -1))
        tracer.record.tied.append((vector, f"{op.name}, {tracer.site()}"))
        vector = merge(tracer.ids, each, [0]).expand(each.shape).flatten()
        tracer.record.mixed.append((vector, f"{op.name}, {tracer.site()}"))
    for key in ("weight", "bias"):
        follow(tracer, op.args.get(key), vector)
    tracer.set(out, vector.reshape([1, -1] + [1] * (x.dim() - 2)))


def _affine(tracer: Tracer, op: Op, small: Tensor, out: Tensor) -> None:
    for key in ("weight", "bias"):
        parameter = op.args.get(key)
        if parameter is None:
            continue
        if (own := tracer.ids_of(parameter)) is not None:
            meet(tracer, [small, own], tuple(out.shape))
        elif (view := tracer.view_of(parameter)) is not None:
            label_view(tracer, view, small)
    tracer.set(out, small)
