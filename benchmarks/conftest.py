"""Rows of figures, printed as Markdown tables at the end of a run."""

from __future__ import annotations

import gc
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Report = dict[str, list[str]]
_REPORT = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store-latency", action="store_true", help="keep the ratios of test_latency.py as the stored ones"
    )


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Add a row of cells to the table with this header."""
    tables = pytestconfig.stash.setdefault(_REPORT, {})

    def add(header: str, *cells: object) -> None:
        tables.setdefault(header, []).append("| " + " | ".join(map(str, cells)) + " |")

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for header, rows in config.stash.get(_REPORT, {}).items():
        columns = header.count("|") + 1
        terminalreporter.write_line("\n".join(["", f"| {header} |", "|" + "---|" * columns, *rows]))


@pytest.fixture
def cpu_seconds() -> Callable[[Callable[[], object]], float]:
    """CPU seconds of a call: what other processes do on the machine counts for little.

    Python's garbage collector waits, since it falls on whoever happens to call when its time has come.
    """

    def measure(call: Callable[[], object]) -> float:
        gc.collect()
        gc.disable()
        try:
            started = time.process_time()
            call()
            return time.process_time() - started
        finally:
            gc.enable()

    return measure


CONFIG = """
_base_ = {base!r}
train_dataloader = dict(batch_size={batch})
train_cfg = dict(by_epoch=True, max_epochs={epochs}, val_interval={epochs})
param_scheduler = [dict(type="MultiStepLR", milestones=[150, 225])]
custom_hooks = [dict(type={hook!r}, steps={steps})]
"""
IMAGES = 50_000  # in an epoch, at most


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Writes CIFAR-10's files with at least so many random images for training."""

    def write(images: int) -> None:
        random, folder = np.random.default_rng(0), tmp_path / "cifar-10-batches-py"
        folder.mkdir()
        for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
            data = random.integers(256, size=(-(-images // 5), 3072), dtype=np.uint8)
            labels = (np.arange(len(data)) % 10).tolist()
            (folder / name).write_bytes(pickle.dumps({"data": data, "labels": labels}))
        monkeypatch.setenv("LWDNA_DATA", str(tmp_path))

    return write


@pytest.fixture
def train_resnet20(cifar10: Callable[[int], None], tmp_path: Path) -> Callable[..., None]:
    """Trains ResNet-20 through `lwdna compare` for at least so many rounds of steps, on random images, under a
    registered hook that is told the steps of a round; more words go to the command. An epoch has whole rounds.
    """
    from lwdna_core.cli import main
    from lwdna_core.compare.task import find_task

    def train(hook: str, batch: int, steps: int, rounds: int, *words: str) -> None:
        at_once = min(rounds, IMAGES // (batch * steps))  # rounds of an epoch
        cifar10(batch * steps * at_once)
        base, config = find_task("classification").configs()["resnet20_cifar10"], tmp_path / "run.py"
        epochs = -(-rounds // at_once)
        config.write_text(CONFIG.format(base=str(base), hook=hook, batch=batch, steps=steps, epochs=epochs))
        arms = ["--arms", "baseline", "--seeds", "1", "--work-dir", str(tmp_path / "out")]
        assert main(["compare", "classification", str(config), *arms, *words]) == 0

    return train
