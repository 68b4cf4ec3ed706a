"""The `lwdna` command: finds the module of a command, hands it the arguments, and turns errors into exit statuses."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NamedTuple

from lwdna_core import __version__
from lwdna_core.errors import LwdnaError


class Command(NamedTuple):
    """A module with `add_arguments(parser)` and `run(args) -> int`, imported when its command is the chosen one."""

    module: str
    help: str


COMMANDS = {
    "compare": Command("lwdna_core.commands.compare", "train a network and its LW-DNA alike, compare them"),
    "report": Command("lwdna_core.commands.report", "the page or the table of finished comparisons"),
    "test": Command("lwdna_core.commands.test", "evaluate a finished run again"),
    "predict": Command("lwdna_core.commands.predict", "apply the network of a run to an input of one's own"),
    "export": Command("lwdna_core.commands.export", "write the network of a run as ONNX"),
    "eval": Command("lwdna_core.commands.evaluate", "a task's own evaluation of results"),
    "shrink": Command("lwdna_core.commands.shrink", "find the LW-DNA configuration of a network"),
    "data": Command("lwdna_core.commands.data", "list, check and fetch data sets"),
    "latency": Command("lwdna_core.commands.latency", "time inference of networks, side by side"),
}

EXAMPLES = """\
examples:
  lwdna compare classification
  lwdna compare classification resnet20_cifar10 --seeds 5
  lwdna shrink cifar_resnet20 --input 3,32,32 --macs 0.9 --out channels.json
  lwdna shrink --help

exit status: 0 done, 1 a run failed, 2 a mistake in the command or its input, 130 interrupted"""


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """All commands with one line of help; the arguments of `chosen` alone, so that no other module is imported."""
    parser = argparse.ArgumentParser(
        prog="lwdna",
        description="Layer-wise differentiated channel configurations of convolutional networks, found and tested.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lwdna {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(
            name, help=command.help, description=command.help, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == chosen:
            module = importlib.import_module(command.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    # `package.module:factory` may name a file of the current folder; installed packages come first.
    sys.path.append(os.getcwd())
    # The options before the command take no values, so the first word is the command.
    args = build_parser(next((word for word in argv if not word.startswith("-")), None)).parse_args(argv)
    try:
        return int(args.run(args))
    except LwdnaError as error:
        if args.debug:
            traceback.print_exc()
        print(f"lwdna: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `lwdna ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain as it ends
        return 0
    except OSError as error:  # a folder where a file was to be written, a full disk
        if args.debug or error.filename is None:
            raise
        print(f"lwdna: error: {error.filename2 or error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if args.debug:
            traceback.print_exc()
        print("lwdna: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
