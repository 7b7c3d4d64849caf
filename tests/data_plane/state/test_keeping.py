"""How long, how much, and how safely things are kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from data_plane.state.conftest import ANTHROPIC, OPENAI, Begin, Stateful
from isthmus.core.state import Reach, StoredResponse
from isthmus.data_plane.state.keeper import DAY_SECONDS, Keeper, StateLimits
from isthmus.data_plane.state.sweeper import Sweeper
from isthmus.errors import InternalError, InvalidRequest
from isthmus.settings import OperatorError
from isthmus.storage.encryption import KEY_FILE, Plain
from isthmus.storage.open import open_storage
from isthmus.storage.sql.sqlite import SqliteDatabase
from isthmus.storage.sql.states.store import SqlStates

WORDS = "the whale is in the bay"
UNLOGGED = {"cf-aig-collect-log-payload": "false"}


class HeldClock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")


async def test_what_was_said_outlives_a_restart(begin: Begin) -> None:
    stateful = await begin()
    first = await stateful.create(model=OPENAI, input="echo: one fish")
    again = await begin()
    assert await again.get(f"responses/{first['id']}") == first
    await again.create(model=ANTHROPIC, input="and?", previous_response_id=first["id"])
    assert "one fish" in str(again.sent())


async def test_after_the_days_of_retention_it_is_gone(tmp_path: Path) -> None:
    storage = await open_storage(tmp_path, f"sqlite:///{tmp_path}/isthmus.db")
    clock = HeldClock()
    keeper = Keeper(storage.states, clock, StateLimits(retention_days=30))
    kept = StoredResponse(
        account_id="a",
        id="resp_1",
        gateway_id="default",
        models=(OPENAI,),
        created_at=clock.now(),
        expires_at=keeper.expiry(),
        status="completed",
        body=b"{}",
    )
    await storage.states.responses.put(kept, [])
    sweeper = Sweeper(storage.states, clock)
    clock.time += 30 * DAY_SECONDS - 1
    await sweeper.sweep()
    assert await keeper.response_context(Reach(account_id="a"), "resp_1") is not None
    clock.time += 1
    assert await keeper.response_context(Reach(account_id="a"), "resp_1") is None  # at once, swept or not
    assert await storage.states.used("a") > 0
    await sweeper.sweep()
    assert await storage.states.used("a") == 0
    await storage.aclose()


async def test_a_full_account_is_told_what_to_do_and_others_are_answered(begin: Begin) -> None:
    stateful = await begin(state_max_bytes=2048)
    first = await stateful.create(model=OPENAI, input="echo: " + "x" * 3000)
    for body in ({"store": True}, {"conversation": "conv_1"}):
        answer = await stateful.client.post("responses", json={"model": OPENAI, "input": "hi", **body})
        assert answer.status_code == 400 and "--state-max-bytes" in answer.text
    answer = await stateful.client.post("conversations", json={})
    assert answer.status_code == 400
    unsaid = await stateful.create(model=OPENAI, input="hi")
    assert unsaid["store"] is False
    assert (await stateful.other.post("responses", json={"model": OPENAI, "input": "hi", "store": True})).json()[
        "store"
    ]
    await stateful.client.delete(f"responses/{first['id']}")
    assert (await stateful.create(model=OPENAI, input="hi", store=True))["store"] is True


@pytest.mark.parametrize("secret", [None, "the operator's own key"])
async def test_encrypted_nothing_of_it_can_be_read_in_the_file(
    begin: Begin, tmp_path: Path, secret: str | None
) -> None:
    settings: dict[str, Any] = {"state_encryption": "on", "secret_key": secret}
    stateful = await begin(**settings)
    stateful.client.headers.update(UNLOGGED)
    first = await stateful.create(model=OPENAI, input=f"echo: {WORDS}", metadata={"about": WORDS})
    await stateful.client.post("conversations", json={"items": [{"role": "user", "content": WORDS}]})
    again = await begin(**settings)
    assert (await again.get(f"responses/{first['id']}"))["output"] == first["output"]
    await again.client.aclose()
    assert (tmp_path / "data" / KEY_FILE).exists() is (secret is None)
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file() and "models" not in path.parts:
            assert WORDS.encode() not in path.read_bytes(), path
    with pytest.raises(OperatorError, match="does not open with this server's key"):
        await begin(state_encryption="on", secret_key="another key of the operator's")


async def test_without_encryption_it_is_plain(begin: Begin, tmp_path: Path) -> None:
    stateful = await begin()
    stateful.client.headers.update(UNLOGGED)
    await stateful.create(model=OPENAI, input=f"echo: {WORDS}")
    await begin()
    with sqlite3.connect(tmp_path / "data" / "isthmus.db") as connection:
        bodies = b"".join(row[0] for row in connection.execute("SELECT body FROM state_items"))
    connection.close()
    assert WORDS.encode() in bodies and not (tmp_path / "data" / KEY_FILE).exists()


async def test_a_store_that_does_not_answer_costs_no_answer(stateful: Stateful, tmp_path: Path) -> None:
    first = await stateful.create(model=OPENAI, input="hello")
    with sqlite3.connect(tmp_path / "data" / "isthmus.db", isolation_level=None) as connection:
        for table in ("state_items", "state_responses"):
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        unkept = await stateful.create(model=OPENAI, input="hello", stream=True)
        assert unkept["status"] == "completed"
        await stateful.create(model=OPENAI, input="hello", store=False)
        for path in (f"responses/{first['id']}", f"responses/{first['id']}/input_items"):
            assert (await stateful.client.get(path)).status_code == 503
        asked = {"model": OPENAI, "input": "hello", "previous_response_id": first["id"]}
        assert (await stateful.client.post("responses", json=asked)).status_code == 503
        for table in ("state_items", "state_responses"):
            connection.execute(f"ALTER TABLE {table}_away RENAME TO {table}")
    connection.close()
    assert (await stateful.client.get(f"responses/{unkept['id']}")).status_code == 404
    assert await stateful.get(f"responses/{first['id']}") == first


async def test_while_the_store_is_locked_answers_wait_once_and_are_kept_later(
    stateful: Stateful, tmp_path: Path
) -> None:
    await stateful.create(model=OPENAI, input="hello")
    with sqlite3.connect(tmp_path / "data" / "isthmus.db", isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        answers = [await stateful.create(model=OPENAI, input="hello") for _ in range(3)]
        connection.execute("ROLLBACK")
    connection.close()
    while (await stateful.client.get(f"responses/{answers[-1]['id']}")).status_code == 404:
        pass
    assert [await stateful.get(f"responses/{each['id']}") for each in answers] == answers


async def test_a_context_that_is_too_long_is_told_what_to_do(tmp_path: Path) -> None:
    from isthmus.storage.protocols import ContextTooLarge

    keeper = Keeper(SqlStates(SqliteDatabase(tmp_path / "x.db"), Plain()), HeldClock(), StateLimits())

    async def too_long() -> None:
        raise ContextTooLarge("more than 10 items")

    with pytest.raises(InvalidRequest, match=r"more than 10 items.*responses/compact"):
        await keeper.waited(too_long())
    with pytest.raises(InternalError, match="does not answer"):
        await keeper.response_context(Reach(account_id="a"), "resp_1")
