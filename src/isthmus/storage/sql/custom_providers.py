"""The providers that accounts declare by the API, in SQL: the part of the configuration that has a file of its own."""

from __future__ import annotations

from typing import Any

from isthmus.core.custom_provider import CustomProvider
from isthmus.storage.sql.config_writes import change, insert, values
from isthmus.storage.sql.database import Database

TABLE = "custom_providers"
COLUMNS = CustomProvider.__struct_fields__
_SLUG_IS_FREE = (
    f'NOT EXISTS (SELECT 1 FROM {TABLE} AS other WHERE other."account_id" = ? AND other."slug" = ? AND other."id" <> ?)'
)


class SqlCustomProviders:
    """`CustomProviders` over a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, provider: CustomProvider) -> bool:
        return await change(self._database, insert(TABLE, COLUMNS), values(provider))

    async def put(self, provider: CustomProvider, expected_modified_at: float) -> bool:
        assignments = ", ".join(f'"{name}" = ?' for name in COLUMNS)
        return await change(
            self._database,
            f'UPDATE {TABLE} SET {assignments} WHERE "account_id" = ? AND "id" = ? AND "modified_at" = ?'
            f" AND {_SLUG_IS_FREE}",
            [
                *values(provider),
                *(provider.account_id, provider.id, expected_modified_at),
                *(provider.account_id, provider.slug, provider.id),
            ],
        )

    async def remove(self, account_id: str, provider_id: str) -> bool:
        sql = f'DELETE FROM {TABLE} WHERE "account_id" = ? AND "id" = ?'
        return await change(self._database, sql, [account_id, provider_id])


def custom_provider(row: dict[str, Any]) -> CustomProvider:
    return CustomProvider(**{**row, "enable": bool(row["enable"]), "beta": bool(row["beta"])})
