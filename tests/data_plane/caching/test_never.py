"""What is never given again: errors, what was cut off or blocked, and what is too long."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from data_plane.caching.doors import BY_NAME, Door
from data_plane.caching.served import CACHED, Served, status
from isthmus.simulator import Fault

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOORS = [
    *(
        "chat",
        "chat-translated",
        "responses-relayed",
        "responses-stored",
        "messages",
        "gemini",
        "run-chat",
        "completions",
    ),
    *("compat", "native-openai", "native-anthropic", "native-gemini", "universal", "universal-compat", "short-openai"),
]
CLAUDES = ("chat-translated", "messages", "native-anthropic", "universal-compat")
"""Behind these nobody cuts anything off."""
each_door = pytest.mark.parametrize("door", [BY_NAME[name] for name in DOORS], ids=lambda door: door.name)
each_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
REFUSALS = [Fault(status=number) for number in (400, 401, 404, 429, 503)]
BREAKS = [Fault(kind=kind) for kind in ("empty_body", "malformed_json", "wrong_content_type", "out_of_credit")]
CUTS = [
    Fault(cut_after=3),
    Fault(reset_after=3),
    Fault(end_after=3),
    Fault(error_event_after=0),
    Fault(error_event_after=3),
]


async def given(door: Door, served: Served, text: str, stream: bool, **more: Any) -> tuple[str | None, int]:
    """What the caller is told of the cache, and how many requests it took. A broken connection tells nothing."""
    before = served.asked
    try:
        answer = await door.ask(served, text, stream, **more)
    except httpx.RemoteProtocolError:
        return None, served.asked - before
    return status(answer), served.asked - before


async def nothing_was_kept(door: Door, served: Served, text: str, stream: bool) -> None:
    """The next one is asked for again, and kept."""
    assert await given(door, served, text, stream) == ("MISS", 1)
    assert await given(door, served, text, stream) == ("HIT", 0)


@each_way
@each_door
async def test_errors(served: Served, door: Door, stream: bool) -> None:
    for fault in REFUSALS + BREAKS:
        text = f"Errors {door.name} {stream} {fault}."
        served.fails(fault)
        told, _ = await given(door, served, text, stream)
        assert told in ("MISS", None)
        await nothing_was_kept(door, served, text, stream)


@each_door
async def test_streams_that_do_not_end(served: Served, door: Door) -> None:
    for fault in CUTS:
        text = f"Cuts {door.name} {fault}."
        served.fails(fault)
        told, _ = await given(door, served, text, True)
        assert told in ("MISS", None), fault
        await nothing_was_kept(door, served, text, True)


@each_way
@pytest.mark.parametrize("door", [BY_NAME[name] for name in DOORS if name not in CLAUDES], ids=lambda door: door.name)
async def test_what_a_filter_cut_off(served: Served, door: Door, stream: bool) -> None:
    text = f"Filtered {door.name} {stream}."
    served.fails(Fault(kind="content_filter"))
    told, _ = await given(door, served, text, stream)
    assert told == "MISS"
    await nothing_was_kept(door, served, text, stream)


@each_way
@pytest.mark.parametrize("name", ["gemini", "native-gemini", "run-contents", "native-gemini-array"])
@pytest.mark.parametrize(
    "fault", [Fault(block_reason="SAFETY"), Fault(finish_reason="SAFETY")], ids=["prompt", "answer"]
)
async def test_what_google_blocked(served: Served, name: str, stream: bool, fault: Fault) -> None:
    if stream not in BY_NAME[name].ways:
        return
    text = f"Blocked {name} {stream} {fault}."
    served.fails(fault)
    assert (await given(BY_NAME[name], served, text, stream))[0] == "MISS"
    await nothing_was_kept(BY_NAME[name], served, text, stream)


@each_way
@each_door
async def test_what_the_provider_is_too_late_with(served: Served, door: Door, stream: bool) -> None:
    text = f"Late {door.name} {stream}."
    served.fails(Fault(slow_first_byte_ms=60_000))
    answer = await door.ask(served, text, stream, headers={"cf-aig-request-timeout": "30"})
    assert answer.status_code >= 400 or door.name in ("native-gemini",), answer.text
    await nothing_was_kept(door, served, text, stream)


@pytest.mark.parametrize("name", ["chat", "messages-translated", "native-openai", "universal"])
async def test_a_caller_who_leaves(served: Served, name: str) -> None:
    """In the middle of a stream, before its first byte, and in the middle of a whole answer."""
    door = BY_NAME[name]
    for number, (stream, fault) in enumerate(
        ((True, Fault(stall_after=3)), (True, Fault(slow_first_byte_ms=60_000)), (False, Fault(stall_after=1)))
    ):
        text = f"Left {name} {number}."
        served.fails(fault)
        before = served.asked
        task = asyncio.ensure_future(door.ask(served, text, stream))
        async with asyncio.timeout(5):
            while served.asked == before:
                await asyncio.sleep(0)
        rows = await count(served)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(5):
            while await count(served) == rows:
                await asyncio.sleep(0.01)
        await nothing_was_kept(door, served, text, stream)


async def count(served: Served) -> int:
    found = await served.gateway.manage("GET", f"gateways/{CACHED}/logs?per_page=1")
    total: int = found.json()["result_info"]["total_count"]
    return total


@each_way
@each_door
async def test_an_answer_that_is_too_long(small: Served, door: Door, stream: bool) -> None:
    for size, expected in ((600, ("HIT", 0)), (13_000, ("MISS", 1))):
        text = f"Long {door.name} {stream}. [[sim: events=1 event_bytes={size}]]"
        assert await given(door, small, text, stream) == ("MISS", 1)
        assert await given(door, small, text, stream) == expected


@pytest.mark.parametrize("name", ["chat", "messages-translated", "native-openai", "universal", "run-chat"])
async def test_a_request_that_is_too_long(small: Served, name: str) -> None:
    for _ in range(2):
        assert await given(BY_NAME[name], small, "Say x" + " " * 13_000, False) == (None, 1)


@pytest.mark.parametrize(
    "path",
    ["v1/messages/count_tokens", "v1/responses/input_tokens", "v1beta/models/google/gemini-2.5-flash:countTokens"],
)
async def test_counts(served: Served, path: str) -> None:
    turns = [{"role": "user", "content": "Count."}]
    body: dict[str, Any] = {"model": "anthropic/claude-haiku-4.5", "messages": turns}
    if "input_tokens" in path:
        body = {"model": "openai/gpt-4o", "input": "Count."}
    elif "countTokens" in path:
        body = {"contents": [{"role": "user", "parts": [{"text": "Count."}]}]}
    for _ in range(2):
        answer = await served.ask(path, body)
        assert answer.status_code == 200 and status(answer) is None


async def test_a_refusal_of_ours(served: Served) -> None:
    """Before any provider is asked: nothing is looked up for what cannot be."""
    bodies: list[Any] = [{"model": "openai/gpt-4o"}, {"model": "openai/gpt-4o", "messages": "no"}, b"{"]
    for body in bodies:
        answer = await served.ask("v1/chat/completions", body)
        assert answer.status_code == 400 and status(answer) in (None, "MISS")
    huge = b'{"model":"openai/gpt-4o","messages":[{"role":"user","content":"Hi"}],"seed":' + b"9" * 300 + b"}"
    assert (await served.ask("v1/chat/completions", huge)).status_code < 500
    assert msgspec.json.decode((await served.ask("v1/chat/completions", b"[1]")).content)["success"] is False
