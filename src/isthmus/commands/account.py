"""`isthmus account`: creates and lists accounts, in the database, server running or not."""

from __future__ import annotations

import argparse
import asyncio

from isthmus.clock import SystemClock
from isthmus.commands.options import add_settings, settings_of
from isthmus.commands.store import SETTINGS, opened_configs
from isthmus.commands.table import print_table
from isthmus.control_plane.instant import write_instant
from isthmus.core.account import Account
from isthmus.core.ids import hexadecimal
from isthmus.settings import OperatorError, Settings, read_account_id


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="creates an account and prints its id")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--id", metavar="ID", help="default: 32 hexadecimal digits, generated")
    add_settings(create, SETTINGS)
    add_settings(verbs.add_parser("list", help="lists the accounts"), SETTINGS)


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    if options.verb == "create":
        account_id = hexadecimal() if options.id is None else read_account_id(options.id)
        asyncio.run(_create(settings, account_id, options.name))
    else:
        asyncio.run(_list(settings))
    return 0


async def _create(settings: Settings, account_id: str, name: str) -> None:
    async with opened_configs(settings, create=True) as configs:
        account = Account(id=account_id, name=name, created_at=SystemClock.now())
        if not await configs.add_account(account):
            raise OperatorError(f"there is an account {account_id} already")
    print(account_id)


async def _list(settings: Settings) -> None:
    async with opened_configs(settings) as configs:
        accounts = (await configs.load()).accounts
    print_table(("id", "name", "created"), [(each.id, each.name, write_instant(each.created_at)) for each in accounts])
