"""Settings as command-line options: their names, help and checks all come from the one table."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from isthmus.settings import SECRETS, Setting, Settings, read_settings, settings_table


def add_settings(parser: argparse.ArgumentParser, fields: Sequence[str]) -> None:
    for setting in settings_table():
        if setting.field in fields:
            parser.add_argument(
                setting.option,
                dest=setting.field,
                type=_reader(setting),
                metavar=_metavar(setting),
                help=_help(setting),
            )


def settings_of(options: argparse.Namespace) -> Settings:
    """Options over the environment over defaults. Raises `OperatorError`."""
    return read_settings(vars(options))


def _reader(setting: Setting) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            return setting.read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _metavar(setting: Setting) -> str:
    if setting.choices:
        return "|".join(setting.choices)
    unit = setting.name.rpartition("_")[2].upper()
    return unit if isinstance(setting.default, str | None) or unit in ("BYTES", "SECONDS") else "N"


def _help(setting: Setting) -> str:
    default = "" if setting.default is None or setting.field in SECRETS else f" (default: {setting.default})"
    return f"{setting.meaning}{default} [{setting.variable}]".replace("%", "%%")
