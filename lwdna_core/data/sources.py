"""Where data sets come from and where they lie: plain data about them, which the tasks declare and `lwdna data` reads.

Importing this module costs nothing, and looking at a set opens none of its files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from lwdna_core.errors import LwdnaError

_CHECKSUM = re.compile(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}")


def cache_folder() -> Path:
    """What can be made again: `lwdna` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lwdna"


def data_folder() -> Path:
    """Where data sets lie: the folder that LWDNA_DATA names, else `lwdna` in the user's cache folder."""
    return Path(os.environ.get("LWDNA_DATA") or cache_folder())


def set_title(name: str) -> str:
    """What a set that is named by its folder is called in results: a relative path that leads nowhere upwards.

    Metrics and the folders of a run bear it, and an absolute folder, or one with "..", would lead out of the run.

    >>> [set_title(name) for name in ("GOT-10k/val", "/home/ada/OTB", "../OTB", "./OTB")]
    ['GOT-10k/val', 'home/ada/OTB', '_/OTB', 'OTB']
    """
    path = Path(name)
    return "/".join("_" if part == ".." else part for part in path.parts if part != path.anchor)


@dataclass(frozen=True)
class Download:
    """One file that a set is made from. All paths are below the data folder, with `/`.

    Attributes:
        url: where its owner offers it.
        to: the folder that receives an archive's members; the path of any other file ("" is the data folder).
        checksum: "md5:..." or "sha256:...", as published; "" where none is.
        size: bytes, where known.
        unpack: whether the file is an archive (tar in any compression, or zip).
        members: take only what lies below this folder of the archive, and put it into `to` directly.
        nested: the archive's members are themselves tar files, each unpacked into a folder of its name.
        name: the file's name; by default the last part of the URL.
    """

    url: str
    to: str = ""
    checksum: str = ""
    size: int | None = None
    unpack: bool = True
    members: str = ""
    nested: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", PurePosixPath(unquote(urlsplit(self.url).path)).name)
        if self.checksum and not _CHECKSUM.fullmatch(self.checksum):
            raise ValueError(f"{self.name}: expected md5:<32 digits> or sha256:<64 digits>, got {self.checksum!r}")


@dataclass(frozen=True)
class Source:
    """A data set: what it is, where it lies, and where it comes from. All paths are below the data folder, with `/`.

    Attributes:
        name: as in `lwdna data fetch NAME`, the same as the data set's in configs where there is one.
        summary: one line: what it holds, how much of it.
        paths: the set is present if every one of these is there; `*` stands for any name.
        files: what `fetch` downloads, in this order.
        checksums: of files as they lie there once unpacked, path -> "md5:..." or "sha256:...": `check` compares them.
        counts: how many files match a pattern in the complete set, which `check` counts.
        homepage: where its owner describes it.
        licence: its terms in a few words; "" where its owner states none.
        login: what to do for the files where an account or a consent is needed, a sentence; "" where none is. `fetch`
            then unpacks the files that the user has put into its folder `downloads`, and loads none.
    """

    name: str
    summary: str
    paths: tuple[str, ...]
    files: tuple[Download, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    homepage: str = ""
    licence: str = ""
    login: str = ""

    def missing(self, folder: Path) -> list[str]:
        """Those of `paths` that are not there (with patterns: that nothing matches)."""
        return [path for path in self.paths if not any(folder.glob(path))]

    def require(self) -> Path:
        """The data folder. Raises LwdnaError, naming what is missing and how to get it, where the set is not there."""
        folder = data_folder()
        if missing := self.missing(folder):
            named = os.environ.get("LWDNA_DATA")
            where = "which LWDNA_DATA names" if named else "since LWDNA_DATA is not set"
            verb = "says how to get it" if self.login or not self.files else "puts it there"
            raise LwdnaError(f"{missing[0]} is missing in {folder} ({where}): `lwdna data fetch {self.name}` {verb}")
        return folder
