"""JSON files that are mostly arrays of numbers, read in a third to half of the time that `json` takes.

The arrays are cut out and read as `textfiles` reads numbers; only what is left goes through `json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.textfiles import Rows, parse_rows

_LINES = bytes.maketrans(b"[]", b" \n")


def load_json(texts: Sequence[bytes], numbers: Sequence[str], names: Sequence[object], strings: str = "") -> list[Any]:
    """`json.loads` of each text, but for the arrays under some keys.

    Args:
        texts: the files.
        numbers: keys, at any depth, whose arrays become `Rows`: a line for every inner array, or one for all numbers.
        names: what errors call the texts.
        strings: a key whose array of strings is cut down to its first one.

    Raises:
        LwdnaError: a text is no JSON, or such an array holds something else than numbers.
    """
    keys = "|".join(map(re.escape, [*numbers, *([strings] if strings else [])]))
    pattern = re.compile(rb'"(' + keys.encode() + rb')"\s*:\s*(?=\[)')
    try:
        arrays: list[Rows | bytes] = []
        rests = [_cut(text, pattern, strings.encode(), arrays) for text in texts]
        waiting = [array for array in arrays if isinstance(array, bytes)]
        parsed = iter(parse_rows(waiting, range(len(waiting))))
        read = [next(parsed) if isinstance(array, bytes) else array for array in arrays]
        return [json.loads(rest, object_hook=lambda item: read[item[""]] if "" in item else item) for rest in rests]
    except (ValueError, TypeError, IndexError, LwdnaError):
        # Not as expected: slowly, and with the name of the file that is wrong.
        return [_load(text, numbers, name) for text, name in zip(texts, names, strict=True)]


def _cut(text: bytes, pattern: re.Pattern[bytes], strings: bytes, arrays: list[Rows | bytes]) -> bytes:
    """The text with `{"": number in arrays}` in place of the arrays, which are appended."""
    rest, position = [], 0
    while key := pattern.search(text, position):
        start = key.end()
        if key[1] == strings:
            # No name has a bracket, or what is left is no JSON.
            end = text.index(b"]", start) + 1
            replacement = b"[" + text[start + 1 : end - 1].partition(b",")[0] + b"]"
        else:
            # Inside an array of numbers there is neither a quote nor a brace.
            quote = text.find(b'"', start)
            brace = text.find(b"}", start, quote if quote >= 0 else len(text))
            end = text.rindex(b"]", start, quote if brace < 0 else brace) + 1
            replacement = b'{"": %d}' % len(arrays)
            array = text[start:end].translate(_LINES, b" \t\r\n")
            arrays.append(_flags(array))
        rest += [text[position:start], replacement]
        position = end
    return b"".join([*rest, text[position:]])


def _flags(array: bytes) -> Rows | bytes:
    """A plain array of 0 and 1 needs no reader; any other as it is."""
    digits = array.translate(None, b" ,\n")
    if len(digits) != array.count(b",") + 1 or array.count(b"\n") != 1 or digits.translate(None, b"01"):
        return array
    return Rows(np.frombuffer(digits, np.uint8).astype(float) - ord("0"), np.array([len(digits)]))


def _load(text: bytes, numbers: Sequence[str], name: object) -> Any:
    def rows(item: dict[str, Any]) -> dict[str, Any]:
        for key in numbers:
            if isinstance(item.get(key), list):
                lines = item[key] if any(isinstance(line, list) for line in item[key]) else [item[key]]
                try:
                    values = [np.asarray(line, float).reshape(-1) for line in lines]
                except (TypeError, ValueError):
                    raise LwdnaError(f"{name}: under {key!r} stands something that is no number") from None
                item[key] = Rows(np.concatenate(values), np.array([len(line) for line in values]))
        return item

    try:
        return json.loads(text, object_hook=rows)
    except ValueError as error:
        raise LwdnaError(f"{name}: {error}") from None
