"""`isthmus token`: creates, lists and revokes API tokens, in the database, server running or not. The secret is shown
once, when it is made, and kept nowhere.
"""

from __future__ import annotations

import argparse
import asyncio
import re

from isthmus.clock import SystemClock
from isthmus.commands.options import add_settings, settings_of
from isthmus.commands.store import SETTINGS, opened_configs, the_account
from isthmus.commands.table import print_table
from isthmus.control_plane.instant import read_instant, write_instant
from isthmus.core.account import AI_GATEWAY_RUN, PERMISSIONS, WORKERS_AI_READ, Token, digest, new_secret
from isthmus.core.ids import hexadecimal
from isthmus.settings import OperatorError, Settings

TO_CALL_MODELS = (WORKERS_AI_READ, AI_GATEWAY_RUN)
EVERY_PERMISSION = "all"
_SECONDS = {"m": 60, "h": 3600, "d": 86400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", help="creates a token and prints its secret, this once")
    create.add_argument("--account", metavar="ID", help="default: the only account")
    create.add_argument("--name", default="", help="what it is for")
    create.add_argument(
        "--permission",
        action="append",
        metavar="PERMISSION",
        help=f"may be repeated; one of {', '.join(PERMISSIONS)}, or {EVERY_PERMISSION} "
        f"(default: {' and '.join(TO_CALL_MODELS)}: to call models)",
    )
    create.add_argument("--gateway", action="append", metavar="ID", help="only this gateway; may be repeated")
    create.add_argument(
        "--model", action="append", metavar="NAME", help="only this model; may be repeated, and end in *"
    )
    create.add_argument("--expires", metavar="WHEN", help="a date, such as 2030-01-31, or a time from now, such as 90d")
    add_settings(create, SETTINGS)
    add_settings(verbs.add_parser("list", help="lists the tokens, without their secrets"), SETTINGS)
    revoke = verbs.add_parser("revoke", help="revokes a token for good")
    revoke.add_argument("id", metavar="ID")
    add_settings(revoke, SETTINGS)


def run(options: argparse.Namespace) -> int:
    settings = settings_of(options)
    match options.verb:
        case "create":
            asyncio.run(_create(settings, options))
        case "list":
            asyncio.run(_list(settings))
        case _:
            asyncio.run(_revoke(settings, options.id))
    return 0


async def _create(settings: Settings, options: argparse.Namespace) -> None:
    now = SystemClock.now()
    permissions = _permissions(options.permission)
    expires_on = None if options.expires is None else _expires_on(options.expires, now)
    secret = new_secret()
    async with opened_configs(settings) as configs:
        account = the_account((await configs.load()).accounts, options.account)
        token = Token(
            id=hexadecimal(),
            account_id=account.id,
            name=options.name,
            digest=digest(secret),
            permissions=permissions,
            gateways=tuple(options.gateway) if options.gateway else None,
            models=tuple(options.model) if options.model else None,
            expires_on=expires_on,
            created_at=now,
        )
        if not await configs.add_token(token):
            raise OperatorError("the token could not be added; try again")
    print_table(("id", "account", "token"), [(token.id, account.id, secret)])


async def _list(settings: Settings) -> None:
    async with opened_configs(settings) as configs:
        tokens = (await configs.load()).tokens
    now = SystemClock.now()
    rows = [
        (
            token.id,
            token.account_id,
            token.name or "-",
            _state(token, now),
            ", ".join(token.permissions),
            ", ".join(token.gateways) if token.gateways is not None else "all",
            ", ".join(token.models) if token.models is not None else "all",
        )
        for token in tokens
    ]
    print_table(("id", "account", "name", "state", "permissions", "gateways", "models"), rows)


async def _revoke(settings: Settings, token_id: str) -> None:
    async with opened_configs(settings) as configs:
        if not await configs.revoke_token(token_id):
            raise OperatorError(f"no live token {token_id}: isthmus token list shows them")
    print(f"revoked {token_id}")


def _permissions(given: list[str] | None) -> tuple[str, ...]:
    """In any case of letters."""
    if given is None:
        return TO_CALL_MODELS
    if EVERY_PERMISSION in given:
        return PERMISSIONS
    known = {permission.casefold(): permission for permission in PERMISSIONS}
    for name in given:
        if name.casefold() not in known:
            raise OperatorError(f"no permission {name!r}; there are {', '.join(PERMISSIONS)}, and {EVERY_PERMISSION}")
    return tuple(dict.fromkeys(known[name.casefold()] for name in given))


def _expires_on(text: str, now: float) -> float:
    span = re.fullmatch(r"(\d{1,6})([mhd])", text)
    try:
        moment = now + int(span[1]) * _SECONDS[span[2]] if span else read_instant(text)
    except ValueError:
        raise OperatorError(
            f"--expires {text}: give a date, such as 2030-01-31, or a time from now: 30m, 12h, 90d"
        ) from None
    if moment <= now:
        raise OperatorError(f"--expires {text} has passed")
    return moment


def _state(token: Token, now: float) -> str:
    if token.revoked:
        return "revoked"
    if token.expires_on is None:
        return "live"
    return f"{'live until' if token.live(now) else 'expired on'} {write_instant(token.expires_on)}"
