"""A mistake in a config or an option is one message that names the file or key, before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from lwdna_core.compare.arms import ARMS
from lwdna_core.compare.config import check_arms, load_experiment
from lwdna_core.compare.parts import check_parts
from lwdna_core.errors import LwdnaError


def test_options_change_existing_keys_lists_included() -> None:
    options = ("optim_wrapper.optimizer.lr=0.05", "param_scheduler.0.milestones=[1,2]", "experiment.shrink.floor=0.2")
    experiment = load_experiment("classification", "resnet20_digits", options)
    assert experiment.cfg.optim_wrapper.optimizer.lr == 0.05
    assert experiment.cfg.param_scheduler[0].milestones == [1, 2]
    assert experiment.shrink["floor"] == 0.2
    assert load_experiment("classification", "resnet20_digits").shrink["floor"] == 0.4


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("optim_wrapper.optimiser.lr=0.1", "no 'optimiser' in the config; there is: optimizer"),
        ("optim_wrapper.optimizer.nestrov=True", "no 'nestrov' in the config; there is: nesterov"),
        ("param_scheduler.1.gamma=0.1", "no '1' in the config; there is: 0"),
        ("train_cfg.max_epochs.x=3", "a plain value"),
        ("train_cfg.max_epochs", "expected KEY=VALUE"),
        ("experiment.seeds=0", "experiment.seeds: expected a positive int, got 0"),
        ("experiment.seeds=many", "experiment.seeds: expected a positive int, got 'many'"),
        ("experiment.arms=[baseline,lwdn]", "unknown arm 'lwdn'; near ones: lwdna"),
        ("train_dataloader.dataset.type=digit", "unknown data set .*'digit'; near ones: digits"),
        ("train_cfg.by_epoch=False", "expected by_epoch=True"),
        ("train_cfg.max_epochs=0", r"train_cfg\.max_epochs: expected a positive int, got 0"),
        ("train_dataloader.batch_size=half", r"train_dataloader\.batch_size: expected a positive int, got 'half'"),
        ("train_dataloader.num_workers=-1", r"train_dataloader\.num_workers: expected an int from 0 on, got -1"),
        ("train_dataloader.dataset.type=3", r"train_dataloader\.dataset\.type: expected a name, got 3"),
        ("sync_bn=mmcv", r"sync_bn: expected 'torch' or nothing, got 'mmcv'"),
        ("experiment.arms=[1]", r"experiment\.arms: expected a list of names, .* got \[1\]"),
        ("experiment.arms=lwdna", r"experiment\.arms: expected a list of names, .* got 'lwdna'"),
        ("experiment.shrink=5", r"experiment\.shrink: expected a dict, got 5"),
        ("experiment.shrink.floor=True", r"experiment\.shrink\.floor cannot be True"),
        ("experiment.shrink.batch_size=0", r"experiment\.shrink\.batch_size: expected a positive int, got 0"),
        ("experiment.options=3", r"experiment\.options: expected a dict, got 3"),
        ("experiment.network=3", r"experiment\.network: expected a str, got 3"),
        ("experiment.input=3", r"experiment\.input: expected a shape such as .*, got 3"),
    ],
)
def test_a_wrong_option_is_named(option: str, message: str) -> None:
    with pytest.raises(LwdnaError, match=message):
        load_experiment("classification", "resnet20_digits", (option,))


def test_arguments_of_the_classes_that_a_config_names_need_not_be_there() -> None:
    options = ("optim_wrapper.optimizer.nesterov=True", "model.data_preprocessor.cutout=8")
    cfg = load_experiment("classification", "resnet20_digits", options).cfg
    assert cfg.optim_wrapper.optimizer.nesterov is True
    assert cfg.model.data_preprocessor.cutout == 8
    cfg = load_experiment("tracking", "siamfc_small_composed_short", ("model.tracker.search=287",)).cfg
    assert cfg.model.tracker.search == 287


def test_keys_that_have_a_default_need_not_be_there() -> None:
    options = ("train_dataloader.num_workers=3", "experiment.shrink.batch_size=8", "sync_bn=torch")
    experiment = load_experiment("classification", "resnet20_digits", options)
    assert experiment.cfg.train_dataloader.num_workers == 3
    assert experiment.shrink["batch_size"] == 8
    assert experiment.cfg.sync_bn == "torch"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("model=3", "model: expected a dict with a type, got 3"),
        ("model.type=tasks.classification.model.Clasifier", "'tasks.classification.model.Clasifier' leads nowhere"),
        ("optim_wrapper=3", "optim_wrapper: expected a dict, got 3"),
        ("optim_wrapper.optimizer.type=SDG", "near ones: SGD, ASGD"),
        ("param_scheduler.0.type=MultiStep", "near ones: MultiStepLR"),
        ("val_evaluator.type=Acuracy", "unknown val_evaluator.type"),
    ],
)
def test_a_part_that_mmengine_does_not_know_is_named(option: str, message: str) -> None:
    check_parts(load_experiment("classification", "resnet20_digits"))
    with pytest.raises(LwdnaError, match=message):
        check_parts(load_experiment("classification", "resnet20_digits", (option,)))


def test_unknown_names_list_near_ones() -> None:
    with pytest.raises(LwdnaError, match="unknown task 'clasification'; near ones: classification"):
        load_experiment("clasification", "resnet20_digits")
    with pytest.raises(LwdnaError, match=r"config of classification: 'resnet20_digit'; near ones: resnet20_digits"):
        load_experiment("classification", "resnet20_digit")
    with pytest.raises(LwdnaError, match=r"there is no config file nowhere\.py"):
        load_experiment("classification", "nowhere.py")
    with pytest.raises(LwdnaError, match="no arms to compare; there are: baseline, lwdna"):
        check_arms([], ARMS)
    assert check_arms(["lwdna", "baseline", "lwdna"], ARMS) == ("lwdna", "baseline")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict(", "own.py: cannot be read as a config: .*SyntaxError"),
        ("_base_ = 'missing.py'", "own.py: cannot be read as a config: .*missing.py"),
        ("model = dict()", "own.py: train_dataloader is missing"),
        ("_base_ = {base!r}\nexperiment = dict(_delete_=True, network='x')", "own.py: experiment.input is missing"),
        ("_base_ = {base!r}\nload_from = 'x.pth'", "load_from: expected no such key: runs start from scratch"),
        (
            "_base_ = {base!r}\ndefault_hooks = dict(logger=dict(interval=5))",
            r"default_hooks\.logger: expected checkpoint",
        ),
        ("_base_ = {base!r}\nexperiment = dict(initial='x')", "key of experiment in .*'initial'; near ones: init"),
        ("_base_ = {base!r}\nexperiment = dict(init='x')", "experiment.init: expected one of fresh, hypernet, got 'x'"),
        (
            "_base_ = {base!r}\ntrain_dataloader = dict(sampler=dict())",
            "train_dataloader.sampler: a data set's own loader",
        ),
        (
            "_base_ = {base!r}\nexperiment = dict(shrink=dict(flor=0.1))",
            "experiment.shrink.*'flor'; near ones: floor",
        ),
        (
            "_base_ = {base!r}\nexperiment = dict(input=(3, 3.5))",
            r"experiment.input: expected a shape such as .*, got \(3, 3.5\)",
        ),
    ],
)
def test_a_faulty_file_is_named_with_its_key(text: str, message: str, tmp_path: Path) -> None:
    base = str(load_experiment("classification", "resnet20_digits").cfg.filename)
    path = tmp_path / "own.py"
    path.write_text(text.format(base=base) if "{base" in text else text)
    with pytest.raises(LwdnaError, match=message):
        load_experiment("classification", str(path))


def test_a_budget_of_parameters_replaces_that_of_macs(tmp_path: Path) -> None:
    experiment = load_experiment("classification", "resnet20_digits")
    assert experiment.shrink["macs"] == 0.9 and "params" not in experiment.shrink
    path = tmp_path / "own.py"
    path.write_text(f"_base_ = {str(experiment.cfg.filename)!r}\nexperiment = dict(shrink=dict(params=0.8))")
    shrink = load_experiment("classification", str(path)).shrink
    assert shrink["params"] == 0.8 and "macs" not in shrink


def test_the_budget_that_the_command_line_names_is_the_one(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    base = load_experiment("classification", "resnet20_digits").cfg.filename
    path.write_text(f"_base_ = {str(base)!r}\nexperiment = dict(shrink=dict(params=0.8))")
    shrink = load_experiment("classification", str(path), ("experiment.shrink.macs=0.7",)).shrink
    assert shrink["macs"] == 0.7 and "params" not in shrink
    both = ("experiment.shrink.macs=0.7", "experiment.shrink.params=0.8")
    with pytest.raises(LwdnaError, match="one budget, params or macs, not both"):
        load_experiment("classification", str(path), both)
    without = ("experiment.shrink.macs=0.7", "experiment.shrink.params=None")
    assert load_experiment("classification", str(path), without).shrink["macs"] == 0.7
    path.write_text(f"_base_ = {str(base)!r}\nexperiment = dict(arms=[dict(name='own', macs=0.7, params=0.8)])")
    with pytest.raises(LwdnaError, match=r"experiment\.arms: 'own' has one budget"):
        load_experiment("classification", str(path))


def test_several_inputs_and_options_of_the_factory(tmp_path: Path) -> None:
    base = str(load_experiment("classification", "resnet20_digits").cfg.filename)
    path = tmp_path / "own.py"
    own = "experiment = dict(input=[(3, 127, 127), (3, 255, 255)], options=dict(num_classes=7))"
    path.write_text(f"_base_ = {base!r}\n{own}")
    experiment = load_experiment("classification", str(path))
    assert experiment.inputs == ((3, 127, 127), (3, 255, 255))
    assert experiment.options == {"num_classes": 7}
    assert load_experiment("classification", "resnet20_digits").inputs == ((3, 32, 32),)
    changed = load_experiment("classification", "resnet20_digits", ("experiment.options.num_classes=5",))
    assert changed.options == {"num_classes": 5}
