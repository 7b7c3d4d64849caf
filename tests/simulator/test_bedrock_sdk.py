"""AWS's own SDK takes the simulator for Bedrock: signed or with a key, whole or streamed, errors and all; and what
happens to a stream of frames under each fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.eventstream
import botocore.exceptions
import botocore.session
import pytest

from isthmus.simulator import Fault, Simulator
from isthmus.simulator.bedrock.signature import ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN

CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{CLAUDE}"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS: Any = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}]}
THINKING: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
PNG = b"\x89PNG\r\n\x1a\n"
BEARER = {"authorization": "Bearer k", "content-type": "application/json"}
PATH = f"/model/{CLAUDE.replace(':', '%3A')}"


def said(*blocks: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": b} if isinstance(b, str) else b for b in blocks]}]


def client(simulator: Simulator, region: str = "us-east-1", token: str | None = SESSION_TOKEN) -> Any:
    session = botocore.session.Session()
    session.set_credentials(ACCESS_KEY_ID, SECRET_ACCESS_KEY, token)
    once = botocore.config.Config(retries={"total_max_attempts": 1})
    return session.create_client(
        "bedrock-runtime", region_name=region, endpoint_url=simulator.base_url, config=once, verify=False
    )


async def call(simulator: Simulator, ask: Callable[[Any], Any], **how: Any) -> Any:
    """botocore waits where it stands: beside the simulator's loop."""

    def run() -> Any:
        sdk = client(simulator, **how)
        try:
            return ask(sdk)
        finally:
            sdk.close()

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("token", [None, SESSION_TOKEN])
@pytest.mark.parametrize("model", [CLAUDE, ARN, "amazon.nova-lite-v1:0"])
async def test_text(model: str, token: str | None, simulator: Simulator) -> None:
    answer = await call(
        simulator, lambda sdk: sdk.converse(modelId=model, messages=said("echo: ok")), region="eu-west-1", token=token
    )
    assert answer["output"]["message"] == {"role": "assistant", "content": [{"text": "ok"}]}
    assert answer["stopReason"] == "end_turn" and answer["usage"]["outputTokens"] == 1


async def test_stream(simulator: Simulator) -> None:
    def ask(sdk: Any) -> Any:
        whole = sdk.converse(modelId=CLAUDE, messages=said("hello"))
        with contextlib.closing(sdk.converse_stream(modelId=CLAUDE, messages=said("hello"))["stream"]) as stream:
            return whole, list(stream)

    whole, events = await call(simulator, ask)
    texts = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(texts) == whole["output"]["message"]["content"][0]["text"] and len(texts) > 3
    assert events[-1]["metadata"]["usage"] == whole["usage"]


async def test_tools_and_reasoning_go_on(simulator: Simulator) -> None:
    given: Any = {"modelId": CLAUDE, "toolConfig": TOOLS, "additionalModelRequestFields": THINKING}

    def ask(sdk: Any) -> Any:
        first = sdk.converse(messages=said("call get_weather"), **given)
        message = first["output"]["message"]
        block = message["content"][1]["toolUse"]
        result = {"toolUseId": block["toolUseId"], "content": [{"text": "18 degrees"}]}
        messages = [*said("call get_weather"), message, *said({"toolResult": result})]
        return first, sdk.converse(messages=messages, **given)

    first, second = await call(simulator, ask)
    assert [next(iter(block)) for block in first["output"]["message"]["content"]] == ["reasoningContent", "toolUse"]
    assert first["stopReason"] == "tool_use" and "18 degrees" in second["output"]["message"]["content"][1]["text"]


async def test_pictures(simulator: Simulator) -> None:
    picture = {"image": {"format": "png", "source": {"bytes": PNG}}}
    answer = await call(simulator, lambda sdk: sdk.converse(modelId=CLAUDE, messages=said("echo: seen", picture)))
    assert answer["output"]["message"]["content"] == [{"text": "seen"}]
    assert simulator.requests[-1].json()["messages"][0]["content"][1]["image"]["source"]["bytes"] == "iVBORw0KGgo="


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
async def test_errors(status: int, name: str, simulator: Simulator) -> None:
    simulator.next(Fault(status=status))

    def ask(sdk: Any) -> Any:
        with pytest.raises(getattr(sdk.exceptions, name)) as raised:
            sdk.converse(modelId=CLAUDE, messages=said("hello"))
        return raised.value.response

    response = await call(simulator, ask)
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status and response["message"]


async def test_error_before_a_stream(simulator: Simulator) -> None:
    def ask(sdk: Any) -> None:
        with pytest.raises(sdk.exceptions.ValidationException, match="identifier is invalid"):
            sdk.converse_stream(modelId="nobody.knows", messages=said("hello"))

    await call(simulator, ask)


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "validationException"),
        (424, "modelStreamErrorException"),
        (429, "throttlingException"),
        (500, "internalServerException"),
        (None, "serviceUnavailableException"),
    ],
)
async def test_exception_in_a_stream(status: int | None, name: str, simulator: Simulator) -> None:
    simulator.next(Fault(error_event_after=2, status=status))

    def ask(sdk: Any) -> Any:
        events = 0
        with contextlib.closing(sdk.converse_stream(modelId=CLAUDE, messages=said("hello"))["stream"]) as stream:
            with pytest.raises(botocore.exceptions.EventStreamError) as raised:
                for _ in stream:
                    events += 1
        return events, raised.value.response["Error"]["Code"]

    assert await call(simulator, ask) == (2, name)


def frames(body: bytes) -> list[Any]:
    buffer = botocore.eventstream.EventStreamBuffer()
    buffer.add_data(body)
    return list(buffer)


async def test_malformed_json_in_a_sound_frame(caller: Any) -> None:
    reply = await caller.post(f"{PATH}/converse-stream", {"messages": said("[[sim: malformed_json events=3]]")}, BEARER)
    broken = 0
    for frame in frames(reply.body):  # lengths and checksums hold, or this raises
        try:
            json.loads(frame.payload)
        except json.JSONDecodeError:
            broken += 1
    assert broken == 1 and reply.complete


async def test_stream_cut_in_a_frame(caller: Any) -> None:
    reply = await caller.post(f"{PATH}/converse-stream", {"messages": said("[[sim: cut_after=3]]")}, BEARER)
    assert not reply.complete and len(frames(reply.body)) == 3
    assert len(reply.body) > sum(frame.prelude.total_length for frame in frames(reply.body))


async def test_stream_that_ends_unfinished(caller: Any) -> None:
    reply = await caller.post(f"{PATH}/converse-stream", {"messages": said("[[sim: end_after=3]]")}, BEARER)
    assert reply.complete and len(frames(reply.body)) == 3


async def test_whole_answer_to_a_stream(caller: Any) -> None:
    reply = await caller.post(f"{PATH}/converse-stream", {"messages": said("[[sim: not_streamed]]")}, BEARER)
    assert reply.headers["content-type"] == "application/json" and reply.json()["stopReason"] == "end_turn"


async def test_chunks_that_cut_frames(caller: Any) -> None:
    body = {"messages": said("[[sim: events=3 chunk_bytes=7]]echo: one two three")}
    reply = await caller.post(f"{PATH}/converse-stream", body, BEARER)
    names = [frame.headers[":event-type"] for frame in frames(reply.body)]
    assert names == ["messageStart", *["contentBlockDelta"] * 3, "contentBlockStop", "messageStop", "metadata"]


async def test_directives(caller: Any) -> None:
    body = {"messages": said("hi [[sim: fault=429 retry_after=3]]")}
    reply = await caller.post(f"{PATH}/converse", body, BEARER)
    assert (reply.status, reply.headers["retry-after"]) == (429, "3")
    body = {"messages": said("hi [[sim: fualt=429]]")}
    assert "fualt" in (await caller.post(f"{PATH}/converse", body, BEARER)).json()["message"]

    body = {"messages": said("hi [[sim: out_of_credit]]")}
    assert (await caller.post(f"{PATH}/converse", body, BEARER)).json()["message"].startswith("Too many tokens per day")


def signed(url: str, body: bytes, service: str = "bedrock", **changes: str) -> dict[str, str]:
    """The headers that AWS's signer writes."""
    headers = {"content-type": "application/json", "host": "sim"}
    request = botocore.awsrequest.AWSRequest("POST", url, data=body, headers=headers)
    pair = {"access_key": ACCESS_KEY_ID, "secret_key": SECRET_ACCESS_KEY, "token": None} | changes
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(**pair), service, "us-east-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items() if name.lower() != "host"}


BODY = json.dumps({"messages": said("hello")}).encode()


async def test_signature_is_checked(caller: Any) -> None:
    path, query = f"{PATH}/converse", "?b=2&a=x%20y"
    sound = signed(f"http://sim{path}{query}", BODY)
    assert (await caller.post(f"{path}{query}", BODY, sound)).status == 200
    bare = f"{PATH.replace('%3A', ':')}/converse"  # httpx, unlike botocore, leaves a colon as it is
    assert (await caller.post(bare, BODY, signed(f"http://sim{bare}", BODY))).status == 200
    other = [
        (path, BODY, sound),
        (f"{path}-stream{query}", BODY, sound),
        (f"{path}{query}", BODY.replace(b"hello", b"help!"), sound),
        (f"{path}{query}", BODY, {**sound, "authorization": sound["authorization"][:-1] + "x"}),
        (f"{path}{query}", BODY, {**sound, "content-type": "application/json; charset=utf-8"}),
        (path, BODY, signed(f"http://sim{path}", BODY, secret_key="another")),
        (path, BODY, signed(f"http://sim{bare}", BODY)),
    ]
    for target, body, headers in other:
        reply = await caller.post(target, body, headers)
        assert reply.status == 403 and reply.json()["message"].startswith("The request signature we calculated does")
        assert reply.headers["x-amzn-errortype"].startswith("InvalidSignatureException:")


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"authorization": ""}, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ({"authorization": "Bearer wrong-key"}, "AccessDeniedException", "Authentication failed: Please make sure"),
        ({"authorization": "Bearer "}, "AccessDeniedException", "Authentication failed: Please make sure"),
        ({"authorization": "AWS4-HMAC-SHA256 x"}, "IncompleteSignatureException", "Authorization header requires"),
        ({"x-amz-security-token": "x"}, "UnrecognizedClientException", "The security token included in the request"),
        ({"x-amz-security-token": SESSION_TOKEN}, "InvalidSignatureException", "'x-amz-security-token' must be a"),
        ({"x-amz-date": "yesterday"}, "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'."),
    ],
)
async def test_credentials(changes: dict[str, str], kind: str, message: str, caller: Any) -> None:
    sound = signed(f"http://sim{PATH}/converse", BODY)
    headers = {name: value for name, value in {**sound, **changes}.items() if value}
    reply = await caller.post(f"{PATH}/converse", BODY, headers)
    assert reply.status == 403 and reply.json()["message"].startswith(message)
    assert reply.headers["x-amzn-errortype"].startswith(f"{kind}:")


async def test_signature_of_another_time_service_or_key(caller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://sim{PATH}/converse"
    reply = await caller.post(f"{PATH}/converse", BODY, signed(url, BODY, service="bedrock-runtime"))
    assert reply.json()["message"] == "Credential should be scoped to correct service: 'bedrock'. "
    reply = await caller.post(f"{PATH}/converse", BODY, signed(url, BODY, access_key="AKIAnobody"))
    assert reply.json()["message"] == "The security token included in the request is invalid."
    for hours, word in ((-1, "earlier"), (1, "later")):
        then = datetime.now(UTC) + timedelta(hours=hours)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda then=then: then)
        reply = await caller.post(f"{PATH}/converse", BODY, signed(url, BODY))
        assert reply.status == 403 and f"is now {word} than" in reply.json()["message"]
