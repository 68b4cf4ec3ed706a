"""Operations that rearrange entries: they are executed on the ids. Splitting an axis of channels needs a reading."""

from __future__ import annotations

import torch

from lwdna_core.shrink.cuts import holders, moved_parameter
from lwdna_core.shrink.ids import core, merge, nothing, varying
from lwdna_core.shrink.provenance import Op, Tracer
from lwdna_core.shrink.rules import rule, unknown


@rule("view", "_unsafe_view", "reshape", "_reshape_alias", "unflatten", "flatten")
def view(tracer: Tracer, op: Op) -> None:
    """Where one axis of channels is split, its longest part counts the channels (or another, as the proof decides).

    Further readings: the same with an attribute of the running module that follows (`view(b, 2, self.channels)`).
    """
    source, out = op.source, op.out
    if moved_parameter(tracer, op, lambda t: t.reshape(out.shape)):
        return
    if (ids := tracer.ids_of(source)) is None:
        return
    before = core(ids)
    after = core(ids.reshape(out.shape))
    axes = sorted(varying(after), key=lambda d: (after.shape[d], d), reverse=True)
    split = len(axes) > len(varying(before))
    held = [holders(tracer, after.size(d)) for d in axes] if split or len(axes) == 1 else []
    options = len(axes) if split else 1
    if axes and (split or any(held)):
        reading = tracer.choose(options * (1 + any(held)))
        kept = axes[reading % options]
        if split:
            tracer.record.tied.append((before, f"{op.name}, {tracer.site()}"))
            after = merge(tracer.ids, after, [d for d in axes if d != kept])
        if reading >= options and varying(after) == [kept]:
            path = tracer.modules[-1][0]
            tracer.record.attributes += [(path, n, None, after.flatten()) for n in held[axes.index(kept)]]
            tracer.record.following.add(tracer.line())
    tracer.set(out, after)


@rule("permute", "transpose", "t", "unsqueeze", "squeeze", "numpy_T", "movedim", "swapaxes", "flip")
def move(tracer: Tracer, op: Op) -> None:
    """Same call, on ids."""
    args, kwargs = op.raw
    if moved_parameter(tracer, op, lambda t: op.func(t, *args[1:], **kwargs)):
        return
    if (ids := tracer.ids_of(args[0])) is not None:
        tracer.set(op.out, op.func(ids.detach(), *args[1:], **kwargs))  # which may be in place


@rule("unfold")
def windows(tracer: Tracer, op: Op) -> None:
    """Windows over space; windows over channels are beyond us."""
    ids = tracer.ids_of(op.source)
    if ids is not None and op.args["dimension"] % ids.dim() in varying(core(ids)):
        return unknown(tracer, op)
    move(tracer, op)


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(tracer: Tracer, op: Op) -> None:
    """The inner part of the split counts, as in `view`."""
    if (ids := tracer.ids_of(op.source)) is None:
        return
    small, groups = core(ids), op.args["groups"]
    if small.size(1) > 1:
        tracer.record.tied.append((small, f"{op.name}, {tracer.site()}"))
        small = merge(tracer.ids, small.unflatten(1, (groups, -1)), [1])
        small = small.expand([groups if d == 1 else n for d, n in enumerate(small.shape)]).transpose(1, 2).flatten(1, 2)
    tracer.set(op.out, small)


@rule("expand", "broadcast_to", "expand_as", "repeat", "tile")
def expand(tracer: Tracer, op: Op) -> None:
    """A map of one channel stretched to many is no channel of theirs."""
    source, out = op.source, op.out
    if op.name in ("expand", "broadcast_to") and moved_parameter(tracer, op, lambda t: t.expand(out.shape)):
        return
    if (ids := tracer.ids_of(source)) is None:
        return
    small, shape = core(ids), [1] * (out.dim() - source.dim()) + list(source.shape)
    if not varying(small) and out.dim() > 1 and shape[1] == 1 and out.size(1) > 1:
        tracer.ids.freeze(small, f"stretched over other channels, {tracer.site()}")
        small = nothing([1])
    if op.name in ("repeat", "tile"):
        repeats = list(op.args["repeats" if op.name == "repeat" else "dims"])
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
    parts, several = [], any(s is not None and dim in varying(core(s)) for s in shadows) and op.name != "stack"
    for t, s in zip(tensors, shadows, strict=True):
        if s is None or (several and t.size(dim) > 1 and not (core(s) >= 0).any()):
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
    tracer.set(
        op.out, merge(tracer.ids, whole, [dim]) if any(n > 1 for d, n in enumerate(shape) if d != dim) else whole
    )


@rule("constant_pad_nd", "pad")
def pad(tracer: Tracer, op: Op) -> None:
    """Borders in space belong to nobody; channels of zeros stay as many as they are."""
    if (ids := tracer.ids_of(op.source)) is None:
        return
    small, widths = core(ids), list(op.args["pad"])
    padded = {small.dim() - 1 - i // 2 for i, n in enumerate(widths) if n}
    if padded & set(varying(small)):
        fixed = tracer.ids.fresh(1)
        tracer.ids.freeze(fixed, f"channels padded with constants, {tracer.site()}")
        tracer.set(op.out, torch.ops.aten.constant_pad_nd(ids, widths, int(fixed)))
    else:
        tracer.set(op.out, small)


@rule("roll")
def roll(tracer: Tracer, op: Op) -> None:
    """A shift in space keeps the ids; a shift of channels counts them."""
    if (ids := tracer.ids_of(op.source)) is None:
        return
    small = core(ids)
    if {d % small.dim() for d in op.args.get("dims") or range(small.dim())} & set(varying(small)):
        tracer.ids.freeze(small, f"roll over channels, {tracer.site()}")
    tracer.set(op.out, small)


@rule("index_select", "gather", "index", "sort", "topk", "cumsum", "cumprod", "take_along_dim", "argsort")
def pick(tracer: Tracer, op: Op) -> None:
    """Keeps the ids where the axis of channels is not the one that is worked on; freezes them otherwise."""
    if op.name == "index" or (ids := tracer.ids_of(op.source)) is None:
        return unknown(tracer, op)
    small = core(ids)
    if op.args.get("dim", -1) % op.source.dim() in varying(small):
        return unknown(tracer, op)
    for out in op.outputs:
        tracer.set(out, small if out.dtype.is_floating_point else nothing(out.shape))


@rule("pixel_shuffle", "pixel_unshuffle")
def pixel_shuffle(tracer: Tracer, op: Op) -> None:
    """Shuffle: the r * r channels that make one are one element. Unshuffle: every channel becomes r * r copies."""
    if (ids := tracer.ids_of(op.source)) is None:
        return
    small = core(ids)
    axis, r2 = (
        op.out.dim() - 3,
        int(op.args["upscale_factor" if op.name == "pixel_shuffle" else "downscale_factor"]) ** 2,
    )
    small = merge(tracer.ids, small, [d for d in varying(small) if d > axis])
    if op.name == "pixel_shuffle" and small.size(axis) > 1:
        small = merge(tracer.ids, small.unflatten(axis, (-1, r2)), [axis + 1]).squeeze(axis + 1)
    elif op.name == "pixel_unshuffle":
        small = small.repeat_interleave(r2, axis)
    tracer.set(op.out, small if small.size(axis) in (1, op.out.size(axis)) else nothing(op.out.shape))
