"""Providers that answer what nobody asked them for: a page of HTML, half an event, ten megabytes in one, an error in a
200. Relayed and translated, whole and streamed: a clear answer, one row that says how it ended, nothing left open."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from data_plane import spoken
from data_plane.callers import (
    AT,
    BEDROCK,
    CHAT,
    COHERE,
    GEMINI,
    MESSAGES,
    OURS,
    RESPONSES,
    ask,
    complete,
    events_of,
    in_band,
    nothing_secret,
    providers,
    refusal,
)
from data_plane.odd_provider import LAST_CHUNK, Asked, OddProvider, chunk, held, http, said, stream_head
from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.chat.request import Chat
from isthmus.core.ids import uuid7
from isthmus.core.reply import Frame, Reply
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.egress import Egress
from isthmus.data_plane.routes import GENERATE, POST
from isthmus.data_plane.send import EgressLimits
from isthmus.providers.models import ModelTable
from isthmus.wire.framing.eventstream import PAYLOAD_MAX_BYTES
from isthmus.wire.framing.sse import EVENT_MAX_BYTES
from isthmus.wire.registry import DIALECTS

RELAYED = [(dialect, dialect) for dialect in (CHAT, RESPONSES, MESSAGES, GEMINI)]
# Every dialect of a provider, and every dialect of a caller.
TRANSLATED = [
    (MESSAGES, CHAT),
    (CHAT, RESPONSES),
    (CHAT, MESSAGES),
    (GEMINI, MESSAGES),
    (RESPONSES, GEMINI),
    (RESPONSES, BEDROCK),
    (MESSAGES, BEDROCK),
    (CHAT, COHERE),
]
CELLS = RELAYED + TRANSLATED
IDLE_SECONDS = 0.5
SOON_SECONDS = 10.0
HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"


class Odd:
    """The gateway, and the provider behind it that says what a test wants."""

    def __init__(self, gateway: Any, provider: OddProvider, log: pytest.LogCaptureFixture) -> None:
        self.gateway = gateway
        self.provider = provider
        self._log = log

    async def ask(self, caller: str, dialect: str, stream: bool) -> tuple[httpx.Response, dict[str, Any]]:
        """The answer, and its row. Whatever came, nothing of ours broke."""
        async with asyncio.timeout(SOON_SECONDS):
            answer = await ask(self.gateway, caller, AT[dialect], "Say hello.", stream=stream)
            found = await self.gateway.manage("GET", f"gateways/default/logs/{answer.headers['cf-aig-log-id']}")
        nothing_secret(answer)
        assert not [record for record in self._log.records if record.levelno >= logging.ERROR]
        row: dict[str, Any] = found.json()["result"]
        assert row["streamed"] is stream
        return answer, row

    async def refused(self, caller: str, dialect: str, stream: bool, status: int = 502) -> tuple[str, dict[str, Any]]:
        """The message of an error in place of an answer."""
        answer, row = await self.ask(caller, dialect, stream)
        assert answer.status_code == status, answer.text[:500]
        code, message = refusal(caller, answer)
        assert code == OURS and len(message) > 10
        assert (row["status_code"], row["success"], row["error_code"]) == (status, False, OURS)
        assert row["error_message"] == message
        return message, row

    async def left(self) -> None:
        """The provider's connection is no more."""
        async with asyncio.timeout(SOON_SECONDS):
            await self.provider.requests[-1].left.wait()

    async def at_once(
        self, cells: list[tuple[str, str]], cell: Callable[[str, str], Coroutine[Any, Any, None]]
    ) -> None:
        """Side by side, where each waits for the gateway to lose its patience; then no connection is left."""
        asked = len(self.provider.requests)
        async with asyncio.TaskGroup() as tasks:
            for caller, dialect in cells:
                tasks.create_task(cell(caller, dialect))
        async with asyncio.timeout(SOON_SECONDS):
            for request in self.provider.requests[asked:]:
                await request.left.wait()
        assert len(self.provider.requests) == asked + len(cells)


@pytest.fixture
async def odd(start_gateway: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Odd]:
    async with OddProvider() as provider:
        config = providers(tmp_path, provider.url)
        gateway = await start_gateway(config_file=config, idle_timeout_seconds=IDLE_SECONDS)
        yield Odd(gateway, provider, caplog)
        await gateway.client.aclose()
        await gateway.running.aclose()


def streamed(dialect: str, *events: bytes, ended: bool = True) -> bytes:
    head = stream_head(spoken.content_type(dialect, True))
    return head + b"".join(map(chunk, events)) + (LAST_CHUNK if ended else b"")


# How the path ends at which a provider of each dialect is asked for a stream.
ASKED_AT = {
    CHAT: "/chat/completions",
    RESPONSES: "/responses",
    MESSAGES: "/messages",
    GEMINI: ":streamGenerateContent",
    BEDROCK: "/converse-stream",
    COHERE: "/chat",
}


def held_each(events: Callable[[str], list[bytes]]) -> Any:
    """A stream that does not end, of the events for the dialect that was asked for."""

    def answer(asked: Asked) -> AsyncIterator[bytes]:
        dialect = next(dialect for dialect, path in ASKED_AT.items() if asked.path.endswith(path))
        return held(streamed(dialect, *events(dialect), ended=False))(asked)

    return answer


# An event that cannot be read takes with it what came in the same bytes: then the caller may have nothing yet.
BROKEN_OFF = ("interrupted", "provider_error")


def told(caller: str, answer: httpx.Response) -> str:
    return in_band(caller, answer.text) if answer.status_code == 200 else refusal(caller, answer)[1]


NOT_AN_ANSWER: dict[str, bytes] = {
    "a page": http(HTML, "text/html; charset=utf-8"),
    "a page that is said to be JSON": http(HTML),
    "JSON that is said to be text": http(b"{}", "text/plain"),
    "no content type": http(b"{}", None),
    "a picture": http(b"\x89PNG\r\n\x1a\n", "image/png"),
    "nothing": http(b""),
    "no content": http(b"", None, status=204),
    "null": http(b"null"),
    "a list": http(b"[]"),
    "a text": http(b'"hello"'),
    "no JSON": http(b"{nonsense"),
    "no UTF-8": http(b'{"choices":"\xff"}'),
    "deep": http(b'{"choices":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    "a redirect": http(b"", None, status=302, more="location: http://127.0.0.1:9/\r\n"),
    "another redirect": http(b"", None, status=307, more="location: /elsewhere\r\n"),
    "not modified": http(b"", None, status=304),
    "compressed": http(gzip.compress(b"{}"), more="content-encoding: gzip\r\n"),
}


@pytest.mark.parametrize("name", NOT_AN_ANSWER)
async def test_what_is_no_answer(odd: Odd, name: str) -> None:
    odd.provider.answer = said(NOT_AN_ANSWER[name])
    for caller, dialect in CELLS:
        for stream in (False, True):
            asked = len(odd.provider.requests)
            _, row = await odd.refused(caller, dialect, stream)
            assert row["end"] in ("provider_error", "interrupted")
            assert len(odd.provider.requests) == asked + 1  # a redirect is not followed, nothing asked again
            await odd.left()


UNSOUND: dict[str, Any] = {
    "empty": {},
    "everything null": dict.fromkeys(
        ("id", "choices", "output", "content", "candidates", "stopReason", "message", "usage", "usageMetadata")
    ),
    "everything a number": dict.fromkeys(
        ("id", "choices", "output", "content", "candidates", "stopReason", "message", "usage", "usageMetadata"), 7
    ),
    "empty lists": {name: [] for name in ("choices", "output", "content", "candidates")},
    "lists of nothing": {name: [None] for name in ("choices", "output", "content", "candidates")},
}


async def test_json_that_is_no_answer_is_not_written_anew(odd: Odd) -> None:
    """Relayed it goes as it came: the provider's own SDK knows what to make of it."""
    for name, answer in UNSOUND.items():
        odd.provider.answer = said(http(msgspec.json.encode(answer)))
        for caller, dialect in TRANSLATED:
            for stream in (False, True):
                answered, row = await odd.ask(caller, dialect, stream)
                assert row["end"] in ("provider_error", "interrupted", "completed"), (name, caller, dialect)
                assert (answered.status_code == 200) is row["success"], (name, caller, dialect)


async def test_an_error_inside_a_200(odd: Odd) -> None:
    for caller, dialect in CELLS:
        if dialect not in spoken.ERRORS:
            continue  # their whole answers have no such form
        odd.provider.answer = said(http(msgspec.json.encode(spoken.ERRORS[dialect])))
        for stream in (False, True):
            answer, row = await odd.ask(caller, dialect, stream)
            if stream and caller == dialect:
                continue  # told below
            assert answer.status_code in (500, 502, 503, 529), (caller, dialect, answer.text)
            assert spoken.SAID in answer.text
            assert (row["status_code"], row["success"], row["end"]) == (answer.status_code, False, "provider_error")


async def test_an_error_as_the_first_event(odd: Odd) -> None:
    for caller, dialect in CELLS:
        odd.provider.answer = said(streamed(dialect, spoken.error_event(dialect)))
        answer, row = await odd.ask(caller, dialect, True)
        assert answer.status_code in (500, 502, 503, 529), (caller, dialect, answer.text)
        assert spoken.SAID in refusal(caller, answer)[1]
        assert (row["status_code"], row["success"], row["end"]) == (answer.status_code, False, "provider_error")
        await odd.left()


async def test_an_error_in_the_middle(odd: Odd) -> None:
    def events(dialect: str) -> list[bytes]:
        return [*spoken.begin(dialect), spoken.text_event(dialect, "Hello"), spoken.error_event(dialect)]

    async def cell(caller: str, dialect: str) -> None:
        answer, row = await odd.ask(caller, dialect, True)
        assert answer.status_code == 200, (caller, dialect, answer.text)
        assert in_band(caller, answer.text) == spoken.SAID, (caller, dialect)
        assert "Hello" in answer.text
        assert (row["status_code"], row["success"], row["end"]) == (200, False, "interrupted"), (caller, dialect)

    odd.provider.answer = held_each(events)  # it need not hang up after that
    await odd.at_once(CELLS, cell)


async def test_half_an_event(odd: Odd) -> None:
    """Neither its half nor a sign that all is well reaches the caller, even if the provider's connection ends well."""
    for caller, dialect in CELLS:
        for ended in (True, False):
            *events, last = [
                *spoken.begin(dialect),
                spoken.text_event(dialect, "Hello"),
                spoken.text_event(dialect, "x"),
            ]
            odd.provider.answer = said(streamed(dialect, *events, last[: len(last) // 2], ended=ended))
            answer, row = await odd.ask(caller, dialect, True)
            assert answer.status_code == 200, (caller, dialect, answer.text)
            assert len(in_band(caller, answer.text)) > 10
            assert "Hello" in answer.text
            assert (row["status_code"], row["success"], row["end"]) == (200, False, "interrupted"), (caller, dialect)


async def test_an_answer_without_its_end(odd: Odd) -> None:
    for caller, dialect in CELLS:
        events = [*spoken.begin(dialect), spoken.text_event(dialect, "Hello")]
        odd.provider.answer = said(streamed(dialect, *events))
        answer, row = await odd.ask(caller, dialect, True)
        assert answer.status_code == 200
        assert len(in_band(caller, answer.text)) > 10
        assert (row["success"], row["end"]) == (False, "interrupted"), (caller, dialect)


async def test_a_whole_answer_cut_short(odd: Odd) -> None:
    for caller, dialect in CELLS:
        body = spoken.whole(dialect, "Hello")
        for promised in (len(body), len(body) // 2):
            head = http(b" " * promised).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            odd.provider.answer = said(head + body[: len(body) // 2])
            _, row = await odd.refused(caller, dialect, False)
            assert row["end"] in ("interrupted", "provider_error"), (caller, dialect)


async def test_ten_megabytes_in_one_event(odd: Odd) -> None:
    text = "x" * 10 * 1024 * 1024
    for caller, dialect in CELLS:
        odd.provider.answer = said(streamed(dialect, *spoken.stream(dialect, text)))
        answer, row = await odd.ask(caller, dialect, True)
        assert answer.status_code == 200, (caller, dialect, answer.text[:500])
        assert text in answer.text and complete(caller, answer.text)
        assert (row["success"], row["end"], row["tokens_out"]) == (True, "completed", 2)


@pytest.mark.parametrize("cell", TRANSLATED, ids="-".join)
async def test_an_event_that_is_too_long_to_be_read(odd: Odd, cell: tuple[str, str]) -> None:
    caller, dialect = cell
    assert EVENT_MAX_BYTES == PAYLOAD_MAX_BYTES
    begun = [*spoken.begin(dialect), spoken.text_event(dialect, "Hello")]
    long = spoken.text_event(dialect, "x" * EVENT_MAX_BYTES)
    odd.provider.answer = held(streamed(dialect, *begun, long[:-2], ended=False))
    answer, row = await odd.ask(caller, dialect, True)
    assert len(answer.content) < 100_000
    assert "more than 16777216 bytes" in told(caller, answer)
    assert row["success"] is False and row["end"] in BROKEN_OFF
    await odd.left()


def unknown_events(dialect: str) -> list[bytes]:
    if dialect == BEDROCK:
        return [spoken.event(BEDROCK, {"nobody": [1]}, "nobodyKnowsEvent")]
    return [spoken.event(dialect, {"type": "nobody.knows", "nobody": {"x": [1]}}), b": a comment\n\n", b"retry: 5\n\n"]


async def test_events_that_nobody_knows(odd: Odd) -> None:
    for caller, dialect in CELLS:
        first, *rest = spoken.stream(dialect, "Hello")
        odd.provider.answer = said(streamed(dialect, *unknown_events(dialect), first, *unknown_events(dialect), *rest))
        answer, row = await odd.ask(caller, dialect, True)
        assert answer.status_code == 200, (caller, dialect, answer.text)
        assert "Hello" in answer.text
        assert (row["success"], row["end"], row["tokens_out"]) == (True, "completed", 2), (caller, dialect)
        if caller != dialect:
            assert "nobody" not in answer.text and complete(caller, answer.text)


async def test_a_stream_that_is_compressed(odd: Odd) -> None:
    for caller, dialect in CELLS:
        body = gzip.compress(b"".join(spoken.stream(dialect, "Hello")))
        head = stream_head(spoken.content_type(dialect, True), "content-encoding: gzip\r\n")
        odd.provider.answer = said(head + chunk(body) + LAST_CHUNK)
        message, row = await odd.refused(caller, dialect, True)
        assert "compressed" in message and row["end"] == "provider_error"
        await odd.left()


async def test_a_refusal_that_is_compressed_keeps_its_status(odd: Odd) -> None:
    body = gzip.compress(b'{"error":{"message":"too many"}}')
    odd.provider.answer = said(http(body, status=429, more="content-encoding: gzip\r\nretry-after: 7\r\n"))
    for caller, dialect in CELLS:
        answer, row = await odd.ask(caller, dialect, False)
        assert answer.status_code == row["status_code"] == 429 and answer.headers["retry-after"] == "7"
        assert "content-encoding" not in answer.headers
        assert refusal(caller, answer)[0] == OURS


async def test_a_refusal_that_is_a_page(odd: Odd) -> None:
    """Whoever speaks the provider's dialect gets what it said; to others its page says nothing."""
    for status in (403, 413, 500, 502, 520):
        odd.provider.answer = said(http(HTML, "text/html", status=status))
        for caller, dialect in CELLS:
            answer, row = await odd.ask(caller, dialect, True)
            assert answer.status_code == row["status_code"] == status
            assert row["end"] == "provider_error"
            if caller == dialect:
                assert answer.content == HTML and answer.headers["content-type"] == "text/html"
            else:
                assert "<" not in refusal(caller, answer)[1]


async def test_a_stream_in_the_place_of_a_whole_answer(odd: Odd) -> None:
    for caller, dialect in TRANSLATED:
        odd.provider.answer = said(streamed(dialect, *spoken.stream(dialect, "Hello")))
        answer, row = await odd.ask(caller, dialect, False)
        assert answer.status_code == 200, (caller, dialect, answer.text)
        assert answer.headers["content-type"] == "application/json" and "Hello" in answer.text
        assert (row["success"], row["tokens_out"]) == (True, 2)


async def test_a_provider_that_stays_after_its_last_event(odd: Odd) -> None:
    async def cell(caller: str, dialect: str) -> None:
        answer, row = await odd.ask(caller, dialect, True)
        assert answer.status_code == 200 and "Hello" in answer.text, (caller, dialect, answer.text)
        assert complete(caller, answer.text), (caller, dialect, answer.text)
        assert (row["success"], row["end"]) == (True, "completed"), (caller, dialect)

    odd.provider.answer = held_each(lambda dialect: spoken.stream(dialect, "Hello"))
    # Gemini has no last event: such a stream ends with its connection.
    await odd.at_once([each for each in CELLS if each[1] != GEMINI], cell)


async def test_silence_in_the_middle(odd: Odd) -> None:
    async def cell(caller: str, dialect: str) -> None:
        answer, row = await odd.ask(caller, dialect, True)
        assert "silent for 0.5 seconds" in in_band(caller, answer.text), (caller, dialect, answer.text)
        assert (row["success"], row["end"]) == (False, "interrupted"), (caller, dialect)

    odd.provider.answer = held_each(lambda dialect: [*spoken.begin(dialect), spoken.text_event(dialect, "Hello")])
    await odd.at_once(CELLS, cell)


HUGE = {
    CHAT: {"usage": {"prompt_tokens": 10**30, "completion_tokens": -5, "total_tokens": 1e300}},
    RESPONSES: {"usage": {"input_tokens": 10**30, "output_tokens": -5, "total_tokens": 1e300}},
    MESSAGES: {"usage": {"input_tokens": 10**30, "output_tokens": -5}},
    GEMINI: {"usageMetadata": {"promptTokenCount": 10**30, "candidatesTokenCount": -5, "totalTokenCount": 1e300}},
    BEDROCK: {"usage": {"inputTokens": 10**30, "outputTokens": -5, "totalTokens": 10**30}},
    COHERE: {"usage": {"tokens": {"input_tokens": 1e300, "output_tokens": -5}}},
}


async def test_token_counts_that_cannot_be(odd: Odd) -> None:
    """They break neither the answer nor the row."""
    for caller, dialect in CELLS:
        body = msgspec.json.encode({**msgspec.json.decode(spoken.whole(dialect, "Hello")), **HUGE[dialect]})
        odd.provider.answer = said(http(body.replace(b'"1' + b"0" * 30 + b'"', b"1" + b"0" * 30)))
        answer, row = await odd.ask(caller, dialect, False)
        assert answer.status_code == 200 and "Hello" in answer.text, (caller, dialect, answer.text)
        for name in ("tokens_in", "tokens_out"):
            assert row[name] is None or 0 <= row[name] < 2**63, (caller, dialect, row)


async def test_halves_of_characters(odd: Odd) -> None:
    """JSON can spell half a surrogate pair; no text can hold it."""
    for caller, dialect in CELLS:
        half = b"Hello \\ud83d"
        odd.provider.answer = said(http(spoken.whole(dialect, "HALF").replace(b"HALF", half)))
        answer, row = await odd.ask(caller, dialect, False)
        assert answer.status_code == 502, (caller, dialect)
        assert row["success"] is False and half not in answer.content
        if dialect == BEDROCK:
            continue  # its frames have a checksum
        events = b"".join(spoken.stream(dialect, "HALF")).replace(b"HALF", half)
        odd.provider.answer = said(streamed(dialect, events))
        answer, row = await odd.ask(caller, dialect, True)
        assert (half in answer.content) is (caller == dialect), (caller, dialect, answer.text)
        assert not row["success"] or caller == dialect


# Streams without an end, which no test can wait for: the bounds are the egress's, made small.


class Listening:
    """A caller who keeps what he is given."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False

    async def respond(self, status: int, headers: Any, body: bytes, more_body: bool = False) -> None:
        await self.pass_on(body, more_body)

    async def pass_on(self, body: bytes, more_body: bool = True) -> None:
        self.body += body
        self.complete = not more_body


BOUNDS = {
    "bytes": (EgressLimits(stream_max_bytes=5000), "over 5000 bytes"),
    "seconds": (EgressLimits(stream_max_seconds=0.05), "over 0.05 seconds"),
}
COMMENT = b": still thinking\n\n"


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[1] != BEDROCK], ids="-".join)
async def test_a_stream_with_no_end(cell: tuple[str, str], bound: str) -> None:
    caller, dialect = cell
    limits, word = BOUNDS[bound]
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=ModelTable({}, {}))
    endpoint = next(each for each in (*POST.values(), *GENERATE.values()) if each.dialect == caller and not each.counts)
    call = Call(uuid7(), endpoint, "a", "/ai/x", {}, snapshot)
    call.target = Target(provider="p", model="m", name="p/m", dialect=dialect)
    call.chat, call.stream = Chat(model="p/m", messages=()), True
    closed: list[Reply] = []
    reader = DIALECTS[dialect].reader(False)

    async def frames() -> AsyncIterator[Frame]:
        for event in (*spoken.begin(dialect), spoken.text_event(dialect, "Hello")):
            yield Frame(event, reader)
        while True:  # a comment says nothing, and keeps a connection awake
            await asyncio.sleep(0)
            yield Frame(COMMENT if bound == "seconds" else spoken.text_event(dialect, " and"), reader)

    reply = Reply(200, content_type=b"text/event-stream", dialect=dialect, whole=False, frames=frames())

    async def close() -> None:
        closed.append(reply)

    reply.when_closed(close)
    listening = Listening()
    async with asyncio.timeout(SOON_SECONDS):
        await Egress(DIALECTS, limits).deliver(call, reply, listening)
    assert listening.complete and closed == [reply]
    assert word in in_band(caller, listening.body.decode()) and b"Hello" in listening.body
    assert call.end == "interrupted" and call.status == 200


# Bedrock's frames.

BAD_FRAMES: dict[str, tuple[slice, str]] = {
    "a wrong checksum of its lengths": (slice(8, 12), "checksum"),
    "a wrong checksum": (slice(-4, None), "checksum"),
    "another length than it says": (slice(0, 4), "checksum"),
}


@pytest.mark.parametrize("caller", [CHAT, RESPONSES, MESSAGES, GEMINI])
async def test_broken_frames(odd: Odd, caller: str) -> None:
    begun = [*spoken.begin(BEDROCK), spoken.text_event(BEDROCK, "Hello")]
    sound = spoken.text_event(BEDROCK, "there")
    for place, word in BAD_FRAMES.values():
        broken = bytearray(sound)
        broken[place] = bytes(byte ^ 0xFF for byte in broken[place])
        odd.provider.answer = held(streamed(BEDROCK, *begun, bytes(broken), ended=False))
        answer, row = await odd.ask(caller, BEDROCK, True)
        assert word in told(caller, answer) and "there" not in answer.text
        assert row["success"] is False and row["end"] in BROKEN_OFF
        await odd.left()
        odd.provider.answer = held(streamed(BEDROCK, bytes(broken), ended=False))
        message, row = await odd.refused(caller, BEDROCK, True)
        assert word in message and row["end"] == "provider_error"
        await odd.left()


async def test_frames_of_text_where_binary_ones_were_promised(odd: Odd) -> None:
    odd.provider.answer = said(streamed(BEDROCK, *spoken.stream(CHAT, "Hello")))
    _, row = await odd.refused(CHAT, BEDROCK, True)
    assert row["end"] == "provider_error"
    odd.provider.answer = said(stream_head() + chunk(b"".join(spoken.stream(BEDROCK, "Hello"))) + LAST_CHUNK)
    _, row = await odd.refused(CHAT, MESSAGES, True)
    assert row["end"] in ("provider_error", "interrupted")


async def test_every_exception_of_bedrocks(odd: Odd) -> None:
    statuses = {
        "validationException": 400,
        "throttlingException": 429,
        "internalServerException": 500,
        "serviceUnavailableException": 503,
        "modelStreamErrorException": 424,
        "nobodyKnowsException": 502,
    }
    for name, status in statuses.items():
        event = spoken.event(BEDROCK, {"message": spoken.SAID}, name, "exception")
        odd.provider.answer = said(streamed(BEDROCK, event))
        message, _ = await odd.refused(CHAT, BEDROCK, True, status)
        assert message == spoken.SAID


async def test_events_are_counted_as_they_were_said(odd: Odd) -> None:
    """What the table above stands on: a sound answer of each dialect reaches each caller."""
    for caller, dialect in CELLS:
        odd.provider.answer = said(streamed(dialect, *spoken.stream(dialect, "Hello", " there")))
        answer, row = await odd.ask(caller, dialect, True)
        assert answer.status_code == 200 and complete(caller, answer.text), (caller, dialect, answer.text)
        assert len(events_of(answer.text)) > 1
        assert (row["tokens_in"], row["tokens_out"], row["finish_reason"]) == (3, 2, "stop")
        odd.provider.answer = said(http(spoken.whole(dialect, "Hello")))
        answer, row = await odd.ask(caller, dialect, False)
        assert answer.status_code == 200 and "Hello" in answer.text
        assert (row["tokens_in"], row["tokens_out"], row["finish_reason"]) == (3, 2, "stop")
