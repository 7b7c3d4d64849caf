"""Each fault, as a raw client sees it; scripted in process, and asked for by the request itself."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from isthmus.simulator import Fault, Simulator

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
MESSAGES = "/v1/messages"
PATHS = (CHAT, RESPONSES, MESSAGES)


def asking(path: str, text: str = "hello", stream: bool = False) -> dict[str, Any]:
    model = "claude-haiku-4-5" if path == MESSAGES else "gpt-4o"
    said = {"input": text} if path == RESPONSES else {"messages": [{"role": "user", "content": text}]}
    limit = {"max_tokens": 500} if path == MESSAGES else {}
    return {"model": model, **said, **limit, "stream": stream}


def blocks(body: bytes) -> list[bytes]:
    return body.split(b"\n\n")[:-1]


STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 503, 504, 529)
NEWER_THAN_THE_DOCUMENT = (409, 413)  # conflict_error, request_too_large


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("path", PATHS)
async def test_genuine_error(
    path: str, status: int, simulator: Simulator, caller: Any, openai_schemas: Any, anthropic_schemas: Any
) -> None:
    simulator.next(Fault(status=status, retry_after=7))
    reply = await caller.post(path, asking(path))
    assert reply.status == status and reply.complete
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["retry-after"] == "7"
    if path == MESSAGES:
        assert reply.headers["request-id"] == reply.json()["request_id"]
        if status not in NEWER_THAN_THE_DOCUMENT:
            anthropic_schemas.check("ErrorResponse", reply.json())
    else:
        assert reply.headers["x-request-id"].startswith("req_")
        openai_schemas.check("ErrorResponse", reply.json())
    assert (await caller.post(path, asking(path))).status == 200


async def test_bad_gateway_is_the_edge_speaking(simulator: Simulator, caller: Any) -> None:
    simulator.next(Fault(status=502))
    reply = await caller.post(CHAT, asking(CHAT))
    assert reply.status == 502 and reply.headers["content-type"] == "text/html" and reply.body.startswith(b"<html>")


async def test_out_of_credit(simulator: Simulator, caller: Any) -> None:
    simulator.next(Fault(kind="out_of_credit"), Fault(kind="out_of_credit"))
    openai = await caller.post(CHAT, asking(CHAT))
    assert (openai.status, openai.json()["error"]["code"]) == (429, "insufficient_quota")
    anthropic = await caller.post(MESSAGES, asking(MESSAGES))
    assert anthropic.status == 400 and "credit balance is too low" in anthropic.json()["error"]["message"]


@pytest.mark.parametrize("path", PATHS)
async def test_directive_in_the_text(path: str, caller: Any) -> None:
    reply = await caller.post(path, asking(path, "hi [[sim: fault=429 retry_after=3]]"))
    assert (reply.status, reply.headers["retry-after"]) == (429, "3")


async def test_directive_in_a_header(caller: Any) -> None:
    headers = {"authorization": "Bearer k", "content-type": "application/json", "x-sim": "fault=503"}
    assert (await caller.post(CHAT, asking(CHAT, "[[sim: fault=429]]"), headers)).status == 503


@pytest.mark.parametrize("directive", ["fualt=429", "fault=418", "fault=flood", "events=0", "events", "delay_ms=soon"])
@pytest.mark.parametrize("path", PATHS)
async def test_unknown_directive_is_refused(path: str, directive: str, caller: Any) -> None:
    reply = await caller.post(path, asking(path, f"[[sim: {directive}]]"))
    assert reply.status == 400 and directive in reply.json()["error"]["message"]


async def test_directive_of_an_earlier_message_is_over(caller: Any) -> None:
    messages = [
        {"role": "user", "content": "[[sim: fault=429]]"},
        {"role": "assistant", "content": "Sorry."},
        {"role": "user", "content": "again"},
    ]
    assert (await caller.post(CHAT, {"model": "gpt-4o", "messages": messages})).status == 200


async def test_fault_does_not_hide_a_broken_rule(simulator: Simulator, caller: Any) -> None:
    simulator.on(lambda _: True, Fault(kind="reset", slow_first_byte_ms=60_000))
    for path in PATHS:
        reply = await caller.post(path, {**asking(path), "temperature": "hot"})
        assert reply.status == 400 and "temperature" in reply.json()["error"]["message"]


async def test_error_event_of_a_whole_answer_is_the_error(caller: Any) -> None:
    for path, status in ((CHAT, 500), (RESPONSES, 500), (MESSAGES, 529)):
        assert (await caller.post(path, asking(path, "[[sim: error_event=2]]"))).status == status


async def test_standing_fault(simulator: Simulator, caller: Any) -> None:
    simulator.on(lambda request: request.path == MESSAGES, Fault(status=529))
    simulator.next(Fault(status=500))
    statuses = [(await caller.post(path, asking(path))).status for path in (MESSAGES, MESSAGES, CHAT)]
    assert statuses == [500, 529, 200]
    simulator.clear()
    assert (await caller.post(MESSAGES, asking(MESSAGES))).status == 200


def test_fault_that_cannot_be() -> None:
    for wrong in ({"status": 418}, {"kind": "flood"}, {"events": 1000, "event_bytes": 2_000_000}):
        with pytest.raises(ValueError, match=r"known|over"):
            Fault(**wrong)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
async def test_nothing_but_the_end(path: str, stream: bool, simulator: Simulator, caller: Any) -> None:
    simulator.next(Fault(kind="close"))
    reader, writer = await caller.open(path, asking(path, stream=stream))
    assert await reader.read() == b""
    writer.close()
    assert not simulator.requests[-1].closed_early.is_set()


@pytest.mark.parametrize("after", [None, 0, 2])
async def test_reset(after: int | None, simulator: Simulator, caller: Any) -> None:
    simulator.next(Fault(kind="reset") if after is None else Fault(reset_after=after))
    reader, writer = await caller.open(CHAT, asking(CHAT, stream=True))
    received = b""
    with pytest.raises(ConnectionResetError):
        while data := await reader.read(65536):
            received += data
    writer.close()
    assert received.count(b"data: ") == (after or 0)
    assert bool(received) is (after is not None)


@pytest.mark.parametrize("path", PATHS)
async def test_cut_in_mid_event(path: str, caller: Any, simulator: Simulator) -> None:
    reply = await caller.post(path, asking(path, "[[sim: cut_after=3]]", stream=True))
    assert reply.status == 200 and not reply.complete
    *whole, part = reply.body.split(b"\n\n")
    assert len(whole) == 3 and part and not part.endswith(b"}")
    assert simulator.requests[-1].events_sent == 3


async def test_cut_in_a_whole_answer(caller: Any) -> None:
    reply = await caller.post(CHAT, asking(CHAT, "[[sim: cut_after=1]]"))
    assert reply.status == 200 and not reply.complete
    assert int(reply.headers["content-length"]) > len(reply.body) > 0


async def test_fault_past_the_end_strikes_the_last_event(caller: Any) -> None:
    reply = await caller.post(CHAT, asking(CHAT, "[[sim: cut_after=999 events=2]]", stream=True))
    assert not reply.complete and len(blocks(reply.body)) == 4


@pytest.mark.parametrize("path", PATHS)
async def test_stall(path: str, simulator: Simulator, caller: Any) -> None:
    reader, writer = await caller.open(path, asking(path, "[[sim: stall_after=2]]", stream=True))
    received = b""
    while received.count(b"\n\n") < 2:
        received += await reader.read(65536)
    request = await simulator.seen(1)
    assert not request.answered.is_set() and not request.closed_early.is_set()
    writer.close()
    async with asyncio.timeout(10):
        await request.closed_early.wait()
    assert request.left_at is not None and request.left_at >= request.received_at
    assert request.events_sent == 2


@pytest.mark.parametrize("path", PATHS)
async def test_truncated(path: str, caller: Any) -> None:
    whole = await caller.post(path, asking(path, "[[sim: truncated]]"))
    assert not whole.complete and whole.json()
    streamed = await caller.post(path, asking(path, "[[sim: truncated]]", stream=True))
    assert not streamed.complete and streamed.events()


@pytest.mark.parametrize("path", PATHS)
async def test_malformed_json(path: str, caller: Any) -> None:
    whole = await caller.post(path, asking(path, "[[sim: malformed_json]]"))
    assert whole.complete and whole.headers["content-type"] == "application/json"
    with pytest.raises(json.JSONDecodeError):
        whole.json()
    streamed = await caller.post(path, asking(path, "[[sim: malformed_json events=3]]", stream=True))
    data = [block.rpartition(b"data: ")[2] for block in blocks(streamed.body)]
    assert sum(not _is_json(part) for part in data if part != b"[DONE]") == 1


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except json.JSONDecodeError:
        return False
    return True


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
async def test_wrong_content_type(path: str, stream: bool, caller: Any) -> None:
    reply = await caller.post(path, asking(path, "[[sim: fault=wrong_content_type]]", stream=stream))
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/html")
    assert b"<html>" in reply.body


@pytest.mark.parametrize("stream", [False, True])
async def test_empty_body(stream: bool, caller: Any) -> None:
    reply = await caller.post(CHAT, asking(CHAT, "[[sim: empty_body]]", stream=stream))
    assert reply.status == 200 and reply.headers["content-length"] == "0"


async def test_whole_answer_to_a_stream(caller: Any) -> None:
    for path in PATHS:
        reply = await caller.post(path, asking(path, "[[sim: not_streamed]]", stream=True))
        assert reply.headers["content-type"] == "application/json" and reply.json()["id"]


async def test_error_event_in_chat(caller: Any, openai_schemas: Any) -> None:
    reply = await caller.post(CHAT, asking(CHAT, "[[sim: error_event=2 status=429]]", stream=True))
    assert reply.status == 200 and reply.complete
    *before, (_, last) = reply.events()
    assert len(before) == 2
    openai_schemas.check("ErrorResponse", last)
    assert last["error"]["code"] == "rate_limit_exceeded"


async def test_error_event_in_responses(caller: Any, openai_schemas: Any) -> None:
    reply = await caller.post(RESPONSES, asking(RESPONSES, "[[sim: error_event=4]]", stream=True))
    events = reply.events()
    assert [event["type"] for _, event in events[4:]] == ["error", "response.failed"]
    assert [event["sequence_number"] for _, event in events] == list(range(6))
    openai_schemas.check("ResponseErrorEvent", events[4][1])
    openai_schemas.check("ResponseFailedEvent", events[5][1])


async def test_error_event_in_messages(caller: Any, anthropic_schemas: Any) -> None:
    reply = await caller.post(MESSAGES, asking(MESSAGES, "[[sim: error_event=3]]", stream=True))
    assert reply.complete
    *before, (name, last) = reply.events()
    assert len(before) == 3 and name == "error"
    anthropic_schemas.check("ErrorResponse", last)
    assert last["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("path", PATHS)
async def test_stream_that_ends_unfinished(path: str, caller: Any) -> None:
    reply = await caller.post(path, asking(path, "[[sim: end_after=3]]", stream=True))
    assert reply.complete and len(reply.events()) == 3


async def test_slow_first_byte(simulator: Simulator, caller: Any) -> None:
    reader, writer = await caller.open(CHAT, asking(CHAT, "[[sim: slow_first_byte=60]]"))
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert await reader.read(1) == b"H"
    assert loop.time() - started > 0.05
    writer.close()


async def test_caller_who_does_not_wait(simulator: Simulator, caller: Any) -> None:
    _, writer = await caller.open(CHAT, asking(CHAT, "[[sim: slow_first_byte=60000]]"))
    request = await simulator.seen(1)
    writer.close()
    async with asyncio.timeout(10):
        await request.closed_early.wait()
    assert request.events_sent == 0


async def test_caller_who_leaves_between_events(simulator: Simulator, caller: Any) -> None:
    reader, writer = await caller.open(CHAT, asking(CHAT, "[[sim: delay_ms=60000]]", stream=True))
    await reader.readuntil(b"\n\n")
    request = await simulator.seen(1)
    writer.close()
    async with asyncio.timeout(10):
        await request.closed_early.wait()
    assert request.events_sent == 1 and not request.answered.is_set()


async def test_caller_who_stops_reading(simulator: Simulator, caller: Any) -> None:
    """What no one reads is not taken for delivered."""
    reader, writer = await caller.open(CHAT, asking(CHAT, "[[sim: event_bytes=1500000 events=8]]", stream=True))
    await reader.readexactly(1000)
    request = await simulator.seen(1)
    assert not request.answered.is_set()
    writer.transport.abort()
    async with asyncio.timeout(10):
        await request.closed_early.wait()


async def test_pace(caller: Any) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    reply = await caller.post(CHAT, asking(CHAT, "[[sim: events=5 delay_ms=10]]", stream=True))
    assert len(reply.events()) == 8  # the role, five texts, the end, [DONE]
    assert loop.time() - started > 0.06


@pytest.mark.parametrize("length", [1, 7])
async def test_chunks_that_cut_events(length: int, caller: Any) -> None:
    """The same bytes, in pieces that have nothing to do with events."""
    straight = asking(MESSAGES, "[[sim: events=3]]echo: one two three", stream=True)
    sliced = asking(MESSAGES, f"[[sim: events=3 chunk_bytes={length}]]echo: one two three", stream=True)
    expected, reply = await caller.post(MESSAGES, straight), await caller.post(MESSAGES, sliced)
    texts = [
        [event["delta"]["text"] for _, event in found.events() if event["type"] == "content_block_delta"]
        for found in (expected, reply)
    ]
    assert reply.complete and texts[0] == texts[1] == ["one", " two", " three"]


async def test_huge_events(caller: Any) -> None:
    reply = await caller.post(CHAT, asking(CHAT, "[[sim: event_bytes=300000 events=2]]", stream=True))
    texts = [chunk["choices"][0]["delta"].get("content") for _, chunk in reply.events()[:-1]]
    assert [len(text) for text in texts if text] == [300_000, 300_000]
