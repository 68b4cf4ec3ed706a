"""Training steps as a CUDA graph: the CPU starts all operations of a forward and a backward pass in one call."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, OPTIM_WRAPPERS
from torch import Tensor

from lwdna_core.compare.config import Experiment
from lwdna_core.cuda_graphs import capture
from lwdna_core.errors import LwdnaError

WARM_UP = 3
"""Steps as usual before one is captured: kernels are loaded and chosen, the compiler is done."""
_OTHERS = 20  # batches in a row that look unlike the first: without a graph, a flag for it says what is not so
_CONSTANT = (str, int, float, bool, type(None))


def check_cuda_graph(experiment: Experiment, device: str) -> None:
    """Raise LwdnaError where steps of an experiment cannot be captured, as far as can be known before one is taken."""
    cfg = experiment.cfg
    counts, mode = cfg.optim_wrapper.get("accumulative_counts", 1), cfg.get("compile")
    model, wrapper = MODELS.get(cfg.model.type), OPTIM_WRAPPERS.get(cfg.optim_wrapper.get("type", "OptimWrapper"))
    for holds, why in (
        (device.startswith("cuda"), f"needs a GPU, not {device}"),
        (get_world_size() == 1, "and --launcher exclude each other: the processes' gradients are no part of a graph"),
        (counts == 1, f"and optim_wrapper.accumulative_counts={counts} exclude each other: a graph is a whole step"),
        (mode in (None, "default"), f"and --compile {mode} exclude each other: that captures graphs of its own"),
        (_inherits(model, BaseModel, "train_step"), f"takes the place of mmengine's train_step; {model} has its own"),
        (_inherits(wrapper, OptimWrapper, "update_params"), f"knows mmengine's update_params; {wrapper} has its own"),
    ):
        if not holds:
            raise LwdnaError(f"--cuda-graph {why}")


def _inherits(made: Any, base: type, method: str) -> bool:
    return getattr(made, method, None) is getattr(base, method)


class GraphedStep:
    """Takes the place of a model's `train_step`: the same operations on the same numbers, captured once and replayed.

    A graph holds the forward pass, the loss and the backward pass. Preprocessing, which draws, and the optimiser's
    step, whose learning rate changes, run as ever; so do batches of another shape than the first, as the last of an
    epoch. Where parameters are frozen or modules change their mode, the step is captured anew. A preprocessor that is
    `replayable` has a method `draw`, which takes a batch and adds to it what is random; all that is left to do with it
    is in the graph.

    What is drawn from torch's generator of the GPU within a graph is drawn anew in each replay; what is drawn from the
    CPU's global generators would stay as it was, and is refused. So would what generators of one's own draw, or a count
    of the calls, of which nobody knows. The losses that a step returns are overwritten by the next one.

    Args:
        model: mmengine's, on the current GPU; its preprocessor makes a dict of tensors, numbers and strings.
    """

    def __init__(self, model: BaseModel) -> None:
        self._model = model
        preprocess = partial(model.data_preprocessor, training=True)
        ahead = getattr(model.data_preprocessor, "replayable", False)
        self._before: Callable[[Any], dict[str, Any]] = model.data_preprocessor.draw if ahead else preprocess
        self._within: Callable[[dict[str, Any]], dict[str, Any]] = preprocess if ahead else dict
        self._parameters, self._modules = list(model.parameters()), list(model.modules())
        self._mode: list[int] = []
        self._stream: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One step of the optimiser on a batch of the loader. Raises LwdnaError where it cannot be captured."""
        with optim_wrapper.optim_context(self._model):
            batch = self._before(data)
        looks, mode = _looks(batch), [m.training for m in self._modules]
        for parameter in self._parameters:  # a graph knows them by their addresses
            mode += (parameter.requires_grad, parameter.data_ptr())
        if mode != self._mode:
            self._mode, self._first, self._steps, self._others, self._graph = mode, looks, 0, 0, None
        if looks != self._first:
            self._others += 1
            if self._others > _OTHERS:
                raise LwdnaError(f"--cuda-graph: batches differ in shape: {self._first} at first, now {looks}")
            return self._step(batch, optim_wrapper)
        self._steps, self._others = self._steps + 1, 0
        if self._steps <= WARM_UP:
            return self._warm_up(batch, optim_wrapper)
        if self._graph is None:
            self._graph = self._capture(batch, optim_wrapper)
        for name, tensor in self._inputs.items():
            tensor.copy_(batch[name], non_blocking=True)
        self._graph.replay()
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        optim_wrapper.step()
        return self._shown

    def _losses(self, batch: dict[str, Any], optim_wrapper: OptimWrapper) -> tuple[Tensor, dict[str, Tensor]]:
        with optim_wrapper.optim_context(self._model):
            losses = self._model._run_forward(self._within(batch), mode="loss")
        total, shown = self._model.parse_losses(losses)
        return total, {name: value.detach() for name, value in shown.items()}

    def _step(self, batch: dict[str, Any], optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """As usual."""
        optim_wrapper.zero_grad()  # the graph leaves its gradients behind
        total, shown = self._losses(batch, optim_wrapper)
        optim_wrapper.update_params(total)
        return shown

    def _warm_up(self, batch: dict[str, Any], optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """On the stream of the capture: what autograd keeps for the parameters must not belong to the default one."""
        current = torch.cuda.current_stream()
        self._stream = self._stream or torch.cuda.Stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            shown = self._step(batch, optim_wrapper)
        current.wait_stream(self._stream)
        return shown

    def _capture(self, batch: dict[str, Any], optim_wrapper: OptimWrapper) -> torch.cuda.CUDAGraph:
        device = self._parameters[0].device
        tensors = {name: value for name, value in batch.items() if isinstance(value, Tensor)}
        self._inputs = {name: tensor.to(device, copy=True) for name, tensor in tensors.items()}
        optim_wrapper.zero_grad()  # to None: the backward pass shall write gradients, and not add to any
        drawn = _generators()

        def work() -> dict[str, Tensor]:
            total, shown = self._losses({**batch, **self._inputs}, optim_wrapper)
            optim_wrapper.backward(optim_wrapper.scale_loss(total))
            return shown

        try:
            graph, self._shown = capture(work, device, self._stream)
        except LwdnaError as error:
            raise LwdnaError(f"--cuda-graph: a training step {error}") from error
        if _generators() != drawn:
            raise LwdnaError("--cuda-graph: a training step draws numbers on the CPU, which a graph would repeat")
        self._gradients = [parameter.grad for parameter in self._parameters]
        return graph


def _generators() -> tuple[Any, ...]:
    """The states of the CPU's generators: they tell whether anything was drawn."""
    name, keys, *rest = np.random.get_state()
    return random.getstate(), name, np.asarray(keys).tobytes(), *rest, torch.get_rng_state().numpy().tobytes()


def _looks(batch: Any) -> dict[str, Any]:
    """All of a batch but the numbers in its tensors. Raises LwdnaError for what a graph cannot take."""
    if not isinstance(batch, dict):
        raise LwdnaError(f"--cuda-graph: a preprocessed batch: expected a dict, got {type(batch).__name__}")
    looks: dict[str, Any] = {}
    for name, value in batch.items():
        if not isinstance(value, (Tensor, *_CONSTANT)):
            raise LwdnaError(f"--cuda-graph: {name!r} of a batch: expected a tensor, got {type(value).__name__}")
        looks[name] = (value.shape, value.dtype) if isinstance(value, Tensor) else value
    return looks
