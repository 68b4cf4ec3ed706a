"""Arrays in the cache: made once, and again where the file is not what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lwdna_core.data.kept import kept


class Maker:
    def __init__(self, value: int) -> None:
        self.value, self.calls = value, 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.full((3, 5, 7), self.value, np.uint8).transpose(2, 0, 1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "lwdna" / "kept"


def test_an_array_is_made_once_for_every_key(cache: Path) -> None:
    first, second = Maker(1), Maker(2)
    for _ in range(2):
        assert np.array_equal(kept("a", first), first())
        assert np.array_equal(kept("b", second), second())
    assert (first.calls, second.calls) == (3, 3)  # two of each for the comparison
    assert sorted(path.suffix for path in cache.iterdir()) == [".npy", ".npy"]
    found = kept("a", first)
    assert isinstance(found, np.memmap)
    found[:] = 9  # stays in this process
    assert (kept("a", first) == 1).all()


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-30], lambda b: b[:150] + b"?" + b[151:], lambda b: b"", lambda b: b + b"?"]
)
def test_a_damaged_file_is_made_again(damage: object, cache: Path) -> None:
    maker = Maker(3)
    kept("a", maker)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))  # type: ignore[operator]
    assert (kept("a", maker) == 3).all() and maker.calls == 2
    assert path.read_bytes() == whole


def test_without_a_place_for_it_the_array_is_made_by_everyone(cache: Path) -> None:
    cache.parent.write_text("no folder")
    maker = Maker(4)
    assert (kept("a", maker) == 4).all() and (kept("a", maker) == 4).all()
    assert maker.calls == 2
