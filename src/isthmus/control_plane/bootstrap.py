"""The first start: one account and one token with every permission, given by the operator or made, kept in
`bootstrap.json` beside the database so that tools and people find them again.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from isthmus.clock import Clock
from isthmus.core.account import PERMISSIONS, Account, Token, digest, new_secret
from isthmus.core.ids import hexadecimal
from isthmus.storage.protocols import Configs, Configuration

FILE_NAME = "bootstrap.json"
ACCOUNT_NAME = "Isthmus"
TOKEN_NAME = "bootstrap"
TOKEN_ID_DIGITS = 32


class BootstrapError(Exception):
    """What the operator gave does not go together, or would be unsafe. The message says what to do."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's fixed values, where there are any. `on_loopback`: only this machine can reach the server."""

    account_id: str | None = None
    api_token: str | None = None
    base_url: str
    on_loopback: bool = True


class Bootstrap(msgspec.Struct, frozen=True, kw_only=True):
    """`api_token` None: the account has live tokens, and none that is kept in bootstrap.json. `generated`: it was made
    just now, and this is the one time to print it."""

    account_id: str
    api_token: str | None
    generated: bool = False


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What bootstrap.json holds."""

    account_id: str
    api_token: str
    base_url: str


def make_directory(directory: Path) -> None:
    """Readable by its owner alone when it is made here; one that exists is left as it is."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)


async def bootstrap(configs: Configs, directory: Path, given: Given, clock: Clock) -> Bootstrap:
    """Sees to it that there is an account and a token to begin with. May be run at every start."""
    configuration = await configs.load()
    kept = _read(directory / FILE_NAME)
    account_id = given.account_id or (kept.account_id if kept else _first_account(configuration)) or hexadecimal()
    secret = given.api_token or (kept.api_token if kept and kept.account_id == account_id else None)
    if secret is None and _has_live_token(configuration, account_id, clock.now()):
        return Bootstrap(account_id=account_id, api_token=None)
    generated = secret is None
    if secret is None:
        if not given.on_loopback:
            raise BootstrapError(
                "refusing to listen beyond this machine with no API token set up: give one with --api-token or "
                "ISTHMUS_API_TOKEN, or start once with --host 127.0.0.1, which makes one"
            )
        secret = new_secret()
    settled = _Kept(account_id=account_id, api_token=secret, base_url=given.base_url)
    await _ensure(configs, configuration, settled, clock.now())
    if settled != kept:
        _write(directory / FILE_NAME, settled)
    return Bootstrap(account_id=account_id, api_token=secret, generated=generated)


def _first_account(configuration: Configuration) -> str | None:
    oldest = min(configuration.accounts, key=lambda account: account.created_at, default=None)
    return None if oldest is None else oldest.id


def _has_live_token(configuration: Configuration, account_id: str, now: float) -> bool:
    return any(token.account_id == account_id and token.live(now) for token in configuration.tokens)


async def _ensure(configs: Configs, configuration: Configuration, settled: _Kept, now: float) -> None:
    """Adds what is missing, and nothing else: a token that was revoked stays so."""
    hashed = digest(settled.api_token)
    for token in configuration.tokens:
        if token.digest == hashed and token.account_id != settled.account_id:
            raise BootstrapError(f"the given API token belongs to another account, {token.account_id}")
    if all(account.id != settled.account_id for account in configuration.accounts):
        await configs.add_account(Account(id=settled.account_id, name=ACCOUNT_NAME, created_at=now))
    if all(token.digest != hashed for token in configuration.tokens):
        await configs.add_token(
            Token(
                # of the secret itself, so that two processes that start together add it once
                id=hashed[:TOKEN_ID_DIGITS],
                account_id=settled.account_id,
                name=TOKEN_NAME,
                digest=hashed,
                permissions=PERMISSIONS,
                created_at=now,
            )
        )


def _read(file: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise BootstrapError(f"{file} cannot be read: {error}; mend it, or remove it") from None


def _write(file: Path, settled: _Kept) -> None:
    """All of it or nothing, and readable by its owner alone from its first byte on."""
    draft = file.with_name(f".{FILE_NAME}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(settled)) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(draft, file)
