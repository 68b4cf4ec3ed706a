"""Runs a resized network on stand-ins, and holds every operation to what the channel graph predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lwdna_core.shrink.cuts import holding
from lwdna_core.shrink.direct import shortcuts
from lwdna_core.shrink.forward import output_tensors, run_forward
from lwdna_core.shrink.graph import ChannelGraph, Form
from lwdna_core.shrink.provenance import COMPILED, EMPTY, caller, numbers_of, signature, tensors
from lwdna_core.shrink.record import Bound
from lwdna_core.shrink.shapes import execute
from lwdna_core.shrink.subject import Subject
from lwdna_core.shrink.surgery import Plan


class Mismatch(Exception):
    """An operation did not put out what was predicted; `index` is its place on the trail, or where that was left.

    `bounds` are attributes that cut what was whole in the trace.
    """

    def __init__(self, index: int, message: str, left: bool = False, bounds: Sequence[Bound] = ()) -> None:
        super().__init__(message)
        self.index, self.left, self.bounds = index, left, bounds


class _Follower(TorchDispatchMode):
    """Holds every operation to the trail."""

    def __init__(
        self, graph: ChannelGraph, widths: Sequence[int], paths: Mapping[int, str], scaled: list[int] | None
    ) -> None:
        super().__init__()
        self.paths, self.names, self.scaled = paths, dict[int, str](), scaled
        self.made: dict[int, list[Tensor]] = {}  # by place on the trail; nothing is kept that costs memory
        self.device = graph.device
        self.trail, self.widths, self.index = graph.trail, widths, 0
        self.bounds: list[Bound] = []
        self.traced = [g.size for g in graph.groups]
        self._known: dict[int, tuple[int | None, ...]] = {}
        self.lost = any(w == 1 < g.size for g, w in zip(graph.groups, widths, strict=True))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is EMPTY:
            return func(*args, **kwargs)
        out, i, known = execute(func, args, kwargs), self.index, signature(func)
        name, outputs = known.name, [out] if isinstance(out, Tensor) else tensors((out,))
        same = not self.lost and i < len(self.trail.ops) and name == self.trail.ops[i]
        wrong = self._unexpected(i, outputs) if same else None
        if (wrong or not same) and name == "slice" and not self.lost and (bound := self._bound(*args)):
            self.bounds.append(bound)
            self.index += self.trail.ops[i : i + 1] == ["alias"]  # for an index that cuts nothing at all
            return func(*args[:2])  # as if it had followed
        # At some widths PyTorch takes another way (einsum, a single channel): from there on, only the outputs can tell.
        self.lost = self.lost or not same
        if self.lost:
            return out
        if wrong:
            raise Mismatch(i, f"{name} ({self.trail.lines[i]}) {wrong}")
        if self.scaled is not None and known.pointwise and numbers_of(func, args, kwargs) != self.trail.numbers[i]:
            self.scaled.append(i)
        self.made[i] = outputs if self.device else []
        self.index += 1
        return out

    def _unexpected(self, index: int, outputs: list[Tensor]) -> str | None:
        """How an operation's outputs differ from what the trail says."""
        for t, forms in zip(outputs, self.trail.shapes[index], strict=True):
            expected, shape = self._sizes(forms), t.shape
            if expected != shape and (
                len(expected) != len(shape)
                or (expected.count(None) < len(shape) and any(map(_differ, expected, shape)))
            ):
                return f"gives {list(t.shape)}, expected {list(expected)}"
        return None

    def _bound(self, source: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, *step: int) \
            -> Bound | None:  # fmt: skip
        """The attribute by which something is cut that was whole in the trace."""
        frame, dim = caller(), dim % source.dim()
        made = reversed(self.made.items())
        known = self.names.get(id(source)) or next(
            ((i, n) for i, out in made for n, t in enumerate(out) if t is source), None
        )
        if known is None or start or not end:
            return None
        if isinstance(known, tuple):
            form = self.trail.shapes[known[0]][known[1]][dim]
            if form is None or end != form[0] + sum(n * self.traced[g] for g, n in form[1]):
                return None
        # `self`, by whatever name, or what a nested function knows of it
        modules = [m for m in frame.f_locals.values() if isinstance(m, nn.Module) and id(m) in self.paths]
        for module in modules:
            if names := holding(module, end, frame.f_code):
                return Bound(self.paths[id(module)], names[dim % len(names)], known, dim)
        return None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:  # a guard against torch.compile that costs more than all the rest
        return False

    def _sizes(self, forms: tuple[Form | None, ...]) -> tuple[int | None, ...]:
        """What the forms of a shape say at these widths; None where they cannot tell."""
        known = self._known.get(id(forms))  # many operations share one
        if known is None:
            known = self._known[id(forms)] = tuple(
                None if f is None else f[0] + sum(n * self.widths[g] for g, n in f[1]) for f in forms
            )
        return known


def _differ(expected: int | None, found: int) -> bool:
    return expected is not None and expected != found


def mismatch(
    subject: Subject,
    graph: ChannelGraph,
    widths: Mapping[str, int],
    scaled: list[int] | None = None,
    plan: Plan | None = None,
) -> Mismatch | None:
    """Run a resized network once, on stand-ins; the first deviation from the graph's predictions, if there is any.

    Args:
        subject: the resized network; or the network itself, with a plan to resize its stand-ins.
        graph: whose predictions count.
        widths: of the groups; those that are not named are as traced.
        scaled: receives the indices of operations that compute with another Python number than at the traced widths,
            where there is no deviation.
        plan: how they are resized.
    """
    paths = {id(m): path for path, m in subject.modules.items()}
    other: list[int] | None = None if scaled is None else []
    follower = _Follower(graph, [widths.get(g.name, g.size) for g in graph.groups], paths, other)
    args, kwargs = graph.example
    modes = graph.trail.modes

    def prepare() -> None:
        for path, module in subject.modules.items():
            own = module.__dict__
            own["training"] = modes.get(path, own["training"])
        for module, run in shortcuts(subject.modules.values(), follower).items():
            module.__dict__[COMPILED] = run
        if plan is not None:
            plan.adjust(subject.modules)

    try:
        shapes = plan.shapes if plan is not None else None
        out = run_forward(
            subject, kwargs or args, follower, graph.device, names=follower.names, shapes=shapes, prepare=prepare
        )
    except Mismatch as found:
        found.bounds = follower.bounds
        return found
    except Exception as error:  # whatever the network's own code raises at sizes that it does not expect
        line = graph.trail.lines[min(follower.index, len(graph.trail.lines) - 1)]
        return Mismatch(follower.index, f"{line}: {error}", follower.lost, follower.bounds)
    if follower.bounds:
        cutting = ", ".join(f"{b.attribute} of {b.module}" for b in follower.bounds)
        return Mismatch(follower.index, f"something is cut that was whole, by {cutting}", True, follower.bounds)
    if scaled is not None:
        scaled += other or ()
    left = [tuple(t.shape) for t in output_tensors(out)]
    if left != graph.trail.outputs:
        message = f"the network puts out {left}, expected {graph.trail.outputs}"
        return Mismatch(follower.index, message, follower.lost)
    return None
