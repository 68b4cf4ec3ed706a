"""Images as users have them: read as they expect, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lwdna_core.errors import LwdnaError
from tasks.restoration.images import cropped, image_files, read_image, read_tensor, write_image

COLOUR = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GRAY = COLOUR[..., 0]
OPAQUE = np.full_like(GRAY, 255)


def saved(path: Path, pixels: Any, **options: Any) -> Path:
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "pixels", "expected"),
    [
        ("colour.png", COLOUR, COLOUR),
        ("colour.bmp", COLOUR, COLOUR),
        ("gray.png", GRAY, GRAY),
        ("16-bit.png", GRAY.astype(np.uint16) * 257, GRAY),
        ("16-bit.tif", GRAY.astype(np.uint16) * 256 + 200, GRAY),
        ("alpha.png", np.dstack([COLOUR, OPAQUE]), COLOUR),
        ("gray-alpha.png", Image.fromarray(np.dstack([GRAY, OPAQUE]), "LA"), GRAY),
        ("bits.png", Image.fromarray(GRAY).convert("1", dither=Image.Dither.NONE), (GRAY > 127) * 255),
        ("gray-palette.png", Image.fromarray(GRAY).convert("P"), GRAY),
        ("gray-palette.bmp", Image.fromarray(GRAY).convert("P"), GRAY),
    ],
)
def test_what_an_image_holds(tmp_path: Path, name: str, pixels: Any, expected: np.ndarray) -> None:
    image = read_image(saved(tmp_path / name, pixels))
    assert image.dtype == np.uint8 and image.ndim == 3
    assert np.array_equal(image.squeeze(), expected)


def test_colours_of_a_palette(tmp_path: Path) -> None:
    few = Image.fromarray(COLOUR).quantize(16)
    assert np.array_equal(read_image(saved(tmp_path / "palette.png", few)), np.asarray(few.convert("RGB")))


def test_gray_and_colour_on_request(tmp_path: Path) -> None:
    gray, colour = saved(tmp_path / "gray.png", GRAY), saved(tmp_path / "colour.png", COLOUR)
    assert np.array_equal(read_image(gray, 3), np.dstack([GRAY] * 3))
    luma = COLOUR @ [0.299, 0.587, 0.114]
    assert np.abs(read_image(colour, 1)[..., 0] - luma).max() <= 0.51


def test_photographs_stand_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    assert np.array_equal(read_image(saved(tmp_path / "turned.png", COLOUR, exif=exif)), np.rot90(COLOUR, -1))


@pytest.mark.parametrize(
    ("name", "pixels", "options", "message"),
    [
        ("clear.png", np.dstack([COLOUR, GRAY]), {}, "has transparent pixels"),
        ("key.png", Image.fromarray(COLOUR).quantize(16), {"transparency": 3}, "has transparent pixels"),
        ("cmyk.jpg", Image.fromarray(COLOUR).convert("CMYK"), {}, "its pixels are CMYK, expected RGB or gray"),
        ("lab.tif", Image.fromarray(COLOUR).convert("LAB"), {}, "its pixels are LAB"),
        ("float.tif", GRAY.astype(np.float32), {}, "its pixels are F"),
        ("32-bit.tif", GRAY.astype(np.int32), {}, "its pixels are I,"),
    ],
)
def test_what_is_refused_by_name(tmp_path: Path, name: str, pixels: Any, options: Any, message: str) -> None:
    path = saved(tmp_path / name, pixels, **options)
    with pytest.raises(LwdnaError, match=f"{name}: {message}"):
        read_image(path)


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.98])
@pytest.mark.parametrize("name", ["whole.png", "whole.jpg", "whole.bmp"])
def test_truncated_files_are_refused_by_name(tmp_path: Path, name: str, share: float) -> None:
    content = saved(tmp_path / name, COLOUR).read_bytes()
    cut = tmp_path / f"cut{name[5:]}"
    cut.write_bytes(content[: int(share * len(content))])
    with pytest.raises(LwdnaError, match=rf"{cut.name}: cannot be read as an image: \w"):
        read_image(cut)


def test_what_is_no_image_at_all(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    for name in ("text.png", "absent.png", "."):
        with pytest.raises(LwdnaError, match="cannot be read as an image"):
            read_image(tmp_path / name)


def test_images_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    assert [path.name for path in image_files(tmp_path)] == ["a.jpg", "b.PNG"]
    (tmp_path / "empty").mkdir()
    for name in ("empty", "absent"):
        with pytest.raises(LwdnaError, match=name):
            image_files(tmp_path / name)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    for pixels in (COLOUR, GRAY[..., None]):
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        write_image(tmp_path / "image.png", image)
        assert torch.equal(read_tensor(tmp_path / "image.png"), image)
    assert [path.name for path in tmp_path.iterdir()] == ["image.png"]
    assert cropped(image, 7).shape == (1, 14, 28)
