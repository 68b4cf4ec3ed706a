"""Unpacks tar and zip files that come from elsewhere: nothing lands outside the folder that was asked for."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from lwdna_core.errors import LwdnaError

_CHUNK = 1 << 20  # bytes
_DAMAGE = (tarfile.ReadError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError, OSError)


def unpack(archive: Path, folder: Path, members: str = "", nested: bool = False) -> None:
    """Unpack an archive into a folder, which receives its files only once all of them were read.

    Args:
        archive: tar in any compression, or zip; the contents decide which.
        folder: made where it is missing; what has the same name there is replaced, all else stays.
        members: take only what lies below this folder of the archive, without that folder's name.
        nested: members of a tar file that are tar files themselves are unpacked, each into a folder of its name.

    Raises LwdnaError for what is no archive, a damaged one, one without any such member, or one with a member (a link
    too) that leads out of the folder; then the folder is left as it was.
    """
    scratch = folder / f".unpacking-{archive.name}"
    shutil.rmtree(scratch, ignore_errors=True)  # of an attempt that was killed
    scratch.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            _extract_zip(archive, scratch, PurePosixPath(members))
        else:
            _extract_tar(archive, scratch, PurePosixPath(members), nested)
        if not any(scratch.iterdir()):
            raise LwdnaError(f"{archive}: holds nothing{f' below {members}' if members else ''}: is it the right file?")
        for entry in list(scratch.iterdir()):
            _move(entry, folder / entry.name)
    except _DAMAGE as error:
        raise LwdnaError(f"{archive}: cannot be unpacked: {error or type(error).__name__}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _extract_tar(archive: Path, folder: Path, members: PurePosixPath, nested: bool) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            path = _below(PurePosixPath(member.name), members)
            if path is None:
                continue
            if nested and member.isfile() and path.suffix == ".tar":
                with tarfile.open(fileobj=tar.extractfile(member)) as inner:
                    for inner_member in inner:
                        _extract_member(archive, inner, inner_member, folder / path.with_suffix(""))
            else:
                renamed = member.replace(name=str(path)) if members.parts else member
                _extract_member(archive, tar, renamed, folder)
        while tar.fileobj and tar.fileobj.read(
            _CHUNK
        ):  # to the end of the stream, where gzip and xz have their checksums
            pass


def _extract_member(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    try:
        tar.extract(member, folder, filter="data")
    except tarfile.FilterError as error:
        raise LwdnaError(f"{archive}: refused, nothing was unpacked: {error}") from error


def _extract_zip(archive: Path, folder: Path, members: PurePosixPath) -> None:
    with zipfile.ZipFile(archive) as container:
        for member in container.infolist():
            name = PureWindowsPath(member.filename)  # knows both separators, and drives
            if name.anchor or ".." in name.parts or stat.S_ISLNK(member.external_attr >> 16):
                raise LwdnaError(f"{archive}: refused, nothing was unpacked: {member.filename!r} leads elsewhere")
            path = _below(PurePosixPath(member.filename), members)
            if path is None or member.is_dir():
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with container.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)


def _below(path: PurePosixPath, members: PurePosixPath) -> PurePosixPath | None:
    """The path as seen from the folder `members`; None for what is not below it. "./a" is "a" for both."""
    if not members.parts:
        return path
    return path.relative_to(members) if path != members and path.is_relative_to(members) else None


def _move(source: Path, target: Path) -> None:
    """Rename; where both are folders (or the target a link to one), what is in them."""
    if source.is_dir() and not source.is_symlink() and target.is_dir():
        for entry in list(source.iterdir()):
            _move(entry, target / entry.name)
    else:
        os.replace(source, target)
