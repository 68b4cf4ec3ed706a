"""Sequences from disk: what cannot be tracked is named before any work, and real ones go through the protocols."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from torch import Tensor

from lwdna_core.errors import LwdnaError
from tasks.tracking.data import benchmark, composed, stills, videos
from tasks.tracking.evaluation.regions import FAILED
from tasks.tracking.evaluation.shapes import Regions
from tasks.tracking.experiments import bounding, one_pass, upright, with_resets
from tasks.tracking.sequences import Composed, check_whole, frames, read_image

Writer = Callable[..., Path]


@pytest.fixture(autouse=True)
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "data_folder" not in request.fixturenames:
        monkeypatch.setenv("LWDNA_DATA", str(tmp_path))


def test_a_folder_is_read_as_it_was_written(otb: Writer) -> None:
    otb("Moving", seed=2, length=5)
    (trial,) = benchmark("OTB").trials
    made = Composed("test", 2, 5)
    assert (trial.set, trial.protocol, trial.sequence.name) == ("OTB", "OPE", "Moving")
    assert np.allclose(trial.sequence.boxes, made.boxes, atol=0.006)
    read = list(frames(trial.sequence, range(5)))
    assert len(read) == 5
    for index, frame in enumerate(read):  # JPEG changes colours a little; RGB taken for BGR would be far off
        assert np.abs(frame.astype(int) - made.frame(index)).mean() < 6


def test_frames_are_read_as_their_numbers_count(otb: Writer) -> None:
    home = otb("Moving", length=12) / "img"
    for file in home.iterdir():
        file.rename(home / f"frame-{int(file.stem)}.jpg")
    for found in (benchmark("OTB").sequences[0], videos("OTB", pairs=1).sequences[0]):
        assert [file.stem for file in found.files] == [f"frame-{number}" for number in range(1, 13)]


def test_a_cut_jpeg_is_no_whole_image(otb: Writer) -> None:
    """OpenCV returns what there is of it, and grey below."""
    file = otb("Moving") / "img" / "0001.jpg"
    content, whole = file.read_bytes(), read_image(file)
    for length in (len(content) - 2, len(content) // 2):
        file.write_bytes(content[:length])
        with pytest.raises(LwdnaError, match=r"0001.jpg: not a whole image"):
            read_image(file)
    file.write_bytes(content + b"what some cameras add")
    assert (read_image(file) == whole).all()
    thumbnail = cv2.imencode(".jpg", whole[::8, ::8])[1].tobytes()
    head = content[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    file.write_bytes(head + content[2:])
    assert (read_image(file) == whole).all()
    file.write_bytes(head + content[2:-2])  # the end that is left is the thumbnail's
    with pytest.raises(LwdnaError, match=r"0001.jpg: not a whole image"):
        read_image(file)


def test_a_cut_png_is_no_whole_image(tmp_path: Path) -> None:
    file = tmp_path / "0001.png"
    cv2.imwrite(str(file), np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8))
    check_whole(file)
    file.write_bytes(file.read_bytes() + bytes(5000))
    check_whole(file)
    file.write_bytes(file.read_bytes()[:-5000])
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(LwdnaError, match=r"0001.png: not a whole image"):
        check_whole(file)


def damage_size(home: Path) -> None:
    cv2.imwrite(str(home / "img" / "0003.jpg"), np.zeros((50, 60, 3), np.uint8))


def damage_image(home: Path) -> None:
    (home / "img" / "0002.jpg").write_bytes(b"no image")


def cut_image(home: Path) -> None:
    file = home / "img" / "0004.jpg"
    file.write_bytes(file.read_bytes()[:-500])


def first_line(text: str) -> Callable[[Path], None]:
    def change(home: Path) -> None:
        lines = (home / "groundtruth_rect.txt").read_text().splitlines()
        (home / "groundtruth_rect.txt").write_text("\n".join([text, *lines[1:]]))

    return change


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda home: (home / "img" / "0002.jpg").unlink(), "img: 3 frames, but 4 lines of ground truth in "),
        (lambda home: (home / "img" / "0009.jpg").write_bytes(b""), "img: 5 frames, but 4 lines of ground truth in "),
        (damage_size, "0003.jpg: the frame is of 60 x 50 pixels, the first one of 320 x 240"),
        (damage_image, "0002.jpg: no JPEG"),
        (cut_image, "0004.jpg: not a whole image"),
        (first_line("nan,nan,nan,nan"), "groundtruth_rect.txt, line 1: a tracker cannot start with the box nan"),
        (first_line("10\t10\t0\t20"), "start with the box 10, 10, 0, 20 in a frame of 320 x 240"),
        (first_line("400 10 20 20"), "line 1: a tracker cannot start with the box 400, 10, 20, 20"),
        (first_line("-30,10,20,20"), "line 1: a tracker cannot start"),
        (first_line("1,2,3"), "groundtruth_rect.txt, line 1: expected"),
        (first_line("1,2,x,4"), "groundtruth_rect.txt, line 1: expected numbers, got 'x'"),
    ],
)  # fmt: skip
def test_what_cannot_be_tracked_is_named(otb: Writer, damage: Callable[[Path], None], told: str) -> None:
    damage(otb("Moving"))
    with pytest.raises(LwdnaError) as error:
        benchmark("OTB")
    assert told in str(error.value)


def test_training_passes_over_targets_that_are_not_there(otb: Writer) -> None:
    home = otb("Moving", split="train")
    truth = home / "groundtruth_rect.txt"
    lines = truth.read_text().splitlines()
    truth.write_text(
        "\n".join([lines[0], "nan nan nan nan", "310 100 60 60", lines[3]])
    )  # the third: its centre is out
    assert videos("OTB", pairs=3)._usable[0].tolist() == [0, 3]
    truth.write_text("\n".join(["5 5 3 3"] * 4))
    with pytest.raises(LwdnaError, match="sequence Moving: no box of at least 10 x 10 pixels"):
        videos("OTB", pairs=3)


def test_folders_that_are_not_there() -> None:
    with pytest.raises(LwdnaError, match="no such folder of sequences"):
        benchmark("OTB")
    with pytest.raises(LwdnaError, match="no images to train on"):
        stills("photographs", pairs=1)


def test_composed_sequences_repeat_and_photographs_are_of_one_split_only() -> None:
    one, again = Composed("test", 1, 8), Composed("test", 1, 8)
    assert one.fingerprint == again.fingerprint != Composed("test", 2, 8).fingerprint
    assert (one.frame(5) == again.frame(5)).all()
    train, test = composed("train", 3, pairs=2), composed("test", 2, length=4)
    train.check_disjoint(test)  # type: ignore[union-attr]
    assert len(test) == 4  # each under two protocols


class Stuck:
    """Stays where it was started."""

    def init(self, frame: Tensor, box: Tensor) -> None:
        self.box = box

    def update(self, frame: Tensor) -> Tensor:
        return self.box


@pytest.mark.parametrize(("start_box", "losses"), [(bounding, 3), (upright, 4)])
def test_a_box_that_never_moves_is_lost_on_bag(
    data_folder: Path, start_box: Callable[[Regions], np.ndarray], losses: int
) -> None:
    """Three times where it is started as the official toolkit does; a box of the polygon's area is smaller."""
    bag = next(trial.sequence for trial in benchmark("VOT").trials if trial.sequence.name == "bag")
    lines = with_resets(Stuck(), bag, start_box).lines
    assert [int(line[0]) for line in lines if len(line) == 1].count(FAILED) == losses


def test_real_sequences_in_one_pass(data_folder: Path) -> None:
    trials = {trial.sequence.name: trial.sequence for trial in benchmark("OTB").trials}
    crossing = one_pass(Stuck(), trials["Crossing"])
    assert len(crossing.lines) == 120 and all((line == trials["Crossing"].boxes[0]).all() for line in crossing.lines)
