"""The recipes: every config loads, its network builds, and the numbers are the published ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lwdna_core.cli import main
from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.search import search_material
from lwdna_core.compare.task import resolve
from lwdna_core.networks import build_network
from tasks.tracking import task
from tasks.tracking.model import SiameseTracker, tracker_of
from tasks.tracking.siamfc import SiamFCTracker

CONFIGS = sorted(task.configs())


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_loads_and_its_network_takes_its_inputs(name: str) -> None:
    experiment = load_experiment("tracking", name)
    assert experiment.inputs == ((3, 127, 127), (3, 255, 255))
    assert experiment.cfg.train_dataloader.dataset.type in task.datasets
    assert callable(resolve(experiment.cfg.model.loss))
    SiameseTracker.check(experiment)
    with torch.device("meta"):
        network = build_network(experiment.network, **experiment.options)
        network(*(torch.zeros(1, *shape) for shape in experiment.inputs))
    network = build_network("siamfc_small" if "siamfc" in name else "siamrpnpp_r18").eval()
    assert hasattr(tracker_of(experiment.cfg.model.tracker, network), "update")


@pytest.mark.parametrize("name", ["siamfc_small_composed_short", "siamrpnpp_r18_composed_short"])
def test_a_search_scores_by_the_loss_that_training_minimises(name: str) -> None:
    network, _, batches, loss = search_material(name)
    few = {key: value[:2] for key, value in batches[0].items()}
    spec = load_experiment("tracking", name).cfg.model
    model = SiameseTracker(network, {"type": "BaseDataPreprocessor"}, spec.loss, spec.tracker)
    torch.manual_seed(0)  # which anchors count is drawn
    value = loss(network.eval(), few)
    torch.manual_seed(0)
    assert torch.isfinite(value) and value == model(mode="loss", **few)["loss"]


def test_the_trackers_settings_come_from_the_config() -> None:
    options = ("model.tracker.window_influence=0.3", "model.tracker.scale_num=5")
    spec = load_experiment("tracking", "siamfc_got10k", options).cfg.model.tracker
    tracker = tracker_of(spec, build_network("siamfc_small"))
    assert isinstance(tracker, SiamFCTracker) and (tracker.window_influence, tracker.scale_num) == (0.3, 5)
    # siamfc-pytorch's, but for the number of scales; pysot's for ResNet-50 on OTB
    published = dict(scale_step=1.0375, scale_lr=0.59, scale_penalty=0.9745, window_influence=0.176, response_up=16)
    spec = load_experiment("tracking", "siamfc_got10k").cfg.model.tracker
    assert {key: spec[key] for key in published} == published
    spec = load_experiment("tracking", "siamrpnpp_r50_got10k").cfg.model.tracker
    assert (spec.penalty_k, spec.window_influence, spec.lr) == (0.24, 0.5, 0.25)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("tracker=dict(window_inf=0.3)", "unknown key of model.tracker 'window_inf'; near ones: window_influence"),
        ("tracker=dict(scale_lr='fast')", "model.tracker.scale_lr: expected a number such as 0.59, got 'fast'"),
        ("tracker=dict(scale_num=2.5)", "model.tracker.scale_num: expected a number such as 3, got 2.5"),
        ("tracker=dict(search=300)", "model.tracker.search: expected 127 pixels and a multiple of 8, such as 255"),
        ("tracker=dict(search=247)", "model.tracker.search: expected 255, what the network is trained on, or more"),
        ("data_preprocessor=dict(search=0)", "model.data_preprocessor.search: expected 127 pixels and a multiple of 8"),
        (
            "data_preprocessor=dict(shift=100)",
            "model.data_preprocessor.search: 255 pixels, with shift=100 and scale=0.05, are more than the pairs",
        ),
        (
            "data_preprocessor=dict(search=415)",
            "model.data_preprocessor.search: 415 pixels, with shift=12 and scale=0.05, are more than the pairs",
        ),
        (
            "data_preprocessor=dict(search=287), tracker=dict(search=287)",
            "experiment.input: expected [(3, 127, 127), (3, 287, 287)], as model.data_preprocessor.search is 287, got",
        ),
        ("tracker='tasks.tracking.siamfc:SiamFCTracker'", 'model.tracker: expected dict(type="module:class", ...)'),
    ],
)
def test_wrong_settings_are_named_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], own: str, told: str
) -> None:
    base = task.configs()["siamfc_small_composed_short"]
    (tmp_path / "own.py").write_text(f"_base_ = {str(base)!r}\nmodel = dict({own})\n")
    words = ["compare", "tracking", str(tmp_path / "own.py"), "--work-dir", str(tmp_path / "work")]
    assert main(words) == 2 == main([*words, "--dry-run"])
    assert told in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_the_input_is_what_the_network_is_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "tracking", "--work-dir", str(tmp_path / "work"), "--cfg-options"]
    assert main([*words, "experiment.input=[(3,127,127),(3,287,287)]"]) == 2
    told = "experiment.input: expected [(3, 127, 127), (3, 255, 255)], as model.data_preprocessor.search is 255"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "work").exists()
    base = task.configs()["siamfc_small_composed_short"]
    (tmp_path / "own.py").write_text(f"_base_ = {str(base)!r}\nmodel = dict(tracker=dict(search=287))\n")
    SiameseTracker.check(load_experiment("tracking", str(tmp_path / "own.py")))  # pysot: AlexNet is tested with more


def test_the_default_is_among_them() -> None:
    assert set(task.defaults) <= set(CONFIGS)


def test_siamfcs_recipe_is_that_of_its_reimplementation() -> None:
    cfg = load_experiment("tracking", "siamfc_got10k").cfg
    assert (cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size) == (50, 8)
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ("SGD", 1e-2, 0.9, 5e-4)
    assert 1e-2 * cfg.param_scheduler[0].gamma ** 50 == pytest.approx(1e-5)


def test_siamrpns_recipe_is_pysots_from_fresh_weights() -> None:
    cfg = load_experiment("tracking", "siamrpnpp_r50_got10k").cfg
    assert cfg.train_cfg.max_epochs == 20 and "paramwise_cfg" not in cfg.optim_wrapper
    assert cfg.train_dataloader.batch_size == 8 * 28 and cfg.train_dataloader.dataset.pairs == 600_000
    warm, cool = cfg.param_scheduler
    assert warm.start_factor * cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-3)
    assert (cool.begin, cool.end) == (5, 20) and 5e-3 * cool.gamma**15 == pytest.approx(5e-4)


def test_the_default_keeps_its_limits() -> None:
    experiment = load_experiment("tracking", task.defaults[0])
    train, test = experiment.cfg.train_dataloader, experiment.cfg.val_dataloader.dataset
    steps = experiment.cfg.train_cfg.max_epochs * -(-train.dataset.pairs // train.batch_size)
    assert steps <= 200 and experiment.seeds == 2 and experiment.arms == ("baseline", "lwdna")
    assert 2 * test.sequences * test.length <= 300  # under two protocols
