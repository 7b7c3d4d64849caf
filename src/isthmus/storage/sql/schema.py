"""The numbered files of `migrations/`, applied in order and each once. A database from a newer version is refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec

from isthmus.storage.protocols import StorageError
from isthmus.storage.sql.database import Database, Transaction

MIGRATIONS = Path(__file__).parent / "migrations"


class Migration(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `number` is what its name begins with."""

    number: int
    name: str
    statements: tuple[str, ...]


def migrations(directory: Path = MIGRATIONS) -> tuple[Migration, ...]:
    return tuple(_migration(path) for path in sorted(directory.glob("*.sql")))


async def migrate(database: Database, known: tuple[Migration, ...] | None = None) -> list[str]:
    """Names of those it applied. Several processes may call it at once."""
    known = migrations() if known is None else known
    applied = await database.write(_applied)
    newer = sorted(set(applied) - {migration.number for migration in known})
    if newer:
        raise StorageError(
            f"The database was written by a newer version of Isthmus ({applied[newer[0]]} is not known to this one). "
            "Run that version, or restore a backup."
        )
    missing = [migration for migration in known if migration.number not in applied]
    return [migration.name for migration in missing if await database.write(partial(_apply, migration))]


def _migration(path: Path) -> Migration:
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("--")]
    statements = tuple(filter(None, (part.strip() for part in ("\n".join(lines) + "\n").split(";\n"))))
    return Migration(number=int(path.name.partition("_")[0]), name=path.stem, statements=statements)


def _applied(transaction: Transaction) -> dict[int, str]:
    transaction.execute(
        'CREATE TABLE IF NOT EXISTS schema_migrations ("number" INTEGER PRIMARY KEY, "name" TEXT NOT NULL)'
    )
    return dict(transaction.fetch('SELECT "number", "name" FROM schema_migrations'))


def _apply(migration: Migration, transaction: Transaction) -> bool:
    if migration.number in _applied(transaction):
        return False  # another process was first
    for statement in migration.statements:
        transaction.execute(statement)
    transaction.execute(
        'INSERT INTO schema_migrations ("number", "name") VALUES (?, ?)', (migration.number, migration.name)
    )
    return True
