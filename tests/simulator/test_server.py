"""The server: connections, keys, paths, what it records, and that the same seed gives the same bytes."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvloop

from isthmus.simulator import Model, Simulator

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
MESSAGE = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({}, 401, "You didn't provide an API key."),
        ({"authorization": "Bearer "}, 401, "You didn't provide an API key."),
        ({"authorization": "Basic abc"}, 401, "You didn't provide an API key."),
        ({"authorization": "Bearer wrong-key"}, 401, "Incorrect API key provided: wrong-key."),
        ({"authorization": "Bearer k", "cf-aig-gateway-id": "x"}, 400, "The gateway's own header 'cf-aig-gateway-id'"),
        ({"authorization": "Bearer k", "content-type": "text/plain"}, 400, "Unsupported content type: 'text/plain'."),
    ],
)
async def test_openai_manners(headers: dict[str, str], status: int, message: str, caller: Any) -> None:
    reply = await caller.post(CHAT, BODY, {**JSON, **headers})
    assert reply.status == status and reply.json()["error"]["message"].startswith(message)


@pytest.mark.parametrize(
    ("headers", "status", "kind", "message"),
    [
        ({}, 401, "authentication_error", "x-api-key header is required"),
        ({"x-api-key": "wrong-key"}, 401, "authentication_error", "invalid x-api-key"),
        ({"x-api-key": "k", "anthropic-version": ""}, 400, "invalid_request_error", "anthropic-version: "),
        ({"x-api-key": "k", "anthropic-version": "2020-01-01"}, 400, "invalid_request_error", "anthropic-version: "),
        ({"x-api-key": "k", "CF-AIG-Metadata": "{}"}, 400, "invalid_request_error", "The gateway's own header"),
    ],
)
async def test_anthropic_manners(headers: dict[str, str], status: int, kind: str, message: str, caller: Any) -> None:
    sent = {**JSON, "anthropic-version": "2023-06-01", **headers}
    reply = await caller.post("/v1/messages", MESSAGE, sent)
    error = reply.json()["error"]
    assert (reply.status, error["type"]) == (status, kind) and error["message"].startswith(message)


async def test_version_is_required(caller: Any) -> None:
    reply = await caller.post("/v1/messages", MESSAGE, {**JSON, "x-api-key": "k"})
    assert reply.json()["error"]["message"] == "anthropic-version: header is required"


async def test_unknown_paths(caller: Any) -> None:
    openai = await caller.post("/v1/v1/chat/completions", BODY)
    message = "Invalid URL (POST /v1/v1/chat/completions)"
    assert (openai.status, openai.json()["error"]["message"]) == (404, message)
    anthropic = await caller.post("/v1/messages/", MESSAGE)
    assert (anthropic.status, anthropic.json()["error"]["type"]) == (404, "not_found_error")
    assert (await caller.post(CHAT, b"", method="GET")).status == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"model":"\xff"}'])
async def test_unreadable_body(body: bytes, caller: Any) -> None:
    for path in (CHAT, "/v1/responses", "/v1/messages"):
        reply = await caller.post(path, body)
        assert reply.status == 400 and "body of your request" in reply.json()["error"]["message"]


async def test_records_what_came(simulator: Simulator, caller: Any) -> None:
    body = b'{ "model": "gpt-4o",  "messages": [{"role": "user", "content": "hello"}] }'
    headers = {"Authorization": "Bearer k", "Content-Type": "application/json", "X-Odd": "a"}
    await caller.post(f"{CHAT}?a=b", body, headers)
    request = await simulator.seen(1)
    assert (request.method, request.path, request.query, request.body) == ("POST", CHAT, "a=b", body)
    assert (b"X-Odd", b"a") in request.headers and request.header("x-odd") == "a"
    assert request.header("absent") is None
    assert request.json()["model"] == "gpt-4o" and request.status == 200
    assert request.answered.is_set() and not request.closed_early.is_set()


async def test_record_is_bounded() -> None:
    async with Simulator(max_recorded=3) as simulator:
        from_here = _client(simulator)
        for _ in range(5):
            await from_here(b"GET /v1/models HTTP/1.1\r\nauthorization: Bearer k\r\n\r\n")
        assert len(simulator.requests) == 3


def _client(simulator: Simulator) -> Any:
    """Sends bytes on a new connection; returns the answer if they ask for its end, else the first of it."""

    async def send(data: bytes) -> bytes:
        address = urlsplit(simulator.base_url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(data)
        answer = await reader.read(-1 if b"connection: close" in data else 4096)
        writer.close()
        return answer

    return send


async def test_connection_is_kept_and_requests_queue(simulator: Simulator, caller: Any) -> None:
    reader, writer = await caller.open(CHAT, BODY)
    second = json.dumps({**BODY, "stream": True}).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\n"
        b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(second), second)
    )
    answer = await reader.read()
    writer.close()
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2 and answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert [request.body for request in simulator.requests] == [json.dumps(BODY).encode(), second]


async def test_head_has_no_body(simulator: Simulator) -> None:
    answer = await _client(simulator)(
        b"HEAD /api/hello HTTP/1.1\r\nauthorization: Bearer k\r\nconnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 404 ") and answer.endswith(b"\r\n\r\n")


async def test_too_many_at_once(simulator: Simulator) -> None:
    slow = json.dumps({**BODY, "messages": [{"role": "user", "content": "[[sim: slow_first_byte=60000]]"}]}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\n"
    asked = head + b"content-length: %d\r\n\r\n%s" % (len(slow), slow)
    assert (await _client(simulator)(asked * 30)).startswith(b"HTTP/1.1 400 ")


async def test_too_large_a_body(simulator: Simulator) -> None:
    host, port = simulator.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/messages HTTP/1.1\r\ncontent-length: 40000000\r\n\r\n")
    block = b"x" * (1 << 20)
    try:
        for _ in range(34):
            writer.write(block)
            await writer.drain()
        answer = await reader.read(100)
    except ConnectionError:
        answer = b"HTTP/1.1 413 "  # it hung up while we were still talking
    assert answer.startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_nonsense(simulator: Simulator) -> None:
    assert (await _client(simulator)(b"how do you do?\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_expectation_is_met(simulator: Simulator) -> None:
    host, port = simulator.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(BODY).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\n"
        b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert (await reader.readuntil(b"\r\n")) == b"HTTP/1.1 200 OK\r\n"
    writer.close()


async def _conversation(seed: int) -> list[bytes]:
    """The bytes of some answers, asked of a new simulator."""
    from_paths = [
        (CHAT, BODY),
        (CHAT, {**BODY, "stream": True, "n": 2}),
        (CHAT, BODY),
        ("/v1/responses", {"model": "gpt-5.5", "input": "hello", "stream": True}),
        ("/v1/messages", {**MESSAGE, "stream": True}),
        ("/v1/messages", {"model": "claude-9"}),
    ]
    async with Simulator(seed=seed) as simulator:
        send = _client(simulator)
        answers: list[bytes] = []
        for path, body in from_paths:
            content = json.dumps(body).encode()
            head = (
                f"POST {path} HTTP/1.1\r\nx-api-key: k\r\nauthorization: Bearer k\r\nanthropic-version: 2023-06-01\r\n"
                f"content-type: application/json\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
            )
            answers.append(await send(head.encode() + content))
        return answers


async def test_same_seed_same_bytes() -> None:
    one, again, other = await _conversation(5), await _conversation(5), await _conversation(6)
    assert one == again
    assert all(mine != theirs for mine, theirs in zip(one, other, strict=True))
    assert one[0] != one[2]  # the same question twice: the same words, another id
    text = re.compile(rb'"content":"([^"]+)"')
    assert text.findall(one[0]) == text.findall(one[2]) != text.findall(other[0])


def test_runs_on_uvloop() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        on_uvloop = runner.run(_conversation(5))
    with asyncio.Runner() as runner:
        assert runner.run(_conversation(5)) == on_uvloop


@pytest.mark.parametrize("directive", ["fault=reset", "reset_after=2"])
def test_resets_on_uvloop(directive: str) -> None:
    async def ask() -> bytes:
        async with Simulator() as simulator:
            content = json.dumps({"model": "gpt-4o", "input": f"[[sim: {directive}]]", "stream": True}).encode()
            host, port = simulator.base_url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"POST /v1/responses HTTP/1.1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%s" % (len(content), content)
            )
            received = b""
            with pytest.raises(ConnectionResetError):
                while data := await reader.read(65536):
                    received += data
            writer.close()
            return received

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        received = runner.run(ask())
    assert received.count(b"data: ") == (2 if "after" in directive else 0)


async def test_prefix_and_models_of_ones_own() -> None:
    mine = Model(name="house-model", vendor="openai")
    async with Simulator(prefix="/openai", models=[mine]) as simulator:
        assert simulator.openai_url.endswith("/openai/v1/") and simulator.anthropic_url.endswith("/openai/")
        content = json.dumps({**BODY, "model": "house-model"}).encode()
        head = (
            b"POST %s HTTP/1.1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n"
        )
        send = _client(simulator)
        good = await send(head % (b"/openai/v1/chat/completions", len(content)) + content)
        bad = await send(head % (b"/v1/chat/completions", len(content)) + content)
    assert good.startswith(b"HTTP/1.1 200 ") and b'"model":"house-model"' in good
    assert bad.startswith(b"HTTP/1.1 404 ")


async def test_closing_ends_whatever_goes_on() -> None:
    async with Simulator() as simulator:
        host, port = simulator.base_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        content = json.dumps({**BODY, "messages": [{"role": "user", "content": "[[sim: slow_first_byte=60000]]"}]})
        writer.write(
            f"POST {CHAT} HTTP/1.1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\n"
            f"content-length: {len(content)}\r\n\r\n{content}".encode()
        )
        await simulator.seen(1)
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_it_is_and_stops_when_told(how: signal.Signals) -> None:
    program = "from isthmus.simulator import serve; serve('127.0.0.1', 0, 3)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(8)]
        process.send_signal(how)
        assert process.wait(5) == 0
    address = re.search(r"http://127\.0\.0\.1:\d+", lines[0])
    assert address is not None and lines[0].endswith("with seed 3.")
    assert lines[2:] == [
        "[providers.openai]",
        f'base_url = "{address[0]}/v1/"',
        "allow_private_address = true",
        "[providers.anthropic]",
        f'base_url = "{address[0]}/"',
        "allow_private_address = true",
    ]


def test_import_is_light() -> None:
    program = "import sys, isthmus.simulator; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"uvloop", "openai", "anthropic", "httpx", "jsonschema", "starlette", "uvicorn"}
    assert not heavy & set(found.stdout.split())
