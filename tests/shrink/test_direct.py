"""The short way to the commonest operations leads to what the long one leads to, and is taken where it may be."""

from __future__ import annotations

import copy
import types
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lwdna_core.shrink import ChannelGraph, direct, follower, provenance, resize, trace

from .networks import conv
from .zoo import CASES, Case


class Calls(TorchDispatchMode):
    """Operations with their arguments, tensors by their shapes; memory that carries nothing is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is not provenance.EMPTY:
            self.seen.append((func, kwargs or {}, *(tuple(a.shape) if isinstance(a, Tensor) else a for a in args)))
        return out


def changed(layer: nn.Module, **attributes: Any) -> nn.Module:
    for name, value in attributes.items():
        if isinstance(value, Tensor):
            delattr(layer, name)
        setattr(layer, name, value)
    return layer


LAYERS = [
    (changed(nn.Conv2d(4, 8, 3), stride=2, dilation=1), False),  # which F.conv2d takes, too
    (changed(nn.Conv2d(4, 8, 3), weight=torch.ones(8, 4, 3, 3, device="meta")), False),
    (changed(nn.BatchNorm2d(4).eval(), bias=torch.ones(4, device="meta")), False),
    (nn.Conv2d(4, 8, (3, 1), (2, 1), (1, 0), (1, 2), groups=2, bias=False), True),
    (nn.Conv2d(4, 8, 3, padding="same"), False),
    (nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect"), False),
    (nn.BatchNorm2d(4).eval(), True),
    (nn.BatchNorm2d(4, affine=False, momentum=None).eval(), True),
    (nn.BatchNorm2d(4), False),
    (nn.BatchNorm2d(4, track_running_stats=False).eval(), False),
    (nn.ReLU(), True),
    (nn.ReLU(inplace=True), True),
]


@pytest.mark.parametrize(("layer", "short"), LAYERS)
def test_an_operation_gets_the_same_arguments(layer: nn.Module, short: bool) -> None:
    layer, x = layer.to("meta"), torch.empty(2, 4, 9, 9, device="meta")
    found = []
    long = Counter[str]()
    layer._call_impl = counted(layer._call_impl, long)  # type: ignore[method-assign, assignment]
    for direct_way in (False, True):
        with torch.no_grad(), Calls() as calls:
            out = (direct.shortcuts([layer], calls)[layer] if direct_way else layer)(x)
        found.append((calls.seen, out.shape, out.stride(), out is x))
    assert found[0] == found[1]
    assert long["calls"] == (1 if short else 2)


def counted(call: Callable[..., Any], calls: Counter[str]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        calls["calls"] += 1
        return call(*args)

    return run


def test_other_classes_and_a_patched_torch_go_their_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(nn.Conv2d):
        pass

    for layer in (Own(3, 4, 3), nn.utils.parametrizations.weight_norm(conv(3, 4)), nn.Linear(3, 4)):
        assert not direct.shortcuts([layer], Calls())
    monkeypatch.setattr(F, "conv2d", lambda *args: None)
    assert not direct.shortcuts([conv(3, 4)], Calls())


class Odd(nn.Module):
    """`cases` say what happens between two layers and the last one, all of which stay and can be resized by some."""

    def __init__(self, middle: int = 6, way: Callable[[Any, Tensor], Tensor] = lambda s, x: s.b(s.a(x))) -> None:
        super().__init__()
        self.a, self.b, self.c, self.n = conv(3, 8), conv(8, middle), conv(middle, 4), middle
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.c(self.way(self, x))
        return y


def hooked(s: Odd, x: Tensor) -> Tensor:
    handle = s.b.register_forward_hook(lambda module, args, out: out + args[0])
    y = s.b(s.a(x))
    handle.remove()
    return y


def reset(s: Odd, x: Tensor) -> Tensor:
    s.b.forward = lambda t: nn.Conv2d.forward(s.b, t[..., ::2])  # type: ignore[method-assign]
    return s.b(s.a(x))


def tiled(s: Odd, x: Tensor) -> Tensor:
    def around(m: nn.Conv2d, x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv2d(torch.cat([x[..., -1:], x, x[..., :1]], -1), w, bias, padding=(1, 0))

    s.b._conv_forward = types.MethodType(around, s.b)  # type: ignore[method-assign]
    return s.b(s.a(x))


def mapped(s: Odd, x: Tensor) -> Tensor:
    return torch.vmap(lambda frame: s.b(s.a(frame[None])).squeeze(0))(x)


def functionalised(s: Odd, x: Tensor) -> Tensor:
    return torch.func.functionalize(lambda t: s.b(s.a(t)))(x)


def copied(s: Odd, x: Tensor) -> Tensor:
    y = s.b(s.a(x))
    z = torch.empty(y.shape, device=y.device)
    z.copy_(y)
    return z


def dropped(s: Odd, x: Tensor) -> Tensor:
    y = s.b(s.a(x))
    return y * torch.empty(y.shape[:2], device=y.device).bernoulli_(0.5)[:, :, None, None]


def cut(s: Odd, x: Tensor) -> Tensor:
    first = lambda t: t[:, : s.n]  # noqa: E731 - its own arguments are no module
    return first(s.b(s.a(x)))


def cut_by_self(self: Odd, x: Tensor) -> Tensor:
    return next(t[:, : self.n] for t in [self.b(self.a(x))])


ODD = [(way, 6) for way in (reset, tiled, mapped, functionalised, copied, dropped, cut, cut_by_self)] + [(hooked, 8)]


@pytest.mark.parametrize(("way", "middle"), ODD)
def test_odd_forwards_are_analysed_as_without_short_ways(
    way: Callable[[Any, Tensor], Tensor], middle: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = Odd(middle, way).eval(), torch.randn(2, 3, 8, 8)
    short = trace(network, x)
    for width in (short.groups[0].size - 1, short.groups[0].size + 2):
        resize(network, short, {g.name: width for g in short.groups})(x)
    for module in (provenance, follower):
        monkeypatch.setattr(module, "shortcuts", lambda modules, mode: {})
    assert about(trace(network, x)) == about(short)
    assert short.widths == ({"a": 8} if way is hooked else {"a": 8, "b": 6})


def test_an_error_that_the_network_catches_is_raised() -> None:
    norm = nn.BatchNorm2d(1).eval()

    def way(s: Odd, x: Tensor) -> Tensor:
        y = s.a(x)
        try:
            y = norm(y)
        except RuntimeError:
            y = torch.cat([y, y], 1)[:, :8]
        return s.b(y)

    network, x = Odd(6, way).eval(), torch.randn(2, 3, 8, 8)
    network.norm = norm
    graph = trace(network, x)
    assert graph.widths == {"b": 6}
    resize(network, graph, {"b": 3})(x)


def test_a_module_that_the_forward_makes_does_not_stay() -> None:
    def way(s: Odd, x: Tensor) -> Tensor:
        if not hasattr(s, "more"):
            s.more = copy.deepcopy(s.b)
        return s.more(s.a(x))

    network = Odd(6, way).eval()
    trace(network, torch.randn(2, 3, 8, 8))
    assert not hasattr(network, "more")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("training", (False, True))
def test_the_analysis_is_the_same(case: Case, training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    network = case.build().train(training)
    try:
        short = trace(network, case.inputs)
    except Exception as error:
        pytest.skip(f"not in this mode: {type(error).__name__}")
    for module in (provenance, follower):
        monkeypatch.setattr(module, "shortcuts", lambda modules, mode: {})
    assert about(trace(network, case.inputs)) == about(short)


def about(graph: ChannelGraph) -> tuple[Any, ...]:
    groups = [(g.name, g.size, g.mixed_by, [(s.tensor, s.dim, s.role) for s in g.slots]) for g in graph.groups]
    frozen = [(f.name, f.size) for f in graph.frozen]
    return groups, frozen, graph.attributes, graph.macs(), graph.params(), graph.trail.ops, graph.trail.shapes
