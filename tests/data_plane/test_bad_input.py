"""Bad input of every kind: a clear 4xx in the caller's dialect, one row where an account is known, nothing lost."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

CHAT = "v1/chat/completions"
PATHS = [CHAT, "v1/responses", "v1/messages", "run"]
GOOD = b'{"model":"openai/gpt-4o","messages":[{"role":"user","content":"hi"}]}'


def code_and_message(path: str, answer: Any) -> tuple[int, str]:
    """What the caller's own SDK would find, checked against the shape of its dialect; every shape has v4's keys too."""
    body = answer.json()
    assert body["success"] is False
    (problem,) = body["errors"]
    if path == "v1/messages":
        assert body["type"] == "error" and body["error"]["type"] and body["request_id"]
        assert body["error"]["message"] == problem["message"]
    elif path != "run":
        assert body["error"]["message"] == problem["message"]
        assert body["error"]["code"] == str(problem["code"])
        assert "type" in body["error"] and "param" in body["error"]
    return problem["code"], problem["message"]


BAD_BODIES = {
    "empty": b"",
    "not json": b"{nonsense",
    "invalid utf-8": b'{"model":"openai/gpt-4o","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "array": b"[1,2]",
    "scalar": b"7",
    "deep": b'{"model":"openai/gpt-4o","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "NaN": b'{"model":"openai/gpt-4o","temperature":NaN,"messages":[{"role":"user","content":"hi"}]}',
    "Infinity": b'{"model":"openai/gpt-4o","temperature":Infinity,"messages":[{"role":"user","content":"hi"}]}',
    "duplicate keys": b'{"model":"openai/gpt-4o","model":"openai/gpt-5","messages":[]}',
    "escaped duplicate": b'{"model":"openai/gpt-4o","mod\\u0065l":"openai/gpt-5","messages":[]}',
    "huge number": b'{"model":"openai/gpt-4o","seed":' + b"9" * 10_000 + b',"messages":[]}',
    "data after the end": GOOD + b"x",
    "no model": b'{"messages":[{"role":"user","content":"hi"}]}',
    "model not a string": b'{"model":7,"messages":[]}',
    "model null": b'{"model":null,"messages":[]}',
    "long model": b'{"model":"openai/' + b"x" * 1000 + b'","messages":[]}',
}


@pytest.mark.parametrize("path", PATHS)
async def test_a_bad_body_gets_a_clear_400(gateway: Any, path: str) -> None:
    for name, body in BAD_BODIES.items():
        answer = await gateway.post(path, body)
        assert answer.status_code == 400, (name, answer.text)
        code, message = code_and_message(path, answer)
        assert code in (7000, 7001) and len(message) > 10, name
        assert answer.headers["cf-aig-request-id"]
    rows = await gateway.rows()
    assert len(rows) == len(BAD_BODIES)
    assert {(row["status_code"], row["success"]) for row in rows} == {(400, False)}


@pytest.mark.parametrize(
    "model", ["nobody/gpt", "gpt-4o", "@cf/nobody/nothing", "workers-ai/@cf/meta/llama", "openai/"]
)
@pytest.mark.parametrize("path", PATHS)
async def test_13_14_an_unknown_model_is_404_7003(gateway: Any, path: str, model: str) -> None:
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hi"}], "input": {"prompt": "hi"}}
    answer = await gateway.post(path, body)
    assert answer.status_code == 404
    assert code_and_message(path, answer)[0] == 7003
    assert (await gateway.row())["status_code"] == 404


async def test_empty_messages_and_a_wrong_stream(gateway: Any) -> None:
    for extra in (b'"messages":[]', b'"messages":[ ]', b'"messages":[{}],"stream":"yes"'):
        answer = await gateway.post(CHAT, b'{"model":"openai/gpt-4o",%s}' % extra)
        assert answer.status_code == 400
        assert code_and_message(CHAT, answer)[0] == 7001


async def test_run_wants_an_input_object(gateway: Any) -> None:
    for body in ({"model": "openai/gpt-4o"}, {"model": "openai/gpt-4o", "input": "text"}):
        answer = await gateway.post("run", body)
        assert answer.status_code == 400
        assert code_and_message("run", answer)[0] == 7001


async def test_wrong_content_type_and_encoding(gateway: Any) -> None:
    for headers in ({"content-type": "text/plain"}, {"content-encoding": "gzip"}):
        answer = await gateway.post(CHAT, GOOD, headers=headers)
        assert answer.status_code == 415
        code_and_message(CHAT, answer)


async def test_a_body_over_the_limit_is_413_without_being_read(start_gateway: Any) -> None:
    gateway = await start_gateway(body_max_bytes=100_000)
    reader, writer = await gateway.connect()
    head = gateway.request(CHAT, b"").replace(b"content-length: 0", b"content-length: 900000000")
    writer.write(head + b'{"model":')
    line = await reader.readline()  # only a few bytes of the body were ever sent
    assert b" 413 " in line
    writer.close()
    assert (await gateway.row())["status_code"] == 413


async def test_a_chunked_body_over_the_limit_is_413(start_gateway: Any) -> None:
    gateway = await start_gateway(body_max_bytes=100_000)
    reader, writer = await gateway.connect()
    head = gateway.request(CHAT, b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
    writer.write(head + b"".join(b"10000\r\n" + b" " * 0x10000 + b"\r\n" for _ in range(3)))
    assert b" 413 " in await reader.readline()
    writer.close()


async def test_a_content_length_that_lies(gateway: Any) -> None:
    await gateway.post(CHAT, GOOD)
    reader, writer = await gateway.connect()
    head = gateway.request(CHAT, b"").replace(b"content-length: 0", b"content-length: 1000")
    writer.write(head + GOOD)
    writer.write_eof()
    assert await reader.read() == b""  # we hang up, too
    writer.close()
    row = (await gateway.rows())[0]
    assert (row["status_code"], row["success"]) == (499, False)


async def test_a_slow_sender_gets_408(start_gateway: Any) -> None:
    gateway = await start_gateway(request_read_seconds=0.1)
    reader, writer = await gateway.connect()
    writer.write(gateway.request(CHAT, GOOD)[:-5])
    answer = await reader.read()
    assert b" 408 " in answer.split(b"\r\n")[0] and b'"3007"' in answer
    writer.close()
    assert (await gateway.row())["status_code"] == 408


async def test_a_slow_head_gets_408(start_gateway: Any) -> None:
    gateway = await start_gateway(header_read_seconds=0.1)
    reader, writer = await gateway.connect()
    writer.write(b"POST /client/v4/acc")
    answer = await reader.read()
    assert b" 408 " in answer.split(b"\r\n")[0] and b'"success":false' in answer
    writer.close()


async def test_100_kb_of_our_headers_is_431(gateway: Any) -> None:
    reader, writer = await gateway.connect()
    writer.write(gateway.request(CHAT, GOOD, headers="cf-aig-metadata: " + "x" * 100_000 + "\r\n"))
    answer = await reader.read()
    assert b" 431 " in answer.split(b"\r\n")[0] and b'"success":false' in answer
    writer.close()


@pytest.mark.parametrize(
    "line", [b"cf-aig-event-id: a\rb", b"cf-aig-event-id: a\nb", b"cf aig: x", b"x\x00y: 1", b": no name"]
)
async def test_a_header_that_is_not_one_is_400(gateway: Any, line: bytes) -> None:
    reader, writer = await gateway.connect()
    writer.write(gateway.request(CHAT, GOOD).replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1))
    answer = await asyncio.wait_for(reader.read(), 5)
    assert b" 400 " in answer.split(b"\r\n")[0] and b'"success":false' in answer
    writer.close()
    assert await gateway.rows_or_none() == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_wrong_method_is_405(gateway: Any, method: str, path: str) -> None:
    answer = await gateway.client.request(method, f"{gateway.account}/ai/{path}", headers=gateway.headers)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert code_and_message(path, answer)[0] == 7001


@pytest.mark.parametrize("path", ["v1/chat", "v1/", "", "run/", "v2/messages", "v1/chat/completions/"])
async def test_an_unknown_path_is_404(gateway: Any, path: str) -> None:
    answer = await gateway.post(path, GOOD)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == 7003


@pytest.mark.parametrize("path", PATHS)
async def test_4_5_no_token_or_a_bad_one_is_401_and_tells_nothing(gateway: Any, path: str) -> None:
    texts = set()
    for value in (None, "Bearer", "Basic eA==", "Bearer wrong", "Bearer " + "x" * 5000, "Bearer \xff"):
        headers = {"content-type": "application/json"}
        if value is not None:
            headers["authorization"] = value
        sent = [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
        answer = await gateway.client.post(f"{gateway.account}/ai/{path}", content=GOOD, headers=sent)
        assert answer.status_code == 401
        assert code_and_message(path, answer)[0] == 10000
        texts.add(answer.text.replace(answer.headers["cf-aig-request-id"], "ID"))
        assert "cf-aig-log-id" not in answer.headers
    other = await gateway.client.post(
        f"/client/v4/accounts/{'0' * 32}/ai/{path}", content=GOOD, headers=gateway.headers
    )
    assert other.status_code == 401
    texts.add(other.text.replace(other.headers["cf-aig-request-id"], "ID"))
    assert len(texts) == 1
    assert await gateway.rows_or_none() == []


MALFORMED = {
    "cf-aig-skip-cache": "maybe",
    "cf-aig-cache-ttl": "-1",
    "cf-aig-cache-key": "",
    "cf-aig-collect-log": "perhaps",
    "cf-aig-collect-log-payload": "7",
    "cf-aig-metadata": "{not json",
    "cf-aig-custom-cost": "[]",
    "cf-aig-request-timeout": "soon",
    "cf-aig-max-attempts": "99999999999999999999",
    "cf-aig-retry-delay": "-5",
    "cf-aig-backoff": "sideways",
    "cf-aig-event-id": "with spaces in it",
    "cf-aig-byok-alias": "no such alias",
    "cf-aig-no-wholesale": "x",
    "cf-aig-zdr": "x",
    "cf-aig-otel-trace-id": "zz",
    "cf-aig-otel-parent-span-id": "zz",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_18_a_malformed_header_does_not_fail_the_call(gateway: Any, name: str) -> None:
    answer = await gateway.post(CHAT, GOOD, headers={name: MALFORMED[name]})
    assert answer.status_code == 200
    row = await gateway.row()
    assert row["success"] is True


async def test_18_all_at_once_and_16_none_reaches_the_provider(gateway: Any, simulator: Any) -> None:
    answer = await gateway.post(CHAT, GOOD, headers=MALFORMED)
    assert answer.status_code == 200
    (request,) = simulator.requests
    assert not [name for name in dict(request.headers) if bytes(name).lower().startswith(b"cf-")]
    assert msgspec.json.decode(request.body)["model"] == "gpt-4o"
