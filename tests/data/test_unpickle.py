"""Arrays and plain containers are read; anything that would call something is refused, and not called."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from lwdna_core.data.unpickle import unpickle
from lwdna_core.errors import LwdnaError

# As Python 2 wrote CIFAR's official files: protocol 2, byte strings, numpy 1's module names.
PYTHON2 = (
    b"\x80\x02}(U\x04dataccnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01K\x03\x86cnumpy\n"
    b"dtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T\x03\x00\x00\x00\x01\x02\xfftb"
    b"U\x06labels](K\x07eu."
).replace(b"dataccnumpy", b"datacnumpy")


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def test_arrays_and_containers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "batch"
    content = {"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2, 3], "name": "batch 1", "raw": b"x"}
    path.write_bytes(pickle.dumps(content, protocol=4))
    found = unpickle(path)
    np.testing.assert_array_equal(found.pop("data"), content.pop("data"))
    assert found == content


def test_files_of_python_2_are_read(tmp_path: Path) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(PYTHON2)
    found = unpickle(path)
    np.testing.assert_array_equal(found["data"], np.array([[1, 2, 255]], dtype=np.uint8))
    assert found["labels"] == [7]


def test_a_file_that_calls_something_is_refused_and_nothing_is_called(tmp_path: Path) -> None:
    path, marker = tmp_path / "hostile", tmp_path / "called"
    path.write_bytes(pickle.dumps({"data": Hostile(marker)}))
    with pytest.raises(LwdnaError, match=r"hostile: not an admissible pickle: it refers to (builtins|pathlib)"):
        unpickle(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'exit 1'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nscalar.\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.dump\x93.",  # a dotted name would reach into an admitted class
    ],
)
def test_other_names_are_refused(program: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(program)
    with pytest.raises(LwdnaError, match="only numpy arrays are admitted"):
        unpickle(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04", b"no pickle at all", PYTHON2[:60]])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(LwdnaError, match="damaged: not an admissible pickle"):
        unpickle(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LwdnaError, match="nothing: cannot be read: No such file"):
        unpickle(tmp_path / "nothing")
