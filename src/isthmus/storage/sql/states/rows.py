"""The rows that stored responses and conversations share: their items, and how much an account keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from isthmus.core.state import Context, ItemPage, ItemQuery, StoredItem
from isthmus.storage.encryption import Encryption
from isthmus.storage.protocols import ContextLimits, ContextTooLarge
from isthmus.storage.sql.database import Row, Transaction, Value

ITEM = '"position", "id", "kind", "body"'


class ItemRows:
    """The items of responses and conversations (owners), in the order in which they were said. Each method runs inside
    a transaction."""

    def __init__(self, encryption: Encryption, limits: ContextLimits) -> None:
        self._encryption = encryption
        self.limits = limits

    def add(self, transaction: Transaction, account_id: str, owner_id: str, items: Sequence[StoredItem]) -> int:
        """At the owner's end. How many bytes they take."""
        position, total = self.end(transaction, account_id, owner_id), 0
        for item in items:
            body = self._encryption.seal(item.body, *_place(account_id, owner_id, position))
            transaction.execute(
                'INSERT INTO state_items ("account_id", "owner_id", "position", "id", "kind", "body", "size")'
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (account_id, owner_id, position, item.id, item.kind, body, len(body)),
            )
            position += 1
            total += len(body)
        return total

    def end(self, transaction: Transaction, account_id: str, owner_id: str) -> int:
        sql = 'SELECT COALESCE(MAX("position"), -1) + 1 FROM state_items WHERE "account_id" = ? AND "owner_id" = ?'
        return int(transaction.fetch(sql, (account_id, owner_id))[0][0])

    def all(
        self, transaction: Transaction, account_id: str, owner_id: str, before: int | None = None
    ) -> list[StoredItem]:
        """Those at positions below `before`. Raises `ContextTooLarge` before it reads too much."""
        where, values = '"account_id" = ? AND "owner_id" = ?', [account_id, owner_id]
        parameters: list[Value] = [*values]
        if before is not None:
            where += ' AND "position" < ?'
            parameters.append(before)
        counted = f'SELECT COUNT(*), COALESCE(SUM("size"), 0) FROM state_items WHERE {where}'
        count, size = transaction.fetch(counted, parameters)[0]
        self.check(int(count), int(size))
        rows = transaction.fetch(f'SELECT {ITEM} FROM state_items WHERE {where} ORDER BY "position"', parameters)
        return [self.read(account_id, owner_id, row) for row in rows]

    def check(self, items: int, size: int) -> None:
        """Raises `ContextTooLarge`."""
        if items > self.limits.items:
            raise ContextTooLarge(f"more than {self.limits.items} items")
        if size > self.limits.bytes:
            raise ContextTooLarge(f"more than {self.limits.bytes} bytes")

    def page(self, transaction: Transaction, query: ItemQuery) -> ItemPage | None:
        where, parameters = '"account_id" = ? AND "owner_id" = ?', [query.account_id, query.owner_id]
        values: list[Value] = [*parameters]
        if query.kind is not None:
            where, values = f'{where} AND "kind" = ?', [*values, query.kind]
        bounds = ((query.after, "<" if query.descending else ">"), (query.before, ">" if query.descending else "<"))
        for item_id, beyond in bounds:
            if item_id is None:
                continue
            position = self._position(transaction, query, item_id)
            if position is None:
                return None
            where, values = f'{where} AND "position" {beyond} ?', [*values, position]
        order = "DESC" if query.descending else "ASC"
        sql = f'SELECT {ITEM} FROM state_items WHERE {where} ORDER BY "position" {order} LIMIT ?'
        rows = transaction.fetch(sql, [*values, query.limit + 1])
        read = tuple(self.read(query.account_id, query.owner_id, row) for row in rows[: query.limit])
        return ItemPage(items=read, has_more=len(rows) > query.limit)

    def read(self, account_id: str, owner_id: str, row: Row) -> StoredItem:
        position, item_id, kind, body = row
        opened = self._encryption.open(bytes(body), *_place(account_id, owner_id, position))
        return StoredItem(id=item_id, kind=kind, body=opened)

    def _position(self, transaction: Transaction, query: ItemQuery, item_id: str) -> int | None:
        sql = 'SELECT MAX("position") FROM state_items WHERE "account_id" = ? AND "owner_id" = ? AND "id" = ?'
        found: int | None = transaction.fetch(sql, (query.account_id, query.owner_id, item_id))[0][0]
        return found


def remove_items(transaction: Transaction, account_id: str, owner_id: str) -> int:
    """How many bytes they took."""
    where, values = '"account_id" = ? AND "owner_id" = ?', (account_id, owner_id)
    size = transaction.fetch(f'SELECT COALESCE(SUM("size"), 0) FROM state_items WHERE {where}', values)[0][0]
    transaction.execute(f"DELETE FROM state_items WHERE {where}", values)
    return int(size)


def count_bytes(transaction: Transaction, account_id: str, more: int) -> int:
    """`more` may be less than 0. What the account has in store then."""
    transaction.execute(
        'INSERT INTO state_usage ("account_id", "bytes") VALUES (?, ?)'
        ' ON CONFLICT ("account_id") DO UPDATE SET "bytes" = state_usage."bytes" + excluded."bytes"',
        (account_id, more),
    )
    return used(transaction, account_id)


def used(transaction: Transaction, account_id: str) -> int:
    rows = transaction.fetch('SELECT "bytes" FROM state_usage WHERE "account_id" = ?', (account_id,))
    return int(rows[0][0]) if rows else 0


def context_of(turns: Iterable[Sequence[StoredItem]], *, status: str, conversation_at: int) -> Context:
    """`turns` the last first."""
    said = [item for turn in reversed(list(turns)) for item in turn]
    return Context(items=tuple(said), status=status, conversation_at=conversation_at)


def _place(account_id: str, owner_id: str, position: int) -> tuple[str, ...]:
    return ("item", account_id, owner_id, str(position))
