"""The pictures of a comparison: what a run keeps is what they show."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from lwdna_core.compare.results import read_json, write_json
from tasks.tracking.metrics import CURVES
from tasks.tracking.pictures import pictures


def results_of(folder: Path) -> list[dict[str, Any]]:
    return [read_json(path) for path in sorted(folder.glob("seed*/*/result.json"))]


@pytest.fixture(scope="module")
def two_seeds(comparison: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison with a second seed of the same runs, and scores that are easily told apart."""
    folder = tmp_path_factory.mktemp("two") / comparison.name
    shutil.copytree(comparison, folder)
    shutil.copytree(folder / "seed0", folder / "seed1")
    for index, path in enumerate(sorted(folder.glob("seed*/*/result.json"))):  # baseline, lwdna, baseline, lwdna
        result = read_json(path)
        result["seed"] = index // 2
        result["items"] = {"auc/composed": {"a$_1$": 0.1 * index, "b": 0.5, "<c>": 0.3}, "auc/one": {"alone": 0.5}}
        write_json(path, result)
        kept = read_json(path.parent / CURVES)
        kept["sets"][0]["scores"]["auc"] = 0.1 * index
        write_json(path.parent / CURVES, kept)
    return folder


def texts(image: bytes) -> list[str]:
    root = ET.fromstring(image)
    return ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("}text")]


def test_curves_and_differences_are_of_all_seeds(two_seeds: Path) -> None:
    # none for a set of one sequence: it has no spread over sequences
    curves, differences, frames = pictures(two_seeds, results_of(two_seeds))
    assert curves.title == "Success and precision on composed"
    assert "baseline: area under the success curve 0.100" in curves.alt  # 0 and 0.2
    assert "lwdna: area under the success curve 0.200" in curves.alt  # 0.1 and 0.3
    assert {"baseline", "lwdna", "success rate"} <= set(texts(curves.image))
    assert differences.alt.startswith("LW-DNA minus baseline, mean +0.033 (95 % bootstrap interval +0.000 to +0.100)")
    assert differences.alt.endswith("better on 1 of 3 sequences.")
    assert {"a$_1$", "b", "<c>", "all 3"} <= set(texts(differences.image))
    assert frames.image[:8] == b"\x89PNG\r\n\x1a\n" and "composed-test-0" in frames.alt


def test_without_the_data_there_are_no_frames(two_seeds: Path) -> None:
    results = results_of(two_seeds)
    for result in results:
        result["request"] = {**result["request"], "config": "no_such_config"}
    assert [picture.title.split()[0] for picture in pictures(two_seeds, results)] == ["Success", "Sequence"]


def test_no_runs_no_pictures(tmp_path: Path) -> None:
    assert pictures(tmp_path, [{"arm": "baseline", "seed": 0}]) == []
