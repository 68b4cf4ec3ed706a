"""`--cuda-graph`: on a GPU the same numbers as without, and an error before any work where there can be none."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.cuda_graph import WARM_UP, GraphedStep
from lwdna_core.compare.runner import build_model, training_loader
from lwdna_core.compare.search import baseline
from lwdna_core.compare.task import tasks
from lwdna_core.errors import LwdnaError
from tasks.classification.model import ImageClassifier, ImagePreprocessor
from tasks.restoration.model import RestorationPreprocessor, Restorer
from tasks.restoration.networks.dncnn import dncnn_small

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
Compare = Callable[..., tuple[int, str]]
DEFAULTS = [(task.name, config) for task in tasks().values() for config in task.defaults]
SGD = {"type": "SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-2}
PLAIN: dict[str, Any] = {"type": "OptimWrapper", "optimizer": SGD}


class Regression(BaseModel):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Flatten())
        self.head = nn.Linear(8 * 36, 1)

    def forward(self, inputs: Tensor, targets: Tensor, mode: str) -> dict[str, Tensor]:
        error = (self.head(self.body(inputs))[:, 0] - targets).square()
        return {"loss": error.mean(), "worst": error.amax()}


def batches(sizes: list[int]) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        {"inputs": torch.randn(n, 3, 8, 8, generator=generator), "targets": torch.randn(n, generator=generator)}
        for n in sizes
    ]


def train(
    graphed: bool, sizes: list[int], between: Callable[[int, BaseModel, OptimWrapper], None], wrapper: dict[str, Any]
) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    torch.manual_seed(0)
    model = Regression().cuda().train()
    optim_wrapper = build_optim_wrapper(model, copy.deepcopy(wrapper))
    step = GraphedStep(model) if graphed else model.train_step
    torch.manual_seed(2)
    shown = []
    for number, batch in enumerate(batches(sizes)):
        between(number, model, optim_wrapper)
        shown.append({name: float(value.detach()) for name, value in step(batch, optim_wrapper).items()})
    assert not graphed or step._graph is not None  # or it would be compared with itself
    return shown, model.state_dict()


def nothing(number: int, model: BaseModel, optim_wrapper: OptimWrapper) -> None: ...


def schedule(number: int, model: BaseModel, optim_wrapper: OptimWrapper) -> None:
    optim_wrapper.param_groups[0]["lr"] = 0.01 / (1 + number)


def freeze(number: int, model: BaseModel, optim_wrapper: OptimWrapper) -> None:
    frozen = 6 <= number < 12
    model.body[0].requires_grad_(not frozen)
    model.body[1].train(not frozen)


@needs_gpu
@pytest.mark.parametrize(
    ("sizes", "between", "more"),
    [
        pytest.param([16] * 8, nothing, {}, id="plain"),
        pytest.param([16, 16, 16, 16, 16, 5] * 3, schedule, {}, id="a shorter last batch, another learning rate"),
        pytest.param([16] * 18, freeze, {}, id="frozen for a while"),
        pytest.param([16] * 8, nothing, {"clip_grad": {"max_norm": 0.1}}, id="clipped"),
        pytest.param([16] * 8, nothing, {"type": "AmpOptimWrapper", "dtype": "float16"}, id="float16"),
    ],
)
def test_the_same_numbers_as_step_by_step(sizes: list[int], between: Any, more: dict[str, Any]) -> None:
    (plain, weights), (graphed, same) = (train(flag, sizes, between, PLAIN | more) for flag in (False, True))
    assert [loss["loss"] for loss in graphed] == pytest.approx([loss["loss"] for loss in plain], rel=1e-3)
    assert [loss["worst"] for loss in graphed] == pytest.approx([loss["worst"] for loss in plain], rel=1e-2)
    torch.testing.assert_close(same, weights, rtol=1e-2, atol=1e-3)


@needs_gpu
@pytest.mark.parametrize(
    ("task", "config", "mode"),
    [
        ("classification", "tiny", None),
        ("classification", "tiny", "default"),
        ("tracking", "siamrpnpp_r18_composed_short", None),
        *((task, config, None) for task, config in DEFAULTS),
    ],
)
def test_whole_comparisons(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, config: str, mode: str | None
) -> None:
    replays, replay = [], torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: (replays.append(graph), replay(graph)))
    wishes: dict[str, Any] = {"task": task, "device": "cuda", "seeds": 1, "max_steps": 6, "compile": mode}
    if config != "tiny":
        wishes["config"] = config
    losses = []
    for name, graphed in (("plain", False), ("graphed", True)):
        failed, printed = compare(work_dir=tmp_path / name, cuda_graph=graphed, **wishes)
        assert failed == 0, printed
        files = [tmp_path / name / config / "seed0" / arm / "result.json" for arm in ("baseline", "lwdna")]
        results = [json.loads(file.read_text()) for file in files]
        losses.append([entry["loss"] for result in results for entry in result["curve"]])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert len(replays) == 2 * (wishes["max_steps"] - WARM_UP)


def images() -> tuple[BaseModel, dict[str, Tensor]]:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5))
    preprocessor = {"type": ImagePreprocessor, "mean": [0.5] * 3, "std": [0.2] * 3, "size": 8, "pad": 2, "flip": True}
    model = ImageClassifier(network, {**preprocessor, "cutout": 3})
    return model, {"inputs": torch.randint(256, (6, 3, 8, 8), dtype=torch.uint8), "labels": torch.randint(5, (6,))}


def patches() -> tuple[BaseModel, dict[str, Tensor]]:
    model = Restorer(dncnn_small(), {"type": RestorationPreprocessor, "loss": "mse", "sigma": 25})
    return model, {"targets": torch.randint(256, (4, 1, 16, 16), dtype=torch.uint8)}


@needs_gpu
@pytest.mark.parametrize("make", [images, patches])
def test_every_replay_has_its_own_draws(make: Callable[[], tuple[BaseModel, dict[str, Tensor]]]) -> None:
    found = []
    for graphed in (False, True):
        torch.manual_seed(0)
        model, batch = make()
        model = model.cuda().train()
        optim_wrapper = build_optim_wrapper(model, copy.deepcopy(PLAIN))
        step = GraphedStep(model) if graphed else model.train_step
        found.append([])
        for number in range(9):
            torch.manual_seed(number)
            found[-1].append(float(step(batch, optim_wrapper)["loss"].detach()))
    assert found[1] == pytest.approx(found[0], rel=1e-3)
    assert len({round(loss, 9) for loss in found[1]}) == 9


class Waits(Regression):
    def forward(self, inputs: Tensor, targets: Tensor, mode: str) -> dict[str, Tensor]:
        return super().forward(inputs * float(inputs.mean() > 100), targets, mode)


class Drops(Regression):
    def forward(self, inputs: Tensor, targets: Tensor, mode: str) -> dict[str, Tensor]:
        return super().forward(inputs * (random.random() < 0.5), targets, mode)


@needs_gpu
@pytest.mark.parametrize(("kind", "told"), [(Waits, "cannot be captured"), (Drops, "draws numbers on the CPU")])
def test_a_step_that_a_graph_would_not_repeat_is_refused(kind: type[Regression], told: str) -> None:
    model = kind().cuda().train()
    step, optim_wrapper = GraphedStep(model), build_optim_wrapper(model, copy.deepcopy(PLAIN))
    with pytest.raises(LwdnaError, match=f"--cuda-graph: a training step {told}"):
        for batch in batches([16] * 5):
            step(batch, optim_wrapper)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert torch.randn(1, device="cuda").isfinite().all()  # the GPU goes on, for whoever comes next
    train(True, [16] * 5, nothing, PLAIN)


class OnDevice(TorchDispatchMode):
    """All tensors are on the device "meta", which has no values: what would wait for a GPU, to read them, fails."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        assert {t.device.type for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)} <= {"meta"}, func
        return out


@pytest.mark.parametrize(("task", "config"), [*DEFAULTS, ("tracking", "siamrpnpp_r18_composed_short")])
def test_what_a_graph_holds_waits_for_nothing(task: str, config: str) -> None:
    experiment = load_experiment(task, config)
    model = build_model(experiment.cfg, baseline(experiment), "meta", cuda_graph=False).train()
    optim_wrapper = build_optim_wrapper(model, experiment.cfg.optim_wrapper)
    step, data = GraphedStep(model), next(iter(training_loader(experiment, 0, "cpu", batch_size=2)))
    data = {name: tensor.to("meta") for name, tensor in data.items()}
    for mode in (nullcontext(), OnDevice()):  # the first time warms up
        batch = step._before(data)
        with mode:
            loss, _ = step._losses(batch, optim_wrapper)
            optim_wrapper.backward(optim_wrapper.scale_loss(loss))


def test_augmentation_of_pairs_waits_for_nothing() -> None:
    experiment = load_experiment("tracking", "siamfc_small_composed_short")
    preprocessor = MODELS.build(experiment.cfg.model.data_preprocessor).to("meta")
    data = next(iter(training_loader(experiment, 0, "cpu", batch_size=2)))
    data = {name: tensor.to("meta") for name, tensor in data.items()}
    with OnDevice():
        preprocessor(data, training=True)


@needs_gpu
def test_batches_of_ever_new_shapes_are_refused() -> None:
    with pytest.raises(LwdnaError, match="--cuda-graph: batches differ in shape"):
        train(True, [16, *range(1, 40)], nothing, PLAIN)


class OwnStep(ImageClassifier):
    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        shown: dict[str, Tensor] = super().train_step(data, optim_wrapper)
        return shown


def test_what_cannot_be_graphed_is_said_before_any_work(compare: Compare, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(LwdnaError, match="--cuda-graph needs a GPU, not cpu"):
        compare(cuda_graph=True)
    name = f"{OwnStep.__module__}.OwnStep"
    with pytest.raises(LwdnaError, match=r"takes the place of mmengine's train_step; .*OwnStep.* has its own"):
        compare(cuda_graph=True, device="cuda", options=(f"model.type={name}",))
    with pytest.raises(LwdnaError, match="--compile reduce-overhead exclude each other"):
        compare(cuda_graph=True, device="cuda", compile="reduce-overhead")
    tiny.write_text(tiny.read_text() + "optim_wrapper['accumulative_counts'] = 2")
    with pytest.raises(LwdnaError, match="accumulative_counts=2 exclude each other"):
        compare(cuda_graph=True, device="cuda")
    assert not (tmp_path / "out").exists()
