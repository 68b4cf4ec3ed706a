"""The page without a browser: what it says, that it is one file, and what becomes of strange or missing things."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lwdna_core.compare.report import update_comparison, write_report, write_study
from lwdna_core.compare.report.figures import series
from lwdna_core.compare.task import Picture, find_task
from lwdna_core.errors import LwdnaError

Make = Callable[..., Path]
VOID = {"meta", "img", "br", "use", "path", "line", "rect"}


class Reader(HTMLParser):
    """Headings, the cells of every table, all text; and whether elements are nested as they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[str] = []
        self.text = ""
        self.ids: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self._label = ""
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given[key] or "" for key in ("href", "src") if key in given]
        if tag == "div" and given.get("role") == "region":
            self._label = given["aria-label"] or ""
        if tag == "table":
            self.tables[self._label] = []
        if tag == "tr":
            self.tables[self._label].append([])
        if tag in ("td", "th"):
            self.tables[self._label][-1].append("")
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[self._label][-1][-1] += data.strip() + " "
        if self._open and self._open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data


def read(folder: Path) -> Reader:
    return Reader(write_report(folder).read_text())


def test_the_verdict_comes_first_and_the_tables_hold_the_comparisons_numbers(make: Make) -> None:
    folder = make(arms=["baseline", "lwdna", "uniform"], seeds=5)
    page, comparison = read(folder), update_comparison(folder)
    assert page.headings[:2] == ["resnet20_digits", "LW-DNA is better than the baseline"]
    assert page.headings.index("Protocol") < page.headings.index("Environment") < page.headings.index("Reproduce")
    arms = page.tables["Scores and costs of every arm"]
    assert [row[0].strip() for row in arms[1:]] == ["baseline", "lwdna", "uniform"]
    for row in arms[1:]:
        metric = comparison["arms"][row[0].strip()]["metrics"]["accuracy/top1"]
        assert row[1].startswith(f"{metric['mean']:.2f} ± {metric['std']:.2f} ")
    assert arms[2][3:6] == ["36.00 M 90.0 % ", "283.50 k 105.0 % ", "1.5 s 12.5 % of training "]
    differences = page.tables["Paired differences in accuracy/top1"]
    assert [row[-1].strip() for row in differences[1:]] == [pair["verdict"] for pair in comparison["pairs"]]
    assert "lwdna compare classification resnet20_digits --seeds 5" in page.text
    assert "Seeds0, 1, 2, 3, 4" in re.sub(r"\s*\n\s*", "", page.text)


def test_two_seeds_never_get_the_word_better(make: Make) -> None:
    page = read(make(seeds=2, noise=0.001))
    assert page.headings[1] == "Too few seeds for a verdict on LW-DNA"
    assert "better than" not in page.text


def test_every_layer_is_listed_with_its_floor_and_every_seeds_width(make: Make) -> None:
    folder = make(arms=["baseline", "lwdna", "shuffled"], groups=50)
    table = read(folder).tables["Channels of every layer in lwdna"]
    found = [json.loads((folder / f"seed{s}/lwdna/channels.json").read_text())["groups"] for s in range(3)]
    for row, groups in zip(table[1:], zip(*found, strict=True), strict=False):
        expected = [groups[0]["baseline"], groups[0]["widened"], groups[0]["floor"], *(g["found"] for g in groups)]
        assert [int(cell) for cell in row[1:7]] == expected
    assert len(table) == 1 + 50 + 1  # the header, and the frozen output
    assert "output of the network" in table[-1][0]


def test_the_page_is_one_file_and_the_same_for_the_same_runs(make: Make) -> None:
    folder = make(images=100)
    path = write_report(folder)
    before, text = path.stat().st_mtime_ns, path.read_text()
    page = Reader(text)
    assert all(link.startswith("#") or link.startswith("data:") for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    assert "<script" not in text and "var(--ink)" in text and "#0101" not in text
    assert write_report(folder).stat().st_mtime_ns == before
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["report.html"]


def test_what_users_name_is_text(make: Make) -> None:
    folder = make(changes={"command": "lwdna compare <script>alert(1)</script> & more"})
    page = read(folder)
    assert "lwdna compare <script>alert(1)</script> & more" in page.text


def test_a_failing_picture_a_lost_file_and_a_failed_run_become_notes(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make()
    (folder / "seed1" / "lwdna" / "channels.json").unlink()
    (folder / "seed3" / "lwdna").mkdir(parents=True)
    (folder / "seed3" / "lwdna" / "error.log").write_text("boom")
    show(monkeypatch, "math:sqrt")
    page = read(folder)
    assert "The pictures of classification could not be drawn: TypeError" in page.text
    assert "The channels of a run are missing: seed1/lwdna/channels.json" in page.text
    assert "Runs that failed and are missing here: seed3/lwdna." in page.text


def test_the_tasks_pictures_are_shown(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    show(monkeypatch, f"{__name__}:two_pictures")
    text = write_report(make()).read_text()
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+" alt="nothing &amp; more"' in text
    assert 'src="data:image/png;base64,iVBORw0KGgo=" alt="empty"' in text
    assert [h for h in Reader(text).headings if h in ("One", "Two")] == ["One", "Two"]


def show(monkeypatch: pytest.MonkeyPatch, pictures: str) -> None:
    """Give classification another function for its pictures."""
    task = dataclasses.replace(find_task("classification"), pictures=pictures)
    monkeypatch.setattr("lwdna_core.compare.report.material.find_task", lambda name: task)


def two_pictures(folder: Path, results: list[object]) -> list[Picture]:
    assert len(results) == 6 and folder.is_dir()
    return [
        Picture("One", "of them", b"<svg/>", "nothing & more"),
        Picture("Two", "of them", b"\x89PNG\r\n\x1a\n", "empty"),
    ]


def test_a_baseline_alone_has_a_page_without_a_verdict(make: Make) -> None:
    page = read(make(arms=["baseline"], seeds=1))
    assert page.headings[1] == "Nothing to compare yet"
    assert not any(label.startswith("Paired differences") for label in page.tables)


def test_many_metrics_stand_one_below_the_other(make: Make) -> None:
    names = ["psnr/Set5", "psnr/Set14", "ssim/Set5", "ssim/Set14"]
    page = read(make(task="restoration", metrics=names, mean=30))
    scores = page.tables["Scores of every arm"]
    assert [row[0].split()[0] for row in scores[1:]] == names
    assert [cell.strip() for cell in scores[0]] == ["metric", "baseline", "lwdna"]
    assert len(page.tables["Paired differences in all other metrics"]) == 1 + 3
    assert re.match(r"\d\d\.\d\d ±", scores[1][1]) and re.match(r"\d\d\.\d{4} ±", scores[3][1])


def test_the_sizes_of_a_training_set_share_a_page(make: Make) -> None:
    sizes = {}
    for size, noise in (("0.1", 2.0), ("1", 0.05)):
        part = make(f"net/fraction{size}", noise=noise, seeds=4)
        sizes[size] = update_comparison(part)
    content = {"format": 1, "task": "classification", "experiment": "net", "fractions": sizes}
    (part.parent / "fractions.json").write_text(json.dumps(content))
    page = Reader(write_study(part.parent).read_text())
    assert page.headings[1] == "LW-DNA against the baseline: better at 1, not distinguishable at 1 of 2 sizes"
    rows = page.tables["Differences at every size"][1:]
    assert [row[0].strip() for row in rows] == ["10 %", "100 %"]
    assert [link for link in page.links if "/" in link] == ["fraction0.1/report.html", "fraction1/report.html"]


def test_a_folder_without_runs_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(LwdnaError, match="no finished run here"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_arm_has_a_colour_of_its_own() -> None:
    arms = ["baseline", "lwdna", "uniform", "damped", "amplified", "mirrored", "lwdna-floor0.2", "lwdna-floor0.3"]
    assert len({series(arm, arms) for arm in arms}) == len(arms)
    assert [series(arm, arms) for arm in arms[:3]] == [0, 1, 2]  # as in any other report
