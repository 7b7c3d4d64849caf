"""`isthmus migrate`: brings a database to this version's schema. `serve` does so itself for SQLite."""

from __future__ import annotations

import argparse
import asyncio

from isthmus.commands.options import add_settings, settings_of
from isthmus.commands.store import SETTINGS, opened_configs
from isthmus.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, SETTINGS)


def run(options: argparse.Namespace) -> int:
    asyncio.run(_migrate(settings_of(options)))
    return 0


async def _migrate(settings: Settings) -> None:
    async with opened_configs(settings, create=True):  # opening does it
        print("the database has this version's schema")
