"""Appends rows for ever and prints each id when `append` has returned. Run by the recovery test, which kills it."""

import asyncio
import os
import sys
from itertools import count
from pathlib import Path

from isthmus.core.entry import LogEntry
from isthmus.storage.journal import JournalLimits
from isthmus.storage.open import StorageLimits, open_storage
from isthmus.storage.sql.log_drain import DrainLimits

# Small, so that a kill meets every moment in the life of a segment and of a group.
LIMITS = StorageLimits(
    journal=JournalLimits(segment_bytes=4096), drain=DrainLimits(gather_seconds=0.002, group_bytes=3000)
)


async def append(directory: Path, database_url: str, first: int) -> None:
    storage = await open_storage(directory, database_url, LIMITS)
    for number in count(first):
        entry = LogEntry(
            id=f"entry-{number}",
            account_id="account",
            gateway_id="gateway",
            created_at=float(number),
            end="completed",
            provider="openai",
            model="gpt-5.5",
            path="/v1/chat/completions",
            status_code=200,
            success=True,
            duration_ms=1,
            first_byte_ms=None,
            event_id="event",
            request_type="chat",
            request_body=b"q" * (number % 700),
            response_body=b"a" * (number % 900),
        )
        storage.logs.append(entry)
        os.write(1, f"{entry.id}\n".encode())
        if number % 3 == 0:
            await asyncio.sleep(0)


asyncio.run(append(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
