"""Downloads from a real server on this machine: resumed, verified, unpacked; or refused, with nothing half done."""

from __future__ import annotations

import hashlib
import io
import itertools
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

from lwdna_core.data.fetch import differences, download, fetch
from lwdna_core.data.sources import Download, Source
from lwdna_core.errors import LwdnaError

if TYPE_CHECKING:
    from .conftest import Server

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def tar(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def printed() -> Console:
    return Console(file=io.StringIO(), width=300)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_cut_connection_goes_on_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.files["set.bin"] = CONTENT
    server.cuts = [100_000, 150_000]
    seen: list[tuple[int, int | None]] = []
    file = Download(f"{server.url}/set.bin", checksum=md5(CONTENT))
    download(file, tmp_path / "set.bin", lambda done, total: seen.append((done, total)))
    assert server.asked == [None, "bytes=100000-", "bytes=250000-"]
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    assert seen[-1] == (300_000, 300_000) and seen == sorted(seen)
    assert not (tmp_path / "set.bin.part").exists()


def interrupted(server: Server, folder: Path, file: Download) -> None:
    """A download that the user ends after 100,000 bytes."""

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    server.cuts = [100_000]
    with pytest.raises(KeyboardInterrupt):
        download(file, folder / file.name, stop)
    assert not (folder / file.name).exists()
    assert (folder / f"{file.name}.part").stat().st_size == 100_000
    server.asked.clear()


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on_at_the_next_call(ranges: bool, server: Server, tmp_path: Path) -> None:
    server.files["set.bin"], server.ranges = CONTENT, ranges
    file = Download(f"{server.url}/set.bin")
    interrupted(server, tmp_path, file)
    download(file, tmp_path / "set.bin")
    assert server.asked == ["bytes=100000-"]  # a server that knows no ranges sends everything again
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_another_version_of_the_file_is_not_glued_to_the_first(server: Server, tmp_path: Path) -> None:
    server.files["set.bin"] = CONTENT
    file = Download(f"{server.url}/set.bin")
    interrupted(server, tmp_path, file)
    server.files["set.bin"], server.etag = OTHER, '"v2"'
    download(file, tmp_path / "set.bin")
    assert (tmp_path / "set.bin").read_bytes() == OTHER


def test_where_versions_cannot_be_told_apart_it_starts_over(server: Server, tmp_path: Path) -> None:
    server.files["set.bin"], server.etag = CONTENT, ""
    file = Download(f"{server.url}/set.bin")
    interrupted(server, tmp_path, file)
    download(file, tmp_path / "set.bin")
    assert server.asked == [None]
    # A checksum tells them apart at the end.
    file = replace(file, checksum=md5(CONTENT), name="again.bin")
    interrupted(server, tmp_path, file)
    download(file, tmp_path / "again.bin")
    assert server.asked == ["bytes=100000-"]


def test_a_complete_part_needs_no_byte_more(server: Server, tmp_path: Path) -> None:
    server.files["set.bin"] = CONTENT
    (tmp_path / "set.bin.part").write_bytes(CONTENT)
    download(Download(f"{server.url}/set.bin", checksum=md5(CONTENT)), tmp_path / "set.bin")
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_thrown_away(server: Server, tmp_path: Path) -> None:
    server.files["set.bin"] = CONTENT
    (tmp_path / "set.bin.part").write_bytes(CONTENT + b"x")
    download(Download(f"{server.url}/set.bin", checksum=md5(CONTENT)), tmp_path / "set.bin")
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("expected", "message"),
    [({"checksum": md5(OTHER)}, f"wrong checksum {md5(CONTENT)}, expected {md5(OTHER)}"), ({"size": 7}, "expected 7")],
)
def test_wrong_bytes_are_named_and_not_kept(
    expected: dict[str, object], message: str, server: Server, tmp_path: Path
) -> None:
    server.files["set.bin"] = CONTENT
    with pytest.raises(LwdnaError, match=rf"set\.bin\.part: .*{message}"):
        download(Download(f"{server.url}/set.bin", **expected), tmp_path / "set.bin")
    assert "set.bin" not in tree(tmp_path) and "set.bin.part" not in tree(tmp_path)


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_is_told_at_once(status: int, server: Server, tmp_path: Path) -> None:
    server.status = status
    with pytest.raises(LwdnaError, match=rf"/set\.bin: the server says {status}"):
        download(Download(f"{server.url}/set.bin"), tmp_path / "set.bin")
    assert len(server.asked) == 1


def test_more_than_the_disk_holds_is_refused_before_it_is_loaded(server: Server, tmp_path: Path) -> None:
    class Endless(bytes):
        def __len__(self) -> int:
            return 10**18

    server.files["set.bin"] = Endless(CONTENT)
    with pytest.raises(LwdnaError, match=r"set\.bin: 1,000,000,000,000,000,000 bytes are still to come, .* has room"):
        download(Download(f"{server.url}/set.bin"), tmp_path / "set.bin")


def source(server: Server, **archives: bytes) -> Source:
    """A set of archives; it is there once `set/a.txt` is."""
    names = {name.replace("_", "."): content for name, content in archives.items()}
    server.files.update(names)
    files = tuple(Download(f"{server.url}/{name}", checksum=md5(content)) for name, content in names.items())
    return Source("toy", "a toy", paths=("set/a.txt",), files=files)


def test_a_set_is_fetched_once_and_its_archives_go(server: Server, tmp_path: Path, printed: Console) -> None:
    toy = source(server, one_tgz=tar({"set/a.txt": b"a", "set/sub/b.txt": b"b"}))
    fetch(toy, tmp_path, printed)
    assert tree(tmp_path) == {"set/a.txt": b"a", "set/sub/b.txt": b"b"}
    assert text(printed).splitlines()[-1] == f"toy is in {tmp_path}"
    fetch(toy, tmp_path, printed)
    assert text(printed).splitlines()[-1] == f"toy is in {tmp_path} already"
    assert len(server.asked) == 1


def test_zip_members_of_a_folder_and_plain_files(server: Server, tmp_path: Path, printed: Console) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("repo-main/README", "repo-main/testsets/a.txt", "repo-main/testsets/sub/b.txt"):
            archive.writestr(name, name)
    server.files |= {"repo.zip": packed.getvalue(), "list.txt": b"list"}
    files = (
        Download(f"{server.url}/repo.zip", to="set", members="repo-main/testsets"),
        Download(f"{server.url}/list.txt?raw=1", to="set/lists/all.txt", unpack=False),
    )
    fetch(Source("toy", "a toy", paths=("set/a.txt", "set/lists"), files=files), tmp_path, printed)
    assert tree(tmp_path) == {
        "set/a.txt": b"repo-main/testsets/a.txt",
        "set/sub/b.txt": b"repo-main/testsets/sub/b.txt",
        "set/lists/all.txt": b"list",
    }


def test_tars_in_a_tar_become_folders(server: Server, tmp_path: Path, printed: Console) -> None:
    inner = {f"n0{k}.tar": tar({f"n0{k}_1.JPEG": b"%d" % k}, "w") for k in (1, 2)}
    server.files["train.tar"] = tar(inner, "w")
    files = (Download(f"{server.url}/train.tar", to="imagenet/train", nested=True),)
    fetch(Source("toy", "a toy", paths=("imagenet/train/n01",), files=files), tmp_path, printed)
    assert tree(tmp_path / "imagenet") == {"train/n01/n01_1.JPEG": b"1", "train/n02/n02_1.JPEG": b"2"}


def test_what_lies_there_besides_stays_also_behind_a_link(server: Server, tmp_path: Path, printed: Console) -> None:
    (tmp_path / "big disk").mkdir()
    (tmp_path / "big disk" / "mine.txt").write_bytes(b"mine")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "set").symlink_to(tmp_path / "big disk")
    fetch(source(server, one_tgz=tar({"set/a.txt": b"a"})), tmp_path / "data", printed)
    assert tree(tmp_path / "big disk") == {"mine.txt": b"mine", "a.txt": b"a"}


def hostile_zip(name: str, link: bool = False) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("set/a.txt", "a")
        info = zipfile.ZipInfo(name)
        info.external_attr = (0o120777 if link else 0o100644) << 16
        archive.writestr(info, "/etc")
    return packed.getvalue()


def hostile_tar(kind: bytes, name: str, target: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for info in (tarfile.TarInfo("set/a.txt"), tarfile.TarInfo(name)):
            if info.name == name:
                info.type, info.linkname = kind, target
            archive.addfile(info)
    return packed.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        tar({"set/a.txt": b"a", "../outside.txt": b"x"}),
        tar({"set/a.txt": b"a", "set/../../outside.txt": b"x"}),
        tar({"set/a.txt": b"a", "n01.tar": tar({"../../outside.txt": b"x"}, "w")}, "w"),
        hostile_tar(tarfile.SYMTYPE, "set/link", "../../.."),
        hostile_tar(tarfile.SYMTYPE, "set/link", "/etc"),
        hostile_tar(tarfile.LNKTYPE, "set/link", "../../outside"),
        hostile_tar(tarfile.CHRTYPE, "set/device"),
        hostile_zip("../outside.txt"),
        hostile_zip("set/../../outside.txt"),
        hostile_zip("/tmp/outside.txt"),
        hostile_zip("..\\outside.txt"),
        hostile_zip("C:\\outside.txt"),
        hostile_zip("set/link", link=True),
    ],
)
def test_an_archive_that_leads_out_of_its_folder_is_refused(
    archive: bytes, server: Server, tmp_path: Path, printed: Console
) -> None:
    toy = source(server, bad_bin=archive)
    toy = replace(toy, files=tuple(replace(file, nested=True) for file in toy.files))
    with pytest.raises(LwdnaError, match=r"bad\.bin: refused, nothing was unpacked: .*(outside|link|device|special)"):
        fetch(toy, tmp_path / "data", printed)
    assert not tree(tmp_path / "data")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def damaged(pack: bytes) -> bytes:
    middle = len(pack) // 2
    return pack[:middle] + bytes(byte ^ 255 for byte in pack[middle : middle + 50]) + pack[middle + 50 :]


BIG = {"set/a.txt": CONTENT}
ZIPPED = io.BytesIO()
with zipfile.ZipFile(ZIPPED, "w") as _archive:
    _archive.writestr("set/a.txt", CONTENT)


@pytest.mark.parametrize(
    "archive",
    [
        b"<html>please log in</html>",
        b"",
        *(tar(BIG, f"w:{kind}")[:200_000] for kind in ("gz", "bz2", "xz")),
        tar(BIG, "w")[:200_000],
        *(damaged(tar(BIG, f"w:{kind}")) for kind in ("gz", "bz2", "xz")),
        ZIPPED.getvalue()[:200_000],
        damaged(ZIPPED.getvalue()),
    ],
    ids=itertools.count(),
)
def test_a_damaged_archive_is_named_and_leaves_nothing(
    archive: bytes, server: Server, tmp_path: Path, printed: Console
) -> None:
    with pytest.raises(LwdnaError, match=r"downloads/bad\.bin: cannot be unpacked"):
        fetch(source(server, bad_bin=archive), tmp_path, printed)
    assert not any("bad" in name or "set" in name for name in tree(tmp_path))  # the server is asked again next time


def test_an_archive_of_another_set_is_noticed(server: Server, tmp_path: Path, printed: Console) -> None:
    toy = source(server, other_tgz=tar({"other/b.txt": b"b"}))
    with pytest.raises(LwdnaError, match=r"toy: set/a\.txt is missing in .*, although all files were unpacked"):
        fetch(toy, tmp_path, printed)
    toy = replace(toy, files=tuple(replace(file, members="set") for file in toy.files))
    with pytest.raises(LwdnaError, match=r"other\.tgz: holds nothing below set: is it the right file\?"):
        fetch(toy, tmp_path, printed)


def test_an_interrupted_fetch_loads_no_file_twice(server: Server, tmp_path: Path, printed: Console) -> None:
    toy = source(server, one_tgz=tar({"set/a.txt": b"a"}), two_tgz=tar({"set/b.txt": b"b"}))
    second = server.files.pop("two.tgz")
    with pytest.raises(LwdnaError, match=r"two\.tgz: the server says 404"):
        fetch(toy, tmp_path, printed)
    server.files = {"two.tgz": second}
    fetch(toy, tmp_path, printed)
    assert tree(tmp_path) == {"set/a.txt": b"a", "set/b.txt": b"b"}


def test_where_an_account_is_needed_the_users_own_files_are_used_and_kept(
    server: Server, tmp_path: Path, printed: Console
) -> None:
    archive = tar({"set/a.txt": b"a"})
    toy = replace(source(server, one_tgz=archive), login="Ask at https://example.org.")
    with pytest.raises(
        LwdnaError, match=r"toy: Ask at https://example\.org\. Put these into .*/downloads, .* one\.tgz"
    ):
        fetch(toy, tmp_path, printed)
    assert not server.asked and not tree(tmp_path)
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "one.tgz").write_bytes(archive[:-1])
    with pytest.raises(LwdnaError, match=r"downloads/one\.tgz: wrong checksum"):
        fetch(toy, tmp_path, printed)
    (tmp_path / "downloads" / "one.tgz").write_bytes(archive)
    fetch(toy, tmp_path, printed)
    assert tree(tmp_path) == {"downloads/one.tgz": archive, "set/a.txt": b"a"}
    assert not server.asked


def test_differences_say_what_is_not_as_published(server: Server, tmp_path: Path, printed: Console) -> None:
    toy = replace(
        source(server),
        checksums={"set/a.txt": md5(b"a"), "set/b.txt": f"sha256:{hashlib.sha256(b'b').hexdigest()}"},
        counts={"set/*/*.png": 2},
        files=(Download(f"{server.url}/one.tgz"),),
    )
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "images" / "1.png").touch()
    (tmp_path / "set" / "a.txt").write_bytes(b"x")
    expected = [
        f"set/a.txt has {md5(b'x')}, published is {md5(b'a')}",
        "set/b.txt is missing",
        "set/*/*.png: 1 files, published are 2",
    ]
    assert differences(toy, tmp_path) == expected
    with pytest.raises(LwdnaError, match=r"toy in .* is not as published \(set/a\.txt has .*\): move it away first"):
        fetch(toy, tmp_path, printed)
    (tmp_path / "set" / "images" / "2.png").touch()
    (tmp_path / "set" / "a.txt").write_bytes(b"a")
    (tmp_path / "set" / "b.txt").write_bytes(b"b")
    assert differences(toy, tmp_path) == []


def test_an_archive_that_is_read_as_it_is_is_compared_too(tmp_path: Path) -> None:
    whole = Download("https://example.org/val.tar", to="set/val.tar", unpack=False, checksum=md5(b"yes"), size=3)
    source = Source("set", "a tar", paths=("set/val.tar",), files=(whole,))
    (tmp_path / "set").mkdir()
    for content, found in (
        (b"yes", []),
        (b"no!", ["wrong checksum"]),
        (b"not", ["wrong checksum"]),
        (b"n", ["1 bytes"]),
    ):
        (tmp_path / "set" / "val.tar").write_bytes(content)
        lines = differences(source, tmp_path)
        assert len(lines) == len(found)
        assert all("set/val.tar: " in line and word in line for line, word in zip(lines, found, strict=True))
