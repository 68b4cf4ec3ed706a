"""The digits and their split; CIFAR-10 in its official layout."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lwdna_core.errors import LwdnaError
from tasks.classification.data import cifar10, digits


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cifar10.cache_clear()
    yield
    cifar10.cache_clear()


def test_the_split_of_the_digits_is_stratified_disjoint_and_fixed() -> None:
    train, test = digits("train"), digits("test")
    assert train.arrays["inputs"].shape == (400, 3, 32, 32)
    assert test.arrays["inputs"].shape == (1397, 3, 32, 32)
    assert torch.bincount(train.arrays["labels"]).tolist() == [40] * 10
    source = load_digits()
    everything = torch.cat([train.arrays["labels"], test.arrays["labels"]]).bincount()
    assert everything.tolist() == np.bincount(source.target).tolist()
    # Contents and order, on every machine and with every version of the libraries.
    assert train.fingerprint == "6647b01ece225b2c8f562e426ce24330dec7114243b603cfcb2514b43e3df068"
    assert test.fingerprint == "12de3245aa1b4224a5e335a5038c1ed9ae342d3f5088e6aebb07c73b30e3200a"


def test_the_digits_are_scaled_copies_of_the_originals() -> None:
    source = load_digits()
    small = {image.astype(np.uint8).tobytes() for image in source.images}
    images = digits("test").arrays["inputs"].float()
    assert torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2])
    # The mean of the middle four pixels of a 4x4 cell lies near the pixel that it came from.
    assert len(small) == 1797
    corners = images[:, 0, 1::4, 1::4]
    means = source.images.reshape(1797, -1).mean() * 255 / 16
    assert abs(float(corners.mean()) - means) < 3


def write_batches(folder: Path, count: int = 4) -> np.ndarray:
    """Files like CIFAR's; returns the data of all five training batches, (5 * count, 3072)."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (6, count, 3072), dtype=np.uint8)
    for index, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        batch = {"data": data[index], "labels": [(index + k) % 10 for k in range(count)], "batch_label": name}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=4))
    return data[:5].reshape(-1, 3072)


def test_cifar10_is_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path))
    data = write_batches(tmp_path / "cifar-10-batches-py")
    train = cifar10("train")
    assert train.arrays["inputs"].shape == (20, 3, 32, 32)
    # rows of red, then green, then blue, row by row of the image
    assert train.arrays["inputs"][6, 2, 5, 7] == data[6, 2 * 1024 + 5 * 32 + 7]
    assert train.arrays["labels"].tolist() == [(index + k) % 10 for index in range(5) for k in range(4)]
    assert len(cifar10("test")) == 4


def test_missing_and_damaged_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path))
    with pytest.raises(LwdnaError, match=r"cifar-10-batches-py/data_batch_1 is missing: LWDNA_DATA \(now /"):
        cifar10("train")
    write_batches(tmp_path / "cifar-10-batches-py")
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps({"data": [1]}))
    with pytest.raises(LwdnaError, match=r"data_batch_3: expected 'data' \(N, 3072\)"):
        cifar10("train")


def test_the_real_cifar10(data_folder: Path) -> None:
    train, test = cifar10("train"), cifar10("test")
    assert torch.bincount(train.arrays["labels"]).tolist() == [5000] * 10
    assert torch.bincount(test.arrays["labels"]).tolist() == [1000] * 10
    images = train.arrays["inputs"].float() / 255
    assert images.mean((0, 2, 3)).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=2e-4)
    assert images.std((0, 2, 3)).tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=2e-4)
