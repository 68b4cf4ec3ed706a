"""Words of the command line that a task reads itself, by a parser of its own."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from lwdna_core.compare.task import find_task, tasks
from lwdna_core.errors import LwdnaError


def hand_over(task_name: str, command: str, prog: str, words: Sequence[str], **known: object) -> int:
    """Let the task's module for `command` read `words` and run; its `args` hold the `known` values too.

    Returns its exit status. Raises LwdnaError where the task is not installed or has no such command.
    """
    task = find_task(task_name)
    if command not in task.commands:
        having = ", ".join(sorted(name for name, other in tasks().items() if command in other.commands))
        raise LwdnaError(f"{task_name} has no command {command!r}; tasks that have: {having or 'none'}")
    module = importlib.import_module(task.commands[command])
    parser = argparse.ArgumentParser(
        prog=prog, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    args = parser.parse_args(words)
    for name, value in known.items():
        setattr(args, name, value)
    return int(module.run(args))
