"""The image files of a folder, in the order in which their names count: 2.jpg before 10.jpg."""

from __future__ import annotations

import re
from pathlib import Path

IMAGES = (".jpg", ".jpeg", ".png", ".bmp")
_DIGITS = re.compile(r"(\d+)")


def image_files(folder: Path) -> list[Path]:
    """The images directly in a folder, as their numbers count."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGES]
    return sorted(files, key=lambda file: by_number(file.name))


def by_number(name: str) -> tuple[list[str | int], str]:
    """What to sort names by: numbers by their value, with or without leading zeros, and text as text."""
    parts: list[str | int] = list(_DIGITS.split(name))
    parts[1::2] = map(int, parts[1::2])
    return parts, name
