"""What a network must offer is asked for before any work, and the documentation's own network offers it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lwdna_core.cli import main
from lwdna_core.errors import LwdnaError
from tasks.tracking.contract import check_network
from tasks.tracking.experiments import Tracker
from tasks.tracking.networks.correlation import correlate
from tasks.tracking.networks.siamfc import siamfc_small
from tasks.tracking.siamfc import SiamFCTracker
from tasks.tracking.siamrpn import SiamRPNTracker

DOCS = Path(__file__).parents[2] / "docs"
OWN = """
from torch import Tensor, nn
from tasks.tracking.networks.siamfc import AlexNet
from tasks.tracking.networks.correlation import correlate


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = AlexNet((8, 16, 16, 16, 16))

    def forward(self, exemplar: Tensor, search: Tensor) -> Tensor:
        return 1e-3 * correlate(self.backbone(exemplar), self.backbone(search))
"""
CONFIG = ["siamfc_small_composed_short", "--cfg-options", "val_dataloader.dataset.real=False"]


class Strided(nn.Module):
    """A single convolution, which sees `kernel` pixels every `stride`."""

    def __init__(self, stride: int, kernel: int = 15, channels: int = 4, cut: int = 0) -> None:
        super().__init__()
        self.conv, self.cut = nn.Conv2d(3, channels, kernel, stride), cut

    def template(self, exemplar: Tensor) -> Tensor:
        found: Tensor = self.conv(exemplar)
        return found[:, :, self.cut : found.shape[2] - self.cut, self.cut : found.shape[3] - self.cut]

    def respond(self, template: Tensor, search: Tensor) -> Tensor:
        return correlate(template, self.conv(search))


class Wide(Strided):
    def respond(self, template: Tensor, search: Tensor) -> Tensor:
        return super().respond(template, search).expand(-1, 2, -1, -1)


class Fixed(Strided):
    """Takes search images of one size."""

    def respond(self, template: Tensor, search: Tensor) -> Tensor:
        return super().respond(template, search) + torch.zeros(17, 17)


def checked(network: nn.Module, search: int = 255) -> None:
    check_network("mine", lambda: SiamFCTracker(network.eval(), search=search))


@pytest.mark.parametrize("search", [255, 287])
def test_a_stride_of_8_is_accepted_whatever_the_response_s_size(search: int) -> None:
    checked(siamfc_small(), search)
    checked(Strided(8), search)
    checked(Strided(8, cut=4), search)  # 25 cells for 255 pixels


@pytest.mark.parametrize(
    ("network", "search", "message"),
    [
        (lambda: Strided(16), 255, r"has 9 x 9 cells, and 13 x 13 for 319 pixels; expected 8 more, such as 17 x 17"),
        (lambda: Strided(4), 255, r"has 33 x 33 cells, and 49 x 49 .* count with a stride of 8 pixels"),
        (lambda: Strided(16), 287, r"287 pixels has 11 x 11 cells, .*such as 21 x 21 and 29 x 29"),
        (lambda: Wide(8), 255, r"255 pixels must be \(1, 1, n, n\), got \[1, 2, 17, 17\]"),
        (lambda: Strided(8, kernel=200), 255, r"its tracker cannot be started: RuntimeError: .*template\(exemplar\)"),
        (lambda: nn.Conv2d(3, 4, 3), 255, r"there is no method template and no respond; .*docs/own_network.md"),
        (lambda: nn.Identity(), 255, r"its tracker cannot be made: StopIteration"),
    ],
)
def test_what_cannot_be_tracked_with_is_named(network: Callable[[], nn.Module], search: int, message: str) -> None:
    with pytest.raises(LwdnaError, match=f"^network mine: .*{message}"):
        checked(network(), search)


def test_a_network_for_one_side_of_search_images_is_taken_at_its_word() -> None:
    checked(Fixed(8))


class Forward(SiamFCTracker):
    """Derives from a tracker of this package, and asks for other things."""

    def init(self, frame: Tensor, box: Tensor) -> None:
        self.box = box

    def update(self, frame: Tensor) -> Tensor:
        return self.box


def test_a_tracker_that_derives_from_one_of_these_has_a_contract_of_its_own() -> None:
    check_network("mine", lambda: Forward(nn.Conv2d(3, 4, 3)))


def test_siamrpns_two_maps_are_asked_for() -> None:
    with pytest.raises(LwdnaError, match=r"^network mine: its tracker cannot follow: ValueError"):
        check_network("mine", lambda: SiamRPNTracker(Strided(8).eval()))


class Stuck:
    """A tracker of one's own: what it asks of its network is its own business."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def init(self, frame: Tensor, box: Tensor) -> None:
        assert frame.shape == (3, 240, 320) and frame.dtype == torch.uint8

    def update(self, frame: Tensor) -> Tensor:
        return self.answer  # type: ignore[return-value]


def test_a_tracker_of_ones_own_must_answer_with_a_box() -> None:
    made: Callable[[object], Callable[[], Tracker]] = lambda answer: lambda: Stuck(answer)  # noqa: E731
    check_network("mine", made(torch.zeros(4)))
    with pytest.raises(LwdnaError, match=r"update must return a box \(4\) in a tensor, got a tensor of shape \[1, 4\]"):
        check_network("mine", made(torch.zeros(1, 4)))
    with pytest.raises(LwdnaError, match=r"update must return a box \(4\) in a tensor, got list"):
        check_network("mine", made([1, 2, 3, 4]))


def test_a_network_without_the_methods_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "only_forward.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["compare", "tracking", *CONFIG, "experiment.network=only_forward:Own"]
    assert main([*words, "--work-dir", str(tmp_path / "work")]) == 2
    assert "network only_forward:Own: there is no method template and no respond" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_the_documentations_network_is_tracked_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DOCS / "own_network.md").read_text()
    (code,) = re.findall(r"^```python\n(# my_siamese\.py\n.*?)^```", page, re.S | re.M)
    (tmp_path / "my_siamese.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    short = [
        "train_dataloader.dataset.sequences=2",
        "train_dataloader.dataset.pairs=4",
        "train_dataloader.batch_size=2",
    ]
    short += ["val_dataloader.dataset.sequences=1", "val_dataloader.dataset.length=6"]
    words = ["compare", "tracking", *CONFIG, *short, "experiment.network=my_siamese:build", "--work-dir", str(tmp_path)]
    assert main([*words, "--max-steps", "1", "--seeds", "1"]) == 0
    assert "auc/composed" in capsys.readouterr().out
