"""The Python in the README and in docs/ runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    # tested where its data are: tests/tracking/evaluation
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "tracking-evaluation.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page are one program, in order; those that name a file are tested in test_docs.py."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
        if not re.match(r"# \S+\.py\n", block):
            exec(compile(block, page.name, "exec"), names)
    if page.name == "README.md":
        assert (tmp_path / "channels.json").is_file()
