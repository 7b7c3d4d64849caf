"""Conversations in SQL: their items outlive the responses that they came with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from isthmus.core.state import Context, Conversation, Reach, StoredItem
from isthmus.storage.encryption import Encryption
from isthmus.storage.sql.database import Database, Transaction, Value
from isthmus.storage.sql.dialect import marks, quoted
from isthmus.storage.sql.states.rows import ITEM, ItemRows, context_of, count_bytes, remove_items

COLUMNS = Conversation.__struct_fields__
_OWN = '"account_id" = ? AND "id" = ?'


class SqlConversations:
    """`Conversations` over a `Database`."""

    def __init__(self, database: Database, encryption: Encryption, rows: ItemRows) -> None:
        self._database = database
        self._encryption = encryption
        self._rows = rows

    async def add(self, conversation: Conversation, items: Sequence[StoredItem]) -> int:
        return await self._database.write(partial(self._add, conversation, items))

    async def get(self, reach: Reach, conversation_id: str, now: float) -> Conversation | None:
        def work(transaction: Transaction) -> Conversation | None:
            sql = f'SELECT {quoted(COLUMNS)} FROM state_conversations WHERE {_OWN} AND "expires_at" > ?'
            rows = transaction.fetch(sql, (reach.account_id, conversation_id, now))
            if not rows:
                return None
            stored = Conversation(**dict(zip(COLUMNS, rows[0], strict=True)))
            if not reach.sees(stored.gateway_id):
                return None
            metadata = self._encryption.open(bytes(stored.metadata), *_place(reach.account_id, conversation_id))
            return msgspec.structs.replace(stored, metadata=metadata)

        return await self._database.read(work)

    async def change(self, conversation: Conversation) -> bool:
        def work(transaction: Transaction) -> bool:
            account_id, conversation_id = conversation.account_id, conversation.id
            rows = transaction.fetch(
                f'SELECT "size" FROM state_conversations WHERE {_OWN}', (account_id, conversation_id)
            )
            if not rows:
                return False
            metadata = self._encryption.seal(conversation.metadata, *_place(account_id, conversation_id))
            transaction.execute(
                f'UPDATE state_conversations SET "metadata" = ?, "size" = ?, "expires_at" = ? WHERE {_OWN}',
                (metadata, len(metadata), conversation.expires_at, account_id, conversation_id),
            )
            count_bytes(transaction, account_id, len(metadata) - int(rows[0][0]))
            return True

        return await self._database.write(work)

    async def remove(self, reach: Reach, conversation_id: str, now: float) -> bool:
        account_id = reach.account_id

        def work(transaction: Transaction) -> bool:
            found = is_there(transaction, reach, conversation_id, now)
            if found:
                count_bytes(transaction, account_id, -remove_conversation(transaction, account_id, conversation_id))
            return found

        return await self._database.write(work)

    async def context(self, reach: Reach, conversation_id: str, now: float) -> Context | None:
        def work(transaction: Transaction) -> Context | None:
            if not is_there(transaction, reach, conversation_id, now):
                return None
            end = self._rows.end(transaction, reach.account_id, conversation_id)
            items = self._rows.all(transaction, reach.account_id, conversation_id)
            return context_of([items], status="completed", conversation_at=end)

        return await self._database.read(work)

    async def add_items(self, conversation: Conversation, items: Sequence[StoredItem]) -> int | None:
        def work(transaction: Transaction) -> int | None:
            account_id = conversation.account_id
            added = append(transaction, self._rows, account_id, conversation.id, conversation.expires_at, items)
            return None if added is None else count_bytes(transaction, account_id, added)

        return await self._database.write(work)

    async def item(self, account_id: str, conversation_id: str, item_id: str) -> StoredItem | None:
        def work(transaction: Transaction) -> StoredItem | None:
            rows = transaction.fetch(
                f'SELECT {ITEM} FROM state_items WHERE "account_id" = ? AND "owner_id" = ? AND "id" = ?'
                ' ORDER BY "position" DESC LIMIT 1',
                (account_id, conversation_id, item_id),
            )
            return self._rows.read(account_id, conversation_id, rows[0]) if rows else None

        return await self._database.read(work)

    async def remove_item(self, account_id: str, conversation_id: str, item_id: str) -> bool:
        def work(transaction: Transaction) -> bool:
            where = '"account_id" = ? AND "owner_id" = ? AND "id" = ?'
            values = (account_id, conversation_id, item_id)
            size = transaction.fetch(f'SELECT SUM("size") FROM state_items WHERE {where}', values)[0][0]
            if size is None:
                return False
            transaction.execute(f"DELETE FROM state_items WHERE {where}", values)
            count_bytes(transaction, account_id, -int(size))
            return True

        return await self._database.write(work)

    def _add(self, conversation: Conversation, items: Sequence[StoredItem], transaction: Transaction) -> int:
        account_id = conversation.account_id
        metadata = self._encryption.seal(conversation.metadata, *_place(account_id, conversation.id))
        stored = msgspec.structs.replace(conversation, metadata=metadata)
        values: list[Value] = [*msgspec.structs.astuple(stored), len(metadata)]
        columns = (*COLUMNS, "size")
        transaction.execute(
            f"INSERT INTO state_conversations ({quoted(columns)}) VALUES ({marks(len(columns))})", values
        )
        size = len(metadata) + self._rows.add(transaction, account_id, conversation.id, items)
        return count_bytes(transaction, account_id, size)


def is_there(transaction: Transaction, reach: Reach, conversation_id: str, now: float) -> bool:
    sql = f'SELECT "gateway_id" FROM state_conversations WHERE {_OWN} AND "expires_at" > ?'
    rows = transaction.fetch(sql, (reach.account_id, conversation_id, now))
    return bool(rows) and reach.sees(rows[0][0])


def append(
    transaction: Transaction,
    rows: ItemRows,
    account_id: str,
    conversation_id: str,
    expires_at: float,
    items: Sequence[StoredItem],
) -> int | None:
    """How many bytes were added; None where there is no such conversation. Its expiry is put off."""
    changed = transaction.execute(
        f'UPDATE state_conversations SET "expires_at" = ? WHERE {_OWN}', (expires_at, account_id, conversation_id)
    )
    return rows.add(transaction, account_id, conversation_id, items) if changed else None


def remove_conversation(transaction: Transaction, account_id: str, conversation_id: str) -> int:
    """With its items. How many bytes they took; 0 where there is none."""
    values = (account_id, conversation_id)
    rows = transaction.fetch(f'SELECT "size" FROM state_conversations WHERE {_OWN}', values)
    if not rows:
        return 0
    transaction.execute(f"DELETE FROM state_conversations WHERE {_OWN}", values)
    return int(rows[0][0]) + remove_items(transaction, account_id, conversation_id)


def _place(account_id: str, conversation_id: str) -> tuple[str, ...]:
    return ("conversation", account_id, conversation_id)
