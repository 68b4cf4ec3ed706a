"""BatchNorm folded into the convolution before it, found in a forward pass: it needs no graph of the network's code."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from lwdna_core.shrink.forward import Inputs, as_call, output_tensors

# Exactly these: a subclass may do more than its name says (standardised weights, an activation of its own).
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, *_TRANSPOSED)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_TOLERANCE = 1e-8  # of the largest output, in float64; the epsilon of an untrained BatchNorm alone makes 5e-6


class Folded(NamedTuple):
    """A network for inference.

    Attributes:
        network: a copy in eval mode, in the precision and on the device of the original.
        folded: how many BatchNorm layers are part of a convolution or linear layer now.
        reason: why none is folded although some could have been; None where that did not happen.
    """

    network: nn.Module
    folded: int = 0
    reason: str | None = None


def count_batch_norms(network: nn.Module) -> int:
    """BatchNorm layers of every kind."""
    return sum(isinstance(module, _BatchNorm) for module in network.modules())


def fold_batch_norm(network: nn.Module, example_inputs: Inputs) -> Folded:
    """Fold every BatchNorm into the convolution or linear layer whose output it alone reads.

    One forward pass in float64 on the CPU finds the pairs: the input of the BatchNorm is the very tensor that the layer
    returned, always the same layer's, and nothing else reads it. A second one shows that the outputs stay the same;
    where they do not, or the network runs in float32 only, nothing is folded and the reason is given.

    Args:
        network: is not modified.
        example_inputs: what its forward takes.
    """
    plain = copy.deepcopy(network).eval()
    if not count_batch_norms(plain):
        return Folded(plain)
    probe = copy.deepcopy(plain).cpu().double()
    args, kwargs = tree_map_only(Tensor, _as_double, as_call(example_inputs))

    def run() -> Any:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return probe(*args, **kwargs)

    try:
        with _Pairs(probe) as pairs:
            before = run()
            found = pairs.found(before)
        _fold(probe, found)
        agree = _same(output_tensors(before), output_tensors(run()))
    except Exception as error:  # the network's own code: anything can come out of it
        return Folded(plain, 0, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
    if not agree:
        return Folded(plain, 0, "the outputs would change")
    _fold(plain, found)
    return Folded(plain, len(found))


class _Pairs(TorchDispatchMode):
    """Watches one forward pass: which layer's output each BatchNorm reads, and which outputs others read too."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._outputs: dict[int, tuple[Tensor, nn.Module]] = {}  # by id; the tensors are kept, so that ids stay theirs
        self._sources: dict[nn.Module, set[nn.Module | None]] = {}
        self._shared: set[nn.Module] = set()
        self._in_norm = 0
        self._names = {module: name for name, module in network.named_modules()}
        self._hooks = []
        for module in self._names:
            if type(module) in _LAYERS and isinstance(module._parameters.get("weight"), nn.Parameter):
                self._hooks.append(module.register_forward_hook(self._leave_layer))
            elif type(module) in _NORMS and module.running_var is not None:
                self._hooks.append(module.register_forward_pre_hook(self._enter_norm))
                self._hooks.append(module.register_forward_hook(self._leave_norm))

    def _leave_layer(self, layer: nn.Module, args: Any, output: Tensor) -> None:
        if not (type(layer) is nn.Linear and output.dim() != 2) and (
            type(layer) not in _TRANSPOSED or layer.groups == 1
        ):
            self._outputs[id(output)] = output, layer

    def _enter_norm(self, norm: nn.Module, args: Sequence[Any]) -> None:
        _, layer = self._outputs.get(id(args[0]) if args else 0, (None, None))
        self._sources.setdefault(norm, set()).add(layer)
        self._in_norm += 1

    def _leave_norm(self, norm: nn.Module, args: Any, output: Tensor) -> None:
        self._in_norm -= 1

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if not self._in_norm:
            self._read(args, kwargs)
        return func(*args, **(kwargs or {}))

    def _read(self, *values: Any) -> None:
        self._shared |= {self._outputs[id(leaf)][1] for leaf in tree_leaves(values) if id(leaf) in self._outputs}

    def found(self, output: Any) -> list[tuple[str, str]]:
        """Names of layer and BatchNorm that belong together, given the network's output."""
        self._read(output_tensors(output))
        pairs = {norm: next(iter(sources)) for norm, sources in self._sources.items() if len(sources) == 1}
        taken = [layer for sources in self._sources.values() for layer in sources]
        return [
            (self._names[layer], self._names[norm])
            for norm, layer in pairs.items()
            if layer is not None and layer not in self._shared and taken.count(layer) == 1
        ]

    def __exit__(self, *exception: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        super().__exit__(*exception)


def _fold(network: nn.Module, pairs: Sequence[tuple[str, str]]) -> None:
    """Put every BatchNorm into its layer, computed in float64, and an identity in its place."""
    modules: dict[str, Any] = dict(network.named_modules())
    for layer, norm in ((modules[first], modules[second]) for first, second in pairs):
        values: tuple[Any, ...] = (
            layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias,
            type(layer) in _TRANSPOSED,
        )  # fmt: skip
        exact = tree_map_only(Tensor, lambda tensor: tensor.detach().double(), values)
        folded = fuse_conv_bn_weights(*exact)
        kind = layer.weight.dtype
        layer.weight, layer.bias = (nn.Parameter(tensor.to(kind), requires_grad=False) for tensor in folded)
        for parent in modules.values():
            for name, child in parent._modules.items():
                if child is norm:
                    parent._modules[name] = nn.Identity()


def _same(left: Sequence[Tensor], right: Sequence[Tensor]) -> bool:
    return len(left) == len(right) and all(map(_close, left, right))


def _close(left: Tensor, right: Tensor) -> bool:
    if left.shape != right.shape or not left.is_floating_point():
        return torch.equal(left, right)
    return not left.numel() or bool((left - right).abs().max() <= _TOLERANCE * left.abs().max())


def _as_double(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().double() if tensor.is_floating_point() else tensor.detach().cpu()
