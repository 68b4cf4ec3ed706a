"""Runs with resets against published scores, the toolkits' own figures, and sequences that are worked out by hand."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation import CONVENTIONS, Annotations, Sequence, evaluate
from tasks.tracking.evaluation.conventions import EAO_INTERVALS
from tasks.tracking.evaluation.expected_overlap import Attempts, expected_overlap
from tasks.tracking.evaluation.lengths import length_warnings
from tasks.tracking.evaluation.regions import FAILED, INITIALISED, NO_NUMBER, REGION, UNKNOWN, regions_of
from tasks.tracking.evaluation.results import Results, Run
from tasks.tracking.evaluation.textfiles import parse_rows
from tasks.tracking.evaluation.vot import VotTruth, evaluate_overlaps, evaluate_resets

TRACKERS = ("DaSiamRPN", "SiamCAR", "SiamAPN")


@pytest.fixture(scope="module")
def stored(data_folder):
    return data_folder / "tracking-results"


@pytest.mark.parametrize("convention", ["pysot", "official", "vot-toolkit"])
def test_published_scores(stored, convention):
    folders = [stored / "vot2018" / tracker for tracker in TRACKERS]
    found = evaluate(folders, stored / "gt/VOT2018.json", convention)
    assert found.annotations.year == 2018
    entries = json.loads((stored / "EXPECTED.json").read_text())["vot"]
    for scores in found.scores:
        name = "pysot" if convention == "official" else convention
        (expected,) = [e for e in entries if (e["tracker"], e["convention"]) == (scores.tracker, name)]
        exact = convention == "vot-toolkit"
        assert scores.values["eao"] == pytest.approx(expected["eao"], abs=2e-6 if exact else 6e-5)
        assert scores.values["accuracy"] == pytest.approx(expected["accuracy"], abs=2e-6 if exact else 6e-5)
        assert scores.values["robustness"] == pytest.approx(expected["robustness"], abs=6e-7 if exact else 6e-5)
        assert scores.values["lost"] == expected.get("lost", scores.values["lost"])


def test_scores_that_got10k_gives(stored):
    """By got10k 0.1.3 on the same files (its ExperimentVOT.report, with numpy 1's nan names)."""
    found = evaluate([stored / "vot2018"], stored / "gt/VOT2018.json", "got10k")
    values = {scores.tracker: scores.values for scores in found.scores}
    assert values["DaSiamRPN"]["accuracy"] == pytest.approx(0.5735414262380085, abs=1e-9)
    assert values["DaSiamRPN"]["robustness"] == pytest.approx(17.644769496878997)
    assert values["SiamAPN"]["accuracy"] == pytest.approx(0.549506632147315, abs=1e-9)
    assert values["SiamAPN"]["robustness"] == pytest.approx(29.852410318116867)
    assert "eao" not in values["SiamAPN"]


@pytest.mark.parametrize(("year", "eao"), [(2015, 0.3736), (2016, 0.3736), (2017, 0.3827), (2019, 0.4327)])
def test_another_years_interval(stored, year, eao):
    found = evaluate([stored / "vot2018/DaSiamRPN"], stored / "gt/VOT2018.json", year=year)
    assert found.scores[0].values["eao"] == pytest.approx(eao, abs=6e-5)


def test_a_year_without_an_interval_has_no_eao(stored):
    values = evaluate([stored / "vot2018/DaSiamRPN"], stored / "gt/VOT2018.json", year=2013).scores[0].values
    assert "eao" not in values
    assert values["lost"] == 59


# ---- by hand

BOX = "10,10,19,19"
HALF = "10,10,19,9"  # 20 x 10 of 20 x 20 pixels
LENGTH = 20


def sequence(name="Toy", lines=(BOX,) * LENGTH, **fields):
    return Sequence(name, parse_rows(["\n".join(lines).encode()], [name])[0], f"{name}.txt", **fields)


def annotated(*sequences, year=None):
    return Annotations("toys", "VOT", {s.name: s for s in sequences or [sequence()]}, year)


def score(runs, annotations=None, convention="pysot"):
    annotations = annotations or annotated()
    results = results_of(runs if isinstance(runs, dict) else {"Toy": runs})
    return evaluate_resets(results, VotTruth(annotations, CONVENTIONS[convention]))


def results_of(runs):
    read = {
        name: [Run(parse_rows(["\n".join(run).encode()], [name])[0], f"{name}_001.txt") for run in listed]
        for name, listed in runs.items()
    }
    return Results("me", "VOT", read)


def run_of(frames):
    return ["1", *frames]


def test_accuracy_leaves_out_ten_frames_from_each_start():
    scores = score([run_of([HALF] * 9 + [BOX] * 10)])
    assert scores.values["accuracy"] == 1
    assert scores.values["robustness"] == scores.values["lost"] == 0


def test_a_failure_is_counted_and_skipped():
    scores = score([run_of([BOX] * 11 + ["2", "0", "0", "0", "0", "1", BOX, BOX])])
    assert scores.values["lost"] == 1
    assert scores.values["robustness"] == 100 / LENGTH  # per cent of the frames
    assert scores.values["accuracy"] == 1  # of two frames: the third start burns in to the end


def test_codes_with_a_point_and_those_of_2013():
    plain = score([run_of([HALF] * 11 + ["2", "0", "0", "0", "0", "1", BOX, BOX])])
    point = score([["1.0000", *[HALF] * 11, "2.0", "0.0", "0.0", "0.0", "0.0", "1.0", BOX, BOX]])
    older = score(
        [["NaN,NaN,NaN,-1", *[HALF] * 11, "NaN,NaN,NaN,-2", *["NaN,NaN,NaN,0"] * 4, "NaN,NaN,NaN,-1", BOX, BOX]]
    )
    assert plain.values == point.values == older.values


def test_polygons_as_predictions_are_the_same_as_boxes():
    polygon = "10,10,29,10,29,29,10,29"
    truth = annotated(sequence(lines=(polygon,) * LENGTH))
    for convention in ("pysot", "got10k"):
        assert score([run_of([polygon] * 19)], truth, convention).values["accuracy"] == pytest.approx(1)
        assert score([run_of([BOX] * 19)], truth, convention).values["accuracy"] == pytest.approx(1)


def test_repetitions_are_averaged_frame_by_frame():
    runs = [run_of([BOX] * 19), run_of([HALF] * 19), run_of([BOX] * 11 + ["2", "0", "0", "0", "0", "1", BOX, BOX])]
    values = score(runs).values
    assert values["lost"] == pytest.approx(1 / 3)
    # Frames 10 and 11 are in all three runs, the other eight in two.
    assert values["accuracy"] == pytest.approx((2 * 2.5 / 3 + 8 * 1.5 / 2) / 10)
    fifteen = score([run_of([BOX] * 19)] * 15)
    assert fifteen.values == score([run_of([BOX] * 19)]).values


def test_vot_toolkit_weights_sequences_by_length():
    """Its accuracy is the mean over sequences, pysot's over frames: they differ where burn-in takes unequal shares."""
    long, short = sequence("Long", (BOX,) * 40), sequence("Short", (BOX,) * 20)
    runs = {"Long": [run_of([BOX] * 39)], "Short": [run_of([HALF] * 9 + [HALF] * 10)]}
    half = 9 * 19 / (19 * 19)  # w, not w + 1 pixels
    values = score(runs, annotated(long, short), "vot-toolkit").values
    assert values["accuracy"] == pytest.approx((40 * 1 + 20 * half) / 60)
    values = score(runs, annotated(long, short), "pysot").values
    assert values["accuracy"] == pytest.approx((30 * 1 + 10 * 0.5) / 40)
    runs["Short"] = [run_of([BOX] * 11 + ["2", "0", "0", "0", "0", "1", BOX, BOX])]
    values = score(runs, annotated(long, short), "vot-toolkit").values
    assert values["robustness"] == pytest.approx(20 / 60)  # failures a sequence, weighted by length


@pytest.mark.parametrize(("year", "accuracy"), [(2015, 2 / 3), (2016, 1)])
def test_the_official_toolkit_drew_outside_the_image_too_until_2015(year, accuracy):
    """And by its older rule: 30 x 20 pixels against 20 x 20, of which 21 x 21 lie inside."""
    toy = sequence(lines=("-10,10,30,20",) * LENGTH, size=lambda: (100.0, 100.0))
    values = score([run_of(["0,10,20,20"] * 19)], annotated(toy, year=year), "official").values
    assert values["accuracy"] == pytest.approx(accuracy)


def test_tags():
    flags = np.arange(LENGTH) >= 15
    tagged = sequence(tags={"occlusion": flags})
    scores = score([run_of([BOX] * 14 + [HALF] * 5)], annotated(tagged, year=2018))
    assert scores.attributes["occlusion"]["accuracy"] == 0.5
    assert scores.attributes["occlusion"]["frames"] == 5
    assert scores.attributes["empty"]["accuracy"] == 1
    assert "camera_motion" not in scores.attributes


def test_results_of_another_length():
    short, long = run_of([BOX] * 14), run_of([BOX] * 40)
    assert score([short]).values["accuracy"] == score([long]).values["accuracy"] == 1
    for runs, texts in (([short], ["shorter"]), ([long], ["longer"]), ([short, long], ["shorter", "longer"])):
        told = length_warnings(results_of({"Toy": runs}), annotated(), CONVENTIONS["pysot"])
        assert len(told) == len(texts)
        for warning, text in zip(told, texts, strict=True):
            assert re.fullmatch(f"me: results on Toy are {text} than the ground truth.* cut to .* length", warning)
    assert length_warnings(results_of({"Toy": [run_of([BOX] * 19)]}), annotated(), CONVENTIONS["pysot"]) == []
    for convention in ("vot-toolkit", "got10k"):
        with pytest.raises(LwdnaError, match=r"Toy_001\.txt: 15 lines for 20 frames in Toy\.txt"):
            score([short], convention=convention)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2,3", "a polygon of 6 or more, got 3 numbers"),
        ("1,2,3,4,5", "got 5 numbers"),
        ("7", "code 0, 1 or 2"),
        ("inf,2,3,4", "expected finite numbers, or nan"),
        ("1,2,1,-inf,3,4,5,6", "expected finite numbers, or nan"),
    ],
)
def test_what_is_no_region_is_named_with_file_and_line(line, message):
    with pytest.raises(LwdnaError, match=f"Toy_001\\.txt, line 4: .*{message}"):
        score([run_of([BOX, BOX, line, *[BOX] * 16])])


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_sequence_of_which_nothing_is_known(convention):
    """A mean over the others is another score, and one over nothing is none."""
    known, unknown = sequence(), sequence("Blank", ("nan,nan,nan,nan",) * LENGTH)
    with pytest.raises(LwdnaError, match=r"Blank\.txt: no ground truth but nan"):
        VotTruth(annotated(known, unknown), CONVENTIONS[convention])
    partly = sequence("Partly", (BOX, *("nan,nan,nan,nan",) * (LENGTH - 1)))
    VotTruth(annotated(known, partly), CONVENTIONS[convention])


def test_lines_as_regions():
    rows = parse_rows([b"1\n0,0,4,2\n0,0,4,0,4,2\nnan,nan,nan,nan\nnan\n1,1,2,1,2,2,1,2,0,1\n"], ["a"])[0]
    regions, codes = regions_of(rows, "a")
    assert codes.tolist() == [INITIALISED, REGION, REGION, NO_NUMBER, UNKNOWN, REGION]
    assert regions.corners.shape == (6, 5, 2)
    assert regions.corners[2].tolist() == [[0, 0], [4, 0], [4, 2], [4, 2], [4, 2]]
    assert regions.is_box.tolist() == [False, True, False, True, False, False]


def test_average_overlap_without_resets():
    long, short = sequence("Long", (BOX,) * 30), sequence("Short", (BOX,) * 10)
    annotations = annotated(long, short)
    lines = {"Long": run_of([HALF] * 29), "Short": run_of([BOX] * 9)}
    runs = {name: [Run(parse_rows(["\n".join(run).encode()], [name])[0], name)] for name, run in lines.items()}
    scores = evaluate_overlaps(Results("me", "OPE", runs), VotTruth(annotations, CONVENTIONS["pysot"]))
    assert scores.values == {"ao": pytest.approx((30 * 0.5 + 10 * 1) / 40)}
    assert scores.sequences["Long"] == {"ao": pytest.approx(0.5)}


# ---- expected overlap


def curve(runs, recipe="pysot", weights=None):
    codes = [np.array([REGION if isinstance(v, float) else v for v in run]) for run in runs]
    overlaps = [np.array([v if isinstance(v, float) else np.nan for v in run]) for run in runs]
    tags = [{"all": np.ones(len(run), bool)} for run in runs]
    return expected_overlap(Attempts(codes, overlaps, weights or [1.0] * len(runs)), tags, recipe)["all"]


def test_a_run_that_reaches_the_end_counts_up_to_there():
    got = curve([[1, 0.5, 0.7], [1, 0.1, 0.1, 0.1, 0.3]])
    np.testing.assert_allclose(got, [1, 0.3, 0.35, 0.1, 0.15])


def test_a_failed_run_goes_on_with_nothing():
    """Lost in frame 3, started again in frame 8: 0.8 and zeros for ever, then 0.6 to the end."""
    run = [1, 0.8, 2, 0, 0, 0, 0, 1, 0.6, 0.6]
    got = curve([run])
    np.testing.assert_allclose(got[:4], [1, (0.8 + 0.6) / 2, (0.4 + 0.6) / 2, 0.8 / 3])
    np.testing.assert_allclose(got[9], 0.8 / 9)
    toolkit = curve([run], "vot-toolkit")
    np.testing.assert_allclose(toolkit[1:4], [0.7, 0.5, 0.8 / 3])


def test_a_failure_too_late_for_another_start_is_no_failure():
    got = curve([[1, 0.8, 0.8, 2, 0]])
    np.testing.assert_allclose(got, [1, 0.8, 0.8, 1.6 / 3, 0.4])
    np.testing.assert_allclose(curve([[1, 0.8, 0.8, 2, 0]], "vot-toolkit")[1:3], [0.8, 0.8])


def test_weights_of_repetitions():
    np.testing.assert_allclose(curve([[1, 0.9], [1, 0.3], [1, 0.3]], weights=[1, 0.5, 0.5])[1], 0.6)


@st.composite
def runs_with_resets(draw):
    run, length = [], draw(st.integers(8, 40))
    while len(run) < length:
        run += [1, *draw(st.lists(st.floats(0.01, 1), max_size=12)), 2, 0, 0, 0, 0]
    return run[:length]


def plainly(runs):
    """The definition of pysot, one fragment and one length at a time."""
    longest = max(map(len, runs))
    fragments = []
    for run in runs:
        values = [v if isinstance(v, float) else 0.0 for v in run]
        failures = [i for i, v in enumerate(run) if not isinstance(v, float) and v == FAILED]
        points = [0, *(f + 5 for f in failures if f + 5 <= len(run))]
        for index, point in enumerate(points):
            if index + 1 < len(points):
                part = values[point : points[index + 1] + 1]
                fragments.append(part + [0.0] * (longest - len(part)))
            else:
                fragments.append(values[point:])
    curve = [1.0]
    for length in range(2, longest + 1):
        known = [np.mean(f[1:length]) for f in fragments if len(f) >= length]
        curve.append(np.mean(known) if known else np.nan)
    return curve


@given(st.lists(runs_with_resets(), min_size=1, max_size=4))
def test_the_curve_is_the_definition(runs):
    np.testing.assert_allclose(curve(runs), plainly(runs), atol=1e-12)


def test_the_score_is_the_mean_over_the_lengths_of_the_year():
    low, high = EAO_INTERVALS[2018]
    lines = [f"10,10,19,{19 - k % 20}" for k in range(399)]
    toy = sequence(lines=(BOX,) * 400)
    scores = score([run_of(lines)], annotated(toy, year=2018))
    expected = scores.curves["expected_overlap_curve"]
    assert scores.values["eao"] == pytest.approx(np.mean([expected[n - 1] for n in range(low, high + 1)]))
    shifted = score([run_of(lines)], annotated(toy, year=2018), "vot-toolkit")
    expected = shifted.curves["expected_overlap_curve"]
    assert shifted.values["eao"] == pytest.approx(np.mean([expected[n] for n in range(low, high + 1)]))
