"""Calls of the commonest modules of torch go straight to the mode that watches the network.

`nn.Conv2d` is called through its hooks, its forward, `F.conv2d` and the dispatcher, which in the end calls the mode
with the very arguments that the module holds. On the meta device, where nothing is computed, that way is most of the
time of a pass. Here it is left out, where nothing on it can make a difference: modules of these classes themselves,
without hooks, called with one tensor of the usual number of dimensions. All others go their own way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
Call = tuple[Any, tuple[Any, ...]]
"""An operation and its arguments."""


def shortcut(module: nn.Module, mode: TorchDispatchMode) -> Callable[..., Any] | None:
    """What to call in place of a module's hooks and forward; None where that could make a difference."""
    operation = _OPERATIONS.get(module.__class__)
    if operation is None:
        return None
    own = module.__dict__
    hooks = own["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"] or own["_backward_pre_hooks"]
    if hooks or "forward" in own or _has_any_global_hook():
        return None
    return partial(_run, module, mode, operation)


def _run(
    module: nn.Module, mode: TorchDispatchMode, operation: Callable[[Any, Tensor], Call | None], /,
    *args: Any, **kwargs: Any,
) -> Any:  # fmt: skip
    known = None
    if len(args) == 1 and not kwargs and args[0].__class__ is Tensor and args[0].is_meta:
        known = operation(module, args[0])
    if known is None:
        return module._call_impl(*args, **kwargs)
    guard = torch._C._DisableTorchDispatch()  # as when the dispatcher calls the mode
    try:
        out = mode.__torch_dispatch__(known[0], (), known[1])
    finally:
        del guard
    return out[0] if isinstance(out, tuple) else out


def _convolution(m: nn.Conv2d, x: Tensor) -> Call | None:
    own, sizes = m._parameters, (m.stride, m.padding, m.dilation, m.output_padding)
    if x.dim() != 4 or m.padding_mode != "zeros" or not (tuple is type(sizes[0]) is type(sizes[1]) is type(sizes[2])):
        return None
    if "weight" not in own or "bias" not in own:  # computed, or an attribute like others
        return None
    stride, padding, dilation, more = map(list, sizes)
    return aten.convolution.default, (x, own["weight"], own["bias"], stride, padding, dilation, False, more, m.groups)


def _batch_norm(m: nn.BatchNorm2d, x: Tensor) -> Call | None:
    own, mean, variance = m._parameters, m._buffers.get("running_mean"), m._buffers.get("running_var")
    if m.training or x.dim() != 4 or mean is None or variance is None or "weight" not in own or "bias" not in own:
        return None
    momentum = 0.0 if m.momentum is None else m.momentum
    return aten.native_batch_norm.default, (x, own["weight"], own["bias"], mean, variance, False, momentum, m.eps)


def _relu(m: nn.ReLU, x: Tensor) -> Call | None:
    return (aten.relu_.default if m.inplace else aten.relu.default), (x,)


_OPERATIONS: dict[type[nn.Module], Callable[[Any, Tensor], Call | None]] = {
    nn.Conv2d: _convolution,
    nn.BatchNorm2d: _batch_norm,
    nn.ReLU: _relu,
}
