"""What a task must provide, and how tasks are found."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from lwdna_core.errors import LwdnaError


@dataclass(frozen=True)
class Metric:
    """How a metric is read: its unit, and which way is up."""

    unit: str
    higher_is_better: bool


class Picture(NamedTuple):
    """One picture of a task in the report of a comparison.

    Attributes:
        title: its heading.
        caption: what is seen and how to read it, one or two sentences of plain text.
        image: content of an SVG or PNG file.
        alt: the picture in words, for who cannot see it.
    """

    title: str
    caption: str
    image: bytes
    alt: str


@dataclass(frozen=True)
class Task:
    """The plug of a task: data and "package.module:name" strings, so that importing it costs nothing.

    Attributes:
        name: as in `lwdna compare NAME`.
        package: the package whose folder `configs` holds the task's configs.
        defaults: the configs that run when none is named, in turn.
        metrics: by mmengine's name ("accuracy/top1"), or by a pattern where the data set is part of it ("psnr/*"); the
            first one that a run has decides.
        datasets: by the name that configs use, a function `(**options) -> lwdna_core.data.dataset.DataSet`.
        networks: by name, a factory that returns a `torch.nn.Module`, freshly initialised.
        loss: a function `(network, batch) -> scalar tensor`, on batches as the model's data preprocessor leaves them;
            one that a config has as `model.loss`, in the same form, takes its place.
        sources: a sequence of `lwdna_core.data.sources.Source`: the sets that `lwdna data` knows.
        pictures: a function `(folder, results) -> list[Picture]` for the report, where `results` are the contents of
            the `result.json` files below `folder`, each of the run `folder / f"seed{seed}" / arm`. What it needs of a
            run's last evaluation, the task's metrics leave in that folder: a metric that has a method `keep(folder)`
            is asked to.
        commands: "eval" and "predict": a module with `add_arguments(parser)` and `run(args) -> exit status`; that of
            "predict" gets the run's folder as `args.run_folder`.
        flags: of the task's own for `lwdna compare`, by name without the dashes: the option of the config that the flag
            stands for ("train_dataloader.dataset.strict_overlap=True"), and its line in the help.

    Another package adds a task by an entry point of the group `lwdna.tasks` that leads to an instance of this class.
    """

    name: str
    package: str
    defaults: tuple[str, ...]
    metrics: Mapping[str, Metric]
    datasets: Mapping[str, str]
    networks: Mapping[str, str]
    loss: str
    sources: str | None = None
    pictures: str | None = None
    commands: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def metric(self, name: str) -> Metric | None:
        """How the metric called `name` is read; None for one that the task does not report."""
        return next((metric for pattern, metric in self.metrics.items() if fnmatchcase(name, pattern)), None)

    def configs(self) -> dict[str, Path]:
        """The task's own configs by name."""
        folder = Path(str(importlib.resources.files(self.package))) / "configs"
        return {path.stem: path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")}


def tasks() -> dict[str, Task]:
    """The tasks of all installed packages by name."""
    return {entry.name: entry.load() for entry in importlib.metadata.entry_points(group="lwdna.tasks")}


def task_names() -> list[str]:
    """The same, names alone: nothing is imported for them."""
    return sorted(importlib.metadata.entry_points(group="lwdna.tasks").names)


def find_task(name: str) -> Task:
    """The task called `name`. Raises LwdnaError with the installed ones if there is none."""
    known = tasks()
    if name not in known:
        raise unknown("task", name, known)
    return known[name]


def resolve(target: str) -> Any:
    """What "package.module:name" names. Raises LwdnaError where there is no such thing."""
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise LwdnaError(f"{target!r} leads nowhere: {error}") from error


def unknown(what: str, name: str, known: Iterable[str]) -> LwdnaError:
    """The error for a name that is none of the `known` ones: it lists near ones, or all where none is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    hint = f"near ones: {', '.join(near)}" if near else f"there are: {', '.join(known) or 'none'}"
    return LwdnaError(f"unknown {what} {name!r}; {hint}")
