"""What is kept of Responses calls, in SQL: both parts put together, pages of items, and what has expired."""

from __future__ import annotations

from collections.abc import Callable

from isthmus.core.state import ItemPage, ItemQuery
from isthmus.storage.encryption import Encryption
from isthmus.storage.protocols import ContextLimits
from isthmus.storage.sql.database import Database, Transaction
from isthmus.storage.sql.states import rows
from isthmus.storage.sql.states.conversations import SqlConversations, remove_conversation
from isthmus.storage.sql.states.responses import SqlResponses, remove_response
from isthmus.storage.sql.states.rows import ItemRows, count_bytes

_OWNERS: tuple[tuple[str, Callable[[Transaction, str, str], int]], ...] = (
    ("state_responses", remove_response),
    ("state_conversations", remove_conversation),
)


class SqlStates:
    """`States` over a `Database`."""

    def __init__(self, database: Database, encryption: Encryption, limits: ContextLimits | None = None) -> None:
        self._database = database
        self._encryption = encryption
        self._rows = ItemRows(encryption, limits or ContextLimits())
        self.responses = SqlResponses(database, encryption, self._rows)
        self.conversations = SqlConversations(database, encryption, self._rows)

    async def items(self, query: ItemQuery) -> ItemPage | None:
        return await self._database.read(lambda transaction: self._rows.page(transaction, query))

    async def used(self, account_id: str) -> int:
        return await self._database.read(lambda transaction: rows.used(transaction, account_id))

    async def sweep(self, now: float, limit: int) -> int:
        def work(transaction: Transaction) -> int:
            removed = 0
            for table, remove in _OWNERS:
                sql = f'SELECT "account_id", "id" FROM {table} WHERE "expires_at" <= ? ORDER BY "expires_at" LIMIT ?'
                for account_id, owner_id in transaction.fetch(sql, (now, limit)):
                    count_bytes(transaction, account_id, -remove(transaction, account_id, owner_id))
                    removed += 1
            return removed

        return await self._database.write(work)

    async def check_key(self) -> None:
        """Raises `BodyUnreadable` where what is in store was written with another key."""

        def work(transaction: Transaction) -> None:
            sql = 'SELECT "account_id", "owner_id", "position", "id", "kind", "body" FROM state_items LIMIT 1'
            for account_id, owner_id, *row in transaction.fetch(sql):
                self._rows.read(account_id, owner_id, tuple(row))

        await self._database.read(work)
