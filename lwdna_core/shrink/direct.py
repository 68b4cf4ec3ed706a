"""Calls of the commonest modules of torch go straight to the mode that watches the network.

`nn.Conv2d` is called through its hooks, its forward, `F.conv2d` and the dispatcher, which in the end calls the mode
with the very arguments that the module holds. On the meta device, where nothing is computed, that way is most of the
time of a pass. Here it is left out, where nothing on it can make a difference: modules of these classes themselves,
as their constructors made them, without hooks, called with one tensor of the usual number of dimensions, while nobody
else watches. All others go their own way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules.module import _has_any_global_hook
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
_Unwatched, _gradients, _transforms = (
    torch._C._DisableTorchDispatch, torch.is_grad_enabled, torch._C._functorch.peek_interpreter_stack
)  # fmt: skip
_modes, _function_modes = torch._C._len_torch_dispatch_stack, torch._C._len_torch_function_stack
Call = tuple[Any, tuple[Any, ...]]
"""An operation and its arguments."""


def shortcuts(modules: Iterable[nn.Module], mode: TorchDispatchMode) -> dict[nn.Module, Callable[..., Any]]:
    """What to call in place of modules' hooks and forwards; nothing for other classes, and where torch was patched."""
    if _way() != _WAY or _has_any_global_hook():
        return {}
    known = [(m, _OPERATIONS.get(m.__class__)) for m in modules]
    return {m: partial(_run, m, m.__class__, mode, operation) for m, operation in known if operation is not None}


def _run(
    module: nn.Module, kind: type[nn.Module], mode: TorchDispatchMode,
    operation: Callable[[Any, Any, Tensor], Call | None], /, *args: Any, **kwargs: Any,
) -> Any:  # fmt: skip
    known, own = None, module.__dict__
    if (
        len(args) == 1 and not kwargs and args[0].__class__ is Tensor and args[0].is_meta
        and args[0].dtype.is_floating_point and args[0].dim() == 4
        and not (own["_forward_hooks"] or own["_forward_pre_hooks"] or own["_backward_hooks"]
                 or own["_backward_pre_hooks"])
        and module.__class__ is kind and own.keys().isdisjoint(_PATCHES)
        # nobody else wants to see operations: gradients, other modes, transforms (`torch.func`)
        and not _gradients() and _modes() == 1 and not _function_modes() and _transforms() is None
        and forward_ad._current_level < 0
    ):  # fmt: skip
        known = operation(module, own["_parameters"], args[0])
    if known is None:
        return module._call_impl(*args, **kwargs)
    guard = _Unwatched()  # as when the dispatcher calls the mode
    try:
        out = mode.__torch_dispatch__(known[0], (), known[1])
    finally:
        del guard
    return out[0] if isinstance(out, tuple) else out


_PATCHES = frozenset(("forward", "_conv_forward", "_check_input_dim", "weight", "bias", "running_mean", "running_var"))


def _convolution(m: nn.Conv2d, own: Any, x: Tensor) -> Call | None:
    sizes = m.stride, m.padding, m.dilation, m.output_padding
    if m.padding_mode != "zeros" or not (tuple is type(sizes[0]) is type(sizes[1]) is type(sizes[2])):
        return None
    if "weight" not in own or "bias" not in own:  # computed, or an attribute like others
        return None
    stride, padding, dilation, more = map(list, sizes)
    return aten.convolution.default, (x, own["weight"], own["bias"], stride, padding, dilation, False, more, m.groups)


def _batch_norm(m: nn.BatchNorm2d, own: Any, x: Tensor) -> Call | None:
    mean, variance = m._buffers.get("running_mean"), m._buffers.get("running_var")
    if m.training or mean is None or variance is None or "weight" not in own or "bias" not in own:
        return None
    if not mean.shape == variance.shape == x.shape[1:2]:  # on the meta device, the operation itself would not object
        return None
    momentum = 0.0 if m.momentum is None else m.momentum
    return aten.native_batch_norm.default, (x, own["weight"], own["bias"], mean, variance, False, momentum, m.eps)


def _relu(m: nn.ReLU, own: Any, x: Tensor) -> Call | None:
    return (aten.relu_.default if m.inplace else aten.relu.default), (x,)


_OPERATIONS: dict[type[nn.Module], Callable[[Any, Any, Tensor], Call | None]] = {
    nn.Conv2d: _convolution,
    nn.BatchNorm2d: _batch_norm,
    nn.ReLU: _relu,
}


def _way() -> tuple[Any, ...]:
    """The functions that the long way leads through."""
    return (
        nn.Conv2d.forward, nn.Conv2d._conv_forward, F.conv2d, nn.BatchNorm2d.forward, nn.BatchNorm2d._check_input_dim,
        F.batch_norm, nn.ReLU.forward, F.relu, nn.Module.__call__, nn.Module._call_impl,
    )  # fmt: skip


_WAY = _way()
