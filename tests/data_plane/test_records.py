"""What a call's row tells of it: every field, the payloads and their limits, what callers may say about it; and that a
dead log store stops no call and loses no row (data-plane 11)."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.chat.request import Chat
from isthmus.core.gateway import DEFAULT_SETTINGS, Gateway
from isthmus.core.ids import uuid7
from isthmus.core.reply import Frame, Reply
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.egress import Egress
from isthmus.data_plane.routes import POST
from isthmus.data_plane.send import EgressLimits
from isthmus.policies.record import record
from isthmus.providers.models import ModelTable
from isthmus.simulator import Fault, Simulator
from isthmus.wire.registry import DIALECTS

CHAT, RESPONSES, MESSAGES, RUN = "v1/chat/completions", "v1/responses", "v1/messages", "run"
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
NATIVE = [(CHAT, "openai/gpt-4o"), (RESPONSES, "openai/gpt-4o"), (MESSAGES, "anthropic/claude-haiku-4.5")]
TRANSLATED = [
    (CHAT, "anthropic/claude-haiku-4.5"),
    (RESPONSES, "anthropic/claude-haiku-4.5"),
    (MESSAGES, "openai/gpt-4o"),
]


def body(path: str, model: str, text: str = "echo: one two three", **more: Any) -> bytes:
    asked = {"model": model, **more}
    if path == RESPONSES:
        return msgspec.json.encode(asked | {"input": text, "max_output_tokens": 16000})
    return msgspec.json.encode(asked | {"messages": [{"role": "user", "content": text}], "max_tokens": 16000})


async def row_of(gateway: Any, answer: httpx.Response, name: str = "default") -> dict[str, Any]:
    """As it is shown alone, with the beginnings of the payloads."""
    found = await gateway.manage("GET", f"gateways/{name}/logs/{answer.headers['cf-aig-log-id']}")
    assert found.status_code == 200, found.text
    row: dict[str, Any] = found.json()["result"]
    return row


async def payload(gateway: Any, row: dict[str, Any], which: str) -> httpx.Response:
    answer: httpx.Response = await gateway.manage("GET", f"gateways/default/logs/{row['id']}/{which}")
    return answer


async def test_every_field_of_a_whole_answer(gateway: Any) -> None:
    sent = body(CHAT, "openai/gpt-4o")
    before = time.time()
    headers = {
        "cf-aig-metadata": '{"team":"red","n":7}',
        "cf-aig-event-id": "event-1",
        "user-agent": "caller/1.0",
        "content-type": "application/json; charset=utf-8",
    }
    answer = await gateway.post(CHAT, sent, headers=headers)
    row = await row_of(gateway, answer)
    assert UUID7.fullmatch(row["id"]) and row["id"] == answer.headers["cf-aig-request-id"]
    created = datetime.fromisoformat(row.pop("created_at")).timestamp()
    assert before - 1 <= created <= time.time()
    assert 0 <= row.pop("first_byte") <= row.pop("duration") < 10_000
    said = answer.json()
    usage = said["usage"]
    tokens_in, tokens_out = usage["prompt_tokens"], usage["completion_tokens"]
    assert tokens_in > 0 and tokens_out > 0
    assert row == {
        "id": answer.headers["cf-aig-log-id"],
        "provider": "openai",
        "model": "openai/gpt-4o",
        "model_type": "Text Generation",
        "path": f"{gateway.account}/ai/{CHAT}",
        "request_type": "chat.completions",
        "request_content_type": "application/json; charset=utf-8",
        "response_content_type": "application/json",
        "status_code": 200,
        "success": True,
        "end": "completed",
        "finish_reason": "stop",
        "streamed": False,
        "cached": False,
        "step": 0,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "cached_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "usage_metadata": {
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        },
        "metadata": '{"team":"red","n":7}',
        "event_id": "event-1",
        "user_agent": "caller/1.0",
        "authentication": True,
        "wholesale": True,
        "request_size": len(sent),
        "response_size": len(answer.content),
        "request_head": sent.decode(),
        "request_head_complete": True,
        "response_head": answer.text,
        "response_head_complete": True,
    }
    assert answer.headers["cf-aig-event-id"] == "event-1"
    assert (await payload(gateway, row, "request")).content == sent
    assert (await payload(gateway, row, "response")).content == answer.content


@pytest.mark.parametrize("stream", [False, True])
async def test_payloads_are_kept_as_they_were(gateway: Any, stream: bool) -> None:
    for path, model in NATIVE + TRANSLATED:
        sent = body(path, model, stream=stream)
        answer = await gateway.post(path, sent)
        row = await row_of(gateway, answer)
        assert row["streamed"] is stream and row["request_type"] in path.replace("/", ".")
        assert row["response_content_type"] == answer.headers["content-type"]
        assert (row["request_size"], row["response_size"]) == (len(sent), len(answer.content))
        assert (await payload(gateway, row, "request")).content == sent
        kept = (await payload(gateway, row, "response")).content
        assert (msgspec.json.decode(kept) if stream else kept) == (answer.text if stream else answer.content)
        assert row["tokens_in"] > 0 and row["tokens_out"] > 0 and row["finish_reason"] == "stop"
        assert row["event_id"] == row["id"] == answer.headers["cf-aig-event-id"]


async def test_the_envelope_of_run_counts(gateway: Any) -> None:
    answer = await gateway.post(RUN, {"model": "openai/gpt-4o", "input": msgspec.json.decode(body(CHAT, "x"))})
    row = await row_of(gateway, answer)
    assert row["response_size"] == len(answer.content) and row["response_head"] == answer.text[:1000]
    assert (row["request_type"], row["path"]) == ("run", f"{gateway.account}/ai/run")


@pytest.mark.parametrize("bound", [0, 1000, 20_000])
async def test_long_payloads_are_kept_up_to_a_bound(start_gateway: Any, bound: int) -> None:
    """What stands at either end of an answer is read all the same: Anthropic tells its input tokens in the first
    event, and everybody the others in the last."""
    gateway = await start_gateway(log_body_bytes=bound)
    text = "x" * 5000 + " [[sim: events=12 event_bytes=20000]]"
    for path, model in NATIVE + TRANSLATED:
        for stream in (False, True):
            sent = body(path, model, text, stream=stream)
            answer = await gateway.post(path, sent)
            assert len(answer.content) > 2 * bound
            row = await row_of(gateway, answer)
            assert (row["request_size"], row["response_size"]) == (len(sent), len(answer.content))
            assert row["tokens_in"] > 600 and row["tokens_out"] > 600, (path, model, stream)
            assert row["finish_reason"] in ("stop", "length")
            for which, all_of_it in (("request", sent), ("response", answer.content)):
                kept = await payload(gateway, row, which)
                if not bound:
                    assert kept.status_code == 404 and f"{which}_head" not in row
                    continue
                if len(all_of_it) <= bound:
                    assert kept.content == all_of_it
                    continue
                assert kept.headers["x-isthmus-payload"] == "truncated"
                assert kept.json() == all_of_it[:bound].decode(), (path, model, stream, which)
                assert row[f"{which}_head"] == all_of_it[:1000].decode() and row[f"{which}_head_complete"] is False


async def test_first_byte_and_duration(gateway: Any, simulator: Simulator) -> None:
    simulator.next(Fault(slow_first_byte_ms=60))
    row = await row_of(gateway, await gateway.post(CHAT, body(CHAT, "openai/gpt-4o")))
    assert row["duration"] >= row["first_byte"] >= 50
    simulator.next(Fault(events=3, delay_ms=20))
    row = await row_of(gateway, await gateway.post(CHAT, body(CHAT, "openai/gpt-4o", "go on", stream=True)))
    assert row["duration"] >= 80 and row["duration"] - row["first_byte"] >= 50


async def test_calls_that_reach_no_provider(gateway: Any) -> None:
    answer = await gateway.post(CHAT, b'{"model":"nobody/gpt","messages":[{"role":"user","content":"hi"}]}')
    row = await row_of(gateway, answer)
    assert (row["provider"], row["model"], row["status_code"], row["end"]) == ("", "nobody/gpt", 404, "refused")
    assert row["error_code"] == 7003 and "nobody/gpt" in row["error_message"]
    assert row["first_byte"] is None and row["tokens_in"] is None and row["wholesale"] is False
    assert row["request_head"].startswith('{"model":"nobody/gpt"') and row["response_head"] == answer.text


# What callers may say about their rows.


async def made(gateway: Any, name: str, **changes: Any) -> str:
    settings = {
        "cache_invalidate_on_update": False,
        "cache_ttl": 0,
        "rate_limiting_interval": 0,
        "rate_limiting_limit": 0,
        "collect_logs": True,
    }
    answer = await gateway.manage("POST", "gateways", {"id": name, **settings, **changes})
    assert answer.status_code == 200, answer.text
    return name


COLLECT: list[tuple[bool, dict[str, str], bool, bool]] = [
    # the gateway collects, the caller's headers, a row, with payloads
    (True, {}, True, True),
    (False, {}, False, False),
    (False, {"cf-aig-collect-log": "true"}, True, True),
    (True, {"cf-aig-collect-log": "false"}, False, False),
    (True, {"cf-aig-collect-log": "FALSE"}, False, False),
    (True, {"cf-aig-collect-log": "perhaps"}, True, True),
    (True, {"cf-aig-collect-log-payload": "false"}, True, False),
    (False, {"cf-aig-collect-log": "true", "cf-aig-collect-log-payload": "false"}, True, False),
    (True, {"cf-aig-collect-log": "false", "cf-aig-collect-log-payload": "true"}, False, False),
]


async def test_55_collecting(gateway: Any) -> None:
    names = {True: await made(gateway, "collects"), False: await made(gateway, "silent", collect_logs=False)}
    for collects, headers, row_is_there, payload_is_there in COLLECT:
        for stream in (False, True):
            name = names[collects]
            before = len(await gateway.rows(name))
            sent = body(CHAT, "openai/gpt-4o", stream=stream)
            answer = await gateway.post(CHAT, sent, headers={"cf-aig-gateway-id": name, **headers})
            assert answer.status_code == 200
            assert len(await gateway.rows(name)) == before + row_is_there
            assert ("cf-aig-log-id" in answer.headers) is row_is_there
            assert answer.headers["cf-aig-request-id"]
            if row_is_there:
                row = await row_of(gateway, answer, name)
                assert ("request_head" in row and "response_head" in row) is payload_is_there
                assert row["request_size"] == len(sent) and row["response_size"] == len(answer.content)
                assert row["tokens_in"] > 0


async def test_17_the_log_id_names_a_row_of_every_end(gateway: Any, simulator: Simulator) -> None:
    for fault in (Fault(), Fault(status=429), Fault(kind="reset"), Fault(cut_after=3), Fault(end_after=0)):
        for stream in (False, True):
            simulator.on(lambda request: True, fault)
            answer = await gateway.post(CHAT, body(CHAT, "openai/gpt-4o", stream=stream))
            assert (await row_of(gateway, answer))["status_code"] == answer.status_code
            simulator.clear()


METADATA = {
    '{"a":1,"b":"two","c":true,"d":null,"e":1.5}': '{"a":1,"b":"two","c":true,"d":null,"e":1.5}',
    '{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6}': '{"1":1,"2":2,"3":3,"4":4,"5":5}',
    '{"a":{"b":1},"c":[1],"d":2}': '{"d":2}',
    '{"cf.user_id":"x","cf.":1,"cf":2}': '{"cf":2}',
    '{"big":9007199254740993}': '{"big":"9007199254740993"}',
    "{}": None,
    "[]": None,
    "{not json": None,
    '{"a":1}{': None,
}


async def test_56_metadata(gateway: Any) -> None:
    for given, kept in METADATA.items():
        answer = await gateway.post(CHAT, body(CHAT, "openai/gpt-4o"), headers={"cf-aig-metadata": given})
        assert answer.status_code == 200
        assert (await row_of(gateway, answer)).get("metadata") == kept


async def test_event_ids_that_are_none(gateway: Any) -> None:
    for given in ("", "with blanks in it", "x" * 129):
        answer = await gateway.post(CHAT, body(CHAT, "openai/gpt-4o"), headers={"cf-aig-event-id": given})
        row = await row_of(gateway, answer)
        assert row["event_id"] == row["id"] == answer.headers["cf-aig-event-id"]


# A dead store.


async def test_a_locked_database_stops_no_call_and_loses_no_row(start_gateway: Any, tmp_path: Path) -> None:
    gateway = await start_gateway()
    await gateway.post(CHAT, body(CHAT, "openai/gpt-4o"))
    assert len(await gateway.rows()) == 1
    other = sqlite3.connect(tmp_path / "data0" / "isthmus.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        started = time.monotonic()
        answers = []
        for path, model in NATIVE + TRANSLATED:
            for stream in (False, True):
                answers.append(await gateway.post(path, body(path, model, stream=stream)))
        assert time.monotonic() - started < 3
        assert {answer.status_code for answer in answers} == {200}
    finally:
        other.execute("ROLLBACK")
        other.close()
    async with asyncio.timeout(10):
        while len(rows := await gateway.rows()) < 1 + len(answers):
            await asyncio.sleep(0.01)
    assert {answer.headers["cf-aig-log-id"] for answer in answers} < {row["id"] for row in rows}
    assert len({row["id"] for row in rows}) == len(rows) == 1 + len(answers)


# A mistake of ours.


class Listening:
    """A caller who keeps what he is given."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.complete = False

    async def respond(self, status: int, headers: Any, body: bytes, more_body: bool = False) -> None:
        assert self.status == 0
        self.status = status
        await self.pass_on(body, more_body)

    async def pass_on(self, body: bytes, more_body: bool = True) -> None:
        assert not self.complete
        self.body += body
        self.complete = not more_body


SOUND = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("begun", [False, True])
async def test_a_mistake_of_ours_in_an_answer_is_told_and_recorded(stream: bool, begun: bool) -> None:
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=ModelTable({}, {}))
    call = Call(uuid7(), POST[MESSAGES], "a", "/ai/v1/messages", {}, snapshot)
    call.gateway = Gateway(id="default", account_id="a", settings=DEFAULT_SETTINGS, created_at=0.0, modified_at=0.0)
    call.target = Target(provider="openai", model="m", name="openai/m", dialect="openai_chat")
    call.chat, call.stream = Chat(model="openai/m", messages=()), stream
    closed, rows = [], []

    async def frames() -> AsyncIterator[Frame]:
        if begun:
            yield Frame(SOUND, DIALECTS["openai_chat"].reader(False))
        raise ZeroDivisionError("secret detail")

    async def answered(call: Call) -> Reply:
        reply = Reply(200, content_type=b"text/event-stream", dialect="openai_chat", whole=False, frames=frames())

        async def close() -> None:
            closed.append(reply)

        reply.when_closed(close)
        return reply

    reply = await record(rows.append, 1000)(call, answered)
    caller = Listening()
    await Egress(DIALECTS, EgressLimits()).deliver(call, reply, caller)
    assert caller.complete and closed == [reply]
    assert b"secret" not in caller.body and b'"api_error"' in caller.body
    assert caller.status == (200 if stream and begun else 500)
    assert (b"message_start" in caller.body) is (stream and begun)
    (row,) = rows
    assert (row.end, row.success, row.status_code) == ("failed", False, caller.status)
    assert row.response_body == caller.body
