"""Where SQL differs from database to database: the only place. All else is written so that SQLite and Postgres read
it alike: `?` stands for a parameter and for nothing else, column names are quoted, upserts are `ON CONFLICT`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class SqlDialect(msgspec.Struct, frozen=True, kw_only=True):
    """`metadata_entries` is a table of what a row of `logs` has in its `metadata` (a flat JSON object; none where it
    is not JSON): `key`; `text`, the value as text; `number` and `string`, the value where it is one.
    `contains` holds a text expression and a parameter that is folded to ASCII lower case by `folded`."""

    metadata_entries: str
    contains: str


SQLITE = SqlDialect(
    metadata_entries=(
        "(SELECT key AS key,"
        " CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' WHEN 'null' THEN 'null'"
        " ELSE CAST(value AS TEXT) END AS text,"
        " CASE WHEN type IN ('integer', 'real') THEN value END AS number,"
        " CASE type WHEN 'text' THEN value END AS string"
        ' FROM json_each(CASE WHEN json_valid(logs."metadata") THEN logs."metadata" END)) AS entry'
    ),
    contains="instr(lower({text}), ?) > 0",
)


def folded(text: str) -> str:
    """ASCII letters in lower case and no others, as SQLite's `lower` has it."""
    return text.encode().lower().decode()


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def marks(count: int) -> str:
    return ", ".join("?" * count)
