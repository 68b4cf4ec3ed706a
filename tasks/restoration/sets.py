"""The image sets by name, and their files in the layouts in which they are distributed."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lwdna_core.compare.task import unknown
from lwdna_core.data.sources import data_folder
from lwdna_core.errors import LwdnaError
from tasks.restoration.images import SUFFIXES
from tasks.restoration.sources import FOLDER, SOURCES


@dataclass(frozen=True)
class Layout:
    """Where a set's images are, below the folder of the task.

    Attributes:
        hr: patterns of the images; `{scale}` is replaced.
        lr: places of an image's low-resolution version, with `{scale}`, `{name}` (of the HR file) and `{stem}`. The
            first whose folder is there counts; where none is, LR images are made.
    """

    hr: tuple[str, ...]
    lr: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageFiles:
    """One image of a set: its name, which no other has there, its file, and that of its given LR version."""

    name: str
    hr: Path
    lr: Path | None = None


def _benchmark(*folders: str, srf: str = "{scale}") -> tuple[Layout, ...]:
    return tuple(
        layout
        for folder in folders
        for layout in (
            # EDSR's has LR_bicubic.
            Layout((f"{folder}/HR/*",), (f"{folder}/LRx{{scale}}/{{name}}", f"{folder}/{_LR_BICUBIC}")),
            Layout((f"{folder}/GTmod12/*",), (f"{folder}/LRbicx{{scale}}/{{name}}",)),  # BasicSR's
            Layout((f"{folder}/image_SRF_{srf}/*_HR.png",)),  # SelfExSR's
            Layout((f"{folder}/*",)),
        )
    )


def _div2k(part: str) -> Layout:
    return Layout((f"DIV2K/DIV2K_{part}_HR/*",), (f"DIV2K/DIV2K_{part}_{_LR_BICUBIC}",))


_LR_BICUBIC = "LR_bicubic/X{scale}/{stem}x{scale}.png"
_BSDS = ("BSDS500", "BSR/BSDS500/data/images")  # as fetched, as unpacked
TRAINING: dict[str, tuple[Layout, ...]] = {
    "DIV2K": (_div2k("train"),),
    "Flickr2K": (Layout(("Flickr2K/Flickr2K_HR/*",), (f"Flickr2K/Flickr2K_{_LR_BICUBIC}",)),),
    "BSDS500": (*(Layout((f"{bsds}/train/*",)) for bsds in _BSDS), Layout(("BSDS500_train/*",))),
    "BSD400": (*(Layout((f"{bsds}/train/*", f"{bsds}/test/*")) for bsds in _BSDS), Layout(("BSD400/*",))),
    "T91": (Layout(("T91/*",)),),
    "Train400": (Layout(("Train400/*",)),),
}
"""To train on. BSDS500 is its training part, BSD400 also its test part: its validation part is BSD68 and BSD100."""
TEST: dict[str, tuple[Layout, ...]] = {
    "Set5": _benchmark("Set5"),
    "Set14": _benchmark("Set14"),
    "BSD100": (*_benchmark("BSD100", "B100"), *(Layout((f"{bsds}/val/*",)) for bsds in _BSDS)),
    # Images of SelfExSR's image_SRF_2 are half the size of the originals.
    "Urban100": _benchmark("Urban100", srf="4"),
    "Set12": (Layout(("Set12/*",)),),
    "BSD68": (Layout(("BSD68/*",)),),
    "CBSD68": (Layout(("CBSD68/*",)), Layout(("CBSD68/original_png/*",))),
    "Kodak24": (Layout(("Kodak24/*",)),),
    "McMaster": (Layout(("McMaster/*",)),),
    "DIV2K-valid": (_div2k("valid"),),
}
PHOTOS = {
    "train": ("astronaut.png", "coffee.png", "motorcycle_left.png", "motorcycle_right.png", "hubble_deep_field.jpg",
              "grass.png", "gravel.png", "brick.png", "moon.png"),
    "test": ("camera.png", "chelsea.png", "coins.png", "rocket.jpg"),
}  # fmt: skip
"""Photographs that scikit-image's wheel holds. The two motorcycles are a stereo pair."""


def set_files(name: str, split: str, scale: int) -> list[ImageFiles]:
    """The images of a set in the order of their file names.

    Args:
        name: of a set ("photos" is in every installation), or a folder of images of one's own, with a "/" in it:
            absolute, or below the data folder.
        split: "train" or "test": which part of the photographs, which of the two tables.
        scale: whose LR images are wanted; 1 is denoising.

    An image is called after its file, without the ending where no other one of the set is called so.

    Raises LwdnaError for an unknown name, a set that is not there, none of whose layouts fits, which lacks LR files, or
    whose folders have a file of the same name.
    """
    if name == "photos":
        spec = importlib.util.find_spec("skimage")
        assert spec is not None and spec.origin is not None
        folder = Path(spec.origin).parent / "data"
        return [ImageFiles(Path(file).stem, folder / file) for file in sorted(PHOTOS[split])]
    if "/" in name:
        layouts: Sequence[Layout] = (Layout((f"{name}/*",)),)
        root = data_folder()
    else:
        known = {"train": TRAINING, "test": TEST}[split]
        if name not in known:
            raise unknown({"train": "training set", "test": "test set"}[split], name, ["photos", *known])
        layouts, root = known[name], data_folder() / FOLDER
    for layout in layouts:
        paths = [path for pattern in layout.hr for path in _images(root, pattern.format(scale=scale))]
        if paths:
            paths.sort(key=lambda path: path.name)
            return [
                ImageFiles(image, path, _lr(root, layout, path, scale))
                for image, path in zip(_names(name, paths), paths, strict=True)
            ]
    if "/" not in name:
        next(source for source in SOURCES if source.name == name).require()
    places = ", ".join(pattern for layout in layouts for pattern in layout.hr)
    raise LwdnaError(f"{name}: no images ({', '.join(SUFFIXES)}): looked for {places} in {root}")


def _images(root: Path, pattern: str) -> list[Path]:
    folder, _, files = pattern.rpartition("/")
    found = (root / folder).glob(files)
    return [path for path in found if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()]


def _names(name: str, paths: Sequence[Path]) -> list[str]:
    """What a set's images are called, each otherwise: scores and images to leave out are known by it."""
    stems = Counter(path.stem for path in paths)
    named: dict[str, Path] = {}
    for path in paths:
        image = path.stem if stems[path.stem] == 1 else path.name
        if image in named:
            raise LwdnaError(f"{name}: {named[image]} and {path} have the same name: leave one out")
        named[image] = path
    return list(named)


def _lr(root: Path, layout: Layout, path: Path, scale: int) -> Path | None:
    """The given LR version of an image."""
    for place in layout.lr if scale > 1 else ():
        lr = root / place.format(scale=scale, name=path.name, stem=path.stem)
        if lr.is_file():
            return lr
        if lr.parent.is_dir():
            raise LwdnaError(f"{lr} is missing: the LR image of {path}")
    return None
