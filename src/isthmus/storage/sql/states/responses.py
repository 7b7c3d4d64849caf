"""Answered Responses calls in SQL, each with its items."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from isthmus.core.state import RUNNING, Context, Reach, StoredItem, StoredResponse
from isthmus.storage.encryption import Encryption
from isthmus.storage.protocols import ContextTooLarge
from isthmus.storage.sql.database import Database, Row, Transaction, Value
from isthmus.storage.sql.dialect import marks, quoted
from isthmus.storage.sql.states.conversations import append, is_there
from isthmus.storage.sql.states.rows import ItemRows, context_of, count_bytes, remove_items

COLUMNS = StoredResponse.__struct_fields__
LINK = ("gateway_id", "models", "status", "previous_id", "conversation_id", "conversation_at")
LOOKED_UP = 500
"""Item ids that one statement asks for."""

_models = msgspec.json.Decoder(tuple[str, ...]).decode

_FIND = (
    'SELECT COALESCE(r."gateway_id", c."gateway_id"), r."models",'
    ' i."owner_id", i."position", i."id", i."kind", i."body" FROM state_items i'
    ' LEFT JOIN state_responses r ON r."account_id" = i."account_id" AND r."id" = i."owner_id"'
    ' LEFT JOIN state_conversations c ON c."account_id" = i."account_id" AND c."id" = i."owner_id"'
    ' WHERE i."account_id" = ? AND i."id" IN ({marks}) AND (r."expires_at" > ? OR c."expires_at" > ?)'
)


class SqlResponses:
    """`Responses` over a `Database`."""

    def __init__(self, database: Database, encryption: Encryption, rows: ItemRows) -> None:
        self._database = database
        self._encryption = encryption
        self._rows = rows

    async def put(self, response: StoredResponse, items: Sequence[StoredItem]) -> int:
        return await self._database.write(partial(self._put, response, items))

    async def get(self, reach: Reach, response_id: str, now: float) -> StoredResponse | None:
        return await self._database.read(lambda transaction: self._get(transaction, reach, response_id, now))

    async def context(self, reach: Reach, response_id: str, now: float) -> Context | None:
        return await self._database.read(lambda transaction: self._context(transaction, reach, response_id, now))

    async def find_items(self, reach: Reach, item_ids: Sequence[str], now: float) -> dict[str, StoredItem]:
        return await self._database.read(lambda transaction: self._find(transaction, reach, item_ids, now))

    async def remove(self, reach: Reach, response_id: str, now: float) -> bool:
        account_id = reach.account_id

        def work(transaction: Transaction) -> bool:
            found = _seen(transaction, reach, response_id, now, ("gateway_id", "models")) is not None
            if found:
                count_bytes(transaction, account_id, -remove_response(transaction, account_id, response_id))
            return found

        return await self._database.write(work)

    async def end(self, response: StoredResponse, status: str, body: bytes) -> None:
        sealed = self._encryption.seal(body, *_place(response.account_id, response.id))

        def work(transaction: Transaction) -> None:
            where, own = '"account_id" = ? AND "id" = ?', (response.account_id, response.id)
            before = transaction.fetch(f'SELECT "size" FROM state_responses WHERE {where}', own)
            transaction.execute(
                f'UPDATE state_responses SET "status" = ?, "body" = ?, "size" = ? WHERE {where}',
                (status, sealed, len(sealed), *own),
            )
            if before:
                count_bytes(transaction, response.account_id, len(sealed) - int(before[0][0]))

        await self._database.write(work)

    async def running(self, limit: int) -> Sequence[StoredResponse]:
        def work(transaction: Transaction) -> list[StoredResponse]:
            sql = f'SELECT {quoted(COLUMNS)} FROM state_responses WHERE "status" IN ({marks(len(RUNNING))}) LIMIT ?'
            return [self._read(row) for row in transaction.fetch(sql, [*RUNNING, limit])]

        return await self._database.read(work)

    def _put(self, response: StoredResponse, items: Sequence[StoredItem], transaction: Transaction) -> int:
        account_id = response.account_id
        added = -remove_response(transaction, account_id, response.id)
        body = self._encryption.seal(response.body, *_place(account_id, response.id))
        given = {
            **msgspec.structs.asdict(response),
            "models": msgspec.json.encode(response.models).decode(),
            "body": body,
        }
        values: list[Value] = [*given.values(), len(body)]
        columns = (*given, "size")
        transaction.execute(f"INSERT INTO state_responses ({quoted(columns)}) VALUES ({marks(len(columns))})", values)
        added += len(body) + self._rows.add(transaction, account_id, response.id, items)
        if response.conversation_id is not None and response.status in ("completed", "incomplete"):
            added += (
                append(transaction, self._rows, account_id, response.conversation_id, response.expires_at, items) or 0
            )
        return count_bytes(transaction, account_id, added)

    def _get(self, transaction: Transaction, reach: Reach, response_id: str, now: float) -> StoredResponse | None:
        row = _seen(transaction, reach, response_id, now, COLUMNS)
        return None if row is None else self._read(row)

    def _context(self, transaction: Transaction, reach: Reach, response_id: str, now: float) -> Context | None:
        account_id = reach.account_id
        turns: list[list[StoredItem]] = []
        count = size = 0
        next_id: str | None = response_id
        status = ""
        while next_id is not None:
            if len(turns) >= self._rows.limits.turns:
                raise ContextTooLarge(f"more than {self._rows.limits.turns} turns")
            row = _seen(transaction, reach, next_id, now, LINK)
            if row is None:
                return None
            turn = self._rows.all(transaction, account_id, next_id)
            *_, stated, next_id, conversation_id, conversation_at = row
            status = status or stated
            turns.append(turn)
            if conversation_id is not None:
                if not is_there(transaction, reach, conversation_id, now):
                    return None
                turns.append(turn := self._rows.all(transaction, account_id, conversation_id, conversation_at))
            count, size = sum(map(len, turns)), size + sum(len(item.body) for item in turn)
            self._rows.check(count, size)
        return context_of(turns, status=status, conversation_at=0)

    def _find(
        self, transaction: Transaction, reach: Reach, item_ids: Sequence[str], now: float
    ) -> dict[str, StoredItem]:
        found: dict[str, StoredItem] = {}
        for start in range(0, len(item_ids), LOOKED_UP):
            asked = item_ids[start : start + LOOKED_UP]
            sql = _FIND.format(marks=marks(len(asked)))
            for gateway_id, models, owner_id, *row in transaction.fetch(sql, [reach.account_id, *asked, now, now]):
                if reach.sees(gateway_id, None if models is None else _models(models)):
                    item = self._rows.read(reach.account_id, owner_id, tuple(row))
                    found[item.id] = item
        return found

    def _read(self, row: Row) -> StoredResponse:
        named = dict(zip(COLUMNS, row, strict=True))
        body = self._encryption.open(bytes(named["body"]), *_place(named["account_id"], named["id"]))
        read = {"body": body, "models": _models(named["models"]), "background": bool(named["background"])}
        return StoredResponse(**{**named, **read})


def _seen(transaction: Transaction, reach: Reach, response_id: str, now: float, columns: tuple[str, ...]) -> Row | None:
    """Of a response's row, these; `gateway_id` and `models` must be among them. None where it is not there."""
    rows = transaction.fetch(
        f'SELECT {quoted(columns)} FROM state_responses WHERE "account_id" = ? AND "id" = ? AND "expires_at" > ?',
        (reach.account_id, response_id, now),
    )
    for row in rows:
        named = dict(zip(columns, row, strict=True))
        if reach.sees(named["gateway_id"], _models(named["models"])):
            return row
    return None


def remove_response(transaction: Transaction, account_id: str, response_id: str) -> int:
    """With its items. How many bytes they took; 0 where there is none."""
    where, values = '"account_id" = ? AND "id" = ?', (account_id, response_id)
    rows = transaction.fetch(f'SELECT "size" FROM state_responses WHERE {where}', values)
    if not rows:
        return 0
    transaction.execute(f"DELETE FROM state_responses WHERE {where}", values)
    return int(rows[0][0]) + remove_items(transaction, account_id, response_id)


def _place(account_id: str, response_id: str) -> tuple[str, ...]:
    return ("response", account_id, response_id)
