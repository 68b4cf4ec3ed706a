"""Data sets as folders, and annotations as files: layouts, special sequences, and what is wrong in them."""

import json

import numpy as np
import pytest
from PIL import Image

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation import evaluate, read_annotations
from tasks.tracking.evaluation.image_size import image_size


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def frames(folder, numbers, digits=4, size=(64, 48)):
    folder.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", size)
    for number in numbers:
        image.save(folder / f"{number:0{digits}}.jpg")


def boxes(number, separator=","):
    return "\n".join(separator.join(map(str, (10 + k, 20, 30, 40))) for k in range(number)) + "\n"


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": b"x" * 9999}])
def test_image_size(tmp_path, ending, options):
    path = tmp_path / f"a.{ending}"
    Image.new("RGB", (321, 123)).save(path, **(options if ending == "jpg" else {}))
    assert image_size(path) == (321, 123)


def test_a_file_that_is_no_image(tmp_path):
    write(tmp_path / "a.jpg", "no image")
    with pytest.raises(LwdnaError, match=r"a\.jpg: no JPEG"):
        image_size(tmp_path / "a.jpg")


def test_otb(tmp_path):
    write(tmp_path / "Jogging/groundtruth_rect.1.txt", boxes(3, "\t"))
    write(tmp_path / "Jogging/groundtruth_rect.2.txt", boxes(3, " "))
    write(tmp_path / "Human4/groundtruth_rect.1.txt", "\n")
    write(tmp_path / "Human4/groundtruth_rect.2.txt", boxes(2))
    write(tmp_path / "Board/groundtruth_rect.txt", boxes(2))
    write(tmp_path / "Board/attrs.txt", "Scale Variation, Motion Blur\n")
    frames(tmp_path / "Board/img", (1, 2), digits=5)
    annotations = read_annotations(tmp_path)
    assert annotations.kind == "OTB"
    assert sorted(annotations.sequences) == ["Board", "Human4-2", "Jogging-1", "Jogging-2"]
    board = annotations.sequences["Board"]
    assert board.attributes == ("SV", "MB")
    assert board.boxes().tolist() == [[10, 20, 30, 40], [11, 20, 30, 40]]
    assert board.size() == (64, 48)
    assert [file.name for file in board.frames()] == ["00001.jpg", "00002.jpg"]


def test_special_sequences_of_otb(tmp_path):
    for name, truth, files in (
        ("David", 471, range(290, 772)),
        ("Football1", 74, range(1, 80)),
        ("BlurCar1", 742, range(247, 989)),
        ("Couple", 3, range(1, 6)),
    ):
        write(tmp_path / name / "groundtruth_rect.txt", boxes(truth))
        frames(tmp_path / name / "img", files, size=(8, 8))
    sequences = read_annotations(tmp_path).sequences
    for name, first, last in (("David", "0300", "0770"), ("Football1", "0001", "0074"), ("BlurCar1", "0247", "0988")):
        files = sequences[name].frames()
        assert (files[0].stem, files[-1].stem, len(files)) == (first, last, len(sequences[name]))
    with pytest.raises(LwdnaError, match="5 frames, but 3 lines of ground truth"):
        sequences["Couple"].frames()
    (tmp_path / "BlurCar1/img/0500.jpg").unlink()
    with pytest.raises(LwdnaError, match="741 frames, but 742 lines"):
        sequences["BlurCar1"].frames()


def test_vot(tmp_path):
    write(tmp_path / "VOT2016/bag/groundtruth.txt", "1,1,9,1,9,9,1,9\n1,1,9,1,9,9,1,9\n")
    write(tmp_path / "VOT2016/bag/occlusion.tag", "0\n1\n")
    write(tmp_path / "VOT2016/ball/groundtruth.txt", "1,2,3,4\n")
    write(tmp_path / "VOT2016/ball/size_change.label", "1\n")
    frames(tmp_path / "VOT2016/bag/color", (1, 2), digits=8)
    frames(tmp_path / "VOT2016/ball", (1,), digits=8, size=(10, 20))
    annotations = read_annotations(tmp_path / "VOT2016")
    assert (annotations.kind, annotations.year) == ("VOT", 2016)
    bag, ball = annotations.sequences["bag"], annotations.sequences["ball"]
    assert bag.tags["occlusion"].tolist() == [False, True]
    assert ball.tags["size_change"].tolist() == [True]
    assert (bag.size(), ball.size()) == ((64, 48), (10, 20))
    assert bag.regions().is_box.tolist() == [False, False]
    assert ball.regions().is_box.tolist() == [True]
    assert len(bag.frames()) == 2
    write(tmp_path / "VOT2016/bag/occlusion.tag", "0\n")
    with pytest.raises(LwdnaError, match=r"occlusion\.tag: 1 values for 2 frames"):
        read_annotations(tmp_path / "VOT2016")


def test_got10k_lasot_and_uav123(tmp_path):
    got = tmp_path / "GOT/GOT-10k_Val_000001"
    write(got / "groundtruth.txt", "1.0000,2.0000,3.0000,4.0000\n" * 3)
    write(got / "cover.label", "8\n0\n5\n")
    write(got / "meta_info.ini", "[METAINFO]\nurl: x\nresolution: (1920, 1080)\n")
    annotations = read_annotations(tmp_path / "GOT")
    (sequence,) = annotations.sequences.values()
    assert (annotations.kind, sequence.size(), sequence.present.tolist()) == (
        "GOT-10k",
        (1920, 1080),
        [True, False, True],
    )

    lasot = tmp_path / "LaSOT/airplane/airplane-1"
    write(lasot / "groundtruth.txt", boxes(3))
    write(lasot / "full_occlusion.txt", "0,0,1\n")
    write(lasot / "out_of_view.txt", "0,1,0\n")
    write(tmp_path / "LaSOT/annos/att/airplane-1.txt", "0,1,0,0,0,1,0,0,1,0,0,0,1,0\n")
    annotations = read_annotations(tmp_path / "LaSOT")
    assert annotations.kind == "LaSOT"
    assert annotations.sequences["airplane-1"].attributes == ("SV", "LR", "POC", "ROT")
    assert annotations.sequences["airplane-1"].present.tolist() == [True, False, False]

    write(tmp_path / "UAV/anno/UAV123/bike1.txt", "1,2,3,4\nNaN,NaN,NaN,NaN\n")
    write(tmp_path / "UAV/anno/UAV123/att/bike1.txt", "0,1,0,0,1,0,0,0,1,0,0,0\n")
    write(tmp_path / "UAV/anno/UAV20L/car1.txt", "1,2,3,4\n")
    write(tmp_path / "UAV/anno/UAV20L/att/car1.txt", "1,0,0,0,0,0,0,0,0,0,0,1\n")
    annotations = read_annotations(tmp_path / "UAV")
    assert annotations.kind == "UAV123"
    assert np.isnan(annotations.sequences["bike1"].boxes()[1]).all()
    assert annotations.sequences["bike1"].attributes == ("IV", "ARC", "FOC")
    long_term = read_annotations(tmp_path / "UAV/anno/UAV20L")
    assert (long_term.name, long_term.kind) == ("UAV20L", "UAV123")
    assert {name: sequence.attributes for name, sequence in long_term.sequences.items()} == {"car1": ("SV", "SOB")}
    write(tmp_path / "UAV/anno/UAV20L/att/car1.txt", "1,0\n")
    with pytest.raises(LwdnaError, match=r"att/car1\.txt, line 1: 2 values for 12 attributes"):
        read_annotations(tmp_path / "UAV/anno/UAV20L")


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(LwdnaError, match="expected folders of sequences"):
        read_annotations(tmp_path)


def test_json_of_lasot_marks_present_or_absent_frames(tmp_path):
    for absent in ([1, 1, 0], [0, 0, 1]):
        content = {"a-1": {"gt_rect": [[1, 2, 3, 4]] * 3, "absent": absent, "attr": ["Rotation"]}}
        write(tmp_path / "LaSOT.json", json.dumps(content))
        annotations = read_annotations(tmp_path / "LaSOT.json")
        assert annotations.kind == "LaSOT"
        assert annotations.sequences["a-1"].present.tolist() == [True, True, False]
        assert annotations.sequences["a-1"].attributes == ("Rotation",)


def test_json_without_sizes_has_those_of_the_first_frames_beside_it(tmp_path):
    """As pysot takes them, whose own files of VOT have no sizes."""
    item = {"gt_rect": [[1, 1, 9, 1, 9, 9, 1, 9]], "img_names": ["bag/color/00000001.jpg", "bag/color/00000002.jpg"]}
    content = {"bag": item, "told": item | {"width": 20, "height": 10}, "far": item | {"img_names": ["far/1.jpg"]}}
    write(tmp_path / "VOT2018.json", json.dumps(content | {"none": {"gt_rect": item["gt_rect"]}}))
    frames(tmp_path / "bag/color", (1, 2), digits=8)
    sequences = read_annotations(tmp_path / "VOT2018.json").sequences
    sizes = {name: sequence.size() for name, sequence in sequences.items()}
    assert sizes == {"bag": (64, 48), "told": (20, 10), "far": None, "none": None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "expected an object of sequences"),
        ("{}", "expected an object of sequences"),
        ('{"a": 1}', "expected an object of sequences"),
        ('{"a": {}}', r"x\.json, a: no ground truth under gt_rect"),
        ('{"a": {"gt_rect": [[1, 2, 3, 4]], "camera_motion": [0, 1]}}', "a, camera_motion: 2 values for 1 frames"),
        ("{", r"x\.json: "),
    ],
)
def test_json_that_is_none(tmp_path, content, message):
    write(tmp_path / "x.json", content)
    with pytest.raises(LwdnaError, match=message):
        read_annotations(tmp_path / "x.json")


@pytest.mark.parametrize(
    "truth",
    [
        "OTB/{}/groundtruth_rect.txt",
        "VOT/{}/groundtruth.txt",
        "GOT/{}/groundtruth.txt",
        "LaSOT/car/{}/groundtruth.txt",
        "UAV123/{}.txt",
    ],
)
def test_a_sequence_without_ground_truth_is_not_left_out(tmp_path, truth):
    home = tmp_path / truth.partition("/")[0]
    for name in ("a-1", "b-1"):
        write(tmp_path / truth.format(name), boxes(2))
        if home.name == "GOT":
            write((tmp_path / truth.format(name)).parent / "cover.label", "8\n8\n")
        elif home.name == "LaSOT":
            write((tmp_path / truth.format(name)).parent / "full_occlusion.txt", "0,0")
    assert list(read_annotations(home).sequences) == ["a-1", "b-1"]
    write(tmp_path / truth.format("b-1"), "\n")
    with pytest.raises(LwdnaError, match=r"b-1.*\.txt: the file is empty"):
        read_annotations(home)


def test_stored_annotations(data_folder):
    stored = data_folder / "tracking-results/gt"
    otb, vot = read_annotations(stored / "OTB100.json"), read_annotations(stored / "VOT2018.json")
    assert (len(otb.sequences), otb.kind, len(otb.tiger1)) == (100, "OTB", 354)
    assert (len(vot.sequences), vot.kind, vot.year) == (60, "VOT", 2018)
    assert otb.sequences["David"].first_frame == 300
    assert otb.sequences["Tiger1"].first_frame == 6
    plain = json.loads((stored / "VOT2018.json").read_text())
    for name, item in plain.items():
        sequence = vot.sequences[name]
        np.testing.assert_array_equal(sequence.rows.values, np.ravel(item["gt_rect"]))
        assert sequence.size() == (item["width"], item["height"])
        assert all(sequence.tags[tag].tolist() == [bool(v) for v in item[tag]] for tag in sequence.tags)


def test_real_sequences(data_folder):
    """The folders agree with the annotation files of the same benchmarks, and have a frame for every line."""
    stored = data_folder / "tracking-results/gt"
    for folder, file in (("OTB", "OTB100.json"), ("VOT", "VOT2018.json")):
        known = read_annotations(stored / file).sequences
        for name, sequence in read_annotations(data_folder / folder).sequences.items():
            assert len(sequence.frames()) == len(sequence)
            np.testing.assert_array_equal(sequence.rows.values, known[name].rows.values)
            if folder == "VOT":
                assert sequence.size() == known[name].size()
                for tag, flags in known[name].tags.items():
                    np.testing.assert_array_equal(sequence.tags[tag], flags)
            else:
                assert sequence.attributes == known[name].attributes


def test_a_part_of_a_benchmark_as_a_folder(data_folder):
    stored = data_folder / "tracking-results"
    found = evaluate([stored / "otb_pysot/DaSiamRPN"], data_folder / "OTB", "pysot")
    whole = evaluate([stored / "otb_pysot/DaSiamRPN"], stored / "gt/OTB100.json", "pysot").scores[0]
    assert found.scores[0].sequences == {name: whole.sequences[name] for name in found.annotations.sequences}
    assert "passed over 96 results" in found.warnings[0]
