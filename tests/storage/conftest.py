"""An entry to append, and each implementation of a store, open in a directory of its own."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from isthmus.core.entry import LogEntry
from isthmus.storage.open import Storage, StorageLimits, open_storage
from isthmus.storage.sql.log_drain import DrainLimits
from isthmus.storage.sql.sqlite import SqliteLimits

# Nobody waits long for what is meant to fail.
LIMITS = StorageLimits(
    drain=DrainLimits(gather_seconds=0.001, retry_first_seconds=0.005, retry_last_seconds=0.02, close_seconds=0.2),
    sqlite=SqliteLimits(busy_seconds=0.02),
)


def make_entry(number: int = 0, **changes: Any) -> LogEntry:
    values: dict[str, Any] = {
        "id": f"entry-{number:06d}",
        "account_id": "account",
        "gateway_id": "gateway",
        "created_at": 1_700_000_000.25 + number,
        "end": "completed",
        "provider": "openai",
        "model": "gpt-5.5",
        "path": "/v1/chat/completions",
        "status_code": 200,
        "success": True,
        "duration_ms": 100 + number,
        "first_byte_ms": 10,
        "event_id": f"event-{number:06d}",
        "request_type": "chat",
    }
    return LogEntry(**values | changes)


@pytest.fixture
def entry() -> Callable[..., LogEntry]:
    return make_entry


@pytest.fixture
def limits() -> StorageLimits:
    return LIMITS


@pytest.fixture(params=["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each database that the stores run on: another one is another parameter."""
    return f"{request.param}:///{tmp_path}/isthmus.db"


@pytest.fixture
async def storage(database_url: str, tmp_path: Path, limits: StorageLimits) -> AsyncIterator[Storage]:
    opened = await open_storage(tmp_path, database_url, limits)
    yield opened
    await opened.aclose()
