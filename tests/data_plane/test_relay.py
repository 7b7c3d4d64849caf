"""The same dialect in and out: the provider gets what the caller sent, and the caller what the provider sent, byte for
byte but for the few bytes that are ours. The provider is a socket that says what a test tells it to, piece by piece."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.core.call import Answer, Call
from isthmus.core.ids import uuid7
from isthmus.core.reply import Frame
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.outgoing import RelayedStream
from isthmus.data_plane.routes import POST
from isthmus.errors import Interrupted
from isthmus.providers.models import ModelTable
from isthmus.wire.registry import DIALECTS

CHAT, RESPONSES, MESSAGES, RUN = "v1/chat/completions", "v1/responses", "v1/messages", "run"
MODELS = {CHAT: b"openai/gpt-4o", RESPONSES: b"openai/gpt-4o", MESSAGES: b"anthropic/claude-haiku-4.5"}
WIRE_NAMES = {CHAT: b'"gpt-4o"', RESPONSES: b'"gpt-4o"', MESSAGES: b'"claude-haiku-4-5"'}
ASKED_USAGE = b',"stream_options":{"include_usage":true}'
SOON_SECONDS = 10.0

Piece = bytes | asyncio.Event
HANG_UP = b""


class Upstream:
    """Answers every request with `pieces`, one write each; an event among them is waited for, HANG_UP hangs up."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.written = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(length))
                for piece in self.pieces:
                    if piece == HANG_UP:
                        return
                    await self._say(piece, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _say(self, piece: Piece, writer: asyncio.StreamWriter) -> None:
        if isinstance(piece, asyncio.Event):
            await piece.wait()
            return
        writer.write(piece)
        await writer.drain()
        self.written += len(piece)
        for _ in range(3):  # turns of the loop, in which the gateway reads this piece by itself
            await asyncio.sleep(0)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as running:
        yield running


def declare(path: Path, upstream: Upstream) -> str:
    path.write_text(
        f'[providers.openai]\nbase_url = "{upstream.url}v1/"\nallow_private_address = true\n'
        f'[providers.anthropic]\nbase_url = "{upstream.url}"\nallow_private_address = true\n'
        f'[providers.nearby]\ndialect = "openai_chat"\nbase_url = "{upstream.url}"\nallow_private_address = true\n'
    )
    return str(path)


@pytest.fixture
async def relaying(start_gateway: Any, upstream: Upstream, tmp_path: Path) -> Any:
    return await start_gateway(config_file=declare(tmp_path / "relay.toml", upstream))


def head(content_type: bytes, *more: bytes, status: bytes = b"200 OK") -> bytes:
    lines = (b"HTTP/1.1 " + status, b"content-type: " + content_type, *more)
    return b"\r\n".join((*lines, b"", b""))


def whole(body: bytes, *more: bytes, status: bytes = b"200 OK", content_type: bytes = b"application/json") -> bytes:
    return head(content_type, b"content-length: %d" % len(body), *more, status=status) + body


CHUNKED = head(b"text/event-stream", b"transfer-encoding: chunked")
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def streamed(pieces: Iterable[bytes]) -> list[Piece]:
    return [CHUNKED, *map(chunk, pieces), LAST_CHUNK]


CHAT_ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-2024-08-06","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,'
    b'"completion_tokens":1,"total_tokens":10}}'
)
RESPONSE = (
    b'{"id":"resp_1","object":"response","created_at":1,"status":"completed","error":null,"model":"gpt-4o","output":[],'
    b'"usage":{"input_tokens":9,"output_tokens":1,"total_tokens":10}}'
)
MESSAGE = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[],'
    b'"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":1}}'
)
ANSWERS = {CHAT: CHAT_ANSWER, RESPONSES: RESPONSE, MESSAGES: MESSAGE}


# What the provider gets. @ stands for the model's value: the caller's on its way in, the provider's on its way out.

REQUESTS = [
    b'{"model":@,"messages":[{"role":"user","content":"hi"}]}',
    b'{"messages":[{"role":"user","content":"hi"}],"model":@}',
    b' \t\r\n{ "a" : 1 ,\n\t"model" :  @\r\n , "b":[ ] , "c":{ } }\n\n ',
    b'{"model":@}',
    b'{"n":[1e3,1.0,-0,-0.0,0.1e-7,1E+2,12345678901234567890,1.7976931348623157e308],"model":@}',
    rb'{"s":"\u00e9\u00E9\/\b\f\n\r\t\"\\ \ud83d\ude00 \u0000 \u2028","model":@}',
    '{"s":"é\u2028\u2029\x7f😀 \ufeff","ключ":"значение","model":@}'.encode(),
    b'{"nobody":{"knows":["this",null,true,false]},"model":@,"nor":"that"}',
    b'{"deep":{"model":"openai/gpt-4o","model":"twice","x":1,"x":2},"model":@,"list":[{"model":7},{"model":8}]}',
    rb'{"text":"{\"model\":\"openai/gpt-4o\"}","model":@,"more":"\"model\" : \"x\" }"}',
    rb'{"\u006dodel":@,"a":1}',
    b'{"stream":false,"model":@}',
    b'{"":1,"model":@," ":2,"Model":3,"model ":4}',
    b'{"temperature":0.70,"max_tokens":1e2,"model":@,"top_p":1.000}',
    b'{"big":"' + b"x" * 300_000 + b'","model":@}',
]
# What is ours goes out, each with one comma.
WITHOUT_OURS = {
    b'{"gateway":{"id":"x"},"model":@}': b'{"model":@}',
    b'{"model":@,"options":{"rejectIfBusy":true}}': b'{"model":@}',
    b'{ "a":1, "options" : {} , "model":@ , "gateway":null, "b":2 }': b'{ "a":1 , "model":@, "b":2 }',
}


def unkept(path: str, body: bytes) -> bytes:
    """The same request, which asks for nothing to be kept: what is kept changes (tests/data_plane/state)."""
    return body.replace(b"{", b'{"store":false,', 1) if path == RESPONSES else body


def spelled(name: bytes) -> list[bytes]:
    """A name in several of the ways in which JSON may write it, and callers do."""
    escaped = name.replace(b"o", rb"\u006f").replace(b"/", rb"\u002F")
    return [b'"%s"' % text for text in (name, name.replace(b"/", rb"\/"), escaped, name.upper())]


@pytest.mark.parametrize("path", MODELS)
async def test_the_provider_gets_the_callers_bytes(relaying: Any, upstream: Upstream, path: str) -> None:
    upstream.pieces = [whole(ANSWERS[path])]
    for sent, expected in [*((body, body) for body in REQUESTS), *WITHOUT_OURS.items()]:
        for name in spelled(MODELS[path]):
            answer = await relaying.post(path, unkept(path, sent.replace(b"@", name)))
            assert answer.status_code == 200, (sent[:200], answer.text)
            assert upstream.bodies[-1] == unkept(path, expected.replace(b"@", WIRE_NAMES[path]))


# Names that the gateway looks at, and would refuse some values of.
LOOKED_AT = frozenset(("model", "messages", "input", "prompt", "stream", "stream_options", "options", "gateway"))
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
blanks = st.sampled_from(["", "", " ", "\n", "\t \r\n"])


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Any object, with white space anywhere and @ for its model."""
    fields = draw(st.dictionaries(texts.filter(lambda name: name not in LOOKED_AT), values, max_size=5))
    members = [
        (json.dumps(name, ensure_ascii=draw(st.booleans())), json.dumps(value, ensure_ascii=draw(st.booleans())))
        for name, value in fields.items()
    ]
    members = [(name, value.replace("@", "")) for name, value in members]
    members.insert(draw(st.integers(0, len(members))), ('"model"', "@"))
    joined = ",".join(
        "".join((draw(blanks), name.replace("@", "a"), draw(blanks), ":", draw(blanks), value, draw(blanks)))
        for name, value in members
    )
    return f"{draw(blanks)}{{{joined}}}{draw(blanks)}"


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies(), path=st.sampled_from(list(MODELS)))
async def test_any_body_is_passed_on(relaying: Any, upstream: Upstream, body: str, path: str) -> None:
    upstream.pieces = [whole(ANSWERS[path])]
    answer = await relaying.post(path, unkept(path, body.encode().replace(b"@", b'"%s"' % MODELS[path])))
    if answer.status_code == 400:  # names may come twice, when escapes and "@" are out of them
        names = [name for name, _ in json.loads(body.replace("@", "0"), object_pairs_hook=list)]
        assert len(set(names)) < len(names), answer.text
        return
    assert answer.status_code == 200, answer.text
    assert upstream.bodies[-1] == unkept(path, body.encode().replace(b"@", WIRE_NAMES[path]))


async def test_run_passes_the_input_on(relaying: Any, upstream: Upstream) -> None:
    upstream.pieces = [whole(CHAT_ANSWER)]
    given = b'{ "messages" : [{"role":"user","content":"\\u00e9"}] , "max_tokens" : 1e1,"x":{"model":1} }'
    for body in (
        b'{"model":"openai/gpt-4o","input":%s,"options":{"rejectIfBusy":true}}' % given,
        b'{"input" : %s , "model":"openai/gpt-4o"}' % given,
    ):
        answer = await relaying.post(RUN, body)
        assert answer.status_code == 200
        assert upstream.bodies[-1] == given[:-1] + b',"model":"gpt-4o"}'


USAGE_REQUESTS = {
    b'{"model":@,"stream":true}': b'{"model":@,"stream":true%s}' % ASKED_USAGE,
    b'{"stream" : true , "model":@ } ': b'{"stream" : true , "model":@ %s} ' % ASKED_USAGE,
    b'{"model":@,"stream":true,"stream_options":null}': b'{"model":@,"stream":true%s}' % ASKED_USAGE,
    b'{"stream_options":{"include_usage":false,"x":1},"model":@,"stream":true}': (
        b'{"stream_options":{"include_usage":true,"x":1},"model":@,"stream":true}'
    ),
    b'{"stream_options":{ "include_usage" : true },"model":@,"stream":true}': (
        b'{"stream_options":{ "include_usage" : true },"model":@,"stream":true}'
    ),
    b'{"model":@,"stream":false,"stream_options":{"x":1}}': b'{"model":@,"stream":false,"stream_options":{"x":1}}',
}


async def test_chat_streams_are_asked_for_their_usage(relaying: Any, upstream: Upstream) -> None:
    upstream.pieces = [whole(CHAT_ANSWER)]
    for request, expected in USAGE_REQUESTS.items():
        await relaying.post(CHAT, request.replace(b"@", b'"openai/gpt-4o"'))
        assert upstream.bodies[-1] == expected.replace(b"@", b'"gpt-4o"')


async def test_16_headers_are_written_anew(relaying: Any, upstream: Upstream) -> None:
    """Data-plane 2.3: an allow-list, nothing of the caller's identity."""
    upstream.pieces = [whole(MESSAGE)]
    sent = {
        "cf-aig-metadata": '{"a":1}',
        "x-api-key": "secret-of-the-caller",
        "cookie": "a=b",
        "anthropic-version": "2023-01-01",
        "anthropic-beta": "one,two",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "x-forwarded-for": "10.0.0.1",
        "user-agent": "caller/1",
    }
    body = b'{"model":"anthropic/claude-haiku-4.5","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}'
    await relaying.post(MESSAGES, body, headers=sent)
    lines = upstream.heads[-1].lower().split(b"\r\n")
    assert lines[0] == b"post /v1/messages http/1.1"
    headers = dict(line.split(b": ", 1) for line in lines[1:] if line)
    assert headers == {
        b"host": upstream.url.encode()[7:-1],
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(upstream.bodies[-1]),
        b"user-agent": b"isthmus/0.1",
        b"x-api-key": b"sk-ant-test",
        b"anthropic-version": b"2023-01-01",
        b"anthropic-beta": b"one,two",
        b"traceparent": sent["traceparent"].encode(),
    }
    # Another dialect: the caller's headers say nothing to this provider, but those of tracing do.
    await relaying.post(CHAT, body, headers=sent)
    headers = dict(line.split(b": ", 1) for line in upstream.heads[-1].lower().split(b"\r\n")[1:] if line)
    assert headers[b"anthropic-version"] == b"2023-06-01" and b"anthropic-beta" not in headers
    assert headers[b"traceparent"] == sent["traceparent"].encode()


# What the caller gets, whole.

METADATA = b',"gatewayMetadata":{"keySource":"Unified"}}'


@pytest.mark.parametrize("path", MODELS)
async def test_the_caller_gets_the_providers_bytes(relaying: Any, upstream: Upstream, path: str) -> None:
    plain = ANSWERS[path]
    odd = b' \r\n{ "x":1.0 , "y":-0,"z":"\\u00e9\\/",' + plain[1:-1] + b' , "deep":{"a":1,"a":2} } \n'
    request = unkept(path, b'{"model":"%s","messages":[{"role":"user","content":"hi"}]}' % MODELS[path])
    for body in (plain, plain + b"\n", odd):
        half = len(body) // 2
        more = (b"x-request-id: req_1", b"set-cookie: a=b", b"server: someone")
        chunked = head(b"application/json; charset=utf-8", b"transfer-encoding: chunked", *more)
        for pieces in (
            [whole(body, *more, content_type=b"application/json; charset=utf-8")],
            [chunked, chunk(body[:half]), chunk(body[half:]), LAST_CHUNK],
            [head(b"application/json; charset=utf-8", *more), body[:half], body[half:], HANG_UP],
        ):
            upstream.pieces = pieces
            answer = await relaying.post(path, request)
            assert answer.status_code == 200
            if path == CHAT:
                end = body.rstrip()
                assert answer.content == end[:-1] + METADATA + body[len(end) :]
            else:
                assert answer.content == body
            assert answer.headers["content-type"] == "application/json; charset=utf-8"
            assert answer.headers["x-request-id"] == "req_1"
            assert not {"set-cookie", "server"} & set(answer.headers)
    rows = await relaying.rows()
    assert {(row["end"], row["tokens_in"], row["tokens_out"], row["finish_reason"]) for row in rows} == {
        ("completed", 9, 1, "stop")
    }


async def test_run_wraps_the_providers_bytes(relaying: Any, upstream: Upstream) -> None:
    for path, model in ((CHAT, "openai/gpt-4o"), (MESSAGES, "anthropic/claude-haiku-4.5")):
        upstream.pieces = [whole(ANSWERS[path])]
        body = {"model": model, "input": {"max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}}
        answer = await relaying.post(RUN, body)
        inner = ANSWERS[path][:-1] + METADATA
        assert answer.content == b'{"result":' + inner + b',"success":true,"errors":[],"messages":[]}'


ERRORS = [
    whole(b' { "error" : {"message":"no\\u0020way","code":null} }\n', status=b"400 Bad Request"),
    whole(b"<html>busy</html>", content_type=b"text/html; charset=UTF-8", status=b"503 Service Unavailable"),
    whole(b"", status=b"500 Internal Server Error"),
    whole(b'{"error":{}}', b"request-id: req_9", b"x-should-retry: false", b"retry-after: 3", status=b"429 Too Many"),
]


@pytest.mark.parametrize("path", MODELS)
async def test_the_providers_error_is_relayed_byte_for_byte(relaying: Any, upstream: Upstream, path: str) -> None:
    for error in ERRORS:
        upstream.pieces = [error]
        for stream in (b"false", b"true"):
            answer = await relaying.post(path, b'{"model":"%s","stream":%s}' % (MODELS[path], stream))
            lines, _, body = error.partition(b"\r\n\r\n")
            assert answer.status_code == int(lines[9:12]) and answer.content == body
            assert answer.headers["content-type"].encode() in lines
    assert answer.headers["retry-after"] == "3"
    assert answer.headers["request-id"] == "req_9" and answer.headers["x-should-retry"] == "false"
    upstream.pieces = [whole(b"{}", b"retry-after: Fri, 31 Dec 2027 23:59:59 GMT", status=b"503 Service Unavailable")]
    answer = await relaying.post(path, b'{"model":"%s"}' % MODELS[path])
    assert answer.headers["retry-after"] == "Fri, 31 Dec 2027 23:59:59 GMT"


async def test_an_error_whose_body_breaks_off_keeps_its_status(relaying: Any, upstream: Upstream) -> None:
    upstream.pieces = [whole(b'{"error":{"message":"slow down"}}', status=b"429 Too Many")[:-10], HANG_UP]
    answer = await relaying.post(CHAT, b'{"model":"openai/gpt-4o"}')
    assert answer.status_code == 429
    answer = await relaying.post(
        MESSAGES, b'{"model":"openai/gpt-4o","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}'
    )
    assert answer.status_code == 429 and answer.json()["error"]["type"] == "rate_limit_error"


NO_ANSWERS = {
    "redirect": (whole(b"{}", b"location: http://127.0.0.1/", status=b"302 Found"), 502),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 502),
    "no content type": (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 502),
    "compressed": (whole(b"\x1f\x8b", b"content-encoding: gzip"), 502),
    "compressed error": (whole(b"\x1f\x8b", b"content-encoding: gzip", status=b"400 Bad Request"), 400),
    "no status that is one": (whole(b"{}", status=b"999 Whatever"), 502),
    "array": (whole(b"[]"), 502),
    "scalar": (whole(b"null"), 502),
    "two objects": (whole(b"{}{}"), 502),
    "too long": (whole(b'{"a":"' + b"x" * 70_000 + b'"}'), 502),
    "error with 200": (whole(b'{"error":{"message":"slow down","code":429}}'), 429),
    "error as text": (whole(b'{"error":"slow down"}'), 502),
    "our key": (whole(b'{"error":{"message":"Incorrect API key provided: sk-o****","code":"invalid_api_key"}}'), 503),
}


async def test_a_200_hides_no_error(start_gateway: Any, upstream: Upstream, tmp_path: Path) -> None:
    config = declare(tmp_path / "small.toml", upstream)
    gateway = await start_gateway(config_file=config, answer_max_bytes=65536)
    for name, (pieces, status) in NO_ANSWERS.items():
        upstream.pieces = [pieces]
        for path in (CHAT, RUN, MESSAGES):
            asked: Any = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
            asked = {"input": asked} if path == RUN else asked
            answer = await gateway.post(path, {"model": "openai/gpt-4o", **asked})
            assert answer.status_code == status, (name, path, answer.text)
            assert answer.json()["errors"][0]["code"] == 2005, (name, path)
            assert b"sk-o" not in answer.content
            assert (b"slow down" in answer.content) is (b"slow down" in pieces), name
            row = (await gateway.rows())[0]
            assert (row["success"], row["status_code"], row["end"]) == (False, status, "provider_error"), name


async def test_other_dialects_errors_with_200(relaying: Any, upstream: Upstream) -> None:
    upstream.pieces = [whole(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')]
    answer = await relaying.post(MESSAGES, b'{"model":"anthropic/claude-haiku-4.5"}')
    assert answer.status_code == 529 and answer.json()["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    failed = RESPONSE.replace(b'"completed"', b'"failed"').replace(
        b'"error":null', b'"error":{"code":"rate_limit_exceeded","message":"slow down"}'
    )
    upstream.pieces = [whole(failed)]
    answer = await relaying.post(RESPONSES, b'{"model":"openai/gpt-4o","input":"hi"}')
    assert answer.status_code == 429 and answer.json()["error"]["message"] == "slow down"
    assert all(row["end"] == "provider_error" for row in await relaying.rows())


async def test_answers_that_do_not_say_why_they_end_pass(relaying: Any, upstream: Upstream) -> None:
    for path, body in {
        CHAT: CHAT_ANSWER.replace(b'"stop"', b"null"),
        RESPONSES: RESPONSE.replace(b'"completed"', b'"queued"'),
        MESSAGES: MESSAGE.replace(b'"end_turn"', b"null"),
    }.items():
        upstream.pieces = [whole(body)]
        answer = await relaying.post(path, unkept(path, b'{"model":"%s"}' % MODELS[path]))
        assert answer.status_code == 200
        assert body[:-1] in answer.content
        assert (await relaying.rows())[0]["end"] == "completed"


# What the caller gets, streamed.


def sse(*data: bytes, ending: bytes = b"\n") -> bytes:
    """Events; a name before a bar is their `event:`."""
    events = []
    for item in data:
        name, bar, rest = item.partition(b"|")
        lines = [b"event: " + name, b"data: " + rest] if bar else [b"data: " + item]
        events.append(b"".join(line + ending for line in lines) + ending)
    return b"".join(events)


def chat_chunk(choices: bytes, more: bytes = b"") -> bytes:
    start = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    return start + choices + more + b"}"


SAID = chat_chunk(
    b'[{"index":0,"delta":{"role":"assistant","content":"hi \\"x\\" \xe2\x80\xa8"},"finish_reason":null}]'
)
STOPPED = chat_chunk(b'[{"index":0,"delta":{},"finish_reason":"stop"}]')
USED = b'"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}'
USAGE = chat_chunk(b"[]", b"," + USED)
DONE = b"[DONE]"
CHAT_EVENTS = (SAID, STOPPED, DONE)
CREATED = b'response.created|{"type":"response.created","sequence_number":0,"response":{"id":"r","error":null}}'
TOLD = (
    b'response.output_text.delta|{"type":"response.output_text.delta","sequence_number":1,"delta":"response.completed"}'
)
COMPLETED = b'response.completed|{"type":"response.completed","sequence_number":2,"response":%s}' % RESPONSE
MESSAGE_EVENTS = (
    b'message_start|{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":9,"output_tokens":0}}}',
    b'ping|{"type":"ping"}',
    b'content_block_delta|{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"message_stop"}}',
    b'message_delta|{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}',
    b'message_stop|{"type":"message_stop"}',
)
CRLF = b"\r\n"

STREAMS: dict[str, tuple[str, bytes]] = {
    "chat": (CHAT, sse(*CHAT_EVENTS)),
    "chat, CRLF": (CHAT, sse(*CHAT_EVENTS, ending=CRLF)),
    "chat, CR": (CHAT, sse(*CHAT_EVENTS, ending=b"\r")),
    "chat, comments and fields": (
        CHAT,
        b": OPENROUTER PROCESSING\n\n\n\nid: 7\nretry: 10\nevent: x\n" + sse(SAID) + b":\n\n" + sse(STOPPED, DONE),
    ),
    "chat, no blanks after colons": (CHAT, sse(*CHAT_EVENTS).replace(b"data: ", b"data:")),
    "chat, a byte order mark": (CHAT, b"\xef\xbb\xbf" + sse(*CHAT_EVENTS)),
    "chat, no [DONE]": (CHAT, sse(SAID, STOPPED)),
    "chat, no blank line after [DONE]": (CHAT, sse(*CHAT_EVENTS)[:-1]),
    "chat, no line end after [DONE]": (CHAT, sse(*CHAT_EVENTS)[:-2]),
    "chat, no [DONE] and no blank line": (CHAT, sse(SAID, STOPPED)[:-1]),
    "chat, no [DONE] and no line end": (CHAT, sse(SAID, STOPPED, ending=CRLF)[:-4]),
    "chat, more after [DONE]": (CHAT, sse(*CHAT_EVENTS) + b": cost 0.1\n\ndata: {}\n\n: bye"),
    "chat, a named event": (CHAT, sse(b"completion|" + SAID, STOPPED, DONE)),
    "responses": (RESPONSES, sse(CREATED, TOLD, COMPLETED)),
    "responses, CRLF": (RESPONSES, sse(CREATED, TOLD, COMPLETED, ending=CRLF)),
    "responses, no blank line at the end": (RESPONSES, sse(CREATED, TOLD, COMPLETED)[:-1]),
    "responses, no line end": (RESPONSES, sse(CREATED, TOLD, COMPLETED)[:-2]),
    "responses, [DONE] after all": (RESPONSES, sse(CREATED, TOLD, COMPLETED, DONE)),
    "messages": (MESSAGES, sse(*MESSAGE_EVENTS)),
    "messages, CRLF": (MESSAGES, sse(*MESSAGE_EVENTS, ending=CRLF)),
    "messages, no blank line at the end": (MESSAGES, sse(*MESSAGE_EVENTS)[:-1]),
    "messages, a comment first": (MESSAGES, b": hello\n\n" + sse(*MESSAGE_EVENTS)),
}


def asking(path: str, more: bytes = b"") -> bytes:
    usage = b',"stream_options":{"include_usage":true}' if path == CHAT else b""
    return unkept(path, b'{"model":"%s","stream":true%s%s}' % (MODELS[path], usage, more))


async def test_a_stream_is_passed_on(relaying: Any, upstream: Upstream) -> None:
    for name, (path, stream) in STREAMS.items():
        middle = len(stream) // 2
        for pieces in ([stream], [stream[:middle], stream[middle:]], [bytes((byte,)) for byte in stream]):
            upstream.pieces = streamed(pieces)
            answer = await relaying.post(path, asking(path))
            assert answer.status_code == 200 and answer.headers["content-type"] == "text/event-stream"
            assert answer.content == stream, name
            row = (await relaying.rows())[0]
            assert (row["end"], row["success"], row["finish_reason"]) == ("completed", True, "stop"), name
            if path != CHAT:  # these streams of chat have no usage
                assert (row["tokens_in"], row["tokens_out"]) == (9, 1), name


async def test_a_stream_that_ends_with_its_connection(relaying: Any, upstream: Upstream) -> None:
    stream = sse(*CHAT_EVENTS)
    upstream.pieces = [head(b"text/event-stream; charset=utf-8"), stream[:50], stream[50:], HANG_UP]
    answer = await relaying.post(CHAT, asking(CHAT))
    assert answer.content == stream and answer.headers["content-type"] == "text/event-stream; charset=utf-8"


async def test_a_stream_cut_anywhere_is_passed_on(relaying: Any, upstream: Upstream) -> None:
    for name in ("chat", "chat, CRLF", "messages, CRLF"):
        path, stream = STREAMS[name]
        for place in range(1, len(stream), 3):
            upstream.pieces = streamed([stream[:place], stream[place:]])
            assert (await relaying.post(path, asking(path))).content == stream


async def test_events_of_2_mb(relaying: Any, upstream: Upstream) -> None:
    text = b"x" * 2_000_000
    for path, events in {
        CHAT: sse(SAID.replace(b"hi", text), STOPPED, DONE),
        RESPONSES: sse(CREATED, TOLD.replace(b'response.completed"}', text + b'"}'), COMPLETED),
        MESSAGES: sse(*(event.replace(b'"message_stop"}}', b'"' + text + b'"}}') for event in MESSAGE_EVENTS)),
    }.items():
        assert len(events) > 2_000_000
        upstream.pieces = streamed([events[place : place + 60_000] for place in range(0, len(events), 60_000)])
        answer = await relaying.post(path, asking(path))
        assert answer.content == events
        row = (await relaying.rows())[0]
        assert (row["end"], row["finish_reason"]) == ("completed", "stop")


def a_call(path: str) -> Call:
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=ModelTable({}, {}))
    call = Call(uuid7(), POST[path], "account", f"/ai/{path}", {}, snapshot)
    call.answer = Answer(1 << 20)
    return call


def relayed(path: str, pieces: Iterable[bytes]) -> list[bytes]:
    """What goes out, write by write, of a stream that comes in these pieces."""
    call = a_call(path)
    dialect = DIALECTS[POST[path].dialect or ""]
    outgoing = RelayedStream(call, dialect, None)
    written = []
    for piece in pieces:
        data = outgoing.write(Frame(piece, dialect.reader(False)))
        if data:
            call.answer.add(data)
            written.append(data)
    return [*written, outgoing.close()]


def at_an_event_end(data: bytes) -> bool:
    return data.endswith((b"\n\n", b"\r\n\r\n", b"\r\r"))


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=60, deadline=None, database=None)
@given(data=st.data())
def test_writes_are_whole_events_however_a_stream_is_cut(name: str, data: st.DataObject) -> None:
    path, stream = STREAMS[name]
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    edges = sorted({0, len(stream), *places})
    *written, last = relayed(path, [stream[start:end] for start, end in pairwise(edges)])
    assert b"".join((*written, last)) == stream
    for place in range(len(written)):
        assert at_an_event_end(b"".join(written[: place + 1]))


@pytest.mark.parametrize("name", [name for name in STREAMS if "CR" in name or name in ("chat", "messages")])
def test_byte_by_byte_each_event_goes_out_by_itself(name: str) -> None:
    path, stream = STREAMS[name]
    *written, last = relayed(path, [bytes((byte,)) for byte in stream])
    assert b"".join((*written, last)) == stream
    assert len([event for event in written if b"data:" in event]) == stream.count(b"data:")


@pytest.mark.parametrize("name", ["chat", "responses", "messages", "messages, CRLF"])
def test_half_an_event_never_goes_out(name: str) -> None:
    """What is said in-band after it would belong to it."""
    path, stream = STREAMS[name]
    call = a_call(path)
    for place in range(1, len(stream) - 60):
        outgoing = RelayedStream(call, DIALECTS[POST[path].dialect or ""], None)
        written = outgoing.write(Frame(stream[:place], DIALECTS["openai_chat"].reader(False)))
        assert not written or at_an_event_end(written)
        if not outgoing.ended:
            with pytest.raises(Interrupted):
                outgoing.close()


# Usage: the provider is asked for it, the caller is given it where he asked himself.


def chat_with_usage(ending: bytes, spaced: bool = False) -> tuple[bytes, bytes]:
    """As the provider sends it, and without the chunk of usage."""
    usage = USAGE.replace(b'"usage":', b'"usage": ') if spaced else USAGE
    start, end = sse(SAID, STOPPED, ending=ending), sse(DONE, ending=ending)
    return start + sse(usage, ending=ending) + end, start + end


async def test_usage_that_was_not_asked_for(relaying: Any, upstream: Upstream) -> None:
    for ending, spaced in ((b"\n", False), (b"\n", True), (CRLF, False), (CRLF, True)):
        stream, without = chat_with_usage(ending, spaced)
        for place in range(0, len(stream), 5):
            upstream.pieces = streamed([part for part in (stream[:place], stream[place:]) if part])
            answer = await relaying.post(CHAT, b'{"model":"openai/gpt-4o","stream":true}')
            assert answer.content == without
        answer = await relaying.post(CHAT, asking(CHAT))
        assert answer.content == stream
    rows = await relaying.rows()
    assert {(row["tokens_in"], row["tokens_out"], row["end"]) for row in rows} == {(9, 1, "completed")}


async def test_usage_beside_words_stays(relaying: Any, upstream: Upstream) -> None:
    """Only the chunk that was asked for is taken out, not what says `usage` besides."""
    stream = sse(
        SAID.replace(b"hi", rb"\"usage\":{}"),
        SAID.replace(b"}]}", b'}],"usage":null}'),
        STOPPED.replace(b"}]}", b"}]," + USED + b"}"),
        DONE,
    )
    upstream.pieces = streamed([stream])
    answer = await relaying.post(CHAT, b'{"model":"openai/gpt-4o","stream":true}')
    assert answer.content == stream
    row = await relaying.row()
    assert (row["tokens_in"], row["tokens_out"]) == (9, 1)


# Time.


class Raw:
    """A caller who sees each byte as it comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._data = bytearray()

    async def until(self, text: bytes) -> None:
        seen = 0
        async with asyncio.timeout(SOON_SECONDS):
            while self._data.find(text, seen) < 0:
                seen = max(0, len(self._data) - len(text))
                more = await self._reader.read(1 << 20)
                assert more, self._data[-1000:]
                self._data += more

    @property
    def complete(self) -> bool:
        return self._data.endswith(b"\r\n0\r\n\r\n")

    def content(self) -> bytes:
        """The chunks so far, together."""
        parts, place = [], self._data.index(b"\r\n\r\n") + 4
        while place < len(self._data):
            start = self._data.index(b"\r\n", place) + 2
            place = start + int(self._data[place : start - 2], 16) + 2
            parts.append(self._data[start : place - 2])
        return b"".join(parts)

    async def leave(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def calling(gateway: Any, path: str, body: bytes) -> Raw:
    reader, writer = await gateway.connect()
    writer.write(gateway.request(path, body))
    return Raw(reader, writer)


TO_EACH = b'{"model":"%s","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'


async def test_a_provider_that_does_not_close_holds_nobody(relaying: Any, upstream: Upstream) -> None:
    """The last event is passed on at once; the stream ends when the provider's may linger no longer (1 s)."""
    last = {CHAT: b"[DONE]", RESPONSES: b'"response.completed",', MESSAGES: b'"message_stop"}\n'}
    chat, messages = sse(*CHAT_EVENTS), sse(*MESSAGE_EVENTS)
    callers = []
    for path, model, stream in (
        (CHAT, MODELS[CHAT], chat),
        (RESPONSES, MODELS[RESPONSES], sse(CREATED, TOLD, COMPLETED)),
        (MESSAGES, MODELS[MESSAGES], messages),
        (MESSAGES, MODELS[CHAT], chat),
        (CHAT, MODELS[MESSAGES], messages),
    ):
        upstream.pieces = [CHUNKED, chunk(stream), asyncio.Event()]
        callers.append(await calling(relaying, path, TO_EACH % model))
        await callers[-1].until(last[path])
        assert not callers[-1].complete
        rows = await relaying.rows()  # it is there before the caller has seen the end
        assert len(rows) == len(callers)
        assert (rows[0]["end"], rows[0]["finish_reason"]) == ("completed", "stop")
    started = time.monotonic()
    for caller in callers:
        await caller.until(b"\r\n0\r\n\r\n")
        await caller.leave()
    assert time.monotonic() - started < 5


async def test_a_provider_that_goes_on_after_the_end_of_a_translated_answer(relaying: Any, upstream: Upstream) -> None:
    upstream.pieces = streamed([sse(*CHAT_EVENTS), sse(SAID, STOPPED), b"data: {nonsense\n\n"])
    answer = await relaying.post(MESSAGES, TO_EACH % MODELS[CHAT])
    assert answer.content.endswith(b'{"type":"message_stop"}\n\n') and answer.content.count(b"hi ") == 1
    assert (await relaying.row())["end"] == "completed"


@pytest.mark.parametrize("path", MODELS)
async def test_silence_is_filled_between_events_only(
    start_gateway: Any, upstream: Upstream, tmp_path: Path, path: str
) -> None:
    config = declare(tmp_path / "kept.toml", upstream)
    gateway = await start_gateway(config_file=config, stream_keep_alive_seconds=0.05)
    stream = STREAMS[{CHAT: "chat", RESPONSES: "responses", MESSAGES: "messages"}[path]][1]
    edge = stream.index(b"\n\n") + 2
    keep_alive = DIALECTS[POST[path].dialect or ""].keep_alive
    first, second = asyncio.Event(), asyncio.Event()
    # Silent in the middle of the first event, and in the middle of the second.
    upstream.pieces = [
        CHUNKED,
        chunk(stream[:10]),
        first,
        chunk(stream[10 : edge + 10]),
        second,
        chunk(stream[edge + 10 :]),
        LAST_CHUNK,
    ]
    caller = await calling(gateway, path, asking(path))
    await caller.until(keep_alive + b"\r\n")
    assert set(caller.content().split(b"\n\n")) == {keep_alive[:-2], b""}
    first.set()
    await caller.until(stream[edge - 10 : edge])
    await caller.until(stream[edge - 10 : edge] + b"\r\n" + b"%x\r\n" % len(keep_alive) + keep_alive)
    second.set()
    await caller.until(b"\r\n0\r\n\r\n")
    events = caller.content().split(b"\n\n")
    expected = [event for event in stream.split(b"\n\n") if event != keep_alive[:-2]]
    assert [event for event in events if event != keep_alive[:-2]] == expected
    row = await gateway.row()
    assert (row["end"], row["finish_reason"]) == ("completed", "stop")
    await caller.leave()


async def test_no_silence_is_filled_where_none_shall_be(start_gateway: Any, upstream: Upstream, tmp_path: Path) -> None:
    gateway = await start_gateway(
        config_file=declare(tmp_path / "silent.toml", upstream), stream_keep_alive_seconds=0, idle_timeout_seconds=0.2
    )
    stream = sse(SAID)
    upstream.pieces = [CHUNKED, chunk(stream), asyncio.Event()]
    answer = await gateway.post(CHAT, asking(CHAT))
    assert answer.content.startswith(stream + b'data: {"error":')


async def test_a_caller_who_does_not_read_holds_the_provider_back(relaying: Any, upstream: Upstream) -> None:
    event = sse(SAID.replace(b"hi", b"x" * 65_000))
    count = 600  # 39 MB: more than all the sockets between them take
    upstream.pieces = streamed([event] * count + [sse(STOPPED, DONE)])
    caller = await calling(relaying, CHAT, asking(CHAT))
    await caller.until(b"\r\n\r\n")
    written = -1
    while upstream.written != written:  # until nobody moves any more
        written = upstream.written
        for _ in range(2000):
            await asyncio.sleep(0)
    assert written < count * len(event) * 2 // 3
    await caller.until(b"\r\n0\r\n\r\n")
    assert caller.content() == event * count + sse(STOPPED, DONE)
    await caller.leave()
