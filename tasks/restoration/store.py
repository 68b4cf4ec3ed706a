"""8-bit images of different sizes in one array, from which batches of patches are gathered in one operation."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lwdna_core.errors import LwdnaError


@dataclass(frozen=True)
class ImageStore:
    """Images one after the other, each (H, W, C): in memory, on a device, or mapped from a file.

    Attributes:
        pixels: all bytes, 1-d.
        sizes: (N, 2), heights and widths.
        colours: C, the same for all.
        digest: SHA-256 of `pixels`, of a store that is mapped from a file and stays there.
    """

    pixels: Tensor
    sizes: np.ndarray
    colours: int
    digest: str | None = None

    @classmethod
    def of(cls, images: Sequence[Tensor]) -> ImageStore:
        """Copies of images (C, H, W)."""
        sizes = np.array([image.shape[1:] for image in images])
        return cls(torch.cat([_interleaved(image).flatten() for image in images]), sizes, len(images[0]))

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def offsets(self) -> np.ndarray:
        """(N), where each image begins in `pixels`."""
        ends: np.ndarray = np.cumsum(self.sizes.prod(1) * self.colours)
        return np.concatenate([[0], ends[:-1]])

    def image(self, index: int) -> Tensor:
        """One image (C, H, W), a view."""
        height, width = map(int, self.sizes[index])
        start, length = int(self.offsets[index]), height * width * self.colours
        return self.pixels[start : start + length].view(height, width, self.colours).permute(2, 0, 1)

    def patches(self, images: np.ndarray, tops: np.ndarray, lefts: np.ndarray, size: int) -> Tensor:
        """Square patches (len(images), C, size, size), contiguous in channels_last, on the device of the store.

        Args:
            images: indices.
            tops, lefts: of the patches in them; they must lie inside.
            size: of the patches.
        """
        rows = tops[:, None] + np.arange(size)
        starts = self.offsets[images][:, None] + (rows * self.sizes[images, 1][:, None] + lefts[:, None]) * self.colours
        # A window at every byte, without copies: picking windows copies whole rows of patches.
        windows = self.pixels.unfold(0, size * self.colours, 1)
        picked = windows[torch.from_numpy(starts.reshape(-1)).to(self.pixels.device, non_blocking=True)]
        return picked.view(len(images), size, size, self.colours).permute(0, 3, 1, 2)

    def to(self, device: torch.device | str) -> ImageStore:
        """The same on a device; one that is mapped from a file stays there."""
        if self.digest:
            return self
        return replace(self, pixels=self.pixels.to(device))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of sizes and contents."""
        digest = self.digest or hashlib.sha256(self.pixels.cpu().numpy().data).hexdigest()
        return hashlib.sha256(f"{self.colours} {self.sizes.tolist()} {digest}".encode()).hexdigest()


def _interleaved(image: Tensor) -> Tensor:
    return image.permute(1, 2, 0).contiguous()


def mapped(path: Path, colours: int, images: Callable[[], Iterable[Tensor]]) -> ImageStore:
    """A store that stays on disk, for sets larger than the memory; the system keeps in memory what is used.

    Args:
        path: of the file with the bytes. It is made where it is missing; a JSON file beside it, written last, describes
            it.
        colours: C of the images.
        images: gives the images (C, H, W), one at a time.

    Raises LwdnaError where the file cannot be written.
    """
    about = path.with_suffix(".json")
    if not about.exists():
        sizes, digest, aside = [], hashlib.sha256(), path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                for image in images():
                    content = _interleaved(image).numpy().data
                    file.write(content)
                    digest.update(content)
                    sizes.append(image.shape[1:])
            os.replace(aside, path)
            write_text(about, json.dumps({"sizes": sizes, "sha256": digest.hexdigest()}))
        except OSError as error:
            raise LwdnaError(f"{path}: the decoded images cannot be kept there: {error.strerror}") from error
        finally:
            aside.unlink(missing_ok=True)
    description = json.loads(about.read_text())
    pixels = np.memmap(path, np.uint8, mode="c")  # torch wants it writable; what is written would stay in memory
    return ImageStore(torch.from_numpy(pixels), np.array(description["sizes"]), colours, description["sha256"])


def write_text(path: Path, text: str) -> None:
    """Write a file aside and rename it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    os.replace(aside, path)
