"""What each operation does to channel ids: the table of rules, and the rules for operations that work entry by entry.

`cuts` has those that take parts, `moves` those that rearrange entries, `reductions` those over space and over axes,
`layers` those with weights; `dispatch` says which rule an operation goes by.

A rule reads the shadows of its inputs and sets those of its outputs. An operation that has no rule freezes whatever
flows through it: the engine never guesses.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from lwdna_core.shrink.ids import core, holes, merge, nothing, varying
from lwdna_core.shrink.provenance import Op, Tracer
from lwdna_core.shrink.record import ParamView, Term

Rule = Callable[[Tracer, Op], None]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for operations of these names."""

    def add(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return add


def unknown(tracer: Tracer, op: Op) -> None:
    """No rule: what flows through is frozen and counted as it is; what comes out is a constant to everybody else."""
    if (flops := flop_registry.get(getattr(op.func, "overloadpacket", None))) is not None:
        macs = flops(*op.raw[0], **op.raw[1], out_val=op.out) // 2
        tracer.record.terms.append(Term((), nothing([]), [], macs))
    for t in op.tensors:
        if (ids := tracer.ids_of(t)) is not None:
            tracer.ids.freeze(core(ids), f"{op.name}, an operation without a rule, {tracer.site()}")


@rule("native_dropout", "prelu", "_prelu_kernel", "rrelu_with_noise", "where", "bernoulli", "dropout", "alpha_dropout",
      "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "clone", "contiguous", "detach",
      "alias", "_to_copy", "lift_fresh", "copy", "clamp", "gelu", "hardswish", "mish", "silu", "addcmul", "addcdiv",
      "native_alpha_dropout", "lerp", "_copy_from", "to", "_weight_norm_interface", "_weight_norm",
      "hardtanh", "leaky_relu", "relu", "relu6", "elu", "celu", "selu", "hardsigmoid", "threshold")  # fmt: skip
def elementwise(tracer: Tracer, op: Op) -> None:
    """Ids that meet are tied; a size-1 side that is stretched over other channels ties nothing."""
    alone = len(op.tensors) == len(op.outputs) == 1
    known = tracer.shadows.get(op.tensors[0]) if alone else None
    if isinstance(known, Tensor) and known.dim() and op.outputs[0].shape == known.shape:
        tracer.shadows[op.outputs[0]] = known  # an activation function: nothing meets
        return
    inputs, target = [t for t in op.tensors if t.dim() > 0], op.outputs[0]
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
    known = list(tracer.record.shapes) if len(views) > 1 else []  # parameters first: the weight, not its mask
    widest = max(views, key=lambda v: (v.proxy.numel(), -known.index(v.name) if known else 0), default=None)
    if widest and widest.proxy.numel() == target.numel() and all(tracer.view_of(t) for t, _ in shadows):
        tracer.shadows[target] = widest  # a weight, scaled, masked or standardised
        shapes = tracer.record.shapes
        tracer.record.masks += [(widest.name, v.name) for v in views if shapes[v.name] == shapes[widest.name]]
    elif met is not None:
        if unlearnt and bool((met >= 0).any()):  # the shadow of the whole cannot learn what a part of it becomes
            tracer.ids.freeze(met, f"assignment into a part of a tensor, {tracer.site()}")
        for out in op.outputs:
            tracer.set(out, met if out.shape == target.shape else nothing(out.shape))


def meet(tracer: Tracer, shadows: list[Tensor], shape: tuple[int, ...]) -> Tensor:
    """Broadcast shadows against each other, tie what meets, and return the core of the result."""
    if len(shadows) == 1 and tuple(shadows[0].shape) == shape:
        return core(shadows[0])
    small = [core(s) if s.dim() == len(shape) else core(s).reshape([1] * (len(shape) - s.dim()) + list(core(s).shape))
             for s in shadows]  # fmt: skip
    full = [[1] * (len(shape) - s.dim()) + list(s.shape) for s in shadows]
    axes = {d for s in small for d in varying(s)}
    result = None
    for s, size in zip(small, full, strict=True):
        stretched = [d for d in axes if size[d] == 1 and shape[d] > 1]
        if stretched:  # a map times channels: not channels of the same kind
            if varying(s):
                for other in small:
                    tracer.ids.freeze(other, f"an outer product of channels, {tracer.site()}")
            tracer.ids.freeze(s, f"stretched over other channels, {tracer.site()}")
        elif result is None:
            result = s
        elif result is not s:
            tracer.ids.tie(result, s)
            if result.shape != s.shape or holes(result):
                result = torch.where(result < 0, s, result)
    return nothing([1] * len(shape)) if result is None else core(result)


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
    order = sorted(range(proxy.dim()), key=lambda d: proxy.stride()[d], reverse=True)
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
    small, size = core(ids), ids.size(axis)
    known: dict[tuple[int, int], Tensor] = vars(small).setdefault("channels", {})  # many ask: equal ids are one object
    if (axis, size) not in known:
        merged = merge(tracer.ids, small, [d for d in varying(small) if d != axis])
        known[axis, size] = merged.flatten().expand(size) if merged.numel() == 1 else merged.flatten()
    return known[axis, size]
