"""Files of numbers, read fast: all files of a tracker at once, in a few passes of numpy over their bytes."""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwdna_core.errors import LwdnaError

_DIGIT, _POINT, _MINUS, _OTHER, _SPACE, _NEWLINE = range(6)
_KINDS = {**dict.fromkeys(b"0123456789", _DIGIT), **dict.fromkeys(b" ,;\t\r", _SPACE)}
_KINDS |= {ord("."): _POINT, ord("-"): _MINUS, ord("\n"): _NEWLINE}
_KIND = bytes(_KINDS.get(character, _OTHER) for character in range(256))

_EXACT_DIGITS = 15
"""An integer of so many digits and the power of ten that divides it are exact: their quotient is rounded but once."""
_LARGEST = 1e9
"""No coordinate is as large; of larger ones, areas would overflow."""
_BYTES_AT_ONCE = 1 << 19
"""What is made of so many bytes fits into the processor's cache."""
_TENS = 10.0 ** np.arange(_EXACT_DIGITS + 1)


class Rows(NamedTuple):
    """The numbers of one file, line by line.

    Attributes:
        values: (K,) all numbers.
        counts: (N,) how many of them stand in each line.
    """

    values: NDArray[np.float64]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.counts)

    def table(self, columns: int, name: object) -> NDArray[np.float64]:
        """The numbers as (N, columns). Raises LwdnaError with `name` and the first line that has not as many."""
        wrong = np.flatnonzero(self.counts != columns)
        if len(wrong):
            line = int(wrong[0])
            raise LwdnaError(f"{name}, line {line + 1}: expected {columns} numbers, got {self.counts[line]}")
        return self.values.reshape(-1, columns)


def read_rows(paths: Sequence[str | os.PathLike[str]]) -> list[Rows]:
    """Numbers of text files, separated by commas, semicolons, tabs or blanks; nan is a number.

    Raises LwdnaError with file and line of the first word that is no number, and of an empty line that is not at the
    end.
    """
    return parse_rows([read_bytes(path) for path in paths], paths)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Content of a file; without the layers of `open`, which cost more than small files do."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise LwdnaError(f"{path}: {error.strerror}") from None
    try:
        content = os.read(descriptor, 1 << 17)
        if len(content) == 1 << 17:
            parts = [content]
            while part := os.read(descriptor, 1 << 24):
                parts.append(part)
            content = b"".join(parts)
    except OSError as error:
        raise LwdnaError(f"{path}: {error.strerror}") from None
    finally:
        os.close(descriptor)
    return content


def parse_rows(texts: Sequence[bytes], names: Sequence[object]) -> list[Rows]:
    """`read_rows` of what was read already; errors call the texts by `names`."""
    rows: list[Rows] = []
    start = size = 0
    for stop, text in enumerate(texts, 1):
        size += len(text)
        if size >= _BYTES_AT_ONCE or stop == len(texts):
            rows += _parse(texts[start:stop], names[start:stop])
            start, size = stop, 0
    return rows


def _parse(texts: Sequence[bytes], names: Sequence[object]) -> list[Rows]:
    texts = [text.removeprefix(BOM_UTF8).rstrip() + b"\n" for text in texts]
    buffer = b"\n" + b"".join(texts)  # between newlines: the first and last byte belong to no number
    characters = np.frombuffer(buffer, np.uint8)
    kinds = np.frombuffer(buffer.translate(_KIND), np.uint8)
    blank = kinds >= _SPACE
    edges = np.flatnonzero(blank[1:] != blank[:-1]) + 1
    starts, ends = edges[0::2], edges[1::2]
    newlines = np.flatnonzero(kinds == _NEWLINE)
    firsts = np.searchsorted(starts, newlines)  # of every line, and the end: its first number
    values, wrong = _numbers(buffer, characters, kinds, starts, ends)
    counts = np.diff(firsts)
    rows, line = [], 0
    for text, name in zip(texts, names, strict=True):
        length = text.count(b"\n") if text != b"\n" else 0
        of_lines, first, last = counts[line : line + length], firsts[line], firsts[line + length]
        if length and not of_lines.all():
            raise LwdnaError(f"{name}, line {int(np.argmin(of_lines)) + 1}: the line is empty")
        if wrong is not None and first <= wrong < last:
            number = int(np.searchsorted(firsts[line : line + length], wrong, side="right"))
            word = buffer[starts[wrong] : ends[wrong]].decode(errors="replace")
            raise LwdnaError(f"{name}, line {number}: expected numbers, got {word!r}")
        rows.append(Rows(values[first:last], of_lines))
        line += max(length, 1)
    return rows


def _numbers(
    buffer: bytes,
    characters: NDArray[np.uint8],
    kinds: NDArray[np.uint8],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> tuple[NDArray[np.float64], int | None]:
    """The words from `starts` to `ends` as numbers, rounded as `float` does; and the first that is none, or None."""
    if not len(starts):
        return np.empty(0), None
    points = kinds == _POINT
    n_points = np.add.reduceat(points, starts, dtype=np.uint8)
    negative = characters[starts] == ord("-")
    sizes = ends - starts - n_points - negative
    # What is not [-]digits[.digits], and what is too long to be exact, `float` reads.
    odd = (n_points > 1) | (sizes < 1) | (sizes > _EXACT_DIGITS)
    signs = np.flatnonzero((kinds == _OTHER) | (kinds == _MINUS))
    signs = signs[(kinds[signs] == _OTHER) | (kinds[signs - 1] < _SPACE)]
    odd[np.searchsorted(starts, signs, side="right") - 1] = True
    digits = kinds == _DIGIT
    words = np.flatnonzero(odd)
    if len(words):
        sizes[words] = n_points[words] = 0
        change = np.zeros(len(kinds), np.int8)
        change[starts[words]], change[ends[words]] = 1, -1
        outside = np.cumsum(change, dtype=np.int8) == 0
        digits, points = digits & outside, points & outside
    values = _integers(characters[digits] & 15, sizes)
    with_point = np.flatnonzero(n_points)
    values[with_point] /= _TENS[ends[with_point] - np.flatnonzero(points) - 1]
    values[negative] *= -1
    for word in words.tolist():
        try:
            values[word] = float(buffer[starts[word] : ends[word]])
        except ValueError:
            return values, word
        if _LARGEST < abs(values[word]) < np.inf:
            return values, word
    return values, None


def _integers(digits: NDArray[np.uint8], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The integers whose decimal digits stand one after the other, `sizes` of them each."""
    position = np.cumsum(sizes) - sizes
    values = np.zeros(len(sizes))
    for place in range(int(sizes.max())):
        chosen = np.flatnonzero(sizes > place)
        if len(chosen) == len(sizes):
            values = values * 10 + digits[position + place]
        else:
            values[chosen] = values[chosen] * 10 + digits[position[chosen] + place]
    return values
