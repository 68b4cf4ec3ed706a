"""Data sets as configs name them: `patches` of training sets, `images` of test sets; read, checked, made ready."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lwdna_core.data.sources import data_folder, set_title
from lwdna_core.errors import LwdnaError
from tasks.restoration import overlap
from tasks.restoration.data import ImageSet, Pair, PatchSet
from tasks.restoration.images import cropped, read_tensor
from tasks.restoration.imresize import imresize
from tasks.restoration.noise import evaluation_levels
from tasks.restoration.overlap import Overlap, overlaps, thumbnail
from tasks.restoration.sets import ImageFiles, set_files
from tasks.restoration.store import ImageStore, mapped, write_text


def patches(
    sets: Sequence[str] | str, *, size: int, count: int, scale: int = 1, colours: int = 3,
    rescaled: Sequence[float] = (1,), on_disk: bool = False, held_out: Sequence[str] | str = (),
    strict_overlap: bool = False,
) -> PatchSet:  # fmt: skip
    """Patches of the training sets called so, `{"targets"}`, with `{"inputs"}` of low resolution where `scale` > 1.

    Args:
        sets: one or more names of `tasks.restoration.sets.TRAINING`, "photos", or folders of one's own.
        size: side of a patch at full resolution, a multiple of the scale.
        count: patches in an epoch.
        scale: 1 is denoising. Low-resolution images that are not given are made of whole images.
        colours: 3, or 1: images are converted.
        rescaled: every image is there at each of these sizes (1: its own), by bicubic interpolation.
        on_disk: decoded images lie in the folder `decoded` of the data folder and are mapped into memory, for sets that
            are larger than the memory; made at the first use.
        held_out: test sets of the run: training images that show what theirs show are left out, and listed on stderr.
        strict_overlap: refuse such images instead.

    Raises LwdnaError, naming the file, for what is missing, unreadable, smaller than a patch, or an LR image whose size
    does not fit; and for two sets that results would call the same.
    """
    if size % scale:
        raise LwdnaError(f"train_dataloader.dataset.size={size} is not a multiple of the scale {scale}")
    return _patches(
        _names(sets), size, count, scale, colours, tuple(rescaled), on_disk, _names(held_out), strict_overlap
    )


def images(
    sets: Sequence[str] | str, *, scale: int = 1, colours: int = 3, sigma: float | Sequence[float] = 0
) -> ImageSet:
    """The images of the test sets called so, with low-resolution or noisy inputs.

    Args:
        sets: one or more names of `tasks.restoration.sets.TEST`, "photos", or folders of one's own.
        scale: of the low-resolution inputs, made where they are not given; images are cut to a multiple of it.
        colours: of the network's input. With 3, a gray image stays gray and its input repeats it; with 1, images are
            converted.
        sigma: of the noise in grey levels, where `scale` is 1: drawn by numpy's generator seeded with the image's
            place in its set, neither clipped nor rounded. Of several every set is there at each, called
            "BSD68-sigma15".

    Raises LwdnaError as `patches` does.
    """
    levels = evaluation_levels(sigma)
    if scale > 1 and any(levels.values()):
        raise LwdnaError(f"val_dataloader.dataset.sigma={sigma!r}: expected 0 at scale {scale}: noise is for scale 1")
    return _images(_names(sets), scale, colours, tuple(levels.items()))


def _names(sets: Sequence[str] | str) -> tuple[str, ...]:
    return (sets,) if isinstance(sets, str) else tuple(sets)


def _titles(key: str, names: Iterable[str]) -> dict[str, str]:
    """What results call each set. Raises LwdnaError, naming the config's key, where two are called the same."""
    named: dict[str, str] = {}
    for name in names:
        title = set_title(name)
        if title in named:
            raise LwdnaError(f"{key}: {named[title]} and {name} are both called {title!r} in results: leave one out")
        named[title] = name
    return {name: title for title, name in named.items()}


@cache
def _patches(
    sets: tuple[str, ...], size: int, count: int, scale: int, colours: int, rescaled: tuple[float, ...],
    on_disk: bool, held_out: tuple[str, ...], strict_overlap: bool,
) -> PatchSet:  # fmt: skip
    titles = _titles("train_dataloader.dataset.sets", dict.fromkeys(sets))  # one that is there twice counts double
    pieces = [(name, file, factor) for name in sets for file in set_files(name, "train", scale) for factor in rescaled]

    def full() -> Iterator[Tensor]:
        return (_full(file, scale, colours, factor) for _, file, factor in pieces)

    def low() -> Iterator[Tensor]:
        for index, (_, file, factor) in enumerate(pieces):
            yield _low(file if factor == 1 else None, hr.image(index), scale)

    def store(images: Callable[[], Iterator[Tensor]], part: str) -> ImageStore:
        if not on_disk:
            return ImageStore.of(list(images()))
        key = _key([file for _, file, _ in pieces], [part, scale, colours, rescaled])
        return mapped(data_folder() / "decoded" / f"{key}.u8", colours, images)

    hr = store(full, "hr")
    for (_, file, factor), (height, width) in zip(pieces, hr.sizes, strict=True):
        if min(height, width) < size:
            at = f" at {factor} of its size" if factor != 1 else ""
            raise LwdnaError(
                f"{file.hr}: {width}x{height}{at} is smaller than the patches of {size}: leave it out, or make "
                "train_dataloader.dataset.size smaller"
            )
    lr = store(low, "lr") if scale > 1 else None
    names = tuple(f"{titles[name]}/{file.name}" for name, file, _ in pieces)
    tested = {f"{name}/{file.name}": file.hr for name in held_out for file in set_files(name, "test", scale)}
    left_out = {each.training for each in _overlaps(hr, names, tested, strict_overlap)}
    chosen = np.flatnonzero([name not in left_out for name in names])
    if not len(chosen):
        raise LwdnaError(f"{', '.join(sets)}: every image is one of {', '.join(held_out)}: nothing is left to train on")
    about = {"images": names, "left_out": sorted(left_out), "held_out": held_out}
    return PatchSet(hr, lr, size, count, chosen, about)


def _overlaps(hr: ImageStore, names: Sequence[str], tested: Mapping[str, Path], strict: bool) -> list[Overlap]:
    """Training images that show what the run is tested on (files by name), listed on stderr.

    Comparing all with all takes a minute and more, so the result is kept in the folder `decoded` of the data folder.

    Raises LwdnaError, where `strict`, if there are any.
    """
    if not tested:
        return []
    test = {name: thumbnail(read_tensor(path)) for name, path in tested.items()}
    digest = hashlib.sha256(f"{hr.fingerprint} {names} {list(test)}".encode())
    digest.update(Path(overlap.__file__).read_bytes())  # what was found by other rules does not count
    for image in test.values():
        digest.update(image.numpy().data)
    path = data_folder() / "decoded" / f"overlap-{digest.hexdigest()[:16]}.json"
    try:
        found = [Overlap(*each) for each in json.loads(path.read_text())]
    except (OSError, ValueError):
        first = {name: index for index, name in reversed(list(enumerate(names)))}
        training = {name: thumbnail(hr.image(index)) for name, index in first.items()}
        found = overlaps(training, test, "cuda" if torch.cuda.is_available() else "cpu")
        with contextlib.suppress(OSError):  # a folder that is read-only costs time, no more
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps(found))
    listed = ", ".join(f"{each.training} ({each.test})" for each in found)
    if found and strict:
        raise LwdnaError(f"training images show what the run is tested on: {listed}")
    if found:
        print(f"left out of training, since the run is tested on them: {listed}", file=sys.stderr)
    return found


@cache
def _images(sets: tuple[str, ...], scale: int, colours: int, levels: tuple[tuple[str, float], ...]) -> ImageSet:
    found = []
    for name, title in _titles("val_dataloader.dataset.sets", sets).items():
        files = set_files(name, "test", scale)
        whole = [_full(file, scale, 1 if colours == 1 else None) for file in files]
        for suffix, sigma in levels:
            for place, (file, image) in enumerate(zip(files, whole, strict=True)):
                inputs = _low(file, image, scale) if scale > 1 else _noisy(image, sigma, place)
                found.append(Pair(file.name, title + suffix, inputs.expand(colours, -1, -1), image))
    return ImageSet(tuple(found), {"sets": sets})


def _noisy(image: Tensor, sigma: float, place: int) -> Tensor:
    """An image (C, H, W) with the noise of its place in its set."""
    channels, *size = image.shape
    noise = np.random.default_rng(place).normal(0, sigma, (*size, channels)).astype(np.float32)
    return image + torch.from_numpy(noise).permute(2, 0, 1)


def _full(file: ImageFiles, scale: int, colours: int | None, factor: float = 1) -> Tensor:
    """An image (C, H, W), cut at the right and at the bottom to a multiple of the scale."""
    image = read_tensor(file.hr, colours)
    image = imresize(image, factor) if factor != 1 else image
    if min(image.shape[1:]) < scale:
        raise LwdnaError(f"{file.hr}: {image.shape[2]}x{image.shape[1]} pixels, fewer than the scale {scale}")
    return cropped(image, scale).contiguous()


def _low(file: ImageFiles | None, full: Tensor, scale: int) -> Tensor:
    """The image at 1 / scale of its size: as given, else made of the whole image."""
    if file is None or file.lr is None:
        return imresize(full, 1 / scale)
    image = read_tensor(file.lr, len(full))
    height, width = (side // scale for side in full.shape[1:])
    if image.shape[1:] != (height, width):
        raise LwdnaError(
            f"{file.lr}: {image.shape[2]}x{image.shape[1]}, expected {width}x{height}: 1/{scale} of {file.hr}"
        )
    return image


def _key(files: Sequence[ImageFiles], about: Sequence[object]) -> str:
    """Changes with the files that decoded images come from."""
    stats = [(str(path), path.stat()) for file in files for path in (file.hr, file.lr) if path]
    content = [*about, *([path, stat.st_size, stat.st_mtime_ns] for path, stat in stats)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
