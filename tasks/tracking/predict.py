"""Track a target with a run's network.

INPUT is a video file or a folder of frames, and --init the box of the target in the first
frame. DIR receives boxes.txt, a line x,y,w,h a frame with the first pixel at 1,1, and the
frames with the box drawn: video.mp4, or frames/*.jpg.

INPUT may also be a data set with ground truth (OTB, VOT, GOT-10k, LaSOT): then all its
sequences are tracked (of LaSOT with a testing_set.txt those in it), and DIR receives a folder
of result files that `lwdna eval tracking` reads. What is there already is not tracked again.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lwdna_core.commands.options import count, usable_device
from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.frame_files import IMAGES, image_files
from tasks.tracking.run_tracker import make_tracker

if TYPE_CHECKING:
    from tasks.tracking.experiments import Tracker

_COLOUR = (213, 94, 0)  # RGB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("input", metavar="INPUT", type=Path, help="a video, a folder of frames, or a data set with ground truth")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the results; made where it is missing")
    add("--init", type=box, metavar="x,y,w,h", help="the target in the first frame, in pixels from 1")
    add("--frames", action="store_true", help="draw the box into single images, not into a video")
    add(
        "--protocol",
        choices=("OPE", "SRE", "TRE", "VOT"),
        help="of a data set (default: VOT's resets for VOT, else OPE)",
    )
    add("--parallel", type=count, default=1, metavar="N", help="of a data set: so many sequences at a time")
    add("--device", help="torch's name of the device (default: cuda where there is one)")


def box(text: str) -> tuple[float, float, float, float]:
    """Read x,y,w,h (an argparse `type`)."""
    try:
        x, y, w, h = (float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected four numbers x,y,w,h, got {text!r}") from None
    if not all(map(math.isfinite, (x, y, w, h))) or w <= 0 or h <= 0:
        raise argparse.ArgumentTypeError(f"expected a box with width and height, got {text!r}")
    return x, y, w, h


def run(args: argparse.Namespace) -> int:
    if args.out.exists() and not args.out.is_dir():
        raise LwdnaError(f"--out {args.out}: is not a folder")
    if not args.input.exists():
        raise LwdnaError(f"there is no file or folder {args.input.absolute()}")
    if args.init is None:
        if not args.input.is_dir() or frame_files(args.input):
            raise LwdnaError(f"{args.input}: --init x,y,w,h is needed: where the target is in the first frame")
        from tasks.tracking.benchmark import track_dataset

        return track_dataset(
            args.run_folder, args.input, args.out, args.protocol, args.parallel, usable_device(args.device)
        )
    if args.protocol:
        raise LwdnaError("--protocol is for data sets, and --init for a single video")
    tracker = make_tracker(args.run_folder, usable_device(args.device))
    return _track(tracker, args.input, args.init, args.out, args.frames)


def frame_files(folder: Path) -> list[Path]:
    """The images in a folder, or else in its `img` or `color`, in the order of their numbers."""
    homes = (home for home in (folder, folder / "img", folder / "color") if home.is_dir())
    return next((files for home in homes if (files := image_files(home))), [])


def read_video(path: Path) -> tuple[Iterator[np.ndarray], int | None, float]:
    """Frames (H, W, 3), uint8, RGB, one after the other; how many, where it is known; and how many a second.

    Raises LwdnaError for a file that is no video, a folder without images and, on the way, a damaged image.
    """
    import cv2

    from tasks.tracking.sequences import read_image

    if path.is_dir():
        files = frame_files(path)
        if not files:
            raise LwdnaError(f"{path}: no frames; expected {', '.join(IMAGES)}")
        return (read_image(file) for file in files), len(files), 25.0
    capture = cv2.VideoCapture(str(path))
    read, first = capture.read()
    if not read:
        raise LwdnaError(f"{path}: no video that OpenCV can read, or one without frames")

    def images() -> Iterator[np.ndarray]:
        image: np.ndarray | None = first
        while image is not None:
            yield np.ascontiguousarray(image[:, :, ::-1])
            image = capture.read()[1]

    length, rate = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.get(cv2.CAP_PROP_FPS)
    return images(), length if length > 0 else None, rate if 0 < rate < 1000 else 25.0


def _track(tracker: Tracker, path: Path, start: tuple[float, ...], out: Path, as_images: bool) -> int:
    import time

    import torch
    from rich.console import Console
    from rich.progress import track

    from tasks.tracking.result_files import write_text
    from tasks.tracking.sequences import ahead

    images, length, rate = read_video(path)
    boxes: list[np.ndarray] = []
    drawing: _Frames | _Video | None = None
    seconds, console = 0.0, Console()
    shown = track(ahead(images), "tracking", total=length, console=console, disable=not console.is_terminal)
    try:
        for image in shown:
            frame = torch.from_numpy(image).permute(2, 0, 1)
            began = time.perf_counter()
            if drawing is None:
                _check(start, image, path)
                size = image.shape
                tracker.init(frame, torch.tensor(start))
                boxes.append(np.array(start))
                out.mkdir(parents=True, exist_ok=True)
                drawing = _Frames(out / "frames") if as_images else _Video(out / "video.mp4", size, rate)
            elif image.shape != size:
                raise LwdnaError(
                    f"{path}, frame {len(boxes) + 1}: {image.shape[1]} x {image.shape[0]} pixels, the first one has "
                    f"{size[1]} x {size[0]}"
                )
            else:
                boxes.append(tracker.update(frame).double().cpu().numpy())
            seconds += time.perf_counter() - began
            drawing.add(_drawn(image, boxes[-1]))
        assert drawing is not None
        drawing.finish()
    finally:
        if drawing is not None:
            drawing.close()
    write_text(out / "boxes.txt", "".join(",".join(f"{n:.2f}" for n in found) + "\n" for found in boxes))
    print(
        f"{len(boxes)} frames, {len(boxes) / seconds:.1f} a second in the tracker: {out / 'boxes.txt'}, {drawing.path}"
    )
    return 0


def _check(start: tuple[float, ...], image: np.ndarray, path: Path) -> None:
    x, y, w, h = start
    height, width = image.shape[:2]
    if x < 1 or y < 1 or x + w - 1 > width or y + h - 1 > height:
        told = ",".join(f"{number:g}" for number in start)
        raise LwdnaError(f"--init {told}: not inside the frames of {path}, of {width} x {height} pixels")


def _drawn(image: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The image, BGR as OpenCV writes it, with the box, if it is one: a network that diverged answers nan."""
    import cv2

    drawn = np.ascontiguousarray(image[:, :, ::-1])
    if not np.isfinite(found).all():
        return drawn
    x, y, w, h = np.clip(found, -1e6, 1e6)
    corners = (round(x - 1), round(y - 1)), (round(x + w - 2), round(y + h - 2))
    cv2.rectangle(drawn, *corners, _COLOUR[::-1], max(1, round(min(image.shape[:2]) / 200)))
    return drawn


class _Video:
    """A video that appears under its name once it is finished."""

    def __init__(self, path: Path, shape: Any, rate: float) -> None:
        import cv2

        self.path, self._aside = path, path.with_name(f".{os.getpid()}.{path.name}")
        code = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._aside), code, rate, (shape[1], shape[0]))
        if not self._writer.isOpened():
            raise LwdnaError(f"{path}: OpenCV cannot write videos here; --frames writes single images")

    def add(self, image: np.ndarray) -> None:
        self._writer.write(image)

    def finish(self) -> None:
        self._writer.release()
        os.replace(self._aside, self.path)

    def close(self) -> None:
        self._writer.release()
        self._aside.unlink(missing_ok=True)


class _Frames:
    """Images 00000001.jpg and on."""

    def __init__(self, path: Path) -> None:
        self.path, self._count = path, 0
        path.mkdir(exist_ok=True)
        if any(path.iterdir()):
            raise LwdnaError(f"{path}: is there already, with other images in it")

    def add(self, image: np.ndarray) -> None:
        import cv2

        self._count += 1
        cv2.imwrite(str(self.path / f"{self._count:08}.jpg"), image)

    def finish(self) -> None:
        """Every image is whole once it is written."""

    close = finish
