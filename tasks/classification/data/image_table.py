"""A table of encoded images, one a file or many in an archive: read, and checked once before they are trained on."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from rich.console import Console
from rich.progress import track

from lwdna_core.data.sources import cache_folder
from lwdna_core.errors import LwdnaError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
"""Admitted contents, whatever a file's name says: ImageNet has a PNG that is called .JPEG."""
_DIGEST = 16  # bytes of an image's SHA-256
_CHUNK = 64  # images that a thread checks at a time


@dataclass(frozen=True)
class ImageTable:
    """Where N encoded images lie. Arrays and no objects: worker processes share their memory, for millions of rows.

    Attributes:
        paths: (N), bytes: the file that holds the image.
        offsets: (N), int64: where in the file it begins, in bytes.
        lengths: (N), int64: bytes.
        modified: (N), int64: when the file was last written, in nanoseconds.
    """

    paths: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    modified: np.ndarray

    @classmethod
    def of_files(cls, paths: list[str]) -> ImageTable:
        """One image a file. Raises LwdnaError where there is none."""
        try:
            found = [os.stat(path) for path in paths]
        except OSError as error:  # a link to nowhere, for one
            raise LwdnaError(f"{error.filename}: cannot be read: {error.strerror}") from error
        return cls(
            np.array([os.fsencode(path) for path in paths]),
            np.zeros(len(paths), np.int64),
            np.array([file.st_size for file in found], np.int64),
            np.array([file.st_mtime_ns for file in found], np.int64),
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, chosen: np.ndarray) -> ImageTable:
        return ImageTable(self.paths[chosen], self.offsets[chosen], self.lengths[chosen], self.modified[chosen])

    def name(self, index: int) -> str:
        """The image's file; in an archive also its place there."""
        offset = int(self.offsets[index])
        return os.fsdecode(self.paths[index]) + (f" at byte {offset:,}" if offset else "")

    def read(self, index: int) -> bytes:
        """The encoded image."""
        with open(self.paths[index], "rb", buffering=0) as file:
            file.seek(int(self.offsets[index]))
            return file.read(int(self.lengths[index]))


@dataclass(frozen=True)
class Contents:
    """What N images hold.

    Attributes:
        digests: (N, 16), uint8: the beginning of the SHA-256 of the encoded image.
        sizes: (N, 2), int32: height and width in pixels.
    """

    digests: np.ndarray
    sizes: np.ndarray


def check(images: ImageTable, name: str) -> Contents:
    """Read and decode every image once, in threads; what is known is kept in the user's cache until a file changes.

    Args:
        images: any number.
        name: what they are, for a terminal and for the name in the cache: a folder, for one.

    Raises LwdnaError, naming the file, where an image is damaged: no image, truncated, or undecodable.
    """
    memory = cache_folder() / "checked" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npz"
    state = np.stack([images.offsets, images.lengths, images.modified], 1)
    digests, sizes = np.zeros((len(images), _DIGEST), np.uint8), np.zeros((len(images), 2), np.int32)
    todo = np.arange(len(images))
    with contextlib.suppress(OSError, ValueError, KeyError), np.load(memory) as known:
        if np.array_equal(known["paths"], images.paths):
            digests, sizes = known["digests"], known["sizes"]
            todo = np.flatnonzero((known["state"] != state).any(1) | (sizes[:, 0] == 0))
    if not len(todo):
        return Contents(digests, sizes)

    damage: dict[int, str] = {}
    chunks = [todo[start : start + _CHUNK] for start in range(0, len(todo), _CHUNK)]
    console = Console(stderr=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda chunk: [_inspect(images, int(index)) for index in chunk], chunks)
        words = f"checking {len(todo):,} images of {name}, once"
        shown = track(results, words, len(chunks), console=console, transient=True, disable=not console.is_terminal)
        for chunk, found in zip(chunks, shown, strict=True):
            for index, (digest, size, problem) in zip(chunk, found, strict=True):
                digests[index], sizes[index] = np.frombuffer(digest, np.uint8), size
                if problem:
                    damage[int(index)] = problem
    _remember(memory, paths=images.paths, state=state, digests=digests, sizes=sizes)
    for index, problem in damage.items():
        others = ", ".join(images.name(other) for other in list(damage)[1:4])
        more = f" ({len(damage)} images are damaged, also {others})" if others else ""
        raise LwdnaError(f"{images.name(index)}: damaged image: {problem}{more}")
    return Contents(digests, sizes)


def _inspect(images: ImageTable, index: int) -> tuple[bytes, tuple[int, int], str]:
    """Digest, (height, width) and what is wrong with an image; a damaged one has size 0."""
    try:
        data = images.read(index)
    except OSError as error:
        return bytes(_DIGEST), (0, 0), f"cannot be read: {error.strerror}"
    digest = hashlib.sha256(data).digest()[:_DIGEST]
    try:
        # Pillow raises for a truncated image; OpenCV, which decodes in training, fills it up and goes on.
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            image.draft("RGB", (1, 1))  # JPEG: at an eighth of the scale, three times as fast
            image.load()
    except UnidentifiedImageError:
        return digest, (0, 0), f"its contents are none of {', '.join(FORMATS)}"
    except Exception as error:  # damaged data raise nearly anything
        return digest, (0, 0), str(error) or type(error).__name__
    return digest, (height, width), ""


def _remember(memory: Path, **arrays: np.ndarray) -> None:
    with contextlib.suppress(OSError):  # a home without room or rights: the check is merely repeated
        memory.parent.mkdir(parents=True, exist_ok=True)
        aside = memory.with_name(f"{memory.name}.{os.getpid()}.part")
        with aside.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(aside, memory)
