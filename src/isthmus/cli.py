"""The command line: finds the command, and turns an operator's mistake into one line and an exit code. A command's
module is imported when that command is asked for, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol, cast

COMMANDS = {
    # command, also its module's name: what it does
    "serve": "the server",
    "check": "validates the configuration without starting",
    "migrate": "brings a database to this version's schema",
    "model": "fetches the weights of a local model; lists what can be served",
    "simulate": "the strict simulator of providers, for tests and for trying things out",
    "token": "creates, lists and revokes API tokens",
    "account": "creates and lists accounts",
}
PROBLEM = 1
INTERRUPTED = 130


class Command(Protocol):
    """What a module of `commands` offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int:
        """The exit code: 0, or 1 for a problem that has been told."""
        ...


class _Version(argparse.Action):
    """Looks the version up when it is asked for: finding it takes longer than all of `--help`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"isthmus {version('isthmus')}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="isthmus", description="A self-hosted AI gateway.", allow_abbrev=False)
    parser.add_argument("--version", action=_Version, nargs=0, help="the version of this program")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((argument for argument in given if not argument.startswith("-")), None)
    chosen: Command | None = None
    for name, does in COMMANDS.items():
        command_parser = commands.add_parser(name, help=does, description=does.capitalize() + ".", allow_abbrev=False)
        if name == wanted:
            chosen = cast(Command, importlib.import_module(f"isthmus.commands.{name}"))
            chosen.add_arguments(command_parser)
    options = parser.parse_args(given)
    assert chosen is not None  # parse_args has left where the command is missing or unknown
    return _run(chosen, options)


def _run(command: Command, options: argparse.Namespace) -> int:
    try:
        code = command.run(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has enough; what is still buffered must not fail at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PROBLEM
    except Exception as error:
        if not _is_operators(error):
            raise
        print(f"isthmus: {error}", file=sys.stderr)
        return PROBLEM


def _is_operators(error: Exception) -> bool:
    """Something that whoever runs the program can mend."""
    from isthmus.control_plane.bootstrap import BootstrapError
    from isthmus.local.weights import WeightsError
    from isthmus.settings import OperatorError
    from isthmus.storage.protocols import StorageError

    return isinstance(error, OperatorError | BootstrapError | StorageError | WeightsError | OSError)
