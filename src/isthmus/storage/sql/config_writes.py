"""The statements that change what is configured: each raises the version in its own transaction."""

from __future__ import annotations

from functools import partial

import msgspec

from isthmus.storage.sql.database import Database, Transaction, Value
from isthmus.storage.sql.dialect import marks, quoted


def insert(table: str, columns: tuple[str, ...]) -> str:
    """It changes nothing where a key is taken."""
    return f"INSERT INTO {table} ({quoted(columns)}) VALUES ({marks(len(columns))}) ON CONFLICT DO NOTHING"


def values(record: msgspec.Struct) -> list[Value]:
    """Its fields in order, those with parts as JSON text."""
    fields = msgspec.structs.astuple(record)
    return [value if isinstance(value, Value) else msgspec.json.encode(value).decode() for value in fields]


async def change(database: Database, sql: str, parameters: list[Value]) -> bool:
    """Whether anything was changed; if not, the version stays as it is."""
    return await database.write(partial(_change, sql, parameters))


def _change(sql: str, parameters: list[Value], transaction: Transaction) -> bool:
    changed = transaction.execute(sql, parameters) > 0
    if changed:
        transaction.execute('UPDATE config_version SET "version" = "version" + 1')
    return changed
