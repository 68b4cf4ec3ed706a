"""Brings data sets to the data folder: downloads that resume, checksums, and files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from lwdna_core import __version__
from lwdna_core.data.archives import unpack
from lwdna_core.data.sources import Download, Source
from lwdna_core.errors import LwdnaError

_CHUNK = 1 << 20  # bytes
_ATTEMPTS = 5  # in a row that bring no byte
_TIMEOUT = 60  # seconds without a byte


def fetch(source: Source, folder: Path, console: Console) -> None:
    """Download and unpack a set into the data folder; what lies there complete is not loaded again.

    Downloads are kept in `downloads` until the whole set is there, so that an interrupted `fetch` goes on. A file that
    the user has put there is used as if it had been downloaded, and left there.

    Raises LwdnaError where the set (or a part of it) is there already but differs from the official one, for a wrong
    checksum, an unsafe archive, a server's refusal, and where an account is needed.
    """
    if not source.files:
        console.print(f"{source.name}: nothing to fetch", highlight=False, soft_wrap=True)
        return
    if not source.missing(folder):
        if found := differences(source, folder):
            raise LwdnaError(f"{source.name} in {folder} is not as published ({found[0]}): move it away first")
        console.print(f"{source.name} is in {folder} already", highlight=False, soft_wrap=True)
        return
    downloads = folder / "downloads"
    absent = [file for file in source.files if not (downloads / file.name).exists()]
    if source.login and absent:
        names = ", ".join(f"{file.name} ({file.url})" for file in absent)
        raise LwdnaError(f"{source.name}: {source.login} Put these into {downloads}, then run the same again: {names}")
    downloads.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        for file in source.files:
            path = downloads / file.name
            if file not in absent:
                verify(path, file)
                continue
            download(file, path, _bar(progress, file))
            console.print(f"downloaded {file.name} ({path.stat().st_size:,} bytes)", highlight=False, soft_wrap=True)
        for file in source.files:
            path = downloads / file.name
            if file.unpack:
                line = progress.add_task(f"unpacking {file.name}", total=None)
                try:
                    unpack(path, folder / file.to, file.members, file.nested)
                except LwdnaError:
                    _forget(path)  # or it would not be fetched again
                    raise
                progress.remove_task(line)
            else:
                target = folder / (file.to or file.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(path, target)
    if missing := source.missing(folder):
        raise LwdnaError(f"{source.name}: {missing[0]} is missing in {folder}, although all files were unpacked")
    for file in source.files:
        _forget(downloads / file.name)
    console.print(f"{source.name} is in {folder}", highlight=False, soft_wrap=True)


def _forget(path: Path) -> None:
    """Delete what was fetched; what somebody put there stays."""
    if _tag(path).exists():
        path.unlink()
        _tag(path).unlink()


def _bar(progress: Progress, file: Download) -> Callable[[int, int | None], None]:
    line = progress.add_task(file.name, total=file.size)
    return lambda done, total: progress.update(line, completed=done, total=total)


def download(file: Download, path: Path, report: Callable[[int, int | None], None] = lambda done, total: None) -> None:
    """Load a file to `path`, which appears once it is complete and verified.

    What arrives is kept in `<path>.part`; a later call, or a new attempt after a cut connection, goes on behind it if
    the server can (HTTP Range) and still has the same file, and starts over otherwise. `<path>.tag` says which version
    of the file it is, and stays: the sign that `path` was downloaded, and not put there by the user.

    Args:
        file: what to load.
        path: where to.
        report: called with the bytes that are there and their final number (None: unknown).
    """
    part, tag = path.with_name(f"{path.name}.part"), _tag(path)
    failures = 0
    while True:
        before = _size(part)
        try:
            complete = _receive(file, part, tag, report)
            reason = "the connection was cut"
        except HTTPError as error:
            if error.code < 500:
                raise LwdnaError(f"{file.url}: the server says {error.code} {error.reason}") from error
            complete, reason = False, f"the server says {error.code} {error.reason}"
        except (URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            complete, reason = False, str(getattr(error, "reason", error) or type(error).__name__)
        if complete:
            break
        failures = 0 if _size(part) > before else failures + 1
        if failures == _ATTEMPTS:
            raise LwdnaError(f"{file.url}: {reason}; run the same again to go on")
        if failures:
            time.sleep(2 ** (failures - 1))
    try:
        verify(part, file)
    except LwdnaError:
        part.unlink()  # going on behind wrong bytes would not make them right
        raise
    os.replace(part, path)


def _receive(file: Download, part: Path, tag: Path, report: Callable[[int, int | None], None]) -> bool:
    """One request. Appends to `part` or starts it over; returns whether it is complete."""
    have = _size(part)
    known = tag.read_text() if have and tag.exists() else ""
    headers = {"User-Agent": f"lwdna/{__version__}", "Accept-Encoding": "identity"}
    if have and (known or file.checksum):
        headers["Range"] = f"bytes={have}-"
        if known:
            headers["If-Range"] = known  # another version of the file is sent as a whole
    else:
        have = 0
    try:
        answer = urlopen(Request(file.url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return True
        part.unlink()
        return _receive(file, part, tag, report)
    with answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            have = 0
        elif not str(answer.headers.get("Content-Range")).startswith(f"bytes {have}-"):
            raise LwdnaError(f"{file.url}: the server sent another part of the file than was asked for")
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else file.size
        _check_space(file, part.parent, (total or 0) - have)
        tag.write_text(_validator(answer))
        with part.open("ab" if have else "wb") as output:
            while chunk := answer.read(_CHUNK):
                output.write(chunk)
                have += len(chunk)
                report(have, total)
        return total is None or have >= total


def _validator(answer: Any) -> str:
    """What tells this version of a file from another: a strong ETag, else its date."""
    etag = answer.headers.get("ETag") or ""
    return etag if etag.startswith('"') else answer.headers.get("Last-Modified") or ""


def _check_space(file: Download, folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise LwdnaError(f"{file.name}: {needed:,} bytes are still to come, {folder} has room for {free:,}")


def _tag(path: Path) -> Path:
    return path.with_name(f"{path.name}.tag")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _copy(source: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}.part")
    try:
        os.link(source, aside)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, aside)
    os.replace(aside, target)


def verify(path: Path, file: Download) -> None:
    """Raise LwdnaError if the file at `path` has another size or checksum than published."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise LwdnaError(f"{path}: {size:,} bytes, expected {file.size:,}")
    if file.checksum and (found := checksum(path, file.checksum)) != file.checksum:
        raise LwdnaError(f"{path}: wrong checksum {found}, expected {file.checksum}")


def checksum(path: Path, like: str) -> str:
    """The checksum of a file, of the same kind as `like` ("md5:...")."""
    kind = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{kind}:{hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()}"


def differences(source: Source, folder: Path) -> list[str]:
    """What of a set is not as published, a line each: files that are missing, others, fewer, or too many."""
    found = [f"{path} is missing" for path in source.missing(folder)]
    for path, expected in source.checksums.items():
        if not (folder / path).is_file():
            found.append(f"{path} is missing")
        elif (actual := checksum(folder / path, expected)) != expected:
            found.append(f"{path} has {actual}, published is {expected}")
    for file in source.files:  # archives that are read as they are
        whole = folder / (file.to or file.name)
        if not file.unpack and whole.is_file():
            try:
                verify(whole, file)
            except LwdnaError as error:
                found.append(str(error))
    for pattern, expected_count in source.counts.items():
        count = sum(1 for _ in folder.glob(pattern))
        if count != expected_count:
            found.append(f"{pattern}: {count:,} files, published are {expected_count:,}")
    return list(dict.fromkeys(found))
