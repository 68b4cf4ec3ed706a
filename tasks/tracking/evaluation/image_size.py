"""Width and height of an image file, from its first bytes: evaluation needs nothing else of it."""

from __future__ import annotations

from pathlib import Path

from lwdna_core.errors import LwdnaError

_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers that are followed by the size (ITU T.81, table B.1): start of frame, of any coding."""


def image_size(path: Path) -> tuple[float, float]:
    """(width, height) of a JPEG, PNG or BMP file. Raises LwdnaError for any other."""
    with path.open("rb") as file:
        head = file.read(26)
        if head[:8] == b"\x89PNG\r\n\x1a\n":
            return float(int.from_bytes(head[16:20], "big")), float(int.from_bytes(head[20:24], "big"))
        if head[:2] == b"BM":
            height = int.from_bytes(head[22:26], "little", signed=True)
            return float(int.from_bytes(head[18:22], "little")), float(abs(height))
        position = 2
        while head[:2] == b"\xff\xd8":
            file.seek(position)
            segment = file.read(9)
            if len(segment) < 9 or segment[0] != 0xFF:
                break
            if segment[1] in _FRAME_HEADERS:
                return float(int.from_bytes(segment[7:9], "big")), float(int.from_bytes(segment[5:7], "big"))
            # Fill bytes before a marker; else a segment, whose length counts itself.
            position += 1 if segment[1] == 0xFF else 2 + int.from_bytes(segment[2:4], "big")
    raise LwdnaError(f"{path}: no JPEG, PNG or BMP file, or a damaged one")
