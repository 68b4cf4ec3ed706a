"""The short way to the commonest operations leads to what the long one leads to, and is taken where it may be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from lwdna_core.shrink import ChannelGraph, direct, follower, provenance, trace

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
def test_an_operation_gets_the_same_arguments(layer: nn.Module, short: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = layer.to("meta"), torch.empty(2, 4, 9, 9, device="meta")
    found = []
    long = Counter[str]()
    monkeypatch.setattr(type(layer), "forward", counted(type(layer).forward, long))
    for direct_way in (False, True):
        with torch.no_grad(), Calls() as calls:
            way = direct.shortcut(layer, calls) if direct_way else layer
            assert way is not None
            out = way(x)
        found.append((calls.seen, out.shape, out.stride(), out is x))
    assert found[0] == found[1]
    assert long["calls"] == (1 if short else 2)


def counted(forward: Any, calls: Counter[str]) -> Any:
    def run(self: nn.Module, *args: Any) -> Any:
        calls["calls"] += 1
        return forward(self, *args)

    return run


def test_what_could_make_a_difference_goes_its_own_way() -> None:
    class Own(nn.Conv2d):
        pass

    hooked, patched = conv(3, 4), conv(3, 4)
    hooked.register_forward_hook(lambda module, args, out: out)
    patched.forward = lambda x: x  # type: ignore[method-assign]
    for layer in (Own(3, 4, 3), hooked, patched, nn.utils.parametrizations.weight_norm(conv(3, 4)), nn.Linear(3, 4)):
        assert direct.shortcut(layer, Calls()) is None
    handle = nn.modules.module.register_module_forward_hook(lambda module, args, out: None)
    try:
        assert direct.shortcut(conv(3, 4), Calls()) is None
    finally:
        handle.remove()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("training", (False, True))
def test_the_analysis_is_the_same(case: Case, training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    network = case.build().train(training)
    try:
        short = trace(network, case.inputs)
    except Exception as error:
        pytest.skip(f"not in this mode: {type(error).__name__}")
    for module in (provenance, follower):
        monkeypatch.setattr(module, "shortcut", lambda layer, mode: None)
    assert about(trace(network, case.inputs)) == about(short)


def about(graph: ChannelGraph) -> tuple[Any, ...]:
    groups = [(g.name, g.size, g.mixed_by, [(s.tensor, s.dim, s.role) for s in g.slots]) for g in graph.groups]
    frozen = [(f.name, f.size) for f in graph.frozen]
    return groups, frozen, graph.attributes, graph.macs(), graph.params(), graph.trail.ops, graph.trail.shapes
