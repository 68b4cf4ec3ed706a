"""What a task must provide, and how tasks are found."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lwdna_core.errors import LwdnaError


@dataclass(frozen=True)
class Metric:
    """How a metric is read: its unit, and which way is up."""

    unit: str
    higher_is_better: bool


@dataclass(frozen=True)
class Task:
    """The plug of a task: data and "package.module:name" strings, so that importing it costs nothing.

    Attributes:
        name: as in `lwdna compare NAME`.
        package: the package whose folder `configs` holds the task's configs.
        defaults: the configs that run when none is named, in turn.
        metrics: by mmengine's name ("accuracy/top1"); the first one decides.
        datasets: by the name that configs use, a function `(**options) -> lwdna_core.data.resident.ResidentSet`.
        networks: by name, a factory that returns a `torch.nn.Module`, freshly initialised.
        loss: a function `(network, batch) -> scalar tensor`, on batches as the model's data preprocessor leaves them.

    Another package adds a task by an entry point of the group `lwdna.tasks` that leads to an instance of this class.
    """

    name: str
    package: str
    defaults: tuple[str, ...]
    metrics: Mapping[str, Metric]
    datasets: Mapping[str, str]
    networks: Mapping[str, str]
    loss: str

    def configs(self) -> dict[str, Path]:
        """The task's own configs by name."""
        folder = Path(str(importlib.resources.files(self.package))) / "configs"
        return {path.stem: path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")}


def tasks() -> dict[str, Task]:
    """The tasks of all installed packages by name."""
    return {entry.name: entry.load() for entry in importlib.metadata.entry_points(group="lwdna.tasks")}


def find_task(name: str) -> Task:
    """The task called `name`. Raises LwdnaError with the installed ones if there is none."""
    known = tasks()
    if name not in known:
        raise unknown("task", name, known)
    return known[name]


def resolve(target: str) -> Any:
    """What "package.module:name" names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def unknown(what: str, name: str, known: Iterable[str]) -> LwdnaError:
    """The error for a name that is none of the `known` ones: it lists near ones, or all where none is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    hint = f"near ones: {', '.join(near)}" if near else f"there are: {', '.join(known) or 'none'}"
    return LwdnaError(f"unknown {what} {name!r}; {hint}")
