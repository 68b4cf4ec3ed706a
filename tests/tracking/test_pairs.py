"""Training pairs show their target, repeat with the seed, and never come from what is tested."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch

from lwdna_core.errors import LwdnaError
from tasks.tracking.crops import EXEMPLAR, SEARCH, context_side
from tasks.tracking.data import benchmark, stills, videos
from tasks.tracking.model import PairPreprocessor, _blur_without_waiting, blur
from tasks.tracking.pairs import MARGIN, PairSet
from tasks.tracking.same_files import same_file
from tasks.tracking.sequences import Composed

Writer = Callable[..., Path]
Step = Callable[[int, int], AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path))


def pairs(count: int = 6) -> PairSet:
    return PairSet([Composed("train", seed, 12) for seed in range(3)], count, distance=4)


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    def batch(seed: int, epoch: int, workers: int, shard: tuple[int, int] = (0, 1)) -> torch.Tensor:
        loader = pairs().loader(4, "cpu", seed=seed, workers=workers, shard=shard)
        loader.set_epoch(epoch)
        return next(iter(loader))["search_boxes"]

    whole = batch(0, 1, 0)
    assert torch.equal(whole, batch(0, 1, 3))
    assert not torch.equal(whole, batch(1, 1, 0)) and not torch.equal(whole, batch(0, 2, 0))
    halves = torch.stack([batch(0, 1, 0, (part, 2)) for part in (0, 1)], 1).flatten(0, 1)
    assert torch.equal(whole, halves)


def test_an_epoch_has_all_its_pairs_and_steps_are_counted() -> None:
    loader = pairs(6).loader(4, "cpu", seed=0)
    assert [len(batch["exemplar"]) for batch in loader] == [4, 2]
    assert [loader.samples(steps) for steps in (1, 2, 3)] == [4, 6, 10]


def test_rough_cuts_hold_the_frame_around_the_target() -> None:
    data = pairs()
    for index in range(6):
        for cut, box in data.sample(0, 0, index):
            x, y, w, h = box
            # the target is in the middle, and the cut reaches beyond the search image
            assert np.abs(np.array([x - 1 + w / 2, y - 1 + h / 2]) - len(cut) / 2).max() <= 1.5
            assert len(cut) > float(context_side(torch.tensor([w, h]))) * SEARCH / EXEMPLAR * 1.5


class Large:
    """A grey frame with a lighter target, that may fill it."""

    name, files = "large", ()

    def __init__(self, box: tuple[float, float, float, float], side: int) -> None:
        self.boxes, self.image = np.array([box]), np.full((side, side, 3), 100, np.uint8)
        x, y, w, h = map(int, box)
        self.image[y - 1 : y + h - 1, x - 1 : x + w - 1] = 200

    def __len__(self) -> int:
        return 1

    def frame(self, index: int) -> np.ndarray:
        return self.image


def test_a_target_that_fills_a_large_frame_is_cut_no_finer_than_it_is_used() -> None:
    ((cut, box), _) = PairSet([Large((201, 301, 800, 600), 1200)], 1).sample(0, 0, 0)  # type: ignore[list-item]
    assert cut.shape == (round(2 * SEARCH * MARGIN),) * 2 + (3,)
    rows, columns = np.nonzero(cut[:, :, 0] > 150)
    found = [columns.min() + 1, rows.min() + 1, np.ptp(columns) + 1, np.ptp(rows) + 1]
    assert found == pytest.approx(box, abs=1)
    reach = float(context_side(torch.tensor([800.0, 600]))) * SEARCH / EXEMPLAR * MARGIN
    assert box[2] / len(cut) == pytest.approx(800 / reach, rel=0.01)


def test_smaller_cuts_of_a_batch_have_their_own_colour_around_them() -> None:
    plain = [Large((w, w, w, w), 4 * w) for w in (30, 90)]
    for sequence in plain:
        sequence.image[:] = 200
    batch = next(iter(PairSet(plain, 16).loader(16, "cpu", seed=0)))  # type: ignore[arg-type]
    prepared = PairPreprocessor(shift=64, scale=0.18, colour=0, blur=0)(batch, training=True)
    assert prepared["search"].min() > 199 and prepared["search"].max() < 201


def test_a_pair_that_is_alone_is_no_negative_one() -> None:
    preprocessor = PairPreprocessor(negative=1.0, colour=0, blur=0)
    positive = [preprocessor(next(iter(pairs(n).loader(n, "cpu", seed=0))), True)["positive"] for n in (1, 4)]
    assert positive[0].all() and not positive[1].any()


def test_the_two_frames_are_near_each_other() -> None:
    sequence = Composed("train", 0, 40)
    data = PairSet([sequence], 60, distance=3)
    sizes = np.array(
        [[box[2:] for _, box in data.sample(0, 0, index)] for index in range(60)]
    )  # exact: they tell the time
    times = np.abs(sizes[:, :, None] - sequence.boxes[:, 2:]).sum(-1)
    assert (times.min(-1) < 1e-9).all()
    least = [min(abs(a - b) for a in np.flatnonzero(l < 1e-9) for b in np.flatnonzero(r < 1e-9)) for l, r in times]  # noqa: E741
    assert max(least) <= 3


@pytest.mark.parametrize("search", [SEARCH, 287])
def test_the_target_is_where_the_boxes_of_a_batch_say(search: int) -> None:
    """A red square on gray: its place in the search image against the box that the loss sees."""
    frames = torch.full((4, 3, 300, 300), 90, dtype=torch.uint8)
    frames[:, :, 139:169, 129:169] = torch.tensor([250, 0, 0], dtype=torch.uint8)[:, None, None]
    boxes = torch.tensor([[130.0, 140, 40, 30]]).expand(4, -1)
    torch.manual_seed(0)
    batch = {"exemplar": frames, "exemplar_boxes": boxes, "search": frames, "search_boxes": boxes}
    prepared = PairPreprocessor(shift=40, scale=0.2, colour=0, blur=0, search=search)(batch, training=True)
    assert prepared["exemplar"].shape == (4, 3, EXEMPLAR, EXEMPLAR) and prepared["positive"].all()
    assert prepared["search"].shape == (4, 3, search, search)
    for image, (x, y, w, h) in zip(prepared["search"], prepared["boxes"].tolist(), strict=True):
        red = (image[0] - image[1] > 125).nonzero().float()
        low, high = red.min(0).values, red.max(0).values + 1
        found = [*((low + high) / 2 - search / 2).flip(0).tolist(), *(high - low).flip(0).tolist()]
        assert found == pytest.approx([x, y, w, h], abs=1.1)


def test_processes_prepare_their_pairs_as_one_process_would(shared_step: Step) -> None:
    preprocessor = PairPreprocessor(shift=40, scale=0.2, colour=0.3, blur=0.5)
    batch = next(iter(pairs(5).loader(5, "cpu", seed=0)))
    torch.manual_seed(0)
    whole = preprocessor(batch, training=True)
    for rank in range(2):
        torch.manual_seed(0)
        with shared_step(rank, 5):
            own = preprocessor({name: values[rank::2] for name, values in batch.items()}, training=True)
        for name, values in own.items():
            torch.testing.assert_close(values, whole[name][rank::2])


@pytest.mark.parametrize("change", ["colour", "blur"])
def test_images_change_in_colour_and_sharpness_only(change: str) -> None:
    batch = next(iter(pairs(6).loader(6, "cpu", seed=0)))
    made = []
    for amount in (0.0, 0.5):
        torch.manual_seed(0)
        preprocessor = PairPreprocessor(**{"colour": 0.0, "blur": 0.0, change: amount})  # type: ignore[arg-type]
        made.append(preprocessor(batch, training=True))
    plain, changed = made
    assert torch.equal(plain["boxes"], changed["boxes"])
    for name in ("exemplar", "search"):
        assert changed[name].min() >= 0 and changed[name].max() <= 255
        same = [torch.equal(a, b) for a, b in zip(plain[name], changed[name], strict=True)]
        assert not all(same) and (change == "colour" or any(same))  # a share is blurred
        if change == "blur":
            sharpness = [images.diff(dim=-1).abs().mean((1, 2, 3)) for images in (plain[name], changed[name])]
            assert all(after < before or s for before, after, s in zip(*sharpness, same, strict=True))


def test_a_tested_sequence_is_not_trained_on(otb: Writer, tmp_path: Path) -> None:
    tested = otb("Moving", seed=0, length=6)
    for name in ("same", "hidden", "part", "other"):
        (tmp_path / name).mkdir()
    shutil.copytree(tested, tmp_path / "same" / "moving")
    with pytest.raises(LwdnaError, match="training sequence moving is tested as well, as Moving"):
        videos("same", 1).check_disjoint(benchmark("OTB"))

    shutil.copytree(tested, tmp_path / "hidden" / "Clip")
    with pytest.raises(LwdnaError, match="training sequence Clip is tested as well, as Moving"):
        videos("hidden", 1).check_disjoint(benchmark("OTB"))

    clip = tmp_path / "part" / "Clip"  # two frames from its inside, under other names
    (clip / "img").mkdir(parents=True)
    lines = (tested / "groundtruth_rect.txt").read_text().splitlines()
    for index in (2, 4):
        shutil.copy(tested / "img" / f"{index:04}.jpg", clip / "img" / f"{index + 70:04}.jpg")
    (clip / "groundtruth_rect.txt").write_text("\n".join([lines[1], lines[3]]))
    with pytest.raises(
        LwdnaError, match=r"training frame .*Clip/img/0072.jpg is tested as well, as .*Moving/img/0002.jpg"
    ):
        videos("part", 1).check_disjoint(benchmark("OTB"))

    (tmp_path / "photographs").mkdir()
    shutil.copy(tested / "img" / "0006.jpg", tmp_path / "photographs" / "a.jpg")
    with pytest.raises(LwdnaError, match=r"a.jpg is tested as well"):
        stills("photographs", 1).check_disjoint(benchmark("OTB"))

    otb("Another", seed=1, split="train").rename(tmp_path / "other" / "Another")
    videos("other", 1).check_disjoint(benchmark("OTB"))


def test_names_match_whatever_joins_their_parts(otb: Writer, tmp_path: Path) -> None:
    otb("Jogging-1", seed=0)
    (tmp_path / "OTB").rename(tmp_path / "tested")
    otb("Jogging_1", seed=1)  # other frames, as after another compression
    with pytest.raises(LwdnaError, match="training sequence Jogging_1 is tested as well, as Jogging-1"):
        videos("OTB", 1).check_disjoint(benchmark("tested"))


def test_a_single_frame_in_common_is_found(otb: Writer, tmp_path: Path) -> None:
    tested = otb("Moving", seed=0, length=9) / "img"
    clip = tmp_path / "training" / "Clip"
    clip.parent.mkdir()
    otb("Clip", seed=1, length=9, split="train").rename(clip)
    videos("training", 1).check_disjoint(benchmark("OTB"))
    shutil.copy(tested / "0007.jpg", clip / "img" / "0003.jpg")
    with pytest.raises(LwdnaError, match=r"Clip/img/0003.jpg is tested as well, as .*Moving/img/0007.jpg"):
        videos("training", 1).check_disjoint(benchmark("OTB"))


def test_files_are_the_same_only_to_their_last_byte(tmp_path: Path) -> None:
    def write(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    left = [write("a", b"1" + b"-" * 1000), write("b", b"2" * 999), write("c", b"")]
    right = [write("d", b"-" * 1000 + b"1"), write("e", b"-" * 1001), write("f", b"2" * 998)]
    assert same_file(left, right) is None
    assert same_file([*left, *left], [*right, write("g", left[0].read_bytes())]) == (left[0], tmp_path / "g")


def test_two_sets_may_call_different_sequences_alike(otb: Writer, tmp_path: Path) -> None:
    """OTB100 and VOT have one name for different cuts; training must overlap with neither."""
    for name, seed in (("VOT", 1), ("OTB", 0)):
        otb("Moving", seed=seed, length=6)
        (tmp_path / "OTB").rename(tmp_path / f"{name}-like")
    for name in ("VOT", "OTB"):
        shutil.copytree(tmp_path / f"{name}-like" / "Moving", tmp_path / f"{name}-training" / "Clip")
        with pytest.raises(LwdnaError, match="training sequence Clip is tested as well, as Moving"):
            videos(f"{name}-training", 1).check_disjoint(benchmark(["OTB-like", "VOT-like"]))


def test_a_part_of_the_set_is_part_of_a_larger_part() -> None:
    data = PairSet([Composed("train", seed, 12) for seed in range(6)], 12)
    small, large = data.subset(0.3, 5), data.subset(0.7, 5)
    assert {s.name for s in small.sequences} < {s.name for s in large.sequences}
    assert (len(small), len(large)) == (4, 8)


def test_images_are_blurred_alike_on_a_gpu() -> None:
    """There without a look at sigma, for which the CPU would wait."""
    images, sigma = torch.rand(3, 3, 9, 11), torch.tensor([0.5, 1.0, 2.0])
    torch.testing.assert_close(_blur_without_waiting(images, sigma), blur(images, sigma))
