"""What a store needs of a database: a function that is run inside one transaction. The stores' SQL stands on this
alone, so that another database joins as one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from isthmus.storage.protocols import StorageError
from isthmus.storage.sql.dialect import SqlDialect

T = TypeVar("T")
Value = str | int | float | bool | bytes | None
Row = tuple[Any, ...]


class StatementRefused(StorageError):
    """The database is there and does not take these values: the same statement will never succeed."""


class Transaction(Protocol):
    """Valid while the function it was given to runs, in the thread that runs it."""

    def fetch(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]: ...

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """How many rows it touched."""
        ...


class Database(Protocol):
    """Each call runs `work` away from the event loop, in one transaction, and gives what it returns. Where `work`
    raises, nothing is changed. Raises `StorageError` when the database cannot be reached."""

    @property
    def dialect(self) -> SqlDialect: ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """All that it fetches is of one moment. Never waits for a write."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """One after another, in the order of the calls."""
        ...

    async def aclose(self) -> None:
        """What was begun is finished first."""
        ...
