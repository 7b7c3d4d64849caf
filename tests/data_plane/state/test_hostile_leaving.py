"""Callers who ask for an answer in the background and leave before they know of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from conftest import StartGateway

ASKED = msgspec.json.encode({"model": "openai/gpt-4o", "input": "Say hello.", "background": True})
ROUND_TRIPS = 20


async def test_nothing_is_queued_for_good(start_gateway: StartGateway, tmp_path: Path) -> None:
    """The database is held, so that they leave while the response is on its way into it."""
    gateway = await start_gateway()
    assert (await gateway.post("v1/responses", ASKED)).status_code == 200
    path = tmp_path / "data0" / "isthmus.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            _, writer = await gateway.connect()
            writer.write(gateway.request("v1/responses", ASKED))
            for _ in range(ROUND_TRIPS):
                assert (await gateway.client.get("/health/live")).status_code == 200
            writer.transport.abort()
        for _ in range(ROUND_TRIPS):
            assert (await gateway.client.get("/health/live")).status_code == 200
        database.execute("COMMIT")
        while len(rows := await gateway.rows()) < 4:
            pass
        assert sorted(row["status_code"] for row in rows) == [200, 499, 499, 499]
        kept = database.execute("SELECT status FROM state_responses").fetchall()
        assert kept == [("completed",)]
        assert database.execute("SELECT COUNT(DISTINCT owner_id) FROM state_items").fetchall() == [(1,)]
