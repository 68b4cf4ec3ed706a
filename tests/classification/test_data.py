"""Sets that lie in memory: the digits and their split; CIFAR and Tiny-ImageNet in their official layouts."""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from lwdna_core.errors import LwdnaError
from tasks.classification.data import cifar10, cifar100, digits, tiny_imagenet


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    for function in (cifar10, cifar100, tiny_imagenet):
        function.cache_clear()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


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


@pytest.mark.parametrize(
    ("data", "other"), [(digits, "val"), (cifar10, "val"), (cifar100, "val"), (tiny_imagenet, "test")]
)
def test_a_split_that_the_set_does_not_have_is_told(data: object, other: str) -> None:
    with pytest.raises(LwdnaError, match=rf"has no split '{other}'; it has: train, "):
        data(other)


def write_cifar10(folder: Path, count: int = 10) -> np.ndarray:
    """Files like CIFAR-10's; returns the data of all five training batches, (5 * count, 3072)."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, (6, count, 3072), dtype=np.uint8)
    for index, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        batch = {"data": data[index], "labels": [(index + k) % 10 for k in range(count)], "batch_label": name}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=4))
    return data[:5].reshape(-1, 3072)


def write_cifar100(folder: Path) -> np.ndarray:
    """Files like CIFAR-100's; returns the training data, (200, 3072)."""
    folder.mkdir()
    data = np.random.default_rng(0).integers(0, 256, (200, 3072), dtype=np.uint8)
    for name, count in (("train", 200), ("test", 100)):
        labels = [k % 100 for k in range(count)]
        batch = {"data": data[:count], "fine_labels": labels, "coarse_labels": [label // 5 for label in labels]}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=4))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"class {k}" for k in range(100)]}, protocol=4))
    return data


def test_cifar10_is_read_in_order(home: Path) -> None:
    data = write_cifar10(home / "cifar-10-batches-py")
    train = cifar10("train")
    assert train.arrays["inputs"].shape == (50, 3, 32, 32)
    # rows of red, then green, then blue, row by row of the image
    assert train.arrays["inputs"][16, 2, 5, 7] == data[16, 2 * 1024 + 5 * 32 + 7]
    assert train.arrays["labels"].tolist() == [(index + k) % 10 for index in range(5) for k in range(10)]
    assert len(cifar10("test")) == 10


def test_cifar100_has_the_fine_labels(home: Path) -> None:
    data = write_cifar100(home / "cifar-100-python")
    train = cifar100("train")
    assert train.arrays["inputs"][7, 1, 2, 3] == data[7, 1024 + 2 * 32 + 3]
    assert train.arrays["labels"].tolist() == [k % 100 for k in range(200)]
    assert train.metainfo["classes"][99] == "class 99"
    assert len(cifar100("test")) == 100


def change(path: Path, **values: object) -> None:
    """Change entries of a pickled dict; None removes one."""
    content = {**pickle.loads(path.read_bytes()), **values}
    path.write_bytes(pickle.dumps({key: value for key, value in content.items() if value is not None}))


def test_what_is_wrong_with_cifars_files_is_told_with_their_names(home: Path) -> None:
    with pytest.raises(
        LwdnaError, match=r"cifar-10-batches-py/data_batch_1 is missing in .* `lwdna data fetch cifar10`"
    ):
        cifar10("train")
    folder = home / "cifar-10-batches-py"
    write_cifar10(folder)
    change(folder / "data_batch_3", labels=[0, 1, 2, 3, 4, 5, 6, 7, 8, 10])
    with pytest.raises(LwdnaError, match=r"data_batch_3: label 10 of image 9: expected 0 \.\. 9"):
        cifar10("train")
    change(folder / "data_batch_3", labels=[0] * 9)
    with pytest.raises(LwdnaError, match=r"data_batch_3: expected 'data', N x 3072 bytes, and N 'labels'"):
        cifar10("train")
    for labels in (["a"] * 10, [2**70] * 10, [1.5] * 10):
        change(folder / "data_batch_3", labels=labels)
        with pytest.raises(LwdnaError, match=r"data_batch_3: expected .* N 'labels', whole numbers"):
            cifar10("train")
    change(folder / "data_batch_3", labels=[], data=np.zeros((0, 3072), np.uint8))
    with pytest.raises(LwdnaError, match=r"data_batch_3: expected 'data', N x 3072 bytes"):
        cifar10("train")
    (folder / "test_batch").write_bytes((folder / "test_batch").read_bytes()[:5000])
    with pytest.raises(LwdnaError, match=r"test_batch: not an admissible pickle"):
        cifar10("test")
    write_cifar100(home / "cifar-100-python")
    shutil.copy(home / "cifar-100-python" / "test", folder / "test_batch")  # the other archive's
    with pytest.raises(LwdnaError, match=r"test_batch: expected 'data', N x 3072 bytes, and N 'labels'"):
        cifar10("test")
    change(home / "cifar-100-python" / "train", fine_labels=[0] * 200)
    with pytest.raises(LwdnaError, match=r"cifar-100-python: class 'class 1' has no images"):
        cifar100("train")
    change(home / "cifar-100-python" / "meta", fine_label_names=None)
    with pytest.raises(LwdnaError, match=r"meta: expected 100 'fine_label_names'"):
        cifar100("test")


def test_the_real_cifar10(data_folder: Path) -> None:
    train, test = cifar10("train"), cifar10("test")
    assert torch.bincount(train.arrays["labels"]).tolist() == [5000] * 10
    assert torch.bincount(test.arrays["labels"]).tolist() == [1000] * 10
    images = train.arrays["inputs"].float() / 255
    assert images.mean((0, 2, 3)).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=2e-4)
    assert images.std((0, 2, 3)).tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=2e-4)


def picture(seed: int, size: int = 64, mode: str = "RGB") -> bytes:
    """A JPEG with content that survives compression."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    packed = io.BytesIO()
    Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).convert(mode).save(
        packed, "JPEG", quality=95
    )
    return packed.getvalue()


def write_tiny(folder: Path, wnids: tuple[str, ...] = ("n02", "n01")) -> None:
    """Two classes of two training images and one validation image each."""
    (folder / "val" / "images").mkdir(parents=True)
    (folder / "wnids.txt").write_text("\n".join(wnids))
    (folder / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn03\tunused\n")
    lines = []
    for label, wnid in enumerate(wnids):
        (folder / "train" / wnid / "images").mkdir(parents=True)
        for k in range(2):
            (folder / "train" / wnid / "images" / f"{wnid}_{k}.JPEG").write_bytes(picture(10 * label + k))
        (folder / "val" / "images" / f"val_{label}.JPEG").write_bytes(picture(100 + label))
        lines.append(f"val_{label}.JPEG\t{wnid}\t0\t0\t63\t63\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines[::-1]))


def test_tiny_imagenet_is_read_in_its_official_layout(home: Path) -> None:
    write_tiny(home / "tiny-imagenet-200")
    train, val = tiny_imagenet("train"), tiny_imagenet("val")
    assert train.arrays["labels"].tolist() == [0, 0, 1, 1]
    assert val.arrays["labels"].tolist() == [1, 0]  # in the order of the annotations
    assert train.metainfo["classes"] == ("n02", "goldfish")
    for image, seed in ((train.arrays["inputs"][3], 11), (val.arrays["inputs"][0], 101)):
        expected = np.asarray(Image.open(io.BytesIO(picture(seed))).convert("RGB")).transpose(2, 0, 1)
        assert np.abs(image.numpy().astype(int) - expected).max() <= 4  # two decoders


def test_gray_images_have_three_equal_channels(home: Path) -> None:
    write_tiny(home / "tiny-imagenet-200")
    (home / "tiny-imagenet-200" / "val" / "images" / "val_0.JPEG").write_bytes(picture(3, mode="L"))
    image = tiny_imagenet("val").arrays["inputs"][1]
    assert torch.equal(image[0], image[1]) and torch.equal(image[0], image[2])


def test_what_is_wrong_with_tiny_imagenet_is_told_with_the_files_name(home: Path) -> None:
    folder = home / "tiny-imagenet-200"
    with pytest.raises(LwdnaError, match=r"tiny-imagenet-200/wnids\.txt is missing"):
        tiny_imagenet("train")
    write_tiny(folder)
    image = folder / "train" / "n01" / "images" / "n01_1.JPEG"
    image.write_bytes(picture(0)[:-300])
    with pytest.raises(LwdnaError, match=r"n01/images/n01_1\.JPEG: damaged image: .*truncated"):
        tiny_imagenet("train")
    image.write_bytes(picture(0, size=63))
    with pytest.raises(LwdnaError, match=r"n01_1\.JPEG: expected an image of 64 x 64"):
        tiny_imagenet("train")
    shutil.rmtree(folder / "train" / "n01")
    with pytest.raises(LwdnaError, match=r"tiny-imagenet-200/train: class 'n01' has no images"):
        tiny_imagenet("train")
    annotations = folder / "val" / "val_annotations.txt"
    annotations.write_text("val_0.JPEG\tn09\t0\t0\t63\t63\nval_1.JPEG\tn01\t0\t0\t63\t63\n")
    with pytest.raises(LwdnaError, match=r"val_0\.JPEG: its class n09 is not in .*wnids\.txt"):
        tiny_imagenet("val")
    annotations.write_text("val_0.JPEG\tn01\t0\t0\t63\t63\nval_7.JPEG\tn01\t0\t0\t63\t63\n")
    with pytest.raises(LwdnaError, match=r"val_annotations\.txt: line 2: expected the name of a file"):
        tiny_imagenet("val")
    annotations.write_text("val_0.JPEG\tn01\t0\t0\t63\t63\n")
    with pytest.raises(LwdnaError, match=r"val_annotations\.txt: no line for val_1\.JPEG \(1 images are left out\)"):
        tiny_imagenet("val")
    annotations.write_text(2 * "val_0.JPEG\tn01\t0\t0\t63\t63\n")
    with pytest.raises(LwdnaError, match=r"val_annotations\.txt: line 2: val_0\.JPEG again; expected every image once"):
        tiny_imagenet("val")
    annotations.write_bytes(b"\xff\xfe")
    with pytest.raises(LwdnaError, match=r"val_annotations\.txt: cannot be read as text"):
        tiny_imagenet("val")
    (folder / "wnids.txt").write_text("")
    with pytest.raises(LwdnaError, match=r"wnids\.txt: expected a class a line, found none"):
        tiny_imagenet("train")


def test_the_real_tiny_imagenet(data_folder: Path) -> None:
    train, val = tiny_imagenet("train"), tiny_imagenet("val")
    classes = len(train.metainfo["classes"])
    assert torch.bincount(train.arrays["labels"]).tolist() == [500] * classes
    assert torch.bincount(val.arrays["labels"]).tolist() == [50] * classes
    assert train.arrays["inputs"].shape == (500 * classes, 3, 64, 64)
