"""Vectors by way of the running gateway, from the strict simulator and from the real local model."""

from __future__ import annotations

import asyncio
import base64
import re
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from conftest import Gateway, StartGateway
from data_plane.callers import AWS_KEYS
from isthmus.simulator import Fault, Simulator

LOCAL = "@cf/intfloat/multilingual-e5-small"
SMALL = "openai/text-embedding-3-small"
SIZES = {
    LOCAL: 384,
    SMALL: 1536,
    "lab/text-embedding-3-small": 1536,
    "@cf/acme/embedder": 1536,
    "google/gemini-embedding-001": 3072,
    "cohere/embed-v4.0": 1536,
    "aws-bedrock/amazon.titan-embed-text-v2:0": 1024,
    "aws-bedrock/cohere.embed-multilingual-v3": 1024,
}
NAMED = {"@cf/acme/embedder": "text-embedding-3-small"}  # a relayed answer is the provider's own
TAKE_DIMENSIONS = [SMALL, "lab/text-embedding-3-small", "google/gemini-embedding-001", "cohere/embed-v4.0"]
TAKE_DIMENSIONS += ["aws-bedrock/amazon.titan-embed-text-v2:0", "@cf/acme/embedder"]
PROVIDED = [model for model in SIZES if model != LOCAL]
PATH = "v1/embeddings"

each_model = pytest.mark.parametrize("model", SIZES)


@pytest.fixture
async def vectors(tmp_path: Path, simulator: Simulator, start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    (tmp_path / "aws").write_text(AWS_KEYS)
    (tmp_path / "key").write_text("key-of-the-test")
    tables = [
        f'[providers.{slug}]\nbase_url = "{simulator.base_url}/{below}"\nallow_private_address = true\n'
        f'credential = "file:{tmp_path / key}"\n{more}'
        for slug, below, key, more in (
            ("openai", "v1/", "key", ""),
            ("lab", "v1/", "key", 'dialect = "openai_chat"\n'),
            ("google-ai-studio", "", "key", ""),
            ("cohere", "", "key", ""),
            ("aws-bedrock", "", "aws", ""),
            ("anthropic", "", "key", ""),
        )
    ]
    tables.append('[models."@cf/acme/embedder"]\nprovider = "openai"\nname = "text-embedding-3-small"\n')
    file = tmp_path / "vectors.toml"
    file.write_text("\n".join(tables))
    yield await start_gateway(config_file=str(file))


def unpacked(text: str) -> list[float]:
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def near(one: list[float], other: list[float]) -> bool:
    return len(one) == len(other) and max(abs(a - b) for a, b in zip(one, other, strict=True)) < 1e-6


def fates(answer: httpx.Response) -> dict[str, str]:
    """field → fate, of the receipt."""
    told = re.findall(r'(\w+);field="([^"]+)"', answer.headers.get("cf-aig-fidelity", ""))
    return {field: fate for fate, field in told}


@each_model
async def test_each_kind_of_target(vectors: Gateway, model: str) -> None:
    answer = await vectors.post(PATH, {"model": model, "input": ["the cat", "a ship"]})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"object", "data", "model", "usage"} and body["object"] == "list"
    assert [set(item) for item in body["data"]] == [{"object", "index", "embedding"}] * 2
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embedding", 0), ("embedding", 1)]
    assert [len(item["embedding"]) for item in body["data"]] == [SIZES[model]] * 2
    assert body["data"][0]["embedding"] != body["data"][1]["embedding"]
    assert 0 < body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"]
    assert body["model"] == (model if model == LOCAL else NAMED.get(model, model.rpartition("/")[2]))
    row = await vectors.row()
    assert (row["model_type"], row["request_type"], row["success"]) == ("Text Embeddings", "embeddings", True)
    assert (row["tokens_in"], row["tokens_out"]) == (body["usage"]["prompt_tokens"], 0)
    assert row["model"] == model.replace("google/", "google-ai-studio/") and row["path"].endswith(PATH)


@each_model
async def test_base64_is_the_same_vectors(vectors: Gateway, model: str) -> None:
    asked = {"model": model, "input": "the cat"}
    plain = (await vectors.post(PATH, asked)).json()
    packed = (await vectors.post(PATH, {**asked, "encoding_format": "base64"})).json()
    assert near(unpacked(packed["data"][0]["embedding"]), plain["data"][0]["embedding"])
    assert packed["usage"] == plain["usage"]


@each_model
async def test_dimensions(vectors: Gateway, model: str) -> None:
    answer = await vectors.post(PATH, {"model": model, "input": ["a"], "dimensions": 256, "encoding_format": "base64"})
    if model in TAKE_DIMENSIONS:
        assert answer.status_code == 200, answer.text
        assert len(unpacked(answer.json()["data"][0]["embedding"])) == 256
    else:
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["param"] == "dimensions" and "does not take `dimensions`" in error["message"]


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]]])
@each_model
async def test_token_numbers(vectors: Gateway, model: str, given: Any) -> None:
    answer = await vectors.post(PATH, {"model": model, "input": given})
    if model in (SMALL, "lab/text-embedding-3-small", "@cf/acme/embedder"):
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["data"]) == (1 if isinstance(given[0], int) else 2)
    else:
        assert answer.status_code == 400 and answer.json()["error"]["param"] == "input"
        assert "not the numbers of tokens" in answer.json()["error"]["message"]


async def test_openai_gets_the_callers_bytes(vectors: Gateway, simulator: Simulator) -> None:
    sent = b'{ "input": ["a"] ,\n "model":"%b", "encoding_format":"base64", "options":{"x":1} }' % SMALL.encode()
    answer = await vectors.post(PATH, sent)
    assert answer.status_code == 200, answer.text
    (request,) = simulator.requests
    assert request.body == b'{ "input": ["a"] ,\n "model":"text-embedding-3-small", "encoding_format":"base64" }'
    assert "cf-aig-fidelity" not in answer.headers and answer.headers["x-request-id"]


async def test_many_inputs_go_in_parts(vectors: Gateway, simulator: Simulator) -> None:
    """Cohere takes 96 a request, Google 100, Titan one."""
    texts = [f"text {number}" for number in range(205)]
    whole: dict[str, Any] = {}
    for model, requests in (("cohere/embed-v4.0", 3), ("google/gemini-embedding-001", 3)):
        simulator.requests.clear()
        answer = await vectors.post(PATH, {"model": model, "input": texts, "dimensions": 256})
        assert answer.status_code == 200, answer.text
        assert len(simulator.requests) == requests
        whole = answer.json()
        assert [item["index"] for item in whole["data"]] == list(range(205))
        alone = await vectors.post(PATH, {"model": model, "input": texts[150], "dimensions": 256})
        assert alone.json()["data"][0]["embedding"] == whole["data"][150]["embedding"]
    titan = "aws-bedrock/amazon.titan-embed-text-v2:0"
    simulator.requests.clear()
    answer = await vectors.post(PATH, {"model": titan, "input": texts[:5], "dimensions": 256})
    assert answer.status_code == 200 and len(simulator.requests) == 5
    refused = await vectors.post(PATH, {"model": titan, "input": texts[:65]})
    assert refused.status_code == 400 and "at most 64 inputs" in refused.json()["error"]["message"]
    assert len(await vectors.rows()) == 6


async def test_receipts(vectors: Gateway) -> None:
    asked = {"input": "a", "user": "u", "input_type": "query", "extra": 1}
    expected: dict[str, dict[str, str]] = {
        "google/gemini-embedding-001": {"user": "lost", "extra": "lost"},
        "google/gemini-embedding-2": {"user": "lost", "extra": "lost", "input_type": "lost"},
        "cohere/embed-v4.0": {"user": "lost", "extra": "lost"},
        LOCAL: {"user": "lost", "extra": "lost"},
    }
    for model, told in expected.items():
        answer = await vectors.post(PATH, {"model": model, **asked})
        assert answer.status_code == 200, answer.text
        assert fates(answer) == told
        strict = await vectors.post(PATH, {"model": model, **asked}, headers={"cf-aig-fidelity": "strict"})
        assert strict.status_code == 400 and "Fidelity is strict" in strict.json()["error"]["message"]
    emulated = await vectors.post(
        PATH, {"model": "cohere/embed-v4.0", "input": "a"}, headers={"cf-aig-fidelity": "strict"}
    )
    assert emulated.status_code == 200 and fates(emulated) == {"input_type": "emulated"}


BAD: list[tuple[Any, str | None]] = [
    (b"", None),
    (b"{", None),
    (b"[]", None),
    (b'{"model":"openai/text-embedding-3-small","input":"\xff"}', None),
    (b'{"model":"openai/text-embedding-3-small","input":"\\ud800"}', None),
    (b'{"model":"openai/text-embedding-3-small","input":"a","input":"b"}', None),
    ({"input": "a"}, "model"),
    ({"model": "", "input": "a"}, "model"),
    ({"model": SMALL}, "input"),
    ({"model": SMALL, "input": ""}, "input"),
    ({"model": SMALL, "input": []}, "input"),
    ({"model": SMALL, "input": [""]}, "input.0"),
    ({"model": SMALL, "input": ["a", 1]}, "input.1"),
    ({"model": SMALL, "input": {"text": "a"}}, "input"),
    ({"model": SMALL, "input": ["a"] * 2049}, "input"),
    ({"model": SMALL, "input": "a", "dimensions": 0}, "dimensions"),
    ({"model": SMALL, "input": "a", "encoding_format": "int8"}, "encoding_format"),
    ({"model": SMALL, "input": "a", "stream": True}, "stream"),
    ({"model": "anthropic/claude-haiku-4.5", "input": "a"}, "model"),
    ({"model": "@cf/huggingface/smollm2-135m-instruct", "input": "a"}, "model"),
]


@pytest.mark.parametrize(("body", "param"), BAD, ids=lambda value: str(value)[:50])
async def test_bad_input(vectors: Gateway, simulator: Simulator, body: Any, param: str | None) -> None:
    answer = await vectors.post(PATH, body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"
    assert error["param"] == param and answer.json()["success"] is False
    assert not simulator.requests
    row = await vectors.row()
    assert (row["model_type"], row["status_code"], row["tokens_in"]) == ("Text Embeddings", 400, None)


async def test_other_refusals(vectors: Gateway) -> None:
    assert (await vectors.post(PATH, {"model": "@cf/baai/bge-m3", "input": "a"})).status_code == 404
    got = await vectors.client.get(f"{vectors.account}/ai/{PATH}", headers=vectors.headers)
    assert got.status_code == 405
    chat = {"model": LOCAL, "messages": [{"role": "user", "content": "hi"}]}
    refused = await vectors.post("v1/chat/completions", chat)
    assert refused.status_code == 400 and "gives embeddings alone" in refused.json()["error"]["message"]


@pytest.mark.parametrize("model", PROVIDED)
@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_a_providers_refusal(vectors: Gateway, simulator: Simulator, model: str, status: int) -> None:
    simulator.next(Fault(status=status, retry_after=7))
    answer = await vectors.post(PATH, {"model": model, "input": "a"})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"] and "key-of-the-test" not in answer.text
    assert status != 429 or answer.headers["retry-after"] == "7"
    row = await vectors.row()
    assert (row["status_code"], row["success"]) == (status, False)


@pytest.mark.parametrize("model", PROVIDED)
@pytest.mark.parametrize("kind", ["reset", "close", "empty_body", "malformed_json", "wrong_content_type", "truncated"])
async def test_a_provider_out_of_order(vectors: Gateway, simulator: Simulator, model: str, kind: Any) -> None:
    simulator.on(lambda request: True, Fault(kind=kind))
    answer = await vectors.post(PATH, {"model": model, "input": "a"})
    assert answer.status_code == 502, answer.text
    assert answer.json()["error"]["code"] == "2005"
    assert (await vectors.row())["success"] is False


async def test_the_first_part_that_fails_ends_the_call(vectors: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(), Fault(status=429, retry_after=3))
    texts = [f"text {number}" for number in range(250)]
    answer = await vectors.post(PATH, {"model": "cohere/embed-v4.0", "input": texts, "dimensions": 256})
    assert answer.status_code == 429 and answer.headers["retry-after"] == "3"
    assert (await vectors.row())["status_code"] == 429


async def test_a_key_that_is_refused(vectors: Gateway, tmp_path: Path, start_gateway: StartGateway) -> None:
    text = (tmp_path / "vectors.toml").read_text()
    (tmp_path / "wrong").write_text("wrong-key")
    file = tmp_path / "wrong.toml"
    file.write_text(text.replace(str(tmp_path / "key"), str(tmp_path / "wrong")))
    gateway = await start_gateway(config_file=str(file))
    for model in (SMALL, "google/gemini-embedding-001", "cohere/embed-v4.0"):
        answer = await gateway.post(PATH, {"model": model, "input": "a"})
        assert answer.status_code == 503 and "credential" in answer.json()["error"]["message"]


@pytest.mark.parametrize("model", [SMALL, "cohere/embed-v4.0"])
async def test_a_caller_who_leaves(vectors: Gateway, simulator: Simulator, model: str) -> None:
    """The providers' requests are cancelled, all parts of them."""
    simulator.on(lambda request: True, Fault(stall_after=0))
    body = msgspec.json.encode({"model": model, "input": [f"text {number}" for number in range(200)]})
    _, writer = await vectors.connect()
    writer.write(vectors.request(PATH, body))
    await simulator.seen(1 if model == SMALL else 3)
    writer.close()
    async with asyncio.timeout(5):
        for request in simulator.requests:
            await request.closed_early.wait()
        while not (rows := await vectors.rows_or_none()):
            await asyncio.sleep(0)
    assert (rows[0]["end"], rows[0]["status_code"]) == ("caller_left", 499)


async def test_a_server_that_takes_few_inputs_is_relayed_to_in_parts(
    tmp_path: Path, start_gateway: StartGateway
) -> None:
    """Alibaba takes ten a request; all else that a caller sent goes along with each part."""
    texts = [f"text {number}" for number in range(25)]
    asked = {"model": "alibaba/text-embedding-3-small", "dimensions": 8, "encoding_format": "base64"}
    (tmp_path / "key").write_text("key-of-the-test")
    async with Simulator(seed=1, prefix="/compatible-mode") as alibaba:
        file = tmp_path / "alibaba.toml"
        file.write_text(
            f'[providers.alibaba]\nbase_url = "{alibaba.base_url.removesuffix("compatible-mode")}"\n'
            f'allow_private_address = true\ncredential = "file:{tmp_path / "key"}"\n'
        )
        gateway = await start_gateway(config_file=str(file))
        answer = await gateway.post(PATH, {**asked, "input": texts})
        assert answer.status_code == 200, answer.text
        bodies = [msgspec.json.decode(request.body) for request in alibaba.requests]
        alone = await gateway.post(PATH, {**asked, "input": texts[17]})
    assert sorted(len(body["input"]) for body in bodies) == [5, 10, 10]
    assert {(body["model"], body["dimensions"], len(body)) for body in bodies} == {("text-embedding-3-small", 8, 3)}
    assert answer.json()["data"][17]["embedding"] == alone.json()["data"][0]["embedding"]
    assert answer.json()["usage"]["prompt_tokens"] == 50


ODD: list[dict[str, Any]] = [
    {"data": [{"index": 0, "embedding": [1.0] * 8}]},
    {"data": [{"index": 0, "embedding": []}, {"index": 1, "embedding": []}]},
    {"data": [{"index": 0, "embedding": [1.0] * 8}, {"index": 1, "embedding": [1.0] * 9}]},
    {"data": [{"index": 0, "embedding": [1.0] * 9}, {"index": 1, "embedding": [1.0] * 9}]},
    {"data": [{"index": 0, "embedding": "AAA"}, {"index": 1, "embedding": "!"}]},
    {"object": "list"},
    {"error": {"message": "no", "code": 500}},
]


@pytest.mark.parametrize("said", ODD, ids=lambda said: str(said)[:60])
async def test_servers_that_keep_no_promises(tmp_path: Path, start_gateway: StartGateway, said: dict[str, Any]) -> None:
    """Too few vectors, empty ones, and such of another length than was asked for are no answer."""
    body = msgspec.json.encode(said)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in request.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(head + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        file = tmp_path / "odd.toml"
        file.write_text(
            f'[providers.odd]\ndialect = "openai_chat"\nbase_url = "http://127.0.0.1:{port}/"\n'
            "allow_private_address = true\n"
        )
        gateway = await start_gateway(config_file=str(file))
        reply = await gateway.post(PATH, {"model": "odd/embed", "input": ["a", "b"], "dimensions": 8})
    assert reply.status_code >= 500 and reply.json()["success"] is False, reply.text
    assert (await gateway.row())["success"] is False


async def test_what_can_be_called_is_listed(vectors: Gateway) -> None:
    answer = await vectors.client.get(f"{vectors.account}/ai/v1/models", headers=vectors.headers)
    listed = {model["id"]: model["task"] for model in answer.json()["data"]}
    assert listed[LOCAL] == listed["openai/text-embedding-3-small"] == "Text Embeddings"
    found = await vectors.client.get(
        f"{vectors.account}/ai/models/search?task=Text%20Embeddings&search=e5", headers=vectors.headers
    )
    assert LOCAL in [model["name"] for model in found.json()["result"]]


# --- /ai/run --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [LOCAL, "@cf/acme/embedder"])
async def test_the_native_form(vectors: Gateway, model: str) -> None:
    for path, body in (
        (f"run/{model}", {"text": ["a", "b"]}),
        ("run", {"model": model, "input": {"text": ["a", "b"]}}),
    ):
        answer = await vectors.post(path, body)
        assert answer.status_code == 200, answer.text
        envelope = answer.json()
        assert (envelope["success"], envelope["errors"], envelope["messages"]) == (True, [], [])
        result = envelope["result"]
        assert set(result) == {"shape", "data"} and result["shape"] == [2, SIZES[model]]
        assert [len(vector) for vector in result["data"]] == [SIZES[model]] * 2
    row = (await vectors.rows())[0]
    assert (row["model_type"], row["request_type"], row["model"]) == ("Text Embeddings", "run", model)
    assert row["tokens_in"] > 0


async def test_the_native_forms_pooling(vectors: Gateway) -> None:
    answer = await vectors.post(f"run/{LOCAL}", {"text": "a", "pooling": "mean"})
    assert answer.json()["result"]["pooling"] == "mean"
    refused = await vectors.post(f"run/{LOCAL}", {"text": "a", "pooling": "cls"})
    assert refused.status_code == 400 and "pools by `mean` alone" in refused.json()["errors"][0]["message"]
    elsewhere = await vectors.post("run/@cf/acme/embedder", {"text": "a", "pooling": "cls"})
    assert fates(elsewhere) == {"pooling": "lost"} and "pooling" not in elsewhere.json()["result"]


@pytest.mark.parametrize("model", [SMALL, "google/gemini-embedding-001", "cohere/embed-v4.0"])
@pytest.mark.parametrize("named", ["in the body", "in the path"])
async def test_third_parties_on_run(vectors: Gateway, model: str, named: str) -> None:
    asked = {"input": ["a"], "dimensions": 256}
    if named == "in the body":
        answer = await vectors.post("run", {"model": model, "input": asked})
    else:
        answer = await vectors.post(f"run/{model}", asked)
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    assert result["object"] == "list" and len(result["data"][0]["embedding"]) == 256
    assert result["gatewayMetadata"] == {"keySource": "Unified"}


async def test_refusals_on_run(vectors: Gateway) -> None:
    for body in ({"text": []}, {"text": ["a", ""]}, {"text": 7}):
        answer = await vectors.post(f"run/{LOCAL}", body)
        assert answer.status_code == 400 and answer.json()["result"] is None
        assert answer.json()["errors"][0]["code"] in (7000, 7001)
