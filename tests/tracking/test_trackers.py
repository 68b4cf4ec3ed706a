"""Losses and trackers: against the papers' formulas, and on targets whose place is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tasks.tracking import siamfc, siamrpn
from tasks.tracking.evaluation.shapes import Regions
from tasks.tracking.experiments import SKIP, Track, Tracker, one_pass, upright, with_resets
from tasks.tracking.networks.correlation import correlate
from tasks.tracking.networks.siamfc import STRIDE
from tasks.tracking.sequences import Composed


class Colours(nn.Module):
    """A "backbone" that pools colours: what is tested is the tracker around it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def _features(self, images: Tensor) -> Tensor:
        wall = torch.tensor([30.0, 200.0, 30.0])[:, None, None]
        return self.scale * nn.functional.avg_pool2d((images - wall) / 200, 15, STRIDE)

    def template(self, exemplar: Tensor) -> Tensor:
        return self._features(exemplar)[:, :, 1:-1, 1:-1]

    def respond(self, template: Tensor, search: Tensor) -> Tensor:
        return correlate(template, self._features(search)[:, :, 1:-1, 1:-1])


class Moving:
    """A red target on a green wall that moves by (2, 1) pixels a frame."""

    name, first_frame, origin = "moving", 1, 1

    def __init__(self, length: int = 12) -> None:
        self.boxes = np.array([[60 + 2 * t, 50 + t, 30, 24] for t in range(length)], float)
        self.regions = Regions.of_boxes(self.boxes - [1, 1, 0, 0])

    def __len__(self) -> int:
        return len(self.boxes)

    def frame(self, index: int) -> np.ndarray:
        image = np.full((160, 200, 3), (30, 200, 30), np.uint8)
        x, y, w, h = self.boxes[index].astype(int)
        image[y - 1 : y - 1 + h, x - 1 : x - 1 + w] = (250, 10, 10)
        return image

    @property
    def fingerprint(self) -> str:
        return "moving"


def error(track: Track, sequence: Moving) -> float:
    """The largest distance between the centres, along one axis."""
    centres = lambda boxes: boxes[:, :2] + boxes[:, 2:] / 2  # noqa: E731
    return float(np.abs(centres(np.stack(track.lines)) - centres(sequence.boxes)).max())


@pytest.mark.parametrize("search", [255, 287])
def test_siamfc_follows_the_target(search: int) -> None:
    sequence = Moving()
    track = one_pass(siamfc.SiamFCTracker(Colours(), search=search), sequence)
    assert error(track, sequence) < 3
    assert track.rows.table(4, "").shape == (len(sequence), 4)


class Redness(nn.Module):
    """Answers as a `SiamRPN` does: an anchor of 64 x 64 pixels is a target as far as it is red."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def template(self, exemplar: Tensor) -> None:
        return None

    def respond(self, template: None, search: Tensor) -> tuple[Tensor, Tensor]:
        red = (search[:, :1] > search[:, 1:2]).float()
        share = nn.functional.avg_pool2d(red, 63, siamrpn.STRIDE)  # 25 x 25 for 255 pixels
        scores = torch.full((2, len(siamrpn.RATIOS), *share.shape[-2:]), -9.0)
        scores[0] = 9.0
        scores[:, 2] = torch.stack([-9 * share[0, 0], 9 * share[0, 0]])
        return scores[None], torch.zeros(1, 4 * len(siamrpn.RATIOS), *share.shape[-2:])


@pytest.mark.parametrize(
    ("made", "jump"),
    [
        (lambda s: siamfc.SiamFCTracker(Colours(), search=s, window_influence=0.0), 31),
        (lambda s: siamrpn.SiamRPNTracker(Redness(), search=s, window_influence=0.0), 46),
    ],
)
def test_a_larger_search_image_finds_a_target_that_jumps_further(made: Callable[[int], Tracker], jump: int) -> None:
    """Half the response's reach: 64 pixels of a search image of 255, 80 of 287 (SiamFC); 96 and 112 (SiamRPN++)."""
    sequence = Moving(4)
    sequence.boxes[2:, 0] += jump
    near, far = (error(one_pass(made(search), sequence), sequence) for search in (255, 287))
    assert far < 4 < near


class Stuck:
    """Stays where it was started."""

    def init(self, frame: Tensor, box: Tensor) -> None:
        self.box = box

    def update(self, frame: Tensor) -> Tensor:
        return self.box


def test_a_lost_target_is_started_anew_five_frames_later() -> None:
    track = with_resets(Stuck(), Moving(40))
    codes = [int(line[0]) if len(line) == 1 else -1 for line in track.lines]
    lost = 15  # 30 pixels wide, 2 pixels a frame: no area in common from frame 15 on
    assert codes[:lost] == [1] + [-1] * (lost - 1)
    assert codes[lost : lost + SKIP] == [2] + [0] * (SKIP - 1)
    assert codes[lost + SKIP] == 1
    assert track.lines[1].tolist() == [59, 49, 30, 24]  # from 0, as VOT counts


class Diverged(Stuck):
    def update(self, frame: Tensor) -> Tensor:
        return torch.full((4,), torch.nan)


def test_a_box_that_is_no_numbers_is_a_lost_target() -> None:
    track = with_resets(Diverged(), Moving(2 + SKIP))
    assert [float(line[0]) for line in track.lines] == [1, 2] + [0] * (SKIP - 1) + [1]


@pytest.mark.parametrize("offset", [-1e3, 1e3])
def test_siamrpn_makes_boxes_of_whatever_the_network_says(offset: float) -> None:
    network = Redness()
    network.respond = lambda *_: (torch.zeros(1, 10, 25, 25), torch.full((1, 20, 25, 25), offset))  # type: ignore[method-assign]
    track = one_pass(siamrpn.SiamRPNTracker(network), Moving(4))
    assert np.isfinite(track.rows.values).all()


def test_the_upright_box_has_the_polygons_centre_and_area() -> None:
    corners = np.array([[10.0, 0], [20, 10], [10, 20], [0, 10]])  # a square of area 200 that stands on its corner
    x, y, w, h = upright(Regions(corners[None], np.array([False])))
    assert ((w - 1) * (h - 1)) == pytest.approx(200)
    assert (x + (w - 1) / 2, y + (h - 1) / 2) == (10, 10)


class Given(nn.Module):
    """Answers with fixed maps."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, exemplar: Tensor, search: Tensor) -> object:
        return self.output


def test_siamfcs_loss_is_balanced_and_falls_with_the_right_answer() -> None:
    batch = {"exemplar": torch.zeros(1), "search": torch.zeros(1), "boxes": torch.tensor([[16.0, -8.0, 50, 50]])}
    undecided = siamfc.loss(Given(torch.zeros(1, 1, 17, 17)), batch)
    assert undecided.item() == pytest.approx(np.log(2))
    cells = (torch.arange(17) - 8.0) * STRIDE
    on = torch.hypot(cells[None] - 16, cells[:, None] + 8) <= siamfc.RADIUS
    assert int(on.sum()) == 13  # 16 pixels are two cells
    answer = torch.where(on, 20.0, -20.0)[None, None]
    assert siamfc.loss(Given(answer), batch) < 1e-6
    # all that is wrong on the target's side weighs half
    assert siamfc.loss(Given(torch.where(on, 0.0, -20.0)[None, None]), batch).item() == pytest.approx(np.log(2) / 2)


def test_siamrpns_anchors_are_the_published_ones() -> None:
    places = siamrpn.anchors(25, torch.device("cpu")).view(5, 25, 25, 4)
    assert places[0, 0, 0, :2].tolist() == [-96, -96] and places[0, 12, 12, :2].tolist() == [0, 0]
    # pysot's generate_anchors for ratios .33 .5 1 2 3, scale 8, stride 8
    assert places[:, 0, 0, 2:].tolist() == [[104, 32], [88, 40], [64, 64], [40, 80], [32, 96]]


def test_siamrpns_loss_falls_with_the_right_answer() -> None:
    torch.manual_seed(0)
    box = torch.tensor([[8.0, 0.0, 70.0, 60.0]])
    batch = {"exemplar": torch.zeros(1), "search": torch.zeros(1), "boxes": box, "positive": torch.tensor([True])}
    places = siamrpn.anchors(25, torch.device("cpu"))
    on = siamrpn.overlaps(places, box) > siamrpn.POSITIVE
    assert on.any()
    scores = torch.stack([torch.where(on, -20.0, 20.0), torch.where(on, 20.0, -20.0)]).view(1, 10, 25, 25)
    offsets = torch.cat([(box[:, :2] - places[:, :2]) / places[:, 2:], (box[:, 2:] / places[:, 2:]).log()], 1)
    offsets = offsets.T.reshape(1, 20, 25, 25)
    assert siamrpn.loss(Given((scores, offsets)), batch) < 1e-5
    assert siamrpn.loss(Given((0 * scores, offsets)), batch).item() == pytest.approx(np.log(2))


def test_another_pairs_target_is_background_for_siamrpn() -> None:
    """As pysot labels negative pairs: among the anchors at the 7 x 7 cells around the target that is there."""
    box, places = torch.tensor([[8.0, -16.0, 70.0, 60.0]]), siamrpn.anchors(25, torch.device("cpu"))
    batch = {"exemplar": torch.zeros(1), "search": torch.zeros(1), "boxes": box, "positive": torch.tensor([False])}
    near = ((places[:, :2] - box[:, :2]).abs() < 3.5 * siamrpn.STRIDE).all(1)
    assert near.sum() == 5 * 7 * 7
    for fooled, expected in ((near, 20), (~near, 0)):
        scores = torch.stack([torch.where(fooled, -20.0, 20.0), torch.where(fooled, 20.0, -20.0)]).view(1, 10, 25, 25)
        assert siamrpn.loss(Given((scores, torch.ones(1, 20, 25, 25))), batch).item() == pytest.approx(
            expected, abs=1e-5
        )


def test_halves_of_a_batch_have_the_box_loss_of_the_whole() -> None:
    torch.manual_seed(0)
    boxes = torch.tensor([[0.0, 0, 70, 60], [9, 3, 64, 64], [-20, 8, 90, 50], [30, 30, 64, 40]])
    whole = {
        "boxes": boxes,
        "positive": torch.tensor([True, True, True, False]),
        **dict.fromkeys(("exemplar", "search")),
    }
    scores, offsets = torch.zeros(4, 10, 25, 25), torch.randn(4, 20, 25, 25)

    def of(part: slice) -> float:
        batch = {key: value if value is None else value[part] for key, value in whole.items()}
        return float(siamrpn.loss(Given((scores[part], offsets[part])), batch)) - np.log(2)  # undecided everywhere

    assert (of(slice(2)) + of(slice(2, 4))) / 2 == pytest.approx(of(slice(4)), rel=1e-5)


def test_composed_boxes_are_exact() -> None:
    """Where the target is drawn, the frame differs from the background; elsewhere it does not."""
    sequence = Composed("test", 3, length=20)
    for index in (0, 7):
        changed = (sequence.frame(index) != sequence._background).any(2)
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        x, y, w, h = sequence.boxes[index]
        assert abs(columns[0] - (x - 1)) <= 1.5 and abs(columns[-1] + 1 - (x - 1 + w)) <= 1.5
        assert abs(rows[0] - (y - 1)) <= 1.5 and abs(rows[-1] + 1 - (y - 1 + h)) <= 1.5
