"""Layouts of result folders, and what is wrong in them."""

import json

import numpy as np
import pytest

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation import Annotations, Sequence
from tasks.tracking.evaluation.layouts import find_trackers
from tasks.tracking.evaluation.names import NameBook
from tasks.tracking.evaluation.results import affine_boxes, read_results
from tasks.tracking.evaluation.textfiles import Rows

LINES = "1,2,3,4\n" * 3


def annotated(kind="OTB"):
    rows = Rows(np.tile((1.0, 2, 3, 4), 3), np.full(3, 4))
    return Annotations("toys", kind, {name: Sequence(name, rows, name) for name in ("Car", "Dog-1")})


def write(path, text=LINES):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read(folder, kind="OTB", protocol=None):
    annotations = annotated(kind)
    return read_results("me", folder, annotations, NameBook(annotations.sequences), protocol)


def test_boxes_in_text_files(tmp_path):
    for name in ("car.txt", "dog_1.txt", "car_time.txt", "performance.json", "notes.md"):
        write(tmp_path / name)
    write(tmp_path / "times/car_time.txt")
    write(tmp_path / "scores_tb50/ALL.json")
    write(tmp_path / "scores_tb50.txt")
    results = read(tmp_path)
    assert (results.protocol, list(results.runs), results.unknown) == ("OPE", ["Car", "Dog-1"], ())
    with pytest.raises(LwdnaError, match=r"--protocol SRE: one run of Car, Dog-1, as OPE leaves it; expected SRE/"):
        read(tmp_path, protocol="SRE")


def test_several_runs(tmp_path):
    for name in ("Car", "Dog.1"):
        for run in (1, 2, 3):
            write(tmp_path / name / f"{name}_00{run}.txt")
        write(tmp_path / name / f"{name}_time.txt")
    results = read(tmp_path)
    assert [len(runs) for runs in results.runs.values()] == [3, 3]
    assert read(tmp_path, protocol="SRE").protocol == "SRE"


def official(name, kind, boxes=((1, 2, 3, 4),) * 3, **fields):
    run = {"seqName": name, "startFrame": 1, "evalType": kind, "resType": "rect", "tmplsize": [0, 0], "res": boxes}
    return json.dumps([run | fields])


def test_the_official_toolkits_files(tmp_path):
    write(tmp_path / "Car.json", official("Car", "TRE", startFrame=2))
    write(
        tmp_path / "Dog-1.json", official("Dog-1", "TRE", [(10, 20, 2, 0, 0, 3)], resType="affine_ivt", tmplsize=[4, 6])
    )
    results = read(tmp_path)
    assert results.protocol == "TRE"
    assert results.runs["Car"][0].start == 2
    assert results.runs["Dog-1"][0].rows.values.tolist() == [6, 11, 8, 18]
    with pytest.raises(LwdnaError, match="these results are of TRE, not of --protocol SRE"):
        read(tmp_path, protocol="SRE")
    write(tmp_path / "Car.json", official("Car", "OPE"))
    with pytest.raises(LwdnaError, match="got OPE, TRE"):
        read(tmp_path)
    write(tmp_path / "Car.json", official("Car", "TRE", resType="L1Aff"))
    with pytest.raises(LwdnaError, match=r"Car\.json: resType 'L1Aff'; rect and affine_ivt are known"):
        read(tmp_path)
    write(tmp_path / "Car.json", "[{}]")
    with pytest.raises(LwdnaError, match=r"Car\.json: not as the official OTB toolkit writes it"):
        read(tmp_path)


def test_affine_boxes_are_cut_down_to_whole_pixels():
    got = affine_boxes(np.array([[59.0, 99.0, 2.125, 0, 0, 2.4375], [0.5, 0, 1, 0.5, -0.5, 1]]), 32, 32)
    assert got.tolist() == [[25, 60, 68, 78], [-24, -8, 48, 16]]


def test_vot(tmp_path):
    for name in ("Car", "Dog-1"):
        write(tmp_path / f"both/baseline/{name}/{name}_001.txt", "1\n1,2,3,4\n2\n")
        write(tmp_path / f"both/unsupervised/{name}/{name}_001.txt", "1\n1,2,3,4\n1,2,3,4\n")
        write(tmp_path / f"free/unsupervised/{name}/{name}_001.txt", "1\n1,2,3,4\n1,2,3,4\n")
        write(tmp_path / f"flat/{name}.txt")
        write(tmp_path / f"bare/{name}/{name}_001.txt", "1\n1,2,3,4\n2\n")
        write(tmp_path / f"resets/baseline/{name}/{name}_001.txt", "1\n1,2,3,4\n2\n")
        write(tmp_path / f"predicted/baseline/{name}/{name}_001.txt", "1\n1,2,3,4\n2\n")
        write(tmp_path / f"predicted/{name}.txt")
    write(tmp_path / "resets/readme.txt", "made by me")
    assert read(tmp_path / "both", "VOT").protocol == "VOT"
    assert list(read(tmp_path / "both", "VOT").unsupervised) == ["Car", "Dog-1"]
    without = read(tmp_path / "both", "VOT", "OPE")
    assert (without.protocol, without.unsupervised) == ("OPE", {})
    assert "unsupervised" in without.runs["Car"][0].source
    assert read(tmp_path / "free", "VOT").protocol == read(tmp_path / "flat", "VOT").protocol == "OPE"
    assert read(tmp_path / "bare", "VOT").protocol == "VOT"
    assert read(tmp_path / "predicted", "VOT").runs["Car"][0].source.endswith("baseline/Car/Car_001.txt")
    flat = read(tmp_path / "predicted", "VOT", "OPE")
    assert (flat.protocol, flat.runs["Car"][0].source) == ("OPE", str(tmp_path / "predicted/Car.txt"))
    for folder, protocol, message in (
        ("flat", "VOT", "expected baseline/"),
        ("bare", "OPE", "these runs have resets"),
        ("resets", "OPE", "these runs have resets"),
        ("predicted", "SRE", "is OTB's"),
        ("flat", "SRE", "is OTB's"),
    ):
        with pytest.raises(LwdnaError, match=message):
            read(tmp_path / folder, "VOT", protocol)
    with pytest.raises(LwdnaError, match="these are results on VOT"):
        read(tmp_path / "both")
    with pytest.raises(LwdnaError, match="holds no annotations of VOT"):
        read(tmp_path / "flat", protocol="VOT")


def test_missing_double_unknown_and_empty_results(tmp_path):
    write(tmp_path / "Car.txt")
    write(tmp_path / "Dgo-1.txt")
    with pytest.raises(LwdnaError, match=r"no results for 1 of 2 sequences \(Dog-1\); not known are Dgo-1\.txt"):
        read(tmp_path)
    write(tmp_path / "Dog-1.txt", "")
    with pytest.raises(LwdnaError, match=r"Dog-1\.txt: the file is empty"):
        read(tmp_path)
    write(tmp_path / "Dog-1.txt")
    assert read(tmp_path).unknown == ("Dgo-1.txt",)
    write(tmp_path / "Car_2.txt")
    assert read(tmp_path).unknown == ("Car_2.txt", "Dgo-1.txt")  # no other spelling of Car, and none of its runs
    write(tmp_path / "dog.1.txt")
    with pytest.raises(LwdnaError, match="are both results of Dog-1"):
        read(tmp_path)


def test_trackers_and_folders_of_trackers(tmp_path):
    write(tmp_path / "a/One/Car.txt")
    write(tmp_path / "b/One/Car.txt")
    write(tmp_path / "b/Two/baseline/Car/Car_001.txt")
    (tmp_path / "b/times").mkdir()
    book = NameBook(["Car"])
    found = find_trackers([tmp_path / "a/One", tmp_path / "b", tmp_path / "b/Two/baseline"], book)
    assert found == {
        "a/One": tmp_path / "a/One", "b/One": tmp_path / "b/One", "Two": tmp_path / "b/Two",
    }  # fmt: skip
    with pytest.raises(LwdnaError, match="times: no results; expected"):
        find_trackers([tmp_path / "b/times"], book)
    with pytest.raises(LwdnaError, match="there is no such folder"):
        find_trackers([tmp_path / "c"], book)


def test_what_else_lies_beside_trackers(tmp_path):
    """Notes, logs and scores make no tracker of their folder; a file called like a sequence does."""
    write(tmp_path / "One/Car.txt")
    write(tmp_path / "Two/Car/Car_001.txt")
    write(tmp_path / "scores_tb50/ALL.json")
    for name in ("README.txt", "scores_tb50.json", "log.txt"):
        write(tmp_path / name)
    book = NameBook(["Car"])
    assert list(find_trackers([tmp_path], book)) == ["One", "Two"]
    assert list(find_trackers([tmp_path / "Two"], book)) == ["Two"]
    write(tmp_path / "car.txt")
    assert list(find_trackers([tmp_path], book)) == [tmp_path.name]
    # Without trackers inside, files of unknown names are results, and the reader says what is missing.
    write(tmp_path / "alone/Dgo-1.txt")
    assert list(find_trackers([tmp_path / "alone"], book)) == ["alone"]
    with pytest.raises(LwdnaError, match=r"not known are Dgo-1\.txt"):
        read(tmp_path / "alone")
