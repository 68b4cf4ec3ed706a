"""Fresh weights by the rule of the network's author, at whatever widths."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

_RULES = {
    function.__code__: function
    for name, function in vars(nn.init).items()
    if name.endswith("_") and not name.startswith("_") and hasattr(function, "__code__")
}
RECORD = "_initialisation"
"""The attribute of a network that holds what `remember` noted; never changed, so that copies share it."""

Draw = tuple[str, Callable[..., Any], dict[str, Any]]
"""A parameter's name, a function of torch.nn.init, and its arguments but the tensor."""


def remember(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a network, and note the calls of `torch.nn.init` on its parameters, so that they can be repeated.

    Most networks draw their weights in their constructors and have no method for it. Calls on parts of a parameter, and
    draws by a tensor's own methods, are not noted.
    """
    calls: list[tuple[Tensor, Callable[..., Any], dict[str, Any]]] = []

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and (rule := _RULES.get(frame.f_code)) and frame.f_back is not None:
            if frame.f_back.f_globals.get("__name__") == nn.init.__name__:
                return  # part of another rule
            if frame.f_back.f_code.co_name == "reset_parameters":
                return  # repeated by the module itself, which knows its size then
            arguments = dict(frame.f_locals)
            tensor = arguments.pop("tensor", None)
            if isinstance(tensor, Tensor):
                calls.append((tensor, rule, arguments))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        network = build()
    finally:
        sys.setprofile(before)
    if isinstance(network, nn.Module):
        names = {(p.data_ptr(), p.shape): name for name, p in network.named_parameters() if p.numel()}
        made = [((t.data_ptr(), t.shape), rule, arguments) for t, rule, arguments in calls]
        draws: list[Draw] = [(names[key], rule, arguments) for key, rule, arguments in made if key in names]
        network.__dict__[RECORD] = draws
    return network


@torch.no_grad()
def initialise_weights(network: nn.Module) -> None:
    """Draw all trained parameters by the network's own rule.

    That is the `reset_parameters()` of every module, then what the network says more: its `init_weights()`; else the
    calls of `torch.nn.init` that `remember` noted when it was built; else the `init_weights()` of the outermost modules
    that have it. Parameters outside of all these stay, and so do those that are not trained (preprocessing with fixed
    weights).
    """
    trained = any(p.requires_grad for p in network.parameters())
    fixed = {p: p.clone() for p in network.parameters() if trained and not p.requires_grad}
    draws: list[Draw] = network.__dict__.get(RECORD, [])
    for module in network.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
    if draws and not callable(getattr(network, "init_weights", None)):
        parameters = dict(network.named_parameters(remove_duplicate=False))
        for name, rule, arguments in draws:
            if name in parameters:
                rule(parameters[name], **arguments)
    else:
        _init_weights(network)
    for p, values in fixed.items():
        p.copy_(values)


def _init_weights(module: nn.Module) -> None:
    if callable(own := getattr(module, "init_weights", None)):
        own()
    else:
        for child in module.children():
            _init_weights(child)
