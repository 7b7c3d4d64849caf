"""Accounts, tokens and gateways in SQL, read with all else that is configured. What has parts is kept as JSON, in which
a setting that was never set is left out and so comes back unset."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.account import Account, Token
from isthmus.core.gateway import Gateway, GatewaySettings
from isthmus.storage.protocols import Configuration, StorageError
from isthmus.storage.sql import custom_providers
from isthmus.storage.sql.config_writes import change, insert, values
from isthmus.storage.sql.custom_providers import SqlCustomProviders
from isthmus.storage.sql.database import Database, Transaction, Value
from isthmus.storage.sql.dialect import quoted

_ACCOUNT = Account.__struct_fields__
_TOKEN = Token.__struct_fields__
_GATEWAY = Gateway.__struct_fields__
_LISTS = msgspec.json.Decoder(tuple[str, ...] | None)
_SETTINGS = msgspec.json.Decoder(GatewaySettings)


class SqlConfigs:
    """`Configs` over a `Database`. A write that changes nothing leaves `version` as it is. An account that a token or
    gateway names must be there, or the write raises `StorageError`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.custom_providers = SqlCustomProviders(database)

    async def load(self) -> Configuration:
        return await self._database.read(_load)

    async def version(self) -> int:
        return await self._database.read(_version)

    async def add_account(self, account: Account) -> bool:
        return await self._change(insert("accounts", _ACCOUNT), values(account))

    async def add_token(self, token: Token) -> bool:
        return await self._change(insert("tokens", _TOKEN), values(token))

    async def revoke_token(self, token_id: str) -> bool:
        """False where there is none of that id, or it is revoked already."""
        return await self._change('UPDATE tokens SET "revoked" = TRUE WHERE "id" = ? AND NOT "revoked"', [token_id])

    async def add_gateway(self, gateway: Gateway) -> bool:
        return await self._change(insert("gateways", _GATEWAY), values(gateway))

    async def put_gateway(self, gateway: Gateway, expected_modified_at: float) -> bool:
        assignments = ", ".join(f'"{name}" = ?' for name in _GATEWAY)
        return await self._change(
            f'UPDATE gateways SET {assignments} WHERE "account_id" = ? AND "id" = ? AND "modified_at" = ?',
            [*values(gateway), gateway.account_id, gateway.id, expected_modified_at],
        )

    async def remove_gateway(self, account_id: str, gateway_id: str) -> bool:
        return await self._change('DELETE FROM gateways WHERE "account_id" = ? AND "id" = ?', [account_id, gateway_id])

    async def _change(self, sql: str, parameters: list[Value]) -> bool:
        return await change(self._database, sql, parameters)


def _version(transaction: Transaction) -> int:
    rows = transaction.fetch('SELECT "version" FROM config_version')
    return int(rows[0][0])


def _load(transaction: Transaction) -> Configuration:
    def rows(table: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
        found = transaction.fetch(f'SELECT {quoted(columns)} FROM {table} ORDER BY "created_at", "id"')
        return [dict(zip(columns, row, strict=True)) for row in found]

    try:
        return Configuration(
            version=_version(transaction),
            accounts=tuple(Account(**row) for row in rows("accounts", _ACCOUNT)),
            tokens=tuple(_token(row) for row in rows("tokens", _TOKEN)),
            gateways=tuple(_gateway(row) for row in rows("gateways", _GATEWAY)),
            custom_providers=tuple(
                custom_providers.custom_provider(row) for row in rows(custom_providers.TABLE, custom_providers.COLUMNS)
            ),
        )
    except msgspec.DecodeError as error:
        raise StorageError(f"The configuration in the database cannot be read: {error}.") from error


def _token(row: dict[str, Any]) -> Token:
    lists = {name: _LISTS.decode(row[name] or "null") for name in ("permissions", "gateways", "models")}
    return Token(**{**row, **lists, "revoked": bool(row["revoked"])})


def _gateway(row: dict[str, Any]) -> Gateway:
    return Gateway(**{**row, "settings": _SETTINGS.decode(row["settings"]), "declared": bool(row["declared"])})
