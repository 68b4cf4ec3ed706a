"""Training pairs from the layout of ImageNet-VID: several objects, absent and occluded frames."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lwdna_core.errors import LwdnaError
from tasks.tracking.data import videos
from tasks.tracking.imagenet_vid import read_imagenet_vid
from tasks.tracking.sequences import read_image

Objects = dict[int, tuple[tuple[int, int, int, int], int]]  # by track: xmin, ymin, xmax, ymax, and occluded
FRAMES: list[Objects] = [
    {0: ((10, 20, 49, 59), 0), 1: ((100, 30, 139, 79), 0)},
    {0: ((12, 20, 51, 59), 1)},
    {1: ((104, 30, 143, 79), 0), 0: ((14, 20, 53, 59), 0), 2: ((0, 0, 4, 4), 0)},
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One sequence of three frames; the second object is away in the second one, the third is never large enough."""
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path))
    root = tmp_path / "ILSVRC2015"
    below = "VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00005003"
    images, truths = root / "Data" / below, root / "Annotations" / below
    images.mkdir(parents=True), truths.mkdir(parents=True)
    for index, objects in enumerate(FRAMES):
        picture = np.full((120, 200, 3), 40 * index, np.uint8)
        cv2.imwrite(str(images / f"{index:06}.JPEG"), picture)
        told = "".join(
            f"\t<object>\n\t\t<trackid>{track}</trackid>\n\t\t<name>n02691156</name>\n\t\t<bndbox>\n\t\t\t<xmax>{box[2]}</xmax>"
            f"\n\t\t\t<xmin>{box[0]}</xmin>\n\t\t\t<ymax>{box[3]}</ymax>\n\t\t\t<ymin>{box[1]}</ymin>\n\t\t</bndbox>"
            f"\n\t\t<occluded>{occluded}</occluded>\n\t\t<generated>0</generated>\n\t</object>\n"
            for track, (box, occluded) in objects.items()
        )
        size = "\t<size>\n\t\t<width>200</width>\n\t\t<height>120</height>\n\t</size>\n"
        (truths / f"{index:06}.xml").write_text(
            f"<annotation>\n\t<filename>{index:06}</filename>\n{size}{told}</annotation>"
        )
    read_imagenet_vid.cache_clear()
    return root


def test_every_object_is_a_target(home: Path) -> None:
    first, second = read_imagenet_vid(home)
    assert [target.name for target in (first, second)] == ["ILSVRC2015_train_00005003-0", "ILSVRC2015_train_00005003-1"]
    assert first.boxes[[0, 2]].tolist() == [[11, 21, 40, 40], [15, 21, 40, 40]]  # from 1, the last pixel included
    assert np.isnan(first.boxes[1]).all() and np.isnan(second.boxes[1]).all()  # occluded, absent
    assert second.boxes[2].tolist() == [105, 31, 40, 50]
    assert len(second) == 3 and read_image(second.files[2]).mean() == pytest.approx(80, abs=2)


def test_pairs_come_from_frames_in_which_the_target_is_seen(home: Path) -> None:
    data = videos("ILSVRC2015", pairs=8)
    assert [usable.tolist() for usable in data._usable] == [[0, 2], [0, 2]]
    batch = next(iter(data.loader(8, "cpu", seed=0)))
    sizes = {tuple(box[2:].tolist()) for box in batch["exemplar_boxes"]}
    assert sizes == {(40.0, 40.0), (40.0, 50.0)}


def test_what_is_wrong_is_named(home: Path) -> None:
    truth = next(home.glob("Annotations/**/000001.xml"))
    text = truth.read_text()
    truth.write_text(text.replace("<xmin>12</xmin>", ""))
    with pytest.raises(LwdnaError, match=r"000001.xml: an object without xmin"):
        videos("ILSVRC2015", pairs=1)
    truth.unlink()
    with pytest.raises(LwdnaError, match=r"000001.JPEG: there is no annotation that belongs to it"):
        videos("ILSVRC2015", pairs=1)
