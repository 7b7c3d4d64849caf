"""Log entries to rows and back: `logs` has a column for each field of `LogEntry` but its bodies, which are in
`log_bodies` under the same sequence number."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isthmus.core.entry import LogEntry
from isthmus.storage.sql.database import Row, StatementRefused, Transaction, Value
from isthmus.storage.sql.dialect import marks, quoted

Record = bytes | memoryview
BODIES = ("request_body", "response_body")

_FIELDS = LogEntry.__struct_fields__
_COLUMNS = tuple(name for name in _FIELDS if name not in BODIES)
_REQUEST, _RESPONSE = sorted(_FIELDS.index(name) for name in BODIES)
_BOOLEANS = tuple(field.name for field in msgspec.structs.fields(LogEntry) if field.type is bool)
_decode = msgspec.msgpack.Decoder().decode
_decode_entry = msgspec.msgpack.Decoder(LogEntry).decode

SELECTED = quoted(_COLUMNS)
"""The columns of `logs` that `entry` reads."""

# Rows in one statement. Each statement lets go of the interpreter lock and must get it back, and beside a busy event
# loop that costs more than the row: with 32 rows the writer changed hands twice as often as with 128.
STATEMENT_ROWS = (128, 16, 1)


def _into(table: str, columns: Sequence[str]) -> dict[int, str]:
    row = f"({marks(len(columns))})"
    return {
        count: f"INSERT INTO {table} ({quoted(columns)}) VALUES {', '.join([row] * count)}" for count in STATEMENT_ROWS
    }


_INSERT = _into("logs", ("sequence", *_COLUMNS))
_INSERT_BODIES = _into("log_bodies", ("sequence", *BODIES))


def entry(row: Row, request_body: bytes | None = None, response_body: bytes | None = None) -> LogEntry:
    values = dict(zip(_COLUMNS, row, strict=True))
    for name in _BOOLEANS:
        values[name] = bool(values[name])
    return LogEntry(**values, request_body=request_body, response_body=response_body)


def write(transaction: Transaction, records: Sequence[Record]) -> int:
    """Encoded entries to rows. How many could not be read. Raises `StatementRefused` where the database does not take
    one of them, be it that it has a row of that id."""
    ((last,),) = transaction.fetch('SELECT max("sequence") FROM logs')
    sequence, unreadable = last or 0, 0
    for first in range(0, len(records), STATEMENT_ROWS[0]):
        some = records[first : first + STATEMENT_ROWS[0]]
        rows = [row for record in some if (row := _decoded(record)) is not None]
        unreadable += len(some) - len(rows)
        _insert(transaction, rows, sequence)
        sequence += len(rows)
    return unreadable


def write_each(transaction: Transaction, records: Sequence[Record]) -> int:
    """One by one, passing over those that the database has. How many could not be read or are not taken."""
    lost = 0
    for record in records:
        row = _decoded(record)
        if row is not None and transaction.fetch('SELECT 1 FROM logs WHERE "id" = ?', row[:1]):
            continue
        transaction.execute("SAVEPOINT log_row")
        try:
            lost += write(transaction, [record])
        except StatementRefused:
            transaction.execute("ROLLBACK TO SAVEPOINT log_row")
            lost += 1
        transaction.execute("RELEASE SAVEPOINT log_row")
    return lost


def _decoded(record: Record) -> list[Value] | None:
    """The entry's fields in their order. Another version's entry has more or fewer of them."""
    try:
        values: list[Value] = _decode(record)
        return values if len(values) == len(_FIELDS) else list(msgspec.structs.astuple(_decode_entry(record)))
    except (msgspec.MsgspecError, TypeError):
        return None


def _insert(transaction: Transaction, rows: list[list[Value]], sequence: int) -> None:
    """Under the sequence numbers that follow this one."""
    values: list[Value] = []
    bodies: list[Value] = []
    for number, row in enumerate(rows, sequence + 1):
        response, request = row.pop(_RESPONSE), row.pop(_REQUEST)
        values.append(number)
        values += row
        if request is not None or response is not None:
            bodies += (number, request, response)
    _execute(transaction, _INSERT, values, 1 + len(_COLUMNS))
    _execute(transaction, _INSERT_BODIES, bodies, 1 + len(BODIES))


def _execute(transaction: Transaction, statements: dict[int, str], values: list[Value], width: int) -> None:
    first = 0
    for count, statement in statements.items():
        size = count * width
        while len(values) - first >= size:
            transaction.execute(statement, values[first : first + size])
            first += size
