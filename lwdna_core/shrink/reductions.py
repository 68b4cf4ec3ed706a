"""Operations over space, which keep the channel, and reductions, which keep an id where all that they reduce agree."""

from __future__ import annotations

import math

from torch import Tensor

from lwdna_core.shrink.ids import core, merge, nothing, varying
from lwdna_core.shrink.provenance import Op, Tracer
from lwdna_core.shrink.rules import elementwise, rule


@rule(*(f"{kind}{n}d" for n in (1, 2, 3) for kind in ("avg_pool", "adaptive_avg_pool", "_adaptive_avg_pool",
      "adaptive_max_pool", "reflection_pad", "replication_pad", "fractional_max_pool", "max_unpool", "upsample_nearest",
      "_upsample_nearest_exact", "grid_sampler_")),
      *(f"max_pool{n}d{tail}" for n in (1, 2, 3) for tail in ("", "_with_indices")),
      "upsample_linear1d", "upsample_bilinear2d", "_upsample_bilinear2d_aa", "upsample_bicubic2d",
      "_upsample_bicubic2d_aa", "upsample_trilinear3d", "grid_sampler_2d", "grid_sampler_3d", "im2col",
      "col2im")  # fmt: skip
def over_space(tracer: Tracer, op: Op) -> None:
    """Whatever lies in one channel is tied over space, and the channel goes on."""
    source = op.source
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
    for out in op.outputs:
        tracer.set(out, small if out.dim() == small.dim() or op.name == "im2col" else nothing(out.shape))


@rule("mean", "sum", "amax", "amin", "max", "min", "argmax", "argmin", "var", "std", "var_mean", "std_mean", "norm",
      "linalg_vector_norm", "logsumexp", "prod", "any", "all", "median", "nansum", "count_nonzero",
      "aminmax")  # fmt: skip
def reduce(tracer: Tracer, op: Op) -> None:
    """Keeps an id where all reduced entries agree. A sum over a stack of branches is an addition: it ties."""
    source = op.source
    if op.name in ("max", "min") and isinstance(op.args.get("other"), Tensor):
        return elementwise(tracer, op)
    seen = tracer.view_of(source)
    if seen is not None and tracer.ids_of(source) is None:
        # Statistics of a weight are a constant to its channels, but what they are taken over has no masked equal.
        for d in range(1, len(tracer.record.shapes[seen.name])):
            tracer.record.standardised[seen.name, d] = f"a standardised weight, {tracer.site()}"
        return
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
    for out in op.outputs:
        kept = small if out.dim() == source.dim() else small.reshape(
            [small.size(d) for d in range(source.dim()) if d not in dims])  # fmt: skip
        tracer.set(out, kept if out.dtype.is_floating_point or not varying(kept) else nothing(out.shape))


@rule("_softmax", "_log_softmax", "softmax", "log_softmax", "glu")
def softmax(tracer: Tracer, op: Op) -> None:
    """Keeps the ids; over channels it mixes them, and over a stack of branches it weighs them against each other."""
    if (ids := tracer.ids_of(op.source)) is None:
        return
    small, dim = core(ids), op.args["dim"] % op.source.dim()
    if op.name == "glu":
        small = merge(tracer.ids, small.unflatten(dim, (2, -1)), [dim]).squeeze(dim) if small.size(dim) > 1 else small
    elif varying(small) == [dim]:
        tracer.record.mixed.append((small, f"softmax over channels, {tracer.site()}"))
    tracer.set(op.out, small)
