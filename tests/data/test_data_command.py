"""`lwdna data` with the sets of another package's task, found through its entry point, and a server on this machine."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lwdna_core.cli import main
from lwdna_core.commands.data import known_sources
from lwdna_core.compare.task import tasks
from lwdna_core.data.sources import Download, Source, data_folder
from lwdna_core.errors import LwdnaError

if TYPE_CHECKING:
    from .conftest import Server

PACKAGE = """
from lwdna_core.compare.task import Task
from lwdna_core.data.sources import Download, Source

TOY = Source("toy", "two letters", paths=("toy/a.txt", "toy/b.txt"), checksums={{"toy/a.txt": {checksum!r}}},
             files=(Download({url!r}, size={size}),))
LOCKED = Source("locked", "a secret", paths=("locked",), login="Ask at https://example.org.",
                files=(Download("https://example.org/locked.zip"),))
SOURCES = (TOY, LOCKED)
task = Task("letters", "letters", (), {{}}, {{}}, {{}}, "letters:loss", sources="letters:SOURCES")
"""

Lwdna = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LWDNA_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def lwdna(
    server: Server, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Lwdna:
    """Run the command in this process; returns the exit status and what was printed."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in "ab":
            info = tarfile.TarInfo(f"toy/{name}.txt")
            info.size = 1
            archive.addfile(info, io.BytesIO(name.encode()))
    server.files["toy.tgz"] = packed.getvalue()
    checksum = f"md5:{hashlib.md5(b'a').hexdigest()}"
    package = PACKAGE.format(url=f"{server.url}/toy.tgz", size=len(packed.getvalue()), checksum=checksum)
    (tmp_path / "letters.py").write_text(package)
    info_folder = tmp_path / "letters-1.dist-info"
    info_folder.mkdir()
    (info_folder / "METADATA").write_text("Metadata-Version: 2.1\nName: letters\nVersion: 1\n")
    (info_folder / "entry_points.txt").write_text("[lwdna.tasks]\nletters = letters:task\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "letters", raising=False)

    def run(*words: str) -> tuple[int, str]:
        status = main(["data", *words])
        return status, "".join(capsys.readouterr())

    return run


def test_a_set_from_list_to_check(lwdna: Lwdna, folder: Path) -> None:
    def listed() -> list[str]:
        (row,) = (line.split() for line in lwdna("list")[1].splitlines() if line.startswith("toy"))
        return row[:3]

    assert listed() == ["toy", "letters", "no"]
    assert lwdna("check", "toy") == (2, f"lwdna: error: toy is not in {folder}: toy/a.txt is missing\n")
    assert lwdna("where", "toy") == (0, f"{folder}/toy/a.txt\n{folder}/toy/b.txt\n")
    status, printed = lwdna("fetch", "toy")
    assert (status, printed.splitlines()[-1]) == (0, f"toy is in {folder}")
    assert listed() == ["toy", "letters", "yes"]
    assert lwdna("check", "toy") == (0, f"toy in {folder}: 1 checksums as published\n")
    (folder / "toy" / "a.txt").write_text("changed")
    (folder / "toy" / "b.txt").unlink()
    assert listed() == ["toy", "letters", "in"]
    status, printed = lwdna("check", "toy")
    assert status == 1
    assert "toy/b.txt is missing" in printed and "toy/a.txt has md5:8977dfac2f8e04cb96e66882235f5aba" in printed


def test_mistakes_exit_with_2(lwdna: Lwdna, folder: Path) -> None:
    assert lwdna("check", "tiy") == (2, "lwdna: error: unknown data set 'tiy'; near ones: toy\n")
    status, printed = lwdna("fetch", "locked")
    assert status == 2
    assert printed.startswith("lwdna: error: locked: Ask at https://example.org. Put these into ")


def test_the_data_folder_is_the_variables_else_the_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder() == folder
    monkeypatch.delenv("LWDNA_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert data_folder() == Path("/cache/lwdna")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_folder() == Path.home() / ".cache" / "lwdna"


def test_a_set_that_is_missing_says_where_it_was_looked_for_and_what_helps(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Source("toy", "", paths=("toy/*.txt",), files=(Download("https://example.org/toy.zip"),))
    expected = rf"toy/\*\.txt is missing in {folder} \(which LWDNA_DATA names\): `lwdna data fetch toy` puts it there"
    with pytest.raises(LwdnaError, match=expected):
        toy.require()
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "a.txt").touch()
    assert toy.require() == folder
    monkeypatch.delenv("LWDNA_DATA")
    with pytest.raises(LwdnaError, match=r"\(since LWDNA_DATA is not set\)"):
        toy.require()


def test_a_wrong_checksum_is_noticed_where_it_is_written() -> None:
    with pytest.raises(ValueError, match=r"toy\.zip: expected md5:<32 digits> or sha256:<64 digits>, got 'd41d8'"):
        Download("https://example.org/toy.zip", checksum="d41d8")


def test_names_and_paths_of_the_tasks_own_sets() -> None:
    sources = [source for name in tasks() for source in known_sources().get(name, [])]
    assert len({source.name for source in sources}) == len(sources)
    for source in sources:
        for path in [*source.paths, *source.checksums, *source.counts, *(file.to for file in source.files)]:
            assert not path.startswith("/") and ".." not in path.split("/")
        for file in source.files:
            assert file.url.startswith(("https://", "http://"))
            assert file.name
        assert all(path.split("/")[0] in {p.split("/")[0] for p in source.paths} for path in source.checksums)


def test_the_documents_table_is_the_sources(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (Path(__file__).parents[2] / "docs" / "data.md").read_text().splitlines()
    documented = [line for line in lines if line.startswith("|")]
    main(["data", "list", "--markdown"])
    current = capsys.readouterr().out.splitlines()
    assert documented == current, "docs/data.md: paste there what `lwdna data list --markdown` prints"
