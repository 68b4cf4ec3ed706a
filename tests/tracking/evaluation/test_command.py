"""`lwdna eval tracking`, from the command line to the files that it writes."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from lwdna_core.cli import main
from tasks.tracking.evaluation.annotations import Annotations
from tasks.tracking.evaluation.plots import draw_plots
from tasks.tracking.evaluation.scores import Scores
from tasks.tracking.evaluation.sequence import Sequence
from tasks.tracking.evaluation.tables import as_latex, as_text, ranked
from tasks.tracking.evaluation.textfiles import Rows

_TEXT = "{http://www.w3.org/2000/svg}text"


@pytest.fixture(scope="module")
def stored(data_folder):
    return data_folder / "tracking-results"


@pytest.fixture
def toys(tmp_path):
    """Two trackers on two short sequences."""
    content = {
        name: {"gt_rect": [[10, 20, 30, 40]] * 4, "attr": ["Occlusion"], "img_names": [f"{name}/img/0001.jpg"]}
        for name in ("Car", "Dog")
    }
    (tmp_path / "toys.json").write_text(json.dumps(content))
    for tracker, shift in (("good_one", 0), ("bad", 15)):
        (tmp_path / "results" / tracker).mkdir(parents=True)
        for name in content:
            line = f"{10 + shift},20,30,40\n"
            (tmp_path / "results" / tracker / f"{name}.txt").write_text(line * 4)
    return tmp_path


def test_otb(stored, tmp_path, capsys):
    out = tmp_path / "out.json"
    arguments = ["--annotations", str(stored / "gt/OTB100.json"), "--convention", "pysot", "--json", str(out)]
    assert main(["eval", "tracking", str(stored / "otb_pysot"), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "OTB100, OPE, convention pysot: 100 sequences, 59035 frames" in printed
    assert "DaSiamRPN  0.6578  0.8802     0.8346  0.8651" in printed
    content = json.loads(out.read_text())
    assert content["convention"] == "pysot"
    assert content["evaluation_seconds"] > 0
    best = content["trackers"][0]
    assert best["name"] == "DaSiamRPN"
    assert best["auc"] == pytest.approx(0.6578, abs=5e-5)
    assert len(best["sequences"]) == 100
    assert best["sequences"]["Human4-2"].keys() == best["sequences"]["David"].keys()
    assert len(best["success_curve"]) == 21
    assert len(best["precision_curve"]) == len(best["normalised_precision_curve"]) == 51
    assert list(best["attributes"]) == ["IV", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OPR", "OV", "BC", "LR"]
    assert not {"eao", "accuracy", "robustness", "lost"} & best.keys()


def test_vot(stored, tmp_path, capsys):
    out = tmp_path / "out.json"
    arguments = ["--annotations", str(stored / "gt/VOT2018.json"), "--json", str(out)]
    assert main(["eval", "tracking", str(stored / "vot2018"), *arguments]) == 0
    assert (
        "convention pysot: 60 sequences, 21356 frames; EAO over lengths 100 to 356 (VOT2018)" in capsys.readouterr().out
    )
    trackers = json.loads(out.read_text())["trackers"]
    assert [tracker["name"] for tracker in trackers] == ["DaSiamRPN", "SiamCAR", "SiamAPN"]
    assert trackers[0]["eao"] == pytest.approx(0.3827, abs=6e-5)
    assert trackers[0]["lost"] == 59
    assert sum(values["lost"] for values in trackers[0]["sequences"].values()) == 59
    assert set(trackers[0]["attributes"]) >= {"occlusion", "camera_motion", "empty"}
    assert not {"auc", "precision_20", "ao"} & trackers[0].keys()


def test_every_output(toys, capsys):
    outputs = [part for kind in ("json", "csv", "latex", "html") for part in (f"--{kind}", str(toys / f"out.{kind}"))]
    arguments = ["--annotations", str(toys / "toys.json"), *outputs, "--plots", str(toys / "plots")]
    assert main(["eval", "tracking", str(toys / "results"), *arguments]) == 0
    rows = list(csv.DictReader((toys / "out.csv").open()))
    assert [(row["tracker"], row["sequence"], row["attribute"]) for row in rows[:4]] == [
        ("good_one", "", ""), ("good_one", "Car", ""), ("good_one", "Dog", ""), ("good_one", "", "OCC"),
    ]  # fmt: skip
    # The first frame is the truth; the others overlap by 15 of 45 columns: thresholds 0 to 0.3.
    assert float(rows[4]["auc"]) == pytest.approx((20 / 21 + 3 * 7 / 21) / 4)
    assert r"good\_one & \textbf{0.9524}" in (toys / "out.latex").read_text()
    plots = {path.name for path in (toys / "plots").iterdir()}
    assert plots == {f"{name}.svg" for name in ("success", "success_OCC", "precision", "precision_OCC")} | {
        "normalised_precision.svg"
    }
    for path in (toys / "plots").iterdir():
        ElementTree.parse(path)
    page = (toys / "out.html").read_text()
    assert page.count("<svg") == len(plots)
    assert "http://www.w3.org" in page  # namespaces, but nothing to load
    assert not any(mark in page for mark in ('src="http', 'href="http', "<script", "@import"))
    assert "0.9524" in page
    assert not list(toys.glob(".*"))


def test_plots_of_vot(stored, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("bag\nball1\nsinger2\n")
    arguments = ["--annotations", str(stored / "gt/VOT2018.json"), "--sequences", str(listed)]
    assert main(["eval", "tracking", str(stored / "vot2018"), *arguments, "--plots", str(tmp_path / "plots")]) == 0
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert names == {"expected_overlap.svg", "eao_ranking.svg", "accuracy_robustness.svg"}


def test_plots_print_every_name_letter_by_letter():
    """No formula, which "$" would begin, and none left out of a legend, as matplotlib does with "_"."""
    names = {"A$x^$B", "_name"}
    row = Rows(np.array([1.0, 1, 5, 5]), np.array([4]))
    known = Annotations("a$_$b", "VOT", {"one": Sequence("one", row, "")}, year=2018)
    curves = {f"{name}_curve": np.ones(5) for name in ("success", "precision", "normalised_precision")}
    values = {"auc": 1.0, "eao": 0.5, "accuracy": 0.5, "lost": 1.0}
    scores = [
        Scores(
            name, "VOT", values, {**curves, "expected_overlap_curve": np.ones(5)},
            attributes={"$^$": {}}, attribute_curves={"$^$": curves},
        )
        for name in sorted(names)
    ]  # fmt: skip
    shown = {}
    for file, _, svg in draw_plots(scores, known):
        shown[file] = {"".join(text.itertext()).partition(" [")[0] for text in ElementTree.fromstring(svg).iter(_TEXT)}
        assert names <= shown[file], file
    assert len(shown) == 8
    assert "a$_$b" in shown["success.svg"] and "a$_$b: $^$ (0)" in shown["success____.svg"]


def test_the_documentations_code_runs(stored, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[3] / "docs/tracking-evaluation.md").read_text()
    (tmp_path / "results").mkdir()
    (tmp_path / "results/VOT2018").symlink_to(stored / "vot2018")
    (tmp_path / "VOT2018.json").symlink_to(stored / "gt/VOT2018.json")
    monkeypatch.chdir(tmp_path)
    exec(re.findall(r"^```python\n(.*?)^```", page, re.S | re.M)[0], {})
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_neither_torch_nor_matplotlib_is_imported(toys):
    code = (
        "import sys; from lwdna_core.cli import main; status = main(sys.argv[1:]); "
        "print(sorted({'torch', 'matplotlib', 'mmengine', 'scipy', 'PIL', 'rich'} & sys.modules.keys()), status)"
    )
    arguments = ["eval", "tracking", str(toys / "results"), "--annotations", str(toys / "toys.json")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[] 0\n")


def mistakes(toys):
    (toys / "list.txt").write_text("Car\nCat\n")
    (toys / "empty.txt").write_text("\n")
    annotations = ["--annotations", str(toys / "toys.json")]
    return [
        ([*annotations, "--sequences", str(toys / "list.txt")], "list.txt, line 2: toys has no 'Cat'; near ones: Car"),
        ([*annotations, "--sequences", str(toys / "empty.txt")], "empty.txt: no names of sequences"),
        ([*annotations, "--sequences", str(toys / "none.txt")], "--sequences"),
        ([*annotations, "--protocol", "VOT"], "toys holds no annotations of VOT"),
        ([*annotations, "--json", str(toys / "none" / "a.json")], "--json"),
        ([*annotations, "--plots", str(toys / "list.txt")], "list.txt: expected the name of a folder"),
        ([*annotations, "--plots", str(toys / "list.txt" / "a")], "list.txt/a: expected the name of a folder"),
        (["--annotations", str(toys / "none.json")], "there is no file or folder /"),
    ]


@pytest.mark.parametrize("case", range(8))
def test_mistakes_are_one_line_and_status_2(toys, capsys, case):
    arguments, message = mistakes(toys)[case]
    assert main(["eval", "tracking", str(toys / "results"), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_results_of_different_protocols_do_not_mix(stored, capsys):
    folders = [str(stored / "otb_official" / protocol) for protocol in ("OPE", "SRE")]
    lists = ["--sequences", str(stored / "otb_official/lists/tb_50.txt")]
    assert main(["eval", "tracking", *folders, "--annotations", str(stored / "gt/OTB100.json"), *lists]) == 2
    assert "OPE (STRUCK), SRE (IVT)" in capsys.readouterr().err


def test_tables_leave_out_what_is_undefined():
    scores = [
        Scores("a_b", "VOT", {"accuracy": 0.5, "robustness": 0.2, "lost": 3.5}),
        Scores("c", "VOT", {"accuracy": float("nan"), "robustness": 0.1, "lost": 2, "eao": 0.3}),
    ]
    best = ranked(scores)
    assert [tracker.tracker for tracker in best] == ["c", "a_b"]
    assert as_text(best).splitlines()[2:] == [
        "c        0.3000       -  0.1000   2.0",
        "a_b           -  0.5000  0.2000   3.5",
    ]
    assert r"a\_b & - & \textbf{0.5000} & 0.2000 & 3.5 \\" in as_latex(best)
    assert "accuracy" not in scores[1].to_json()
