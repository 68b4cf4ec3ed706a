"""Results that score without an error, but not as their author meant: the warnings, and what nan counts as."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lwdna_core.cli import main
from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation import CONVENTIONS, Annotations, Sequence, evaluate
from tasks.tracking.evaluation.annotations import read_annotations
from tasks.tracking.evaluation.conventions import find_convention
from tasks.tracking.evaluation.doubts import doubts
from tasks.tracking.evaluation.evaluator import Evaluation
from tasks.tracking.evaluation.names import NameBook
from tasks.tracking.evaluation.results import Results, Run, read_results
from tasks.tracking.evaluation.textfiles import Rows, parse_rows
from tasks.tracking.evaluation.vot import VotTruth, evaluate_overlaps, evaluate_resets

NAN = "nan,nan,nan,nan"
LENGTH = 30
TRUTH = np.array([[100 + 2 * t, 80.4 + t, 30, 40.7] for t in range(LENGTH)])
NAMES = ("Car", "Dog", "Owl")


def rows(boxes: np.ndarray) -> Rows:
    return Rows(boxes.ravel().astype(float), np.full(len(boxes), boxes.shape[1]))


def told(boxes: np.ndarray, others: np.ndarray = TRUTH, kind: str = "OTB", truth: np.ndarray = TRUTH) -> list[str]:
    """The warnings where two of three sequences have the boxes, and the last one has others."""
    annotations = Annotations("toys", kind, {name: Sequence(name, rows(truth), name) for name in NAMES})  # type: ignore[arg-type]
    found = dict(zip(NAMES, (boxes, boxes, others), strict=True))
    runs = {name: [Run(rows(of_sequence), f"{name}.txt")] for name, of_sequence in found.items()}
    return doubts(Results("me", "OPE", runs), annotations, find_convention(None, kind))


def replaced(line: int, box: object) -> np.ndarray:
    boxes = TRUTH.copy()
    boxes[line] = box
    return boxes


CORNERS = np.concatenate([TRUTH[:, :2], TRUTH[:, :2] + TRUTH[:, 2:]], axis=1)


def test_two_corners_in_place_of_width_and_height_are_told() -> None:
    (text,) = told(CORNERS)
    assert text.startswith(
        "me: the first boxes are far from the ground truth's in 2 of 3 files (Car.txt: 100,80.4,130,"
    )
    assert "the truth 100,80.4,30,40.7); they seem to be x1,y1,x2,y2: expected x,y,w,h" in text


def test_pixels_counted_from_another_origin_are_told() -> None:
    for shift in (-1, 1):
        (text,) = told(TRUTH + np.array([shift, shift, 0, 0]))
        assert text.startswith("me: the first boxes are a pixel off the ground truth's in 2 of 3 files (Car.txt: ")
        assert text.endswith("expected x,y,w,h, with pixels counted as the annotations count them")


@pytest.mark.parametrize("box", [[0, 0, 0, 0], CORNERS[0], [50, 50, 10, 10], np.full(4, np.nan)])
def test_a_first_line_that_toolkits_replace_is_no_other_format(box: object) -> None:
    assert not any("first boxes" in text for text in told(replaced(0, box)))


def test_whole_numbers_and_single_files_are_no_other_format() -> None:
    assert told(np.floor(TRUTH)) == told(np.ceil(TRUTH)) == told(np.round(TRUTH)) == []
    assert told(TRUTH, others=CORNERS) == []


def test_polygons_of_vot_are_met_by_the_boxes_around_them() -> None:
    x, y, w, h = TRUTH.T
    turned = np.stack([x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2], axis=1)
    assert told(TRUTH, kind="VOT", truth=turned) == []
    assert len(told(CORNERS, others=TRUTH, kind="VOT", truth=turned)) == 1


def test_real_results_raise_no_doubts(data_folder: Path) -> None:
    stored = data_folder / "tracking-results"
    annotations = read_annotations(stored / "gt/OTB100.json")
    book = NameBook(annotations.sequences)
    for folder in ("otb_pysot/DaSiamRPN", "otb_pysot/SiamFC", "otb_got10k/SiamFC", "otb_official/OPE/STRUCK"):
        found = read_results("it", stored / folder, annotations, book)
        assert doubts(found, annotations, CONVENTIONS["official"]) == []


def test_lines_that_are_no_numbers_are_counted() -> None:
    (text,) = told(replaced(4, np.nan))
    assert text == (
        "me: 2 lines of results are no numbers where the ground truth is (Car.txt, line 5), and count as overlap 0"
    )
    assert told(TRUTH, others=replaced(4, [1, np.nan, 3, 4]))[0].startswith("me: 1 line of results is no numbers")
    assert told(replaced(4, np.nan), truth=replaced(4, np.nan)) == []
    assert told(replaced(4, np.nan), kind="LaSOT")[0].endswith("and count as the box before")


# ---- nan on VOT

BOX, HALF, FAR = "10,10,19,19", "10,10,19,9", "500,500,9,9"


def vot(lines: list[str], unsupervised: bool = False) -> Callable[[str], dict[str, float]]:
    """The scores of a run, by convention."""
    parsed = parse_rows(["\n".join(lines).encode()], ["Toy"])[0]
    truth = parse_rows(["\n".join([BOX] * len(lines)).encode()], ["Toy"])[0]
    annotations = Annotations("toys", "VOT", {"Toy": Sequence("Toy", truth, "Toy.txt", size=lambda: (600, 600))}, 2018)
    results = Results("me", "VOT", {"Toy": [Run(parsed, "Toy_001.txt")]})
    score = evaluate_overlaps if unsupervised else evaluate_resets
    return lambda name: dict(score(results, VotTruth(annotations, CONVENTIONS[name])).values)  # type: ignore[index]


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("line", [NAN, "10,nan,19,19", "nan,10,29,10,29,29,10,29"])
def test_what_is_no_number_overlaps_nothing(convention: str, line: str) -> None:
    """As a box beside the target, and not as a code, by which a frame is left out."""
    run = ["1", *[HALF] * 60, *[line] * 59]
    beside, unknown = (["1", *[HALF] * 60, *[other] * 59] for other in (FAR, "0"))
    for unsupervised in (False, True):
        found, zero, fewer = (vot(lines, unsupervised)(convention) for lines in (run, beside, unknown))
        assert found == pytest.approx(zero, nan_ok=True)
        measure = "ao" if unsupervised else "accuracy"
        assert found[measure] < 0.6 * fewer[measure]


def test_codes_of_2013_are_no_doubt() -> None:
    assert told(np.array([[np.nan, np.nan, np.nan, -1], *TRUTH[1:]]), kind="VOT") == []


# ---- what is refused


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    content = {name: {"gt_rect": TRUTH.tolist(), "img_names": [f"{name}/img/0001.jpg"]} for name in NAMES}
    (tmp_path / "toys.json").write_text(json.dumps(content))
    return tmp_path


def scores(toys: Path, called: str, text: str | None = None) -> Evaluation:
    """Of files called so in place of SEQUENCE.txt."""
    (toys / "results" / "me").mkdir(parents=True)
    lines = "".join(",".join(map(str, box)) + "\n" for box in TRUTH)
    for name in NAMES:
        (toys / "results" / "me" / called.replace("SEQUENCE", name)).write_text(text or lines)
    return evaluate([toys / "results"], toys / "toys.json", "vot-toolkit")


def test_vot_toolkit_scores_no_tre(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    official = {"evalType": "TRE", "resType": "rect", "startFrame": 5, "res": TRUTH[4:].tolist()}
    with pytest.raises(LwdnaError, match=r"--convention vot-toolkit: .* TRE's runs begin in later frames; expected"):
        scores(toys, "SEQUENCE.json", json.dumps([official]))
    words = ["eval", "tracking", str(toys / "results"), "--annotations", str(toys / "toys.json")]
    assert main(words) == 0 and capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("called", "message"),
    [
        ("SEQUENCE.csv", r"no results; expected SEQUENCE.txt.*; there are me/Car.csv, me/Dog.csv, .*, and .csv is not"),
        ("SEQUENCE_Tracker.txt", r"no results for 3 of 3 .*; Car_Tracker.txt should be called Car.txt"),
        ("Tracker-SEQUENCE.txt", r"no results for 3 of 3 .*; Tracker-Car.txt should be called Car.txt"),
    ],
)
def test_files_of_other_names_are_told(toys: Path, called: str, message: str) -> None:
    with pytest.raises(LwdnaError, match=message):
        scores(toys, called)


def test_warnings_are_printed(toys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores(toys, "SEQUENCE.txt", "".join(",".join(map(str, box)) + "\n" for box in CORNERS))
    capsys.readouterr()
    words = ["eval", "tracking", str(toys / "results"), "--annotations", str(toys / "toys.json")]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.err.startswith("lwdna: warning: me: the first boxes are far") and said.err.count("\n") == 1
