"""Sets that are decoded as they are needed: boxes, decoding, the loader and its workers, and what is refused before."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kornia.augmentation.random_generator import ResizedCropGenerator
from PIL import Image
from scipy.io import savemat
from scipy.stats import ks_2samp

from lwdna_core.cli import main
from lwdna_core.compare.task import find_task
from lwdna_core.errors import LwdnaError
from tasks.classification.data import image_folder, imagenet
from tasks.classification.data.decode import central_box, cut_out, random_box
from tasks.classification.data.image_files import ImageFiles
from tasks.classification.data.imagenet import DEVKIT, VAL


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path / "data"))
    yield
    forget()


def forget() -> None:
    image_folder.cache_clear()
    imagenet.cache_clear()


def photograph(height: int, width: int, seed: int = 0) -> Image.Image:
    """Smooth shapes and some fine texture, as in photographs."""
    random = np.random.default_rng(seed)
    layers = [random.normal(0, 60 / 2**k, (4 * 2**k, 4 * 2**k, 3)) for k in range(6)]
    scaled = [
        np.stack([np.asarray(Image.fromarray(layer[..., c]).resize((width, height), 3)) for c in range(3)], -1)
        for layer in (layer.astype(np.float32) for layer in layers)
    ]
    return Image.fromarray(np.clip(128 + sum(scaled), 0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    packed = io.BytesIO()
    image.save(packed, kind, **options)
    return packed.getvalue()


def colour(label: int, k: int = 0) -> bytes:
    """An image of one colour, which tells its label: red is 10 times the label, blue is k."""
    return encoded(Image.new("RGB", (40, 30), (10 * label, 0, k)), quality=100, subsampling=0)


def write_tree(folder: Path, splits: dict[str, int], classes: tuple[str, ...] = ("ant", "bee", "cat")) -> Path:
    """`splits` images of each class in every split."""
    for split, count in splits.items():
        for label, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True)
            for k in range(count):
                (folder / split / name / f"{k}.jpg").write_bytes(colour(label, k))
    return folder


@given(height=st.integers(1, 600), width=st.integers(1, 600), seed=st.integers(0, 99))
def test_random_boxes_lie_in_the_image_and_have_an_admitted_shape(height: int, width: int, seed: int) -> None:
    box = random_box(height, width, np.random.default_rng(seed))
    assert box.top >= 0 and box.left >= 0 and box.height >= 1 and box.width >= 1
    assert box.top + box.height <= height and box.left + box.width <= width
    if min(height, width) >= 50 and max(height, width) <= 3 * min(height, width):
        assert 0.73 < box.width / box.height < 1.37  # sides are whole pixels
        assert box.height * box.width > 0.07 * height * width


def test_random_boxes_are_distributed_as_kornias() -> None:
    torch.manual_seed(0)
    source = ResizedCropGenerator((224, 224), scale=torch.tensor([0.08, 1.0]), ratio=torch.tensor([3 / 4, 4 / 3]))
    corners = source(torch.Size([3000, 3, 300, 450]))["src"].numpy()  # (N, 4, 2): x and y, clockwise
    theirs = np.stack([corners[:, 0, 1], corners[:, 0, 0], *(corners[:, 2] - corners[:, 0] + 1).T[::-1]], 1)
    ours = np.array([random_box(300, 450, np.random.default_rng(seed)) for seed in range(3000)])
    for summary in (
        lambda boxes: boxes[:, 2] * boxes[:, 3],
        lambda boxes: boxes[:, 3] / boxes[:, 2],
        lambda boxes: boxes[:, 0],
        lambda boxes: boxes[:, 1],
    ):
        assert ks_2samp(summary(ours), summary(theirs)).pvalue > 1e-3


@pytest.mark.parametrize("size", [400, 224, 112, 56, 28])  # at full, half, a quarter, an eighth of the scale
def test_a_box_is_decoded_as_pillow_would_from_the_whole_image(size: int) -> None:
    image = photograph(700, 900)
    data = encoded(image, quality=95)
    for seed in range(5):
        box = random_box(700, 900, np.random.default_rng(seed))
        found = cut_out(data, box, (700, 900), size).astype(int)
        edges = (box.left, box.top, box.left + box.width, box.top + box.height)
        expected = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=edges)).astype(int)
        assert np.abs(found - expected).mean() < 4
        assert abs((found - expected).mean()) < 2


def test_evaluation_sees_the_centre_of_the_references() -> None:
    image = photograph(480, 640)
    found = cut_out(encoded(image, quality=95), central_box(480, 640), (480, 640), 224).astype(int)
    left, top = round((640 * 256 / 480 - 224) / 2), 16
    scaled = image.resize((round(640 * 256 / 480), 256), Image.Resampling.BILINEAR)
    expected = np.asarray(scaled.crop((left, top, left + 224, top + 224))).astype(int)
    assert np.abs(found - expected).mean() < 4


def test_a_rotation_noted_in_the_file_is_ignored() -> None:
    image = photograph(100, 200)
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, rotated = encoded(image), encoded(image, exif=exif)
    assert plain != rotated
    box = central_box(100, 200)
    assert np.array_equal(cut_out(plain, box, (100, 200), 64), cut_out(rotated, box, (100, 200), 64))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
        *(("PNG", mode) for mode in ("RGB", "L", "RGBA", "P")),
        *(("BMP", mode) for mode in ("RGB", "L", "P")),
        *(("WEBP", mode) for mode in ("RGB", "RGBA")),
    ],
)
def test_formats_and_modes(kind: str, mode: str, tmp_path: Path) -> None:
    image = Image.new("RGB", (64, 64), (200, 100, 40)).convert(mode)
    folder = tmp_path / "data" / "set" / "train" / "one"
    folder.mkdir(parents=True)
    (folder / "image.jpeg").write_bytes(encoded(image, kind))  # the contents decide
    (batch,) = image_folder("set", "train", size=32).loader(4, "cpu")
    expected = torch.tensor(image.convert("RGB").getpixel((0, 0)))
    assert (batch["inputs"][0, :, 16, 16].int() - expected).abs().max() <= 12


def seen(data: ImageFiles, epoch: int = 0, **options: object) -> list[dict[str, torch.Tensor]]:
    loader = data.loader(4, "cpu", **options)
    loader.set_epoch(epoch)
    return list(loader)


def same(left: list[dict[str, torch.Tensor]], right: list[dict[str, torch.Tensor]]) -> bool:
    pairs = zip(left, right, strict=True)
    return all(torch.equal(a[name], b[name]) for a, b in pairs for name in ("inputs", "labels"))


@pytest.fixture
def photographs(tmp_path: Path) -> ImageFiles:
    """Ten photographs of two classes."""
    for k in range(10):
        folder = tmp_path / "data" / "photographs" / "train" / f"class{k % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{k}.jpg").write_bytes(encoded(photograph(90, 120, k)))
    return image_folder("photographs", "train", size=48)


def test_batches_are_whole_and_labels_belong_to_their_images(tmp_path: Path) -> None:
    write_tree(tmp_path / "data" / "set", {"train": 3})
    data = image_folder("set", "train", size=16)
    loader = data.loader(4, "cpu", seed=0)
    batches = list(loader)
    assert [batch["inputs"].shape for batch in batches] == [(4, 3, 16, 16), (4, 3, 16, 16), (1, 3, 16, 16)]
    assert len(loader) == 3 and [loader.samples(steps) for steps in range(5)] == [0, 4, 8, 9, 13]
    inputs, labels = (torch.cat([batch[name] for batch in batches]) for name in ("inputs", "labels"))
    assert inputs.dtype == torch.uint8 and labels.dtype == torch.int64
    assert batches[0]["inputs"].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal((inputs[:, 0].float().mean((1, 2)) / 10).round().long(), labels)
    assert sorted(labels.tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_what_is_seen_is_a_function_of_seed_and_epoch(photographs: ImageFiles) -> None:
    first = seen(photographs, epoch=1, seed=3)
    np.random.seed(1)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    assert same(seen(photographs, epoch=1, seed=3), first)
    assert torch.equal(torch.random.get_rng_state(), before)  # and nothing is taken from the global generator
    assert not same(seen(photographs, epoch=2, seed=3), first)
    assert not same(seen(photographs, epoch=1, seed=4), first)
    everything = [image for epoch in (1, 2) for batch in seen(photographs, epoch, seed=3) for image in batch["inputs"]]
    assert len({image.numpy().tobytes() for image in everything}) == 20  # no image twice alike


def test_worker_processes_make_no_difference(photographs: ImageFiles) -> None:
    loader = photographs.loader(4, "cpu", seed=3, workers=2)
    for epoch in (2, 0, 1):  # by the same processes
        loader.set_epoch(epoch)
        assert same(list(loader), seen(photographs, epoch, seed=3))
    loader.set_epoch(1)
    next(iter(loader))  # an epoch that ends early
    assert same(list(loader), seen(photographs, 1, seed=3))


def test_without_a_seed_the_set_keeps_its_order_and_shows_the_centres(photographs: ImageFiles) -> None:
    batches = seen(photographs)
    assert same(batches, seen(photographs, epoch=1))
    assert torch.cat([batch["labels"] for batch in batches]).tolist() == [0] * 5 + [1] * 5
    expected = cut_out(encoded(photograph(90, 120, 0)), central_box(90, 120), (90, 120), 48)
    assert np.array_equal(batches[0]["inputs"][0].permute(1, 2, 0).numpy(), expected)


def test_processes_share_every_batch(photographs: ImageFiles) -> None:
    whole = seen(photographs, seed=0)
    parts = [seen(photographs, seed=0, shard=(rank, 3)) for rank in range(3)]
    for batch, *own in zip(whole, *parts, strict=True):
        for rank, part in enumerate(own):
            assert torch.equal(part["inputs"], batch["inputs"][rank::3])  # the last batch leaves nothing for rank 2
            assert torch.equal(part["labels"], batch["labels"][rank::3])


def test_the_fingerprint_sees_contents_and_labels_and_no_places(tmp_path: Path) -> None:
    home = write_tree(tmp_path / "data" / "set", {"train": 2})
    first = image_folder("set", "train").fingerprint
    shutil.copytree(home, tmp_path / "data" / "elsewhere")
    assert image_folder("elsewhere", "train").fingerprint == first
    (home / "train" / "ant" / "0.jpg").write_bytes(colour(0, 77))
    (tmp_path / "data" / "elsewhere" / "train" / "bee" / "0.jpg").rename(
        tmp_path / "data" / "elsewhere" / "train" / "ant" / "9.jpg"
    )
    forget()
    prints = {image_folder(name, "train").fingerprint for name in ("set", "elsewhere")}
    assert len(prints | {first}) == 3


def test_subsets_are_nested_and_hold_every_class(tmp_path: Path) -> None:
    write_tree(tmp_path / "data" / "set", {"train": 8})
    data = image_folder("set", "train", size=8)
    parts = [data.subset(fraction, 0) for fraction in (0.25, 0.5)]
    assert [np.bincount(part.labels).tolist() for part in parts] == [[2, 2, 2], [4, 4, 4]]
    assert set(parts[0].images.paths) < set(parts[1].images.paths)
    inputs = torch.cat([batch["inputs"] for batch in parts[0].loader(4, "cpu")])
    assert (inputs[:, 0].float().mean((1, 2)) / 10).round().tolist() == [0, 0, 1, 1, 2, 2]


def test_classes_are_those_of_the_training_folder(tmp_path: Path) -> None:
    home = write_tree(tmp_path / "data" / "set", {"train": 1, "val": 1})
    assert image_folder("set", "val").metainfo == {"classes": ("ant", "bee", "cat")}
    (home / "val" / "ant").rename(home / "val" / "dog")
    forget()
    with pytest.raises(LwdnaError, match=r"set/val/dog: there is no such class among the 3 of the training set"):
        image_folder("set", "val")
    shutil.rmtree(home / "val" / "dog")
    with pytest.raises(LwdnaError, match=r"set/val: class 'ant' has no images"):
        image_folder("set", "val")


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(LwdnaError, match=r"data/set/train: there is no such folder$"):
        image_folder("set", "train")
    write_tree(tmp_path / "data" / "set", {"train": 1})
    with pytest.raises(LwdnaError, match=r"set/test: there is no such folder; splits there: train"):
        image_folder("set", "test")
    (tmp_path / "data" / "set" / "empty").mkdir()
    with pytest.raises(LwdnaError, match=r"set/empty: expected one folder a class, found none"):
        image_folder(str(tmp_path / "data" / "set" / "empty"), ".")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (encoded(photograph(64, 64))[:-60], "truncated"),
        (colour(0)[:200], ""),
        (b"<html>not found</html>", "its contents are none of JPEG, PNG, BMP, WEBP"),
        (b"", "its contents are none of"),
        (encoded(photograph(64, 64), "PNG")[:-200], ""),
        (encoded(photograph(64, 64), "PNG").replace(b"IDAT", b"IDAX"), ""),
    ],
)
def test_a_damaged_image_is_told_before_training(content: bytes, problem: str, tmp_path: Path) -> None:
    home = write_tree(tmp_path / "data" / "set", {"train": 2})
    (home / "train" / "bee" / "1.jpg").write_bytes(content)
    with pytest.raises(LwdnaError, match=rf"train/bee/1\.jpg: damaged image: .*{problem}"):
        image_folder("set", "train")
    (home / "train" / "cat" / "0.jpg").write_bytes(content)
    with pytest.raises(LwdnaError, match=r"bee/1\.jpg: .*\(2 images are damaged, also .*/cat/0\.jpg\)"):
        image_folder("set", "train")


def test_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    home = write_tree(tmp_path / "data" / "set", {"train": 2})
    (home / "train" / "bee" / "9.jpg").symlink_to("nowhere")
    with pytest.raises(LwdnaError, match=r"train/bee/9\.jpg: cannot be read: No such file"):
        image_folder("set", "train")


def test_images_are_checked_once_and_again_when_their_file_changes(tmp_path: Path) -> None:
    home = write_tree(tmp_path / "data" / "set", {"train": 2})
    first = image_folder("set", "train").fingerprint
    path = home / "train" / "bee" / "1.jpg"
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    forget()
    assert image_folder("set", "train").fingerprint == first  # it was not opened
    os.utime(path)
    forget()
    with pytest.raises(LwdnaError, match=r"bee/1\.jpg: damaged image"):
        image_folder("set", "train")
    with pytest.raises(LwdnaError, match=r"bee/1\.jpg: damaged image"):  # that is not forgotten either
        image_folder("set", "train")
    path.unlink()
    assert len(image_folder("set", "train")) == 5


WNIDS = ("n01", "n02", "n03")


def write_imagenet(home: Path, labels: tuple[int, ...] = (2, 0, 1, 2)) -> Path:
    """Training folders; validation images of the classes `labels` in the archive, with the devkit's ground truth."""
    folder = write_tree(home / "imagenet", {"train": 2}, WNIDS)
    with tarfile.open(folder / VAL, "w") as tar:
        for number in (3, 1, 4, 2)[: len(labels)]:  # no order is promised
            add(tar, f"ILSVRC2012_val_{number:08}.JPEG", colour(labels[number - 1], number))
    write_devkit(folder / DEVKIT, labels)
    return folder


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def write_devkit(path: Path, labels: tuple[int, ...]) -> None:
    """The devkit's own numbers are in another order than the names: 1 is the last class; 4 is a group of classes."""
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = [(3 - k, wnid, f"word {k}", 0) for k, wnid in enumerate(WNIDS)] + [(4, "n00", "group", 3)]
    packed = io.BytesIO()
    savemat(packed, {"synsets": np.array(rows, dtype=kind)})
    with tarfile.open(path, "w:gz") as tar:
        add(tar, "ILSVRC2012_devkit_t12/data/meta.mat", packed.getvalue())
        truth = "".join(f"{3 - label}\n" for label in labels).encode()
        add(tar, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", truth)


def labels_by_colour(data: ImageFiles) -> tuple[list[int], list[int]]:
    """Labels as given, and as the images tell."""
    batches = list(data.loader(3, "cpu"))
    inputs, labels = (torch.cat([batch[name] for batch in batches]) for name in ("inputs", "labels"))
    return labels.tolist(), (inputs[:, 0].float().mean((1, 2)) / 10).round().int().tolist()


def test_imagenet_is_read_from_folders_or_from_the_official_archive(tmp_path: Path) -> None:
    folder = write_imagenet(tmp_path / "data")
    train, val = imagenet("train", size=8), imagenet("val", size=8)
    assert train.metainfo == val.metainfo == {"classes": WNIDS}
    assert labels_by_colour(train) == ([0, 0, 1, 1, 2, 2],) * 2
    assert labels_by_colour(val) == ([2, 0, 1, 2],) * 2
    write_tree(folder, {"val": 1}, WNIDS)
    forget()
    assert labels_by_colour(imagenet("val", size=8)) == ([0, 1, 2],) * 2


def test_what_is_wrong_with_imagenets_archives_is_told_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(
        LwdnaError, match=r"imagenet/train is missing in .*`lwdna data fetch imagenet` says how to get it"
    ):
        imagenet("train")
    folder = write_imagenet(tmp_path / "data")
    with pytest.raises(LwdnaError, match=r"imagenet has no split 'test'; it has: train, val"):
        imagenet("test")
    good = (folder / VAL).read_bytes()
    with tarfile.open(folder / VAL, "w") as tar:
        add(tar, "n01.tar", b"")
    with pytest.raises(
        LwdnaError, match=r"ILSVRC2012_img_val\.tar: not the official archive: no ILSVRC2012_val_00000001"
    ):
        imagenet("val")
    (folder / VAL).write_bytes(b"<html>")
    with pytest.raises(LwdnaError, match=r"ILSVRC2012_img_val\.tar: not the official archive, or a damaged one"):
        imagenet("val")
    with tarfile.open(folder / VAL, "w") as tar:
        add(tar, "ILSVRC2012_val_00000001.JPEG", colour(0)[:-80])
    with pytest.raises(
        LwdnaError, match=r"img_val\.tar: has 1 validation images, ILSVRC2012_devkit_t12\.tar\.gz has .* 4"
    ):
        imagenet("val")
    write_devkit(folder / DEVKIT, (0,))
    with pytest.raises(LwdnaError, match=r"ILSVRC2012_img_val\.tar at byte 512: damaged image"):
        imagenet("val")
    (folder / VAL).write_bytes(good)
    shutil.rmtree(folder / "train" / "n02")
    write_devkit(folder / DEVKIT, (2, 0, 1, 2))
    with pytest.raises(LwdnaError, match=r"train/n02 is missing: ILSVRC2012_devkit_t12\.tar\.gz has validation images"):
        imagenet("val")
    (folder / DEVKIT).write_bytes(good)
    with pytest.raises(LwdnaError, match=r"devkit_t12\.tar\.gz: not the official development kit"):
        imagenet("val")
    (folder / DEVKIT).unlink()
    with pytest.raises(LwdnaError, match=r"devkit_t12\.tar\.gz is missing, and so is the folder val"):
        imagenet("val")


CONFIG = """
_base_ = {base!r}
model = dict(data_preprocessor=dict(
    type="tasks.classification.model.ImagePreprocessor", mean=[0.5] * 3, std=[0.2] * 3, size=32, flip=True))
data = dict(type="image_folder", folder="set", size=32)
train_dataloader = dict(dataset=dict(split="train", **data), batch_size=8, num_workers=2)
val_dataloader = dict(dataset=dict(split="val", **data), batch_size=8, num_workers=2)
experiment = dict(network="cifar_resnet20", input=(3, 32, 32))
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.1))
param_scheduler = []
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
"""


def test_a_comparison_trains_on_a_folder_of_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tree(tmp_path / "data" / "set", {"train": 6, "val": 2}, classes=tuple(f"class{k}" for k in range(10)))
    base = find_task("classification").configs()["resnet20_digits"].parent / "_base_" / "classifier.py"
    (tmp_path / "folder.py").write_text(CONFIG.format(base=str(base)))
    words = ["compare", "classification", str(tmp_path / "folder.py"), "--seeds", "1", "--arms", "baseline"]
    assert main([*words, "--work-dir", str(tmp_path / "out"), "--device", "cpu"]) == 0
    result = json.loads((tmp_path / "out" / "folder" / "seed0" / "baseline" / "result.json").read_text())
    assert result["train"]["steps"] == 16 and result["train"]["steps_per_epoch"] == 8  # of 60 images
    assert 0 <= result["metrics"]["accuracy/top1"] <= 100
    (tmp_path / "data" / "set" / "val" / "class3" / "1.jpg").write_bytes(b"")
    forget()
    capsys.readouterr()
    assert main([*words, "--work-dir", str(tmp_path / "again")]) == 2
    assert "val/class3/1.jpg: damaged image" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()  # nothing was begun
