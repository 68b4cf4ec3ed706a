"""The code in the documentation runs as it stands."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

from lwdna_core.cli import main

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str) -> dict[str, str]:
    """The Python code of a page, by the file name in its first line ("" where there is none)."""
    found = {}
    for code in re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.S | re.M):
        name = re.match(r"# (\S+\.py)\n", code)
        found[name[1] if name else ""] = code
    return found


def lay_out(page: str, folder: Path) -> None:
    for name, code in blocks(page).items():
        if name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(code)


def test_a_network_of_ones_own_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(blocks("own_network.md")[""], names)
    found = json.loads((tmp_path / "channels.json").read_text())
    assert found["found"]["macs"] <= 0.9 * found["baseline"]["macs"]


def test_the_picture_of_the_engine_is_what_the_engine_does() -> None:
    script = DOCS / "images" / "provenance.py"
    drawn = runpy.run_path(str(script))["draw"]()
    assert drawn == script.with_suffix(".svg").read_text()


def test_a_network_and_data_of_ones_own_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out("own_network.md", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["compare", "classification", "my_experiment.py", "--max-steps", "4", "--seeds", "1"]) == 0
    assert "lwdna" in capsys.readouterr().out


def test_a_task_of_another_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out("add_a_task.md", tmp_path)
    installed = tmp_path / "my_task-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my_task\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[lwdna.tasks]\nsignals = my_task:task\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["compare", "signals", "--seeds", "2"]) == 0
    results = [json.loads(path.read_text()) for path in tmp_path.glob("work_dirs/sines/seed*/*/result.json")]
    assert len(results) == 4
    assert all(result["metrics"]["error/rms"] < 0.28 for result in results)  # guessing the mean: 0.29
    assert main(["compare", "signals", "--list"]) == 0
    assert "Frequencies of noisy sines" in capsys.readouterr().out
