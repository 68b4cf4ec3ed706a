"""Images in files: 8 bits, gray or RGB, and refused by name where that is not what they are."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from lwdna_core.errors import LwdnaError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)  # by Pillow's decoders


def image_files(folder: Path) -> list[Path]:
    """The images in a folder (not below it), by name. Raises LwdnaError where there are none."""
    if not folder.is_dir():
        raise LwdnaError(f"{folder}: there is no such folder")
    files = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    if not files:
        raise LwdnaError(f"{folder}: no images ({', '.join(SUFFIXES)}) in this folder")
    return sorted(files, key=lambda path: path.name)


def read_image(path: Path, colours: int | None = None) -> np.ndarray:
    """An image as 8 bits, (H, W, C), turned as its EXIF entry says.

    A palette is looked up; of 16 bits the upper 8 are taken, as OpenCV and Pillow do; an alpha channel is dropped where
    nothing is transparent.

    Args:
        path: of the file.
        colours: 3 repeats a gray image, 1 takes the (full-range) luma of a colour image; None leaves what there is.

    Raises LwdnaError, naming the file, where it is missing, truncated or no image, where pixels are transparent, and
    for CMYK, Lab, 32-bit and floating-point images.
    """
    try:
        with Image.open(path) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
    except _BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).split(f" '{path}")[0]
        raise LwdnaError(f"{path}: cannot be read as an image: {reason.strip(' :') or type(error).__name__}") from error
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = _opaque(image, path)
    if image.mode not in ("L", "RGB"):
        raise LwdnaError(f"{path}: its pixels are {image.mode}, expected RGB or gray: convert it first")
    if colours:
        image = image.convert({1: "L", 3: "RGB"}[colours])
    pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)


def _opaque(image: Image.Image, path: Path) -> Image.Image:
    """The image without palette and alpha channel."""
    if image.mode == "1":
        return image.convert("L")
    gray = image.mode in ("L", "LA")
    if image.mode in ("P", "PA"):
        colours = image.getpalette("RGB")
        gray = colours is not None and colours[::3] == colours[1::3] == colours[2::3]
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise LwdnaError(f"{path}: has transparent pixels: put it on a background first")
        return image.convert("RGB").convert("L") if gray else image.convert("RGB")
    if image.mode == "P":
        return image.convert("L" if gray else "RGB")
    return image


def read_tensor(path: Path, colours: int | None = None) -> Tensor:
    """What `read_image` reads, as (C, H, W)."""
    return torch.from_numpy(np.array(read_image(path, colours))).permute(2, 0, 1).contiguous()


def write_image(path: Path, image: Tensor) -> None:
    """Write an 8-bit image (C, H, W), C being 1 or 3, as a PNG file, aside and renamed."""
    pixels = image.permute(1, 2, 0).cpu().numpy()
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)).save(aside, format="PNG")
    os.replace(aside, path)


def cropped(image: Tensor, scale: int) -> Tensor:
    """An image (..., H, W), cut at the right and at the bottom to a multiple of the scale."""
    height, width = (side - side % scale for side in image.shape[-2:])
    return image[..., :height, :width]
