"""The contract of `States`, put to each implementation, plain and encrypted."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from isthmus.core.account import Token
from isthmus.core.state import Context, Conversation, ItemQuery, Reach, StoredItem, StoredResponse
from isthmus.storage.encryption import KEY_FILE, AesGcm, BodyUnreadable, Encryption, Plain, encryption_of
from isthmus.storage.open import StorageLimits, open_storage
from isthmus.storage.protocols import ContextLimits, ContextTooLarge, States, StorageError
from isthmus.storage.sql.sqlite import SqliteDatabase
from isthmus.storage.sql.states.store import SqlStates

SECRET = "a secret of the operator's"
NOW = 1_000.0
A, B = Reach(account_id="a"), Reach(account_id="b")


@pytest.fixture(params=["off", "on"])
def encryption(request: pytest.FixtureRequest) -> Encryption:
    return AesGcm(SECRET) if request.param == "on" else Plain()


@pytest.fixture
async def states(
    database_url: str, tmp_path: Path, limits: StorageLimits, encryption: Encryption
) -> AsyncIterator[SqlStates]:
    opened = await open_storage(tmp_path, database_url, limits, encryption)
    yield opened.states
    await opened.aclose()


def response(number: int = 1, **given: Any) -> StoredResponse:
    values: dict[str, Any] = {
        "account_id": "a",
        "id": f"resp_{number}",
        "gateway_id": "default",
        "models": ("openai/gpt-5.5", "gpt-5.5"),
        "created_at": NOW,
        "expires_at": NOW + 100,
        "status": "completed",
        "body": b'{"id":"resp_%d"}' % number,
    }
    return StoredResponse(**values | given)


def turn(number: int) -> list[StoredItem]:
    return [
        StoredItem(id=f"msg_{number}", body=b'{"n":%d}' % number, kind="input"),
        StoredItem(id=f"out_{number}", body=b'{"m":%d}' % number, kind="output"),
    ]


def ids(context: Context | None) -> list[str]:
    assert context is not None
    return [item.id for item in context.items]


async def chain(states: States, length: int) -> None:
    for number in range(1, length + 1):
        previous = f"resp_{number - 1}" if number > 1 else None
        await states.responses.put(response(number, previous_id=previous), turn(number))


async def test_a_response_comes_back_as_it_was(states: SqlStates) -> None:
    full = response(previous_id="resp_0", conversation_id="conv_1", conversation_at=7, background=True)
    await states.responses.put(full, turn(1))
    assert await states.responses.get(A, "resp_1", NOW) == full


async def test_of_another_account_or_expired_or_unknown_it_is_not_there(states: SqlStates) -> None:
    await states.responses.put(response(), turn(1))
    for reach, response_id, now in ((B, "resp_1", NOW), (A, "resp_1", NOW + 100), (A, "resp_2", NOW)):
        assert await states.responses.get(reach, response_id, now) is None
        assert await states.responses.context(reach, response_id, now) is None
        assert await states.responses.remove(reach, response_id, now) is False
        assert await states.responses.find_items(reach, ["msg_1"] if now > NOW or reach is B else [], now) == {}
    assert await states.responses.get(A, "resp_1", NOW) is not None


def bound(**bounds: Any) -> Reach:
    values: dict[str, Any] = {"id": "t", "account_id": "a", "name": "", "digest": "", "permissions": ()}
    return Reach(account_id="a", token=Token(**values, created_at=NOW, **bounds))


@pytest.mark.parametrize(
    ("reach", "seen"),
    [
        (bound(), True),
        (bound(gateways=("other", "default")), True),
        (bound(gateways=("other",)), False),
        (bound(gateways=()), False),
        (bound(models=("OpenAI/*",)), True),
        (bound(models=("gpt-5.5",)), True),
        (bound(models=("anthropic/*",)), False),
        (bound(gateways=("default",), models=("anthropic/*",)), False),
        (bound(gateways=("other",), models=("openai/*",)), False),
    ],
)
async def test_beyond_a_callers_reach_it_is_not_there(states: SqlStates, reach: Reach, seen: bool) -> None:
    await chain(states, 2)
    conversation = Conversation(account_id="a", id="conv_1", gateway_id="default", created_at=NOW, expires_at=NOW + 9)
    await states.conversations.add(conversation, turn(3))
    at_hand = reach.sees("default")  # a conversation is no model's
    assert (await states.responses.get(reach, "resp_1", NOW) is not None) == seen
    assert (await states.responses.context(reach, "resp_2", NOW) is not None) == seen
    assert (await states.conversations.get(reach, "conv_1", NOW) is not None) == at_hand
    assert (await states.conversations.context(reach, "conv_1", NOW) is not None) == at_hand
    found = await states.responses.find_items(reach, ["msg_1", "msg_3"], NOW)
    assert list(found) == ["msg_1"] * seen + ["msg_3"] * at_hand
    assert await states.conversations.remove(reach, "conv_1", NOW) == at_hand
    assert await states.responses.remove(reach, "resp_1", NOW) == seen
    assert (await states.responses.get(A, "resp_1", NOW) is None) == seen


@pytest.mark.parametrize("change", [{"gateway_id": "other"}, {"models": ("anthropic/x",)}])
async def test_a_chain_with_a_link_beyond_reach_is_not_there(states: SqlStates, change: dict[str, Any]) -> None:
    reach = bound(gateways=("default",), models=("openai/*",))
    await states.responses.put(response(1, **change), turn(1))
    await states.responses.put(response(2, previous_id="resp_1"), turn(2))
    assert await states.responses.get(reach, "resp_2", NOW) is not None
    assert await states.responses.context(reach, "resp_2", NOW) is None
    assert len(ids(await states.responses.context(A, "resp_2", NOW))) == 4


async def test_a_context_is_the_whole_chain_oldest_first(states: SqlStates) -> None:
    await chain(states, 4)
    expected = [name for number in range(1, 5) for name in (f"msg_{number}", f"out_{number}")]
    assert ids(await states.responses.context(A, "resp_4", NOW)) == expected
    assert ids(await states.responses.context(A, "resp_2", NOW)) == expected[:4]


async def test_a_deleted_one_breaks_the_chain_and_takes_its_items_along(states: SqlStates) -> None:
    await chain(states, 3)
    assert await states.responses.remove(A, "resp_2", NOW) is True
    assert await states.responses.context(A, "resp_3", NOW) is None
    assert await states.responses.find_items(A, ["msg_2", "msg_3"], NOW) == {"msg_3": turn(3)[0]}
    assert await states.items(ItemQuery(account_id="a", owner_id="resp_2")) is not None
    assert ids(await states.responses.context(A, "resp_1", NOW)) == ["msg_1", "out_1"]


async def test_putting_again_replaces(states: SqlStates) -> None:
    first = await states.responses.put(response(status="in_progress"), turn(1))
    assert [each.id for each in await states.responses.running(10)] == ["resp_1"]
    again = await states.responses.put(response(), turn(1))
    assert again == first == await states.used("a")
    assert await states.responses.running(10) == []
    assert ids(await states.responses.context(A, "resp_1", NOW)) == ["msg_1", "out_1"]


async def test_bytes_are_counted_and_given_back(states: SqlStates) -> None:
    assert await states.used("a") == 0
    await chain(states, 2)
    conversation = Conversation(account_id="a", id="conv_1", gateway_id="default", created_at=NOW, expires_at=NOW + 50)
    both = await states.conversations.add(conversation, turn(9))
    assert both == await states.used("a") > 0
    assert await states.used("b") == 0
    await states.responses.remove(A, "resp_1", NOW)
    await states.conversations.remove(A, "conv_1", NOW)
    assert 0 < await states.used("a") < both
    assert await states.sweep(NOW + 100, 10) == 1
    assert await states.used("a") == 0


async def test_a_sweep_removes_what_has_expired_and_no_more_than_it_may(states: SqlStates) -> None:
    await chain(states, 3)
    await states.responses.put(response(4, expires_at=NOW + 500), turn(4))
    assert await states.sweep(NOW + 99, 10) == 0
    assert [await states.sweep(NOW + 100, 2) for _ in range(3)] == [2, 1, 0]
    assert await states.responses.get(A, "resp_4", NOW + 100) is not None


async def test_a_conversation_gathers_turns_and_outlives_them(states: SqlStates) -> None:
    conversation = Conversation(
        account_id="a",
        id="conv_1",
        gateway_id="default",
        created_at=NOW,
        expires_at=NOW + 10,
        metadata=b'{"topic":"x"}',
    )
    await states.conversations.add(conversation, turn(1))
    await states.responses.put(response(2, conversation_id="conv_1", conversation_at=2), turn(2))
    await states.responses.put(response(3, conversation_id="conv_1", status="failed"), turn(3))
    assert ids(await states.conversations.context(A, "conv_1", NOW)) == ["msg_1", "out_1", "msg_2", "out_2"]
    await states.responses.remove(A, "resp_2", NOW)
    kept = await states.conversations.get(A, "conv_1", NOW + 50)  # put off by the turn
    assert kept == msgspec.structs.replace(conversation, expires_at=NOW + 100)
    assert ids(await states.conversations.context(A, "conv_1", NOW)) == ["msg_1", "out_1", "msg_2", "out_2"]
    assert await states.conversations.get(B, "conv_1", NOW) is None


async def test_who_goes_on_from_a_turn_of_a_conversation_has_what_stood_before_it(states: SqlStates) -> None:
    conversation = Conversation(account_id="a", id="conv_1", gateway_id="default", created_at=NOW, expires_at=NOW + 10)
    await states.conversations.add(conversation, turn(1))
    for number in (2, 3):
        await states.responses.put(
            response(number, conversation_id="conv_1", conversation_at=2 * number - 2), turn(number)
        )
    assert ids(await states.responses.context(A, "resp_2", NOW)) == ["msg_1", "out_1", "msg_2", "out_2"]
    await states.conversations.remove(A, "conv_1", NOW)
    assert await states.responses.context(A, "resp_2", NOW) is None


async def test_items_of_a_conversation_one_by_one(states: SqlStates) -> None:
    conversation = Conversation(account_id="a", id="conv_1", gateway_id="default", created_at=NOW, expires_at=NOW + 10)
    await states.conversations.add(conversation, [])
    assert await states.conversations.add_items(conversation, turn(1)) == await states.used("a")
    assert await states.conversations.item("a", "conv_1", "out_1") == turn(1)[1]
    assert await states.conversations.item("b", "conv_1", "out_1") is None
    assert await states.conversations.remove_item("a", "conv_1", "msg_1") is True
    assert await states.conversations.remove_item("a", "conv_1", "msg_1") is False
    assert ids(await states.conversations.context(A, "conv_1", NOW)) == ["out_1"]
    other = msgspec.structs.replace(conversation, id="conv_2")
    assert await states.conversations.add_items(other, turn(2)) is None
    assert await states.conversations.change(other) is False
    changed = msgspec.structs.replace(conversation, metadata=b'{"a":"b"}')
    assert await states.conversations.change(changed) is True
    assert await states.conversations.get(A, "conv_1", NOW) == changed


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 10])
async def test_pages_hold_every_item_once(states: SqlStates, limit: int, descending: bool) -> None:
    many = [StoredItem(id=f"i{number}", body=b"{}") for number in range(7)]
    await states.responses.put(response(), [*many, StoredItem(id="o", body=b"{}", kind="output")])
    seen: list[str] = []
    more, after = True, None
    while more:
        query = ItemQuery(
            account_id="a", owner_id="resp_1", kind="input", limit=limit, descending=descending, after=after
        )
        page = await states.items(query)
        assert page is not None and 0 < len(page.items) <= limit
        seen += [item.id for item in page.items]
        more, after = page.has_more, seen[-1]
    expected = [item.id for item in many]
    assert seen == (expected[::-1] if descending else expected)


async def test_a_page_may_end_before_an_item_and_names_only_items_that_are_there(states: SqlStates) -> None:
    await states.responses.put(response(), [StoredItem(id=f"i{number}", body=b"{}") for number in range(5)])
    query = ItemQuery(account_id="a", owner_id="resp_1", descending=False, after="i0", before="i3")
    page = await states.items(query)
    assert page is not None and [item.id for item in page.items] == ["i1", "i2"]
    assert await states.items(msgspec.structs.replace(query, after="absent")) is None


@pytest.mark.parametrize("limits", [ContextLimits(turns=3), ContextLimits(items=7), ContextLimits(bytes=40)])
async def test_a_context_is_bounded(tmp_path: Path, limits: ContextLimits) -> None:
    opened = await open_storage(tmp_path, f"sqlite:///{tmp_path}/isthmus.db")
    states = SqlStates(opened.database, Plain(), limits)
    await chain(states, 5)
    assert len(ids(await states.responses.context(A, "resp_2", NOW))) == 4
    with pytest.raises(ContextTooLarge, match="more than"):
        await states.responses.context(A, "resp_5", NOW)
    await opened.aclose()


# --- encryption -----------------------------------------------------------------------------------------------------


async def test_nothing_that_was_said_stands_in_the_file(tmp_path: Path) -> None:
    secret_words = b"the whale is in the bay"
    opened = await open_storage(tmp_path, f"sqlite:///{tmp_path}/x.db", encryption=AesGcm(SECRET))
    said = StoredItem(id="msg_1", body=b'{"text":"%b"}' % secret_words)
    await opened.states.responses.put(response(body=b'{"said":"%b"}' % secret_words), [said])
    await opened.states.conversations.add(
        Conversation(
            account_id="a", id="conv_1", gateway_id="default", created_at=NOW, expires_at=NOW + 1, metadata=secret_words
        ),
        [said],
    )
    assert (await opened.states.responses.find_items(A, ["msg_1"], NOW))["msg_1"] == said
    await opened.aclose()
    for path in tmp_path.glob("x.db*"):
        assert secret_words not in path.read_bytes()


async def test_another_key_and_no_key_are_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    opened = await open_storage(tmp_path, url, encryption=AesGcm(SECRET))
    await opened.states.responses.put(response(), turn(1))
    await opened.aclose()
    for wrong, told in ((AesGcm("another"), "does not open with this server's key"), (Plain(), "without a key")):
        opened = await open_storage(tmp_path, url, encryption=wrong)
        with pytest.raises(BodyUnreadable, match=told):
            await opened.states.check_key()
        with pytest.raises(BodyUnreadable, match=told):
            await opened.states.responses.get(A, "resp_1", NOW)
        with pytest.raises(BodyUnreadable, match=told):
            await opened.states.responses.context(A, "resp_1", NOW)
        await opened.aclose()


async def test_a_body_is_bound_to_its_place(tmp_path: Path) -> None:
    opened = await open_storage(tmp_path, f"sqlite:///{tmp_path}/x.db", encryption=AesGcm(SECRET))
    await opened.states.responses.put(response(1), turn(1))
    await opened.states.responses.put(response(2, account_id="b"), turn(2))
    await opened.aclose()
    with sqlite3.connect(tmp_path / "x.db") as connection:
        connection.execute(
            "UPDATE state_responses SET body = (SELECT body FROM state_responses WHERE account_id = 'a')"
        )
        connection.execute("UPDATE state_items SET body = (SELECT body FROM state_items WHERE id = 'msg_1')")
    connection.close()
    opened = await open_storage(tmp_path, f"sqlite:///{tmp_path}/x.db", encryption=AesGcm(SECRET))
    assert await opened.states.responses.get(A, "resp_1", NOW) is not None
    with pytest.raises(BodyUnreadable):
        await opened.states.responses.get(B, "resp_2", NOW)
    with pytest.raises(BodyUnreadable):
        await opened.states.responses.find_items(A, ["out_1"], NOW)
    await opened.aclose()


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    sealed = encryption_of(True, None, tmp_path).seal(b"body", "place")
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert encryption_of(True, None, tmp_path).open(sealed, "place") == b"body"
    after_off = encryption_of(False, None, tmp_path)
    assert after_off.open(sealed, "place") == b"body"
    assert after_off.open(after_off.seal(b"new", "p"), "p") == b"new" and b"new" in after_off.seal(b"new", "p")
    with pytest.raises(BodyUnreadable):
        encryption_of(True, "given", tmp_path).open(sealed, "place")
    with pytest.raises(BodyUnreadable):
        encryption_of(True, None, tmp_path).open(sealed, "pla", "ce")
    (tmp_path / KEY_FILE).write_text("")
    with pytest.raises(StorageError, match="is empty"):
        encryption_of(True, None, tmp_path)


def test_where_it_is_off_no_key_is_made(tmp_path: Path) -> None:
    assert isinstance(encryption_of(False, None, tmp_path), Plain)
    assert list(tmp_path.iterdir()) == []


async def test_a_store_that_does_not_answer_raises(tmp_path: Path) -> None:
    states = SqlStates(SqliteDatabase(tmp_path / "absent.db"), Plain())
    with pytest.raises(StorageError):
        await states.responses.get(A, "resp_1", NOW)
