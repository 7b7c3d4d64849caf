"""The configuration store for a command, whether a server runs beside it or not: a server sees a change within a
second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from isthmus.control_plane.bootstrap import make_directory
from isthmus.core.account import Account
from isthmus.settings import OperatorError, Settings, check_supported
from isthmus.storage.open import open_configs
from isthmus.storage.protocols import Configs

SETTINGS = ("data_directory", "database")


@asynccontextmanager
async def opened_configs(settings: Settings, create: bool = False) -> AsyncIterator[Configs]:
    """A database that is not there is made with `create` alone: elsewhere it means a wrong directory."""
    check_supported(settings)
    _prepare(settings, create)
    storage = await open_configs(settings.database_url)
    try:
        yield storage.configs
    finally:
        await storage.aclose()


def _prepare(settings: Settings, create: bool) -> None:
    if create:
        make_directory(Path(settings.data_directory))
    elif not Path(settings.database_url.removeprefix("sqlite:///")).exists():
        raise OperatorError(f"no database {settings.database_url}: name the server's directory with --data")


def the_account(accounts: Sequence[Account], wanted: str | None) -> Account:
    """The one that is named, or the only one there is."""
    if wanted is None and len(accounts) == 1:
        return accounts[0]
    for account in accounts:
        if account.id == wanted:
            return account
    known = ", ".join(account.id for account in accounts) or "none: isthmus account create NAME"
    if wanted is None:
        raise OperatorError(f"name the account with --account; there are {known}")
    raise OperatorError(f"no account {wanted}; there are {known}")
