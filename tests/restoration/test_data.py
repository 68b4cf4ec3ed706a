"""Patches and test images: what is drawn, from where, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from lwdna_core.cli import main
from lwdna_core.data.sources import set_title
from lwdna_core.errors import LwdnaError
from tasks.restoration import load
from tasks.restoration.data import PatchSet
from tasks.restoration.images import read_tensor
from tasks.restoration.imresize import imresize
from tasks.restoration.load import images, patches
from tasks.restoration.quality import psnr
from tasks.restoration.sets import PHOTOS, TEST, TRAINING, set_files
from tasks.restoration.sources import SOURCES
from tasks.restoration.store import ImageStore, mapped


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    load._patches.cache_clear()
    load._images.cache_clear()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder; the task's part of it."""
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path))
    folder = tmp_path / "restoration"
    folder.mkdir()
    return folder


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_pairs(home: Path, scale: int, sizes: Sequence[tuple[int, int]]) -> None:
    """DIV2K in miniature: LR images of noise, and HR images that repeat every pixel of theirs `scale` times."""
    for index, size in enumerate(sizes):
        lr = noise(*size, 3, seed=index)
        write(home / f"DIV2K/DIV2K_train_LR_bicubic/X{scale}/{index:04}x{scale}.png", lr)
        write(home / f"DIV2K/DIV2K_train_HR/{index:04}.png", lr.repeat(scale, 0).repeat(scale, 1))


def repeated(x: Tensor, scale: int) -> Tensor:
    return x.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


def batches(data: PatchSet, epoch: int = 0, seed: int = 0, **options: object) -> list[dict[str, Tensor]]:
    loader = data.loader(4, "cpu", seed=seed, **options)  # type: ignore[arg-type]
    loader.set_epoch(epoch)
    return list(loader)


@given(
    sizes=st.lists(st.tuples(st.integers(5, 12), st.integers(5, 12)), min_size=1, max_size=4),
    colours=st.sampled_from([1, 3]), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=30)
def test_patches_are_the_slices_of_their_images(sizes: list[tuple[int, int]], colours: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    originals = [torch.from_numpy(random.integers(0, 256, (colours, *size), dtype=np.uint8)) for size in sizes]
    store = ImageStore.of(originals)
    assert all(torch.equal(store.image(k), image) for k, image in enumerate(originals))
    which = random.integers(0, len(sizes), 6)
    tops, lefts = (random.integers(0, store.sizes[which, k] - 5 + 1) for k in (0, 1))
    expected = [originals[k][:, t : t + 5, x : x + 5] for k, t, x in zip(which, tops, lefts, strict=True)]
    assert torch.equal(store.patches(which, tops, lefts, 5), torch.stack(expected))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_low_and_high_resolution_show_the_same_place(home: Path, scale: int) -> None:
    write_pairs(home, scale, [(9, 12), (8, 10), (20, 7)])
    data = patches(["DIV2K"], size=4 * scale, count=40, scale=scale)
    seen = batches(data)
    assert seen[0]["inputs"].shape == (4, 3, 4, 4)
    for batch in seen:
        assert torch.equal(batch["targets"], repeated(batch["inputs"], scale))


def test_every_place_of_every_image_is_drawn_and_none_outside(home: Path) -> None:
    for index, size in enumerate([(4, 5), (6, 4), (5, 5)]):
        write(home / f"T91/t{index}.png", noise(*size, 3, seed=index))
    data = patches(["T91"], size=4, count=1000)
    places = {
        data.hr.image(k)[:, t : t + 4, x : x + 4].numpy().tobytes()
        for k, (h, w) in enumerate([(4, 5), (6, 4), (5, 5)]) for t in range(h - 3) for x in range(w - 3)
    }  # fmt: skip
    seen = {patch.contiguous().numpy().tobytes() for batch in batches(data) for patch in batch["targets"]}
    assert seen == places


def test_batches_are_a_function_of_seed_epoch_and_step() -> None:
    data = patches(["photos"], size=8, count=10, scale=2)
    first, again = batches(data), batches(data)
    assert [len(batch["targets"]) for batch in first] == [4, 4, 2]
    assert all(torch.equal(a[key], b[key]) for a, b in zip(first, again, strict=True) for key in a)
    others = [*first, *batches(data, epoch=1), *batches(data, seed=1)]
    assert len({batch["targets"][0].numpy().tobytes() for batch in others}) == 9
    loader = data.loader(4, "cpu", seed=0)
    assert (len(loader), loader.samples(3), loader.samples(4)) == (3, 10, 14)


def test_processes_share_a_batch_without_remainder() -> None:
    data = patches(["photos"], size=8, count=10, scale=2)
    parts = [batches(data, shard=(index, 3)) for index in range(3)]
    for whole, *shares in zip(batches(data), *parts, strict=True):
        for key, expected in whole.items():
            together = torch.empty_like(expected)
            for index, share in enumerate(shares):
                together[index::3] = share[key]
            assert torch.equal(together, expected)


def test_a_part_of_the_set_is_a_part_of_its_images(home: Path) -> None:
    for index in range(8):
        write(home / f"T91/t{index}.png", np.full((6, 6), index, dtype=np.uint8))
    data = patches(["T91"], size=4, count=200, colours=1)

    def seen(part: PatchSet) -> set[int]:
        return {int(value) for batch in batches(part) for value in batch["targets"].unique()}

    quarter, half = data.subset(0.25, 3), data.subset(0.5, 3)
    assert (len(seen(quarter)), len(seen(half)), len(seen(data))) == (2, 4, 8)
    assert seen(quarter) < seen(half)
    assert len(quarter) == 200  # as many steps an epoch as before
    assert len({part.fingerprint for part in (data, half, quarter)}) == 3


def test_images_on_disk_are_those_in_memory(home: Path) -> None:
    write_pairs(home, 2, [(9, 12), (8, 10)])
    options = {"size": 8, "count": 12, "scale": 2}
    memory, disk = patches(["DIV2K"], **options), patches(["DIV2K"], **options, on_disk=True)
    for a, b in zip(batches(memory), batches(disk), strict=True):
        assert torch.equal(a["inputs"], b["inputs"]) and torch.equal(a["targets"], b["targets"])
    assert memory.fingerprint == disk.fingerprint
    files = sorted((home.parent / "decoded").iterdir())
    assert sorted(file.suffix for file in files) == [".json", ".json", ".u8", ".u8"]
    before = {file: file.stat().st_mtime_ns for file in files}
    load._patches.cache_clear()
    assert patches(["DIV2K"], **options, on_disk=True).fingerprint == disk.fingerprint
    assert {file: file.stat().st_mtime_ns for file in files} == before  # read, not made again
    write(home / "DIV2K/DIV2K_train_HR/0000.png", noise(18, 24, 3))
    load._patches.cache_clear()
    assert patches(["DIV2K"], **options, on_disk=True).fingerprint != disk.fingerprint


def test_a_store_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Tensor]:
        yield torch.zeros(3, 4, 4, dtype=torch.uint8)
        raise OSError(28, "No space left on device")

    with pytest.raises(LwdnaError, match=r"a\.u8: the decoded images cannot be kept there: No space left"):
        mapped(tmp_path / "a.u8", 3, broken)
    assert not list(tmp_path.iterdir())


def test_images_at_several_sizes(home: Path) -> None:
    write(home / "Train400/test_001.png", noise(40, 30))
    data = patches(["Train400"], size=16, count=4, colours=1, rescaled=[1, 0.7])
    assert data.hr.sizes.tolist() == [[40, 30], [28, 21]]
    assert torch.equal(data.hr.image(1), imresize(data.hr.image(0), 0.7))


def test_the_photographs_are_split_by_name_and_the_stereo_pair_is_not_split() -> None:
    train, test = PHOTOS["train"], PHOTOS["test"]
    assert not set(train) & set(test)
    assert {"motorcycle_left.png", "motorcycle_right.png"} <= set(train)
    assert [file.name for file in set_files("photos", "test", 1)] == ["camera", "chelsea", "coins", "rocket"]
    data = patches(["photos"], size=48, count=16, scale=2)
    assert len(data.hr) == len(train)
    assert torch.equal(data.lr.image(0), imresize(data.hr.image(0), 1 / 2))  # type: ignore[union-attr]


def test_gray_photographs_stay_gray_and_their_inputs_fit_the_network() -> None:
    by_name = {pair.name: pair for pair in images(["photos"], scale=3).images}
    camera, chelsea = by_name["camera"], by_name["chelsea"]
    assert camera.target.shape == (1, 510, 510) and camera.inputs.shape == (3, 170, 170)
    assert torch.equal(camera.inputs[0], camera.inputs[2])
    assert chelsea.target.shape == (3, 300, 450) and chelsea.inputs.shape == (3, 100, 150)
    gray = images(["photos"], colours=1, sigma=25)
    assert all(len(pair.inputs) == len(pair.target) == 1 for pair in gray.images)


def test_noise_of_test_images_is_fixed_and_neither_clipped_nor_rounded() -> None:
    data = images(["photos"], colours=1, sigma=50)
    for place, batch in enumerate(data.loader(1, "cpu")):
        (inputs,), (target,) = batch["inputs"], batch["targets"]
        expected = np.random.default_rng(place).normal(0, 50, target.shape[1:])
        np.testing.assert_allclose((inputs - target)[0], expected, atol=1e-4)
        assert inputs.min() < 0 and inputs.max() > 255
    assert data.fingerprint != images(["photos"], colours=1, sigma=25).fingerprint


def test_batches_of_test_images_in_order_and_in_shares() -> None:
    data = images(["photos"], colours=1, sigma=5)
    names = [name for batch in data.loader(3, "cpu") for name in batch["name"]]
    assert names == ["camera", "chelsea", "coins", "rocket"]
    shares = [[batch["name"] for batch in data.loader(2, "cpu", shard=(index, 2))] for index in (0, 1)]
    assert shares == [[["camera"], ["coins"]], [["chelsea"], ["rocket"]]]
    assert len(data.subset(0.5, 0)) == 2


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ("Set5/HR/baby.png", "Set5/LRx2/baby.png"),
        ("Set5/HR/baby.png", "Set5/LR_bicubic/X2/babyx2.png"),
        ("Set5/GTmod12/baby.png", "Set5/LRbicx2/baby.png"),
        ("Set5/image_SRF_2/img_001_SRF_2_HR.png", None),
        ("Set5/baby.bmp", None),
    ],
)
def test_layouts_of_benchmarks(home: Path, hr: str, lr: str | None) -> None:
    pixels = noise(14, 12, 3)
    write(home / hr, pixels)
    if lr:
        write(home / lr, noise(7, 6, 3, seed=1))
    (pair,) = images(["Set5"], scale=2).images
    assert pair.target.shape == (3, 14, 12)
    made = imresize(pair.target, 1 / 2)
    assert torch.equal(pair.inputs, made) == (lr is None)


@pytest.mark.parametrize(("name", "folder"), [("BSD100", "B100/HR"), ("BSD100", "BSDS500/val"), ("CBSD68", "CBSD68"),
                                              ("BSD100", "BSR/BSDS500/data/images/val")])  # fmt: skip
def test_other_names_of_folders(home: Path, name: str, folder: str) -> None:
    write(home / folder / "3096.jpg", noise(9, 12, 3))
    assert [file.name for file in set_files(name, "test", 1)] == ["3096"]


def test_bsd400_is_training_and_test_part_but_never_validation(home: Path) -> None:
    for part in ("train", "test", "val"):
        write(home / "BSDS500" / part / f"{part}.jpg", noise(9, 12, 3))
    assert [file.name for file in set_files("BSD400", "train", 1)] == ["test", "train"]
    assert [file.name for file in set_files("BSDS500", "train", 1)] == ["train"]


def test_urban100_is_never_read_from_the_halved_originals(home: Path) -> None:
    """SelfExSR's image_SRF_2 holds images of half the size: 0.2 dB (RNAN issue 13)."""
    for scale, size in ((2, 8), (4, 16)):
        write(home / f"Urban100/image_SRF_{scale}/img_001_SRF_{scale}_HR.png", noise(size, size, 3))
    assert images(["Urban100"], scale=2).images[0].target.shape == (3, 16, 16)
    assert len(patches(["photos"], size=16, count=4, scale=2, held_out=["Urban100"]).chosen) == len(PHOTOS["train"])


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "a.png", noise(12, 12, 3))
    folder = f"{tmp_path}/mine"
    assert patches([folder], size=4, count=2).metainfo["images"] == (f"{set_title(folder)}/a",)
    (pair,) = images(folder, sigma=5).images
    assert (pair.set, pair.name) == (set_title(folder), "a")
    with pytest.raises(LwdnaError, match=r"nothing: no images"):
        patches([f"{tmp_path}/nothing"], size=4, count=2)


def test_missing_and_unknown_sets_are_named(home: Path) -> None:
    with pytest.raises(LwdnaError, match=r"DIV2K_train_HR is missing in .*`lwdna data fetch DIV2K` puts it there"):
        patches(["DIV2K"], size=8, count=2)
    with pytest.raises(LwdnaError, match=r"unknown training set 'DIV2k'; near ones: DIV2K"):
        patches(["DIV2k"], size=8, count=2)
    with pytest.raises(LwdnaError, match=r"unknown test set 'Train400'"):
        images(["Train400"])
    (home / "Set12").mkdir()
    (home / "Set12" / "notes.txt").touch()
    with pytest.raises(LwdnaError, match=r"Set12"):
        images(["Set12"])


def test_low_resolution_that_does_not_fit_is_named(home: Path) -> None:
    write_pairs(home, 2, [(9, 12), (8, 10)])
    write(home / "DIV2K/DIV2K_train_LR_bicubic/X2/0001x2.png", noise(8, 11, 3))
    with pytest.raises(LwdnaError, match=r"0001x2\.png: 11x8, expected 10x8: 1/2 of .*0001\.png"):
        patches(["DIV2K"], size=8, count=2, scale=2)
    (home / "DIV2K/DIV2K_train_LR_bicubic/X2/0000x2.png").unlink()
    with pytest.raises(LwdnaError, match=r"0000x2\.png is missing: the LR image of .*0000\.png"):
        patches(["DIV2K"], size=8, count=2, scale=2)


def test_images_smaller_than_a_patch_and_damaged_ones_are_named(home: Path) -> None:
    write(home / "T91/t1.png", noise(30, 40, 3))
    write(home / "T91/t2.png", noise(23, 40, 3))
    with pytest.raises(LwdnaError, match=r"t2\.png: 40x23 is smaller than the patches of 24"):
        patches(["T91"], size=24, count=2)
    with pytest.raises(LwdnaError, match=r"size=25 is not a multiple of the scale 2"):
        patches(["T91"], size=25, count=2, scale=2)
    whole = (home / "T91/t1.png").read_bytes()
    (home / "T91/t1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LwdnaError, match=r"t1\.png: cannot be read"):
        patches(["T91"], size=8, count=2)


def test_training_images_that_show_test_images_are_left_out_and_listed(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = read_tensor(set_files("photos", "test", 1)[1].hr)
    write(home / "Set5/HR/cat.png", photograph.permute(1, 2, 0).numpy())
    part = imresize(photograph[:, 20:290, 30:430], 0.8)  # one of them is a part of a test image, smaller
    write(home / "T91/t1.png", part.permute(1, 2, 0).contiguous().numpy())
    write(home / "T91/t2.png", read_tensor(set_files("photos", "train", 1)[2].hr).permute(1, 2, 0).numpy())
    options = {"size": 32, "count": 40, "colours": 3, "rescaled": [1, 0.5]}
    data = patches(["T91"], **options, held_out=["Set5"])
    assert [data.metainfo["images"][k] for k in data.chosen] == ["T91/t2", "T91/t2"]  # type: ignore[index]
    assert data.metainfo["left_out"] == ["T91/t1"]
    assert "left out of training, since the run is tested on them: T91/t1 (Set5/cat)" in capsys.readouterr().err
    assert data.fingerprint != patches(["T91"], **options).fingerprint
    load._patches.cache_clear()
    monkeypatch.setattr(load, "overlaps", None)  # found once, remembered
    with pytest.raises(LwdnaError, match=r"show what the run is tested on: T91/t1 \(Set5/cat\)"):
        patches(["T91"], **options, held_out=["Set5"], strict_overlap=True)


def test_the_flag_refuses_them(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index, (split, place) in enumerate((("train", 2), ("test", 1))):
        photograph = read_tensor(set_files("photos", split, 1)[place].hr)
        write(home / "mine" / f"{index}.png", photograph.permute(1, 2, 0).numpy())
    words = ["compare", "restoration", "edsr_small_x2_photos_short", "--dry-run", "--device", "cpu"]
    words += ["--cfg-options", "train_dataloader.dataset.sets=restoration/mine", "train_dataloader.batch_size=2"]
    found = "restoration/mine/1 (photos/chelsea)"
    assert main(words) == 0
    assert f"left out of training, since the run is tested on them: {found}" in capsys.readouterr().err
    assert main([*words, "--strict-overlap"]) == 2
    assert f"training images show what the run is tested on: {found}" in capsys.readouterr().err


def test_a_set_that_is_all_test_images_is_refused(home: Path) -> None:
    for folder in ("Set5", "T91"):
        write(home / folder / "a.png", read_tensor(set_files("photos", "test", 1)[1].hr).permute(1, 2, 0).numpy())
    with pytest.raises(LwdnaError, match=r"T91: every image is one of Set5: nothing is left to train on"):
        patches(["T91"], size=32, count=40, held_out=["Set5"])


def test_odd_sizes_and_other_kinds_of_pixels(home: Path) -> None:
    """Cut to a multiple of the scale; gray, palette and 16 bits become three channels of 8."""
    write(home / "T91/colour.png", noise(13, 15, 3))
    write(home / "T91/gray.png", noise(13, 15))
    write(home / "T91/sixteen.png", noise(13, 15).astype(np.uint16) * 257)
    Image.fromarray(noise(13, 15, 3)).quantize(8).save(home / "T91/palette.png")
    data = patches(["T91"], size=8, count=8, scale=4)
    assert data.hr.sizes.tolist() == [[12, 12]] * 4
    assert data.lr is not None and data.lr.sizes.tolist() == [[3, 3]] * 4
    gray, sixteen = data.hr.image(1), data.hr.image(3)
    assert torch.equal(gray[0], gray[2]) and torch.equal(gray, sixteen)


def test_every_set_has_a_source_and_every_source_a_set() -> None:
    assert {source.name for source in SOURCES} == {"photos", *TRAINING, *TEST}
    for source in SOURCES:
        assert source.files or source.login or source.name == "photos"
        assert all(path.startswith("restoration/") for path in source.paths)


def test_noisy_images_measure_what_they_should(data_folder: Path) -> None:
    """Golden figures, made by another program from the same seeds."""
    golden = json.loads((data_folder / "restoration" / "restoration-expected.json").read_text())["noisy"]
    for name in ("Set12", "BSD68"):
        data = images([name], colours=1, sigma=25)
        scores = [psnr(pair.inputs, pair.target, "y", 0).item() for pair in data.images]
        assert np.mean(scores) == pytest.approx(golden[f"{name} sigma25"]["unclipped_float"][0], abs=2e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_given_low_resolution_is_what_would_be_made(data_folder: Path, scale: int) -> None:
    for pair in images(["Set5"], scale=scale).images:
        assert torch.equal(pair.inputs, imresize(pair.target, 1 / scale).expand(3, -1, -1))


def test_the_real_training_sets(data_folder: Path) -> None:
    train400 = patches(["Train400"], size=40, count=128, colours=1, rescaled=[1, 0.9, 0.8, 0.7])
    assert train400.hr.sizes[:4].tolist() == [[180, 180], [162, 162], [144, 144], [126, 126]]
    assert len(train400.hr) == 4 * 399
    bsds = patches(["BSDS500"], size=96, count=16)
    assert len(bsds.hr) == 198
    assert torch.equal(bsds.hr.image(0), read_tensor(set_files("BSDS500", "train", 1)[0].hr))


def test_a_test_set_that_is_not_held_out_is_refused() -> None:
    tested = images("photos")
    patches("photos", size=32, count=8, held_out="photos").check_disjoint(tested)
    with pytest.raises(LwdnaError, match=r"val_dataloader\.dataset\.sets has photos, .*held_out does not"):
        patches("photos", size=32, count=8).check_disjoint(tested)
