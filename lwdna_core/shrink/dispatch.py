"""Which rule an operation goes by."""

from __future__ import annotations

from lwdna_core.shrink import cuts, layers, moves, reductions  # noqa: F401 - they register their rules
from lwdna_core.shrink.provenance import Op, Tracer
from lwdna_core.shrink.rules import RULES, Rule, elementwise, unknown

_chosen: dict[int, Rule] = {}  # by identity, as overloads live for ever, and are slow to hash


def apply(tracer: Tracer, op: Op) -> None:
    """Set the shadows of an operation's outputs."""
    function = _chosen.get(id(op.func))
    if function is None:
        named = RULES.get(op.name) or RULES.get(op.name.rstrip("_") if op.name.endswith("_") else "")
        function = _chosen[id(op.func)] = named or (elementwise if op.pointwise else unknown)
    function(tracer, op)
    for bound in tracer.bounds:
        if isinstance(bound.source, tuple) and bound.source[0] == len(tracer.record.steps):
            cuts.note_bound(tracer, bound, op.outputs[bound.source[1]])
