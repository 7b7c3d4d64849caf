"""Native paths that are known: the answer byte for byte, and a row that knows what it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import pytest
from google import genai
from google.genai import types

from conftest import LOCAL, Gateway, StartGateway
from data_plane.gateway_host.conftest import OPEN
from data_plane.gateway_host.upstream import Taken, Upstream, answered, streamed
from isthmus.local import weights
from isthmus.simulator import Fault, Simulator

OWN = "sk-of-the-caller-12345"
AWS_KEYS = (
    '{"accessKeyId":"AKIAIOSFODNN7EXAMPLE","secretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",'
    '"region":"us-east-1"}'
)
CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.fixture
async def simulated(start_gateway: StartGateway, simulator: Simulator, tmp_path: Path) -> Gateway:
    """All vendors that the simulator knows; the gateway `open` lets strangers in."""
    keys = {"google-ai-studio": "google-test-key", "cohere": "cohere-test-key", "aws-bedrock": AWS_KEYS}
    lines = [
        f'[providers.openai]\nbase_url = "{simulator.openai_url}"\nallow_private_address = true\n',
        f'[providers.anthropic]\nbase_url = "{simulator.anthropic_url}"\nallow_private_address = true\n',
    ]
    for slug, key in keys.items():
        (tmp_path / slug).write_text(key)
        lines.append(
            f'[providers.{slug}]\nbase_url = "{simulator.base_url}/"\nallow_private_address = true\n'
            f'credential = "file:{tmp_path / slug}"\n'
        )
    config = tmp_path / "simulated.toml"
    config.write_text("".join(lines))
    gateway = await start_gateway(config_file=str(config))
    assert (await gateway.manage("POST", "gateways", OPEN)).status_code == 200
    return gateway


def base(gateway: Gateway, gateway_id: str = "default") -> str:
    return f"{gateway.running.base_url}/v1/{gateway.running.account_id}/{gateway_id}"


def ours(gateway: Gateway) -> dict[str, str]:
    """With what Anthropic's API asks of every call."""
    return {"cf-aig-authorization": gateway.headers["authorization"], "anthropic-version": "2023-06-01"}


MESSAGES = [{"role": "user", "content": "Say hello."}]
# path, body, model of the row, request type, the path that the provider is asked by
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("openai/v1/chat/completions", {"model": "gpt-4o", "messages": MESSAGES}, "openai/gpt-4o", "chat.completions"),
    ("openai/responses", {"model": "gpt-4o", "input": "Say hello.", "store": False}, "openai/gpt-4o", "responses"),
    (
        "anthropic/v1/messages",
        {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": MESSAGES},
        "anthropic/claude-haiku-4.5",
        "messages",
    ),
    (
        "google-ai-studio/v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]},
        "google-ai-studio/gemini-2.5-flash",
        "generate_content",
    ),
    (
        f"aws-bedrock/bedrock-runtime/us-east-1/model/{CLAUDE.replace(':', '%3A')}/converse",
        {"messages": [{"role": "user", "content": [{"text": "Say hello."}]}]},
        f"aws-bedrock/{CLAUDE}",
        "converse",
    ),
    ("cohere/v2/chat", {"model": "command-a-03-2025", "messages": MESSAGES}, "cohere/command-a-03-2025", "chat"),
]


def stream_of(path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if ":generateContent" in path:
        return path.replace(":generateContent", ":streamGenerateContent?alt=sse"), body
    if path.endswith("/converse"):
        return f"{path}-stream", body
    more = {"stream_options": {"include_usage": True}} if "chat/completions" in path else {}
    return path, {**body, "stream": True, **more}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("path", "body", "model", "shape"), CASES, ids=[case[0].split("/")[0] + case[3] for case in CASES]
)
async def test_rows(
    simulated: Gateway, simulator: Simulator, path: str, body: dict[str, Any], model: str, shape: str, stream: bool
) -> None:
    if stream:
        path, body = stream_of(path, body)
    content = b" " + msgspec.json.encode(body)
    headers = {**ours(simulated), "content-type": "application/json", "accept-encoding": "gzip"}
    answer = await simulated.client.post(f"{base(simulated)}/{path}", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    asked = simulator.requests[-1]
    assert asked.body == content and asked.header("accept-encoding") == "identity"
    row = await simulated.row()
    assert row["model"] == model and row["request_type"] == shape and row["success"] is True
    assert row["tokens_in"] > 0 and row["tokens_out"] > 0 and row["finish_reason"] == "stop"
    assert row["streamed"] is stream and b"gatewayMetadata" not in answer.content
    alone = (await simulated.manage("GET", f"gateways/default/logs/{row['id']}")).json()["result"]
    assert alone["request_size"] == len(content) and alone["response_size"] == len(answer.content)


CHUNKS = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":'
    b'{"role":"assistant","content":"h\xc3\xa9"},"finish_reason":null}]}\r\n\r\n: c\n\n'
    b'data:{"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}]}\n\ndata: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-4o",'
    b'"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}\n\ndata: [DONE]\n\n'
)


async def test_streams_cut_anywhere(native: Gateway, upstream: Upstream) -> None:
    """The usage chunk is the caller's own wish here: it stays."""
    body = {"model": "gpt-4o", "messages": MESSAGES, "stream": True}
    for cut in range(len(CHUNKS)):
        upstream.answer = streamed(CHUNKS[:cut], CHUNKS[cut:])
        answer = await native.client.post(f"{base(native)}/openai/chat/completions", json=body, headers=ours(native))
        assert answer.content == CHUNKS, cut
    row = (await native.rows())[0]
    assert (row["tokens_in"], row["tokens_out"], row["finish_reason"]) == (5, 7, "stop")


async def test_a_stream_that_breaks_off(native: Gateway, upstream: Upstream) -> None:
    """Told in-band, in the dialect's own form, as on every stream of it."""
    upstream.answer = streamed(CHUNKS[:200], ended=False)
    body = {"model": "gpt-4o", "messages": MESSAGES, "stream": True}
    answer = await native.client.post(f"{base(native)}/openai/chat/completions", json=body, headers=ours(native))
    assert answer.status_code == 200 and b'"error"' in answer.content
    assert (await native.row())["success"] is False


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"x","choices":[{"finish_reason":"stop","message":{}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}',
        b'{"error":{"message":"in a 200"}}',
        b"not JSON at all \xff",
        b"[]",
        b"",
    ],
)
async def test_whole_answers_byte_for_byte(native: Gateway, upstream: Upstream, body: bytes) -> None:
    """Sense or nonsense: it is the provider's."""
    upstream.answer = answered(body)
    asked = {"model": "gpt-4o", "messages": MESSAGES}
    answer = await native.client.post(f"{base(native)}/openai/chat/completions", json=asked, headers=ours(native))
    assert answer.status_code == 200 and answer.content == body
    row = await native.row()
    assert row["status_code"] == 200 and row["model"] == "openai/gpt-4o"
    assert row["tokens_in"] == (3 if b"usage" in body else None)


async def test_a_model_named_twice_is_sent_to_nobody(native: Gateway, upstream: Upstream) -> None:
    """Limits, and what a token may call, would go by one of the two, and the provider by the other."""
    headers = {**ours(native), "content-type": "application/json"}
    answer = await native.client.post(
        f"{base(native)}/openai/chat/completions", content=b'{"model":"a","model":"b"}', headers=headers
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7000) and not upstream.requests


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"model":7}', b"{}", b"\xff"])
async def test_bodies_that_are_the_providers_to_refuse(native: Gateway, upstream: Upstream, content: bytes) -> None:
    upstream.answer = answered(b'{"error":{"message":"no","type":"x"}}', "400 Bad Request", "x-request-id: r")
    headers = {**ours(native), "content-type": "application/json"}
    answer = await native.client.post(f"{base(native)}/openai/chat/completions", content=content, headers=headers)
    assert answer.status_code == 400 and answer.json()["error"]["message"] == "no"
    assert answer.headers["x-request-id"] == "r" and upstream.last.body == content
    row = await native.row()
    assert row["status_code"] == 400 and row["success"] is False


async def test_embeddings(native: Gateway, upstream: Upstream) -> None:
    said = b'{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1]}],"usage":{"prompt_tokens":8}}'
    upstream.answer = answered(said)
    body = {"model": "text-embedding-3-small", "input": "x"}
    answer = await native.client.post(f"{base(native)}/openai/v1/embeddings", json=body, headers=ours(native))
    assert answer.content == said
    row = await native.row()
    assert (row["request_type"], row["model"], row["tokens_in"]) == ("embeddings", "openai/text-embedding-3-small", 8)


async def test_googles_stream_that_is_an_array(native: Gateway, upstream: Upstream) -> None:
    said = (
        b'[{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":2}},\n'
        b'{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":3}}]'
    )
    upstream.answer = streamed(said[:50], said[50:], kind="application/json")
    path = "google-ai-studio/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    answer = await native.client.post(f"{base(native)}/{path}", json={"contents": []}, headers=ours(native))
    assert answer.content == said
    row = await native.row()
    assert (row["tokens_in"], row["tokens_out"], row["finish_reason"]) == (2, 3, "stop")


async def test_a_body_that_is_sent_in_chunks(native: Gateway, upstream: Upstream) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"model":"gpt-4o",'
        yield b'"messages":[]}'

    headers = {**ours(native), "content-type": "application/json"}
    answer = await native.client.post(f"{base(native)}/openai/chat/completions", content=body(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert upstream.last.header("content-length") == "32"
    assert (await native.row())["model"] == "openai/gpt-4o"


async def test_a_call_that_takes_too_long(native: Gateway, upstream: Upstream) -> None:
    async def never(taken: Taken) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    upstream.answer = never
    headers = {**ours(native), "cf-aig-request-timeout": "50"}
    answer = await native.client.post(f"{base(native)}/openai/chat/completions", json={}, headers=headers)
    assert answer.status_code == 504 and answer.json()["internalCode"] == 2005


async def test_a_provider_that_is_overloaded(simulated: Gateway, simulator: Simulator) -> None:
    simulator.next(Fault(status=529))
    body = {"model": "claude-haiku-4-5", "max_tokens": 5, "messages": MESSAGES}
    answer = await simulated.client.post(f"{base(simulated)}/anthropic/v1/messages", json=body, headers=ours(simulated))
    assert answer.status_code == 529 and answer.json()["type"] == "error"
    row = await simulated.row()
    assert (row["status_code"], row["success"], row["model"]) == (529, False, "anthropic/claude-haiku-4.5")


# --- the vendors' own SDKs


@pytest.fixture(params=["own key", "our token"])
def given(request: pytest.FixtureRequest, simulated: Gateway) -> tuple[str, str, dict[str, str]]:
    """(base URL, key, headers): a stranger with a key of its own at the open gateway; a token alone at the other."""
    if request.param == "own key":
        return base(simulated, "open"), OWN, {}
    return base(simulated), str(simulated.running.api_token), ours(simulated)


@pytest.mark.parametrize("below", ["openai", "openai/v1"])
async def test_openais_sdk(given: tuple[str, str, dict[str, str]], simulator: Simulator, below: str) -> None:
    url, key, headers = given
    async with openai.AsyncOpenAI(
        base_url=f"{url}/{below}", api_key=key, default_headers=headers, max_retries=0
    ) as client:
        chat = await client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "echo: yes"}])
        assert chat.choices[0].message.content == "yes"
        response = await client.responses.create(model="gpt-4o", input="echo: yes", store=False)
        assert response.output_text == "yes"
        said = ""
        async for chunk in await client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "echo: yes and no"}], stream=True
        ):
            said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        assert said == "yes and no"
        assert [model.id async for model in client.models.list()]
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="gpt-none", messages=[{"role": "user", "content": "x"}])
    sent = {request.header("authorization") for request in simulator.requests}
    assert sent == {f"Bearer {OWN if not headers else 'sk-openai-test'}"}


async def test_anthropics_sdk(given: tuple[str, str, dict[str, str]], simulator: Simulator) -> None:
    url, key, headers = given
    async with anthropic.AsyncAnthropic(
        base_url=f"{url}/anthropic", api_key=key, default_headers=headers, max_retries=0
    ) as client:
        asked: Any = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "echo: yes"}]}
        message = await client.messages.create(**asked, max_tokens=50)
        assert message.content[0].type == "text" and message.content[0].text == "yes"
        async with client.messages.stream(**asked, max_tokens=50) as stream:
            assert await stream.get_final_text() == "yes"
        assert (await client.messages.count_tokens(**asked)).input_tokens > 0
    # It shows its key in the one header or in the other, by its version.
    sent = {request.header("x-api-key") or request.header("authorization") for request in simulator.requests}
    assert sent in ({OWN}, {f"Bearer {OWN}"}) if not headers else sent == {"sk-ant-test"}


async def test_googles_sdk(given: tuple[str, str, dict[str, str]], simulator: Simulator) -> None:
    url, key, headers = given
    options = types.HttpOptions(base_url=f"{url}/google-ai-studio", headers=headers)
    client = genai.Client(api_key=key, http_options=options)
    answer = await client.aio.models.generate_content(model="gemini-2.5-flash", contents="echo: yes")
    assert answer.text == "yes"
    said = ""
    async for chunk in await client.aio.models.generate_content_stream(model="gemini-2.5-flash", contents="echo: yes"):
        said += chunk.text or ""
    assert said == "yes"
    sent = {request.header("x-goog-api-key") for request in simulator.requests}
    assert sent == {OWN if not headers else "google-test-key"}


# --- the short addresses, and this gateway's own models


async def test_short_addresses(native: Gateway, upstream: Upstream) -> None:
    url = native.running.base_url
    answer = await native.client.post(f"{url}/openai/v1/images/generations", json={}, headers=native.headers)
    assert answer.status_code == 200 and upstream.last.target == "/base/v1/images/generations"
    assert upstream.last.all("authorization") == ["Bearer key-of-the-installation-openai"]
    key = {"x-api-key": str(native.running.api_token)}
    refused = await native.client.get(f"{url}/anthropic/v1/files", headers=key)
    assert refused.status_code == 403 and refused.json()["type"] == "error"
    refused = await native.client.get(f"{url}/openai/v1/files")
    assert refused.status_code == 401 and "type" in refused.json()["error"]
    assert len(upstream.requests) == 1
    rows = [(row["request_type"], row["provider"], row["status_code"]) for row in await native.rows()]
    assert rows == [("native", "anthropic", 403), ("native", "openai", 200)]


@pytest.fixture
async def local(start_gateway: StartGateway, smollm2: Path, tmp_path: Path) -> Gateway:
    data = tmp_path / "local"
    link = weights.path_of(weights.find("smollm2"), data)
    link.parent.mkdir(parents=True)
    link.symlink_to(smollm2.resolve())
    return await start_gateway(data_directory=str(data))


async def test_this_gateways_own_models(local: Gateway) -> None:
    """By each address that data-plane 8 names, with `run`'s envelope where it is run."""
    asked: dict[str, Any] = {"messages": MESSAGES, "max_tokens": 5}
    for path in (f"workers-ai/{LOCAL}", f"workers-ai/run/{LOCAL}", f"workers-ai/{LOCAL.replace('@', '%40')}"):
        answer = await local.client.post(f"{base(local)}/{path}", json=asked, headers=ours(local))
        assert answer.status_code == 200, answer.text
        assert answer.json()["success"] is True and isinstance(answer.json()["result"]["response"], str)
    for model in (LOCAL, f"workers-ai/{LOCAL}"):
        url = f"{base(local)}/workers-ai/v1/chat/completions"
        answer = await local.client.post(url, json={"model": model, **asked}, headers=ours(local))
        assert answer.status_code == 200, answer.text
        assert answer.json()["object"] == "chat.completion"
    rows = await local.rows()
    assert [row["model"] for row in rows] == [LOCAL] * 5
    assert [row["request_type"] for row in rows] == ["chat.completions"] * 2 + ["run"] * 3


async def test_platform_addresses(simulated: Gateway) -> None:
    """For the installation's tokens; a model that is none of its own is not found."""
    answer = await simulated.client.post(f"{base(simulated, 'open')}/workers-ai/{LOCAL}", json={"prompt": "x"})
    assert answer.status_code == 400 and "token" in answer.text
    chat = f"{base(simulated)}/workers-ai/v1/chat/completions"
    answer = await simulated.client.post(
        chat, json={"model": "openai/gpt-4o", "messages": MESSAGES}, headers=ours(simulated)
    )
    assert answer.status_code == 404
    answer = await simulated.client.post(f"{base(simulated)}/workers-ai/nothing", json={}, headers=ours(simulated))
    assert answer.status_code == 404
