"""`lwdna predict`: a video or a folder of frames in, boxes and pictures of them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lwdna_core.cli import main
from tasks.tracking.run_tracker import make_tracker
from tasks.tracking.sequences import Composed, read_image

Writer = Callable[..., Path]
BOX = "100,80,40,40"


@pytest.fixture(scope="module")
def arm(comparison: Path) -> Path:
    return comparison / "seed0" / "lwdna"


def predict(*words: object) -> int:
    try:
        return main(["predict", *map(str, words)])
    except SystemExit as stop:  # argparse's
        return int(stop.code or 0)


def test_a_folder_of_frames(arm: Path, otb: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, out = otb("Moving", length=5), tmp_path / "out"
    assert predict(arm, home / "img", "--init", BOX, "--out", out, "--frames", "--device", "cpu") == 0
    lines = (out / "boxes.txt").read_text().splitlines()
    assert len(lines) == 5 and lines[0] == "100.00,80.00,40.00,40.00"
    tracker = make_tracker(arm, "cpu")
    images = [torch.from_numpy(read_image(home / "img" / f"{k:04}.jpg")).permute(2, 0, 1) for k in range(1, 6)]
    tracker.init(images[0], torch.tensor([100.0, 80, 40, 40]))
    for line, image in zip(lines[1:], images[1:], strict=True):
        assert [float(n) for n in line.split(",")] == pytest.approx(tracker.update(image).tolist(), abs=0.02)
    drawn = read_image(out / "frames" / "00000001.jpg").astype(int)
    edge = drawn[79, 100:138]  # orange, as far as JPEG keeps the colours of a thin line
    assert (edge[:, 0] - edge[:, 2]).min() > 50
    assert "5 frames" in capsys.readouterr().out
    assert predict(arm, home, "--init", BOX, "--out", out, "--frames") == 2  # frames are never mixed


def test_frames_are_tracked_as_their_numbers_count(arm: Path, otb: Writer, tmp_path: Path) -> None:
    home, padded, plain = otb("Moving", length=11) / "img", tmp_path / "padded", tmp_path / "plain"
    assert predict(arm, home, "--init", BOX, "--out", padded, "--frames", "--device", "cpu") == 0
    for file in home.iterdir():
        file.rename(home / f"{int(file.stem)}.jpg")  # as `ffmpeg %d.jpg` writes them: by letters, 10 comes before 2
    assert predict(arm, home, "--init", BOX, "--out", plain, "--frames", "--device", "cpu") == 0
    assert (plain / "boxes.txt").read_text() == (padded / "boxes.txt").read_text()


def test_a_video(arm: Path, tmp_path: Path) -> None:
    made, path, out = Composed("test", 0, 6), tmp_path / "clip.avi", tmp_path / "out"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.0, (320, 240))
    for index in range(6):
        writer.write(np.ascontiguousarray(made.frame(index)[:, :, ::-1]))
    writer.release()
    assert predict(arm, path, "--init", ",".join(f"{n:.1f}" for n in made.boxes[0]), "--out", out) == 0
    assert len((out / "boxes.txt").read_text().splitlines()) == 6
    written = cv2.VideoCapture(str(out / "video.mp4"))
    assert written.get(cv2.CAP_PROP_FPS) == pytest.approx(12)
    frames = 0
    while written.read()[0]:
        frames += 1
    assert frames == 6
    assert sorted(file.name for file in out.iterdir()) == ["boxes.txt", "video.mp4"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere.mp4", "--init", BOX), "there is no file or folder /"),
        (("text.mp4", "--init", BOX), "text.mp4: no video that OpenCV can read"),
        (("empty", "--init", BOX), "empty: no frames"),
        (("OTB/Moving/img", "--init", "300,80,40,40"), "--init 300,80,40,40: not inside the frames of"),
        (("OTB/Moving/img", "--init", "100,80,0,40"), "expected a box with width and height"),
        (("OTB/Moving/img", "--init", "100,80,40"), "expected four numbers"),
        (("OTB/Moving/img", "--init", "nan,80,40,40"), "expected a box with width and height"),
        (("OTB/Moving/img",), "--init x,y,w,h is needed"),
        (("OTB/Moving/img", "--init", BOX, "--protocol", "VOT"), "--protocol is for data sets"),
        (("empty",), "expected folders of sequences"),
        (("OTB", "--protocol", "OTB"), "invalid choice"),
    ],
)
def test_mistakes_are_named(
    arm: Path, otb: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...], told: str,
) -> None:  # fmt: skip
    otb("Moving", length=2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    monkeypatch.chdir(tmp_path)
    assert predict(arm, *words, "--out", "out") == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_frames_of_changing_size(arm: Path, otb: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = otb("Moving")
    cv2.imwrite(str(home / "img" / "0003.jpg"), np.zeros((50, 60, 3), np.uint8))
    assert predict(arm, home, "--init", BOX, "--out", tmp_path / "out") == 2
    assert "frame 3: 60 x 50 pixels, the first one has 320 x 240" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
