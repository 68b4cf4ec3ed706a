"""Image sequences with a target: composed from photographs, filmed and read from folders, or a single still image."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.shapes import Regions


class Sequence(Protocol):
    """Frames with one box each.

    Attributes:
        name: unique within its set.
        boxes: (T, 4), x, y, w, h with 1-based corners as in annotations; NaN where a frame has none.
        regions: the same as the evaluation has them, or polygons.
        files: of the frames, where they are read from files.
        first_frame: the number of the first one, as the annotations count.
        origin: the number of the first pixel, as the annotations count; `boxes` count from 1 in any case.
    """

    name: str
    boxes: np.ndarray
    regions: Regions
    files: tuple[Path, ...]
    first_frame: int
    origin: int

    def __len__(self) -> int: ...

    def frame(self, index: int) -> np.ndarray:
        """(H, W, 3), uint8, RGB. Raises LwdnaError, naming the file, where it cannot be read."""
        ...

    @property
    def fingerprint(self) -> str:
        """Changes with the frames and boxes."""
        ...


@dataclass
class Filmed:
    """A sequence of image files. Attributes as in `Sequence`; `files` in the order of the frames."""

    name: str
    boxes: np.ndarray
    regions: Regions
    files: tuple[Path, ...]
    first_frame: int = 1
    origin: int = 1

    def __len__(self) -> int:
        return len(self.files)

    def frame(self, index: int) -> np.ndarray:
        return read_image(self.files[index])

    @property
    def fingerprint(self) -> str:
        """By names and sizes of the files, and the boxes: hashing every frame of a large set would take hours."""
        digest = hashlib.sha256(np.ascontiguousarray(self.boxes).tobytes())
        for file in self.files:
            digest.update(f"{file.parent.name}/{file.name} {file.stat().st_size}\n".encode())
        return digest.hexdigest()


@lru_cache(1)
def _read_again(file: Path) -> np.ndarray:
    return read_image(file)


class Still:
    """One image with a box somewhere in it: two crops of it make a pair.

    The box is a tenth to three tenths of the image wide and high, so that the search image shows more than the target;
    of four random ones it is the one with the most contrast, as nothing can be learned from a piece of sky.

    Args:
        file: any image file.
        seed: chooses the box.
    """

    first_frame, origin = 1, 1

    def __init__(self, file: Path, seed: int) -> None:
        self.name = f"{file.parent.name}/{file.stem}"
        self.files: tuple[Path, ...] = (file,)
        image = _read_again(file)  # for the other boxes in it
        height, width = image.shape[:2]
        random = np.random.default_rng(seed)
        sizes = random.uniform(0.1, 0.3, (4, 2)) * [width, height]
        corners = random.uniform(0, 1, (4, 2)) * ([width, height] - sizes)
        boxes = np.concatenate([corners + 1, sizes], 1)
        parts = [image[int(y - 1) : int(y - 1 + h), int(x - 1) : int(x - 1 + w)] for x, y, w, h in boxes]
        self.boxes = boxes[[int(np.argmax([part.std() for part in parts]))]]
        self.regions = Regions.of_boxes(self.boxes - [1, 1, 0, 0])

    def __len__(self) -> int:
        return 1

    def frame(self, index: int) -> np.ndarray:
        return read_image(self.files[0])

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.files[0].read_bytes() + self.boxes.tobytes()).hexdigest()


def read_image(file: Path) -> np.ndarray:
    """(H, W, 3), uint8, RGB. Raises LwdnaError, naming the file, where it is no whole image."""
    import cv2

    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise LwdnaError(f"{file}: not a whole image")
    check_whole(file)
    return np.ascontiguousarray(image[:, :, ::-1])


def check_whole(file: Path) -> None:
    """Raise LwdnaError for a JPEG or PNG file that is cut: of a JPEG OpenCV takes what is there, and makes up the rest.

    It reads no more than it has to, so that all frames of a set can be asked before one is tracked.
    """
    with file.open("rb") as content:
        head = content.read(2)
        content.seek(max(0, content.seek(0, os.SEEK_END) - _TAIL))
        tail = content.read()
        if not _ends(head, tail):  # cameras write all kinds of things behind it
            content.seek(0)
            if not _ends(head, content.read()):
                raise LwdnaError(f"{file}: not a whole image")


def _ends(head: bytes, tail: bytes) -> bool:
    if head == b"\xff\xd8":
        # Markers of ITU T.81, table B.1: the image's end after its last scan, in whose data it cannot be. A thumbnail
        # in the head of a file has an end as well.
        return tail.rfind(b"\xff\xd9") > tail.rfind(b"\xff\xda")
    return head != b"\x89P" or b"IEND" in tail


_TAIL = 1024  # bytes
_SHAPE = (240, 320)
_TRAINING = ("astronaut.png", "chelsea.png", "rocket.jpg", "grass.png", "gravel.png", "hubble_deep_field.jpg")
_TESTING = ("coffee.png", "motorcycle_left.png", "camera.png", "coins.png", "brick.png")


@cache
def _photograph(name: str) -> np.ndarray:
    """(H, W, 3), uint8: a photograph that lies in scikit-image's wheel."""
    import skimage.color
    import skimage.io

    image = skimage.io.imread(Path(skimage.__file__).parent / "data" / name)
    coloured: np.ndarray = skimage.color.gray2rgb(image) if image.ndim == 2 else image[..., :3]
    return coloured.astype(np.uint8)


class Composed:
    """A target (a patch of one photograph) that moves over another photograph; every box is exact.

    It follows a smooth path, grows and shrinks, the light on it changes, and in the second half of the sequence a bar
    of the background hides half of it for a few frames.

    Args:
        split: "train" or "test"; no photograph is in both.
        seed: chooses everything.
        length: frames.
    """

    first_frame, origin = 1, 1

    def __init__(self, split: str, seed: int, length: int = 60) -> None:
        photographs = {"train": _TRAINING, "test": _TESTING}[split]
        random = np.random.default_rng((seed, len(split)))
        background, target = random.choice(len(photographs), 2, replace=False)
        self.name = f"composed-{split}-{seed}"
        self.files: tuple[Path, ...] = ()
        self._background = self._cut(_photograph(photographs[background]), _SHAPE, random)
        side = random.integers(36, 64), random.integers(36, 64)
        self._target = self._cut(_photograph(photographs[target]), (int(side[0]), int(side[1])), random, least=1.5)
        time = np.linspace(0, 1, length)[:, None]
        phases, speeds = random.uniform(0, 2 * np.pi, 6), random.uniform(0.5, 1.5, 6)
        waves = np.sin(2 * np.pi * speeds * time + phases)
        self._light = 1 + 0.25 * waves[:, 3]
        scale = 1 + 0.25 * waves[:, 2]
        height, width = _SHAPE
        size = np.stack([self._target.shape[1] * scale, self._target.shape[0] * scale], 1)
        centre = np.stack([width * (0.5 + 0.3 * waves[:, 0]), height * (0.5 + 0.26 * waves[:, 1])], 1)
        self.boxes = np.concatenate([centre - size / 2 + 1, size], 1)
        self.regions = Regions.of_boxes(self.boxes - [1, 1, 0, 0])  # VOT counts pixels from 0
        begin = int(random.integers(length // 2, max(length // 2 + 1, length - 10)))
        self._hidden = range(begin, begin + max(2, length // 10))
        self._side = int(random.integers(2))

    @staticmethod
    def _cut(
        photograph: np.ndarray, shape: tuple[int, int], random: np.random.Generator, least: float = 1.0
    ) -> np.ndarray:
        """A random part of a photograph, at least `least` times as large as `shape`, resampled to `shape`."""
        import cv2

        most = min(photograph.shape[0] / shape[0], photograph.shape[1] / shape[1])
        factor = random.uniform(min(least, most), most)
        height, width = int(shape[0] * factor), int(shape[1] * factor)
        top = random.integers(photograph.shape[0] - height + 1)
        left = random.integers(photograph.shape[1] - width + 1)
        part = photograph[top : top + height, left : left + width]
        return cv2.resize(part, shape[::-1], interpolation=cv2.INTER_AREA)

    def __len__(self) -> int:
        return len(self.boxes)

    def frame(self, index: int) -> np.ndarray:
        import cv2

        x, y, w, h = self.boxes[index]
        rows, columns = self._target.shape[:2]
        # From pixels of the target to those of the frame; pixel centres are whole numbers on both sides.
        move = np.array([[w / columns, 0, x - 1 + (w / columns - 1) / 2], [0, h / rows, y - 1 + (h / rows - 1) / 2]])
        shape = self._background.shape[1::-1]
        lit = np.clip(self._target * self._light[index], 0, 255).astype(np.float32)
        target = cv2.warpAffine(lit, move, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cover = cv2.warpAffine(np.ones((rows, columns), np.float32), move, shape, flags=cv2.INTER_LINEAR)
        if index in self._hidden:
            left = round(x - 1 if self._side else x - 1 + w / 2)
            cover[:, max(0, left) : max(0, left + round(w / 2))] = 0
        mixed = cover[..., None] * target + (1 - cover[..., None]) * self._background
        whole: np.ndarray = mixed.round().astype(np.uint8)
        return whole

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.boxes.tobytes())
        for array in (self._background, self._target, self._light):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def frames(sequence: Sequence, indices: range) -> Iterator[np.ndarray]:
    """The frames of a sequence, each read while the one before is being used."""
    return ahead(sequence.frame(index) for index in indices)


def ahead(images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same images; a thread makes the next one while one is being used."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, images, None)
        while (image := coming.result()) is not None:
            coming = reader.submit(next, images, None)
            yield image
