"""`lwdna data`: which data sets there are, where they lie, whether they are as published, and how to get them."""

from __future__ import annotations

import argparse

from lwdna_core.data.sources import Source, data_folder
from lwdna_core.errors import LwdnaError

DESCRIPTION = """\
Data sets lie in the folder that the variable LWDNA_DATA names, else in
~/.cache/lwdna. A set that lies there in its official layout is used as it is;
`fetch` downloads the ones that may be downloaded, and goes on where an
interrupted download ended. Files that need an account are put into the folder
`downloads` by hand, from where `fetch` verifies and unpacks them."""

EXAMPLES = """\
examples:
  lwdna data list
  lwdna data where
  lwdna data where cifar10
  lwdna data fetch cifar10
  lwdna data check cifar10

exit status: 0 done, 1 `check` found differences (training with the set is possible), 2 no such set, or it is missing"""

ACTIONS = {
    "list": "the sets that the installed tasks know, and which of them are there",
    "where": "the data folder, or the paths of a set",
    "check": "compare a set with its published checksums and numbers of files",
    "fetch": "download, verify and unpack a set",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description, parser.epilog = DESCRIPTION, EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    for action, text in ACTIONS.items():
        subparser = actions.add_parser(action, help=text, description=text)
        if action == "list":
            subparser.add_argument(
                "--markdown", action="store_true", help="as the table in docs/data.md, with all paths"
            )
        else:
            subparser.add_argument("name", metavar="NAME", nargs="?" if action == "where" else None, help="a set")


def run(args: argparse.Namespace) -> int:
    if args.action == "list":
        return _markdown() if args.markdown else _list()
    if args.action == "where" and args.name is None:
        print(data_folder())
        return 0
    source = _find(args.name)
    if args.action == "where":
        print("\n".join(str(data_folder() / path) for path in source.paths) or source.summary)
        return 0
    if args.action == "check":
        return _check(source)

    from rich.console import Console

    from lwdna_core.data.fetch import fetch

    fetch(source, data_folder(), Console())
    return 0


def known_sources() -> dict[str, list[Source]]:
    """The sets that the installed tasks declare, task by task."""
    from lwdna_core.compare.task import resolve, tasks

    return {name: list(resolve(task.sources)) for name, task in sorted(tasks().items()) if task.sources}


def _find(name: str) -> Source:
    from lwdna_core.compare.task import unknown

    sources = {source.name: source for group in known_sources().values() for source in group}
    if name not in sources:
        raise unknown("data set", name, sources)
    return sources[name]


def _list() -> int:
    from rich.console import Console
    from rich.table import Table

    console, folder = Console(), data_folder()
    table = Table(title=f"data sets in {folder}", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in ("name", "task", "there", "to load", "what"):
        table.add_column(column, no_wrap=column != "what", justify="right" if column == "to load" else "left")
    for task, sources in known_sources().items():
        for source in sources:
            missing = len(source.missing(folder))
            there = "yes" if not missing else "no" if missing == len(source.paths) else "in part"
            table.add_row(source.name, task, there, _size(source), source.summary)
    if not console.is_terminal:
        console.width = max(console.width, 160)  # a file has no edge at which to fold
    console.print(table)
    return 0


def _markdown() -> int:
    """Print the table of all sets that docs/data.md holds: no user's folder, and no state of it, is in it."""
    print("| set | task | what | where, below the data folder | to load | from, terms |")
    print("|---|---|---|---|---|---|")
    for task, sources in known_sources().items():
        for source in sources:
            where = ", ".join(f"`{path}`" for path in source.paths) or "-"
            origin = [f"[page]({source.homepage})"] * bool(source.homepage) + [source.licence] * bool(source.licence)
            print(f"| `{source.name}` | {task} | {source.summary} | {where} | {_size(source)} | {', '.join(origin)} |")
    return 0


def _size(source: Source) -> str:
    """What `fetch` loads, in decimal units; "by hand" where an account is needed."""
    if source.login:
        return "by hand"
    sizes = [file.size for file in source.files]
    if not sizes or None in sizes:
        return "size unknown" if sizes else "-"
    total = sum(size for size in sizes if size)
    return f"{total / 1e9:.1f} GB" if total >= 1e9 else f"{total / 1e6:.1f} MB"


def _check(source: Source) -> int:
    from lwdna_core.data.fetch import differences

    folder = data_folder()
    if len(missing := source.missing(folder)) == len(source.paths) and missing:
        raise LwdnaError(f"{source.name} is not in {folder}: {missing[0]} is missing")
    if found := differences(source, folder):
        print(f"{source.name} in {folder} is not as published:")
        print(*(f"  {line}" for line in found), sep="\n")
        print("It can be used all the same; the fingerprint of a comparison says which contents it saw.")
        return 1
    what = " and ".join(
        [f"{len(source.checksums)} checksums"] * bool(source.checksums)
        + [f"{sum(source.counts.values()):,} files"] * bool(source.counts)
    )
    print(f"{source.name} in {folder}: {f'{what} as published' if what else 'complete; no checksums are published'}")
    return 0
