"""Operations that cut an axis of channels: where they cut needs a reading."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from types import CodeType

from torch import Tensor, nn

from lwdna_core.shrink.ids import core, merge, varying
from lwdna_core.shrink.provenance import Op, Tracer, caller
from lwdna_core.shrink.record import FREEZE, Bound, ParamView
from lwdna_core.shrink.rules import rule


def holders(tracer: Tracer, size: int) -> list[str]:
    """Attributes of the running module that hold a size as an integer."""
    return holding(tracer.modules[-1][1], size) if tracer.modules else []


def holding(module: nn.Module, size: int, code: CodeType | None = None) -> list[str]:
    """Attributes of a module that hold a size as an integer; those that some code mentions, in its order."""
    names = [name for name, held in vars(module).items() if type(held) is int and held == size]
    return names if code is None else sorted(set(names) & set(code.co_names), key=code.co_names.index)


def moved_parameter(tracer: Tracer, op: Op, move: Callable[[Tensor], Tensor]) -> bool:
    """Rearranging a parameter leads to a view of it that is followed; True where that was the case."""
    seen = tracer.view_of(op.source)
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


@rule("split", "split_with_sizes", "chunk", "unbind", "slice", "select", "narrow", "unsafe_chunk", "unsafe_split",
      "unsafe_split_with_sizes", "split_copy", "tensor_split")  # fmt: skip
def cut(tracer: Tracer, op: Op) -> None:
    """Cuts an axis of channels, in one of two readings.

    First: where its length says so (`chunk(2)`, `x[:, : x.shape[1] // 2]`); then the parts shrink alike, and equal
    places are tied. Second: where attributes of the running module say so (`split(x, self.widths)`); then the parts are
    free, and the attributes follow. The proof decides; if the sizes are written in the code itself, it freezes. For
    parameters the second is tried first.
    """
    source, outs = op.source, op.outputs
    ids, dim = tracer.ids_of(source), op.args.get("dim", 0) % source.dim()
    if ids is None:
        return _cut_parameter(tracer, op, dim)
    small = core(ids)
    if small.size(dim) > 1:
        places = _places(op, source.size(dim), dim)
        block = math.gcd(source.size(dim), *places)
        first = 0 if tracer.view_of(source) is not None else 1  # a bias goes with its weight, see below
        follows = block < source.size(dim) and tracer.choose(2) == first and _follow(tracer, op, small, dim)
        if block < source.size(dim) and (not follows or op.name == "split"):
            tracer.record.tied.append((small, f"{op.name}, {tracer.site()}"))
            blocks = small.unflatten(dim, (-1, block))
            small = merge(tracer.ids, blocks, [dim]).expand(blocks.shape).flatten(dim, dim + 1)
    full = small.expand(source.shape)
    args, kwargs = op.raw
    moved = op.func(full, *args[1:], **kwargs)
    for out, piece in zip(outs, [moved] if isinstance(moved, Tensor) else moved, strict=True):
        tracer.set(out, piece)


def _follow(tracer: Tracer, op: Op, small: Tensor, dim: int) -> bool:
    """Note which attributes of the running module hold the sizes of a cut; True if every size has one."""
    if not tracer.modules or varying(small) != [dim]:
        return False
    path, module = tracer.modules[-1]
    line, n = small.flatten(), small.size(dim)
    if op.name == "slice":
        spans = [(0, end) for end in _places(op, n, dim) if end not in (0, n)]
    else:
        ends = [*_places(op, n, dim), n]
        spans = [(a, b) for a, b in pairwise(ends)][: 1 if op.name == "split" else None]
    found: list[tuple[str, str, int | None, Tensor]] = []
    sizes = [b - a for a, b in spans]
    several = tracer.view_of(op.source) is None  # of a bias, the attribute that comes first in the code
    for name, held in vars(module).items():
        if isinstance(held, (list, tuple)) and all(type(n) is int for n in held) and list(held) == sizes:
            found += [(path, name, i, line[a:b]) for i, (a, b) in enumerate(spans)]
        elif type(held) is int and (several or name in holding(module, held, caller().f_code)[:1]):
            found += [(path, name, None, line[a:b]) for (a, b) in spans if b - a == held][:1]
    tracer.record.attributes += found
    tracer.record.following.add(tracer.line())
    return {int(ids.numel()) for *_, ids in found} == set(sizes)


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
    lengths = [1 if op.name == "unbind" else t.size(dim) for t in op.outputs]
    return [sum(lengths[:i]) for i in range(len(lengths))]


def note_bound(tracer: Tracer, bound: Bound, source: Tensor) -> None:
    """Let an attribute count what lies along a dimension of a tensor."""
    view, ids = tracer.view_of(source), tracer.ids_of(source)
    if ids is not None and varying(core(ids)) == [bound.dim]:
        found = core(ids).flatten()
    elif view is not None and (box := part(view, tracer.record.shapes[view.name])) is not None:
        found = tracer.record.along(view.name, bound.dim)[slice(*box[bound.dim])]
    else:
        return
    tracer.record.attributes.append((bound.module, bound.attribute, None, found))


def part(view: ParamView, shape: tuple[int, ...]) -> list[tuple[int, int]] | None:
    """Where a view that cuts a part out of a parameter of this shape starts and ends along every dimension."""
    strides, offset = [math.prod(shape[d + 1 :]) for d in range(len(shape))], int(view.proxy.storage_offset())
    found = []
    if view.proxy.dim() != len(shape) or list(view.proxy.stride()) != strides:
        return None
    for n, stride in zip(view.proxy.shape, strides, strict=True):
        start, offset = divmod(offset, stride)
        found.append((start, start + n))
    return found


def _cut_parameter(tracer: Tracer, op: Op, dim: int) -> None:
    """A part of a weight (octave convolutions) is a view of it; attributes of the module that say where it is cut,
    follow.
    """
    args, kwargs = op.raw
    view, n = tracer.view_of(op.source), op.source.size(dim)
    if op.name != "slice" or view is None or op.args.get("step", 1) != 1:
        return
    before = part(view, tracer.record.shapes[view.name])
    if before is None or not moved_parameter(tracer, op, lambda t: op.func(t, *args[1:], **kwargs)):
        return
    for end in (op.args.get("start") or 0, op.args.get("end") or 0):
        names = holding(tracer.modules[-1][1], end, caller().f_code) if tracer.modules else []
        if not names or not 0 < end <= n:
            continue
        # Of several names with one value each dimension has its own: in the order of the code, or the other way round.
        chosen, start = names[(dim + tracer.choose(2)) % len(names)], before[dim][0]
        ids = tracer.record.along(view.name, dim)[start : start + end]
        tracer.record.attributes.append((tracer.modules[-1][0], chosen, None, ids))
        tracer.record.following.add(tracer.line())
        if tracer.decisions.get(tracer.line()) == FREEZE:
            tracer.ids.freeze(ids, f"parameter {view.name} cut at sizes that do not follow, {tracer.site()}")
