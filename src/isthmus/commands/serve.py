"""`isthmus serve`: the server, with every setting as an option."""

from __future__ import annotations

import argparse
import sys

from isthmus.commands.options import add_settings, settings_of
from isthmus.settings import Settings, check_supported, settings_table, unknown_variables


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--welcome", action="store_true", help="ask the local model a question and print how to call")
    add_settings(parser, [setting.field for setting in settings_table()])


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    check_supported(settings)
    for warning in _warnings(settings):
        print(f"isthmus: warning: {warning}", file=sys.stderr)
    from isthmus.app import serve

    if not options.welcome:
        return serve(settings)
    from isthmus.welcome import welcome

    return serve(settings, welcome)


def _warnings(settings: Settings) -> list[str]:
    found = [f"{name} is no setting of Isthmus and is ignored" for name in unknown_variables()]
    if settings.secret_key is not None and settings.state_encryption == "off":
        found.append("--secret-key encrypts nothing: --state-encryption is off")
    return found
