"""Whatever a vendor's own schema lets a caller send, and what it does not: our answers are what that schema says, whole
ones and each event of a stream, or an error in its form; and none is a fault of ours, since the simulator has none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from conformity.bodies import HELLO, addressed, bodies
from conformity.conftest import Client
from conformity.documents import EVENT, operation
from isthmus.wire.framing.sse import ServerSentEvents
from sdk.targets import HERE, PROVIDED, Target

RIGHT, WRONG = 21, 6  # of each kind of body, for each target
CHECKS: list[Any] = [response_schema_conformance, content_type_conformance]


@dataclass(frozen=True)
class Called:
    """`path` is the vendor's own, `ours` where we serve it."""

    vendor: str
    path: str
    ours: str


CHAT = Called("openai", "/chat/completions", "v1/chat/completions")
COMPLETIONS = Called("openai", "/completions", "v1/completions")
RESPONSES = Called("openai", "/responses", "v1/responses")
MESSAGES = Called("anthropic", "/v1/messages", "v1/messages")
COUNT = Called("anthropic", "/v1/messages/count_tokens", "v1/messages/count_tokens")
GENERATE = Called("google", "/generateContent", "v1beta/models/{model}:generateContent")
STREAM = Called("google", "/streamGenerateContent", "v1beta/models/{model}:streamGenerateContent?alt=sse")
GOOGLE_COUNT = Called("google", "/countTokens", "v1beta/models/{model}:countTokens")
# https://platform.claude.com/docs/en/build-with-claude/streaming: any number of them; the schema has none.
PING = b"ping"
CALLED = (CHAT, COMPLETIONS, RESPONSES, MESSAGES, COUNT, GENERATE, STREAM, GOOGLE_COUNT)


def check(called: Called, answer: httpx.Response, content_type: str, content: bytes) -> None:
    """Raises where this is not what the vendor documents."""
    case = operation(called.vendor, called.path).Case()
    told = httpx.Response(
        answer.status_code, headers={"content-type": content_type}, content=content, request=answer.request
    )
    told.elapsed = timedelta(0)
    case.validate_response(told, checks=CHECKS)


def check_answer(called: Called, answer: httpx.Response) -> None:
    content_type = answer.headers["content-type"]
    if not content_type.startswith("text/event-stream"):
        check(called, answer, content_type, answer.content)
        return
    assert answer.status_code == 200
    events = ServerSentEvents().feed(answer.content)
    assert events, "a stream says something"
    for name, data in events:
        if data != b"[DONE]" and name != PING:
            check(called, answer, EVENT, data)


INSTRUCT = Target("instruct", "openai/gpt-3.5-turbo-instruct", None, None)
CELLS = [(called, target) for called in CALLED for target in PROVIDED] + [(COMPLETIONS, INSTRUCT)]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize(
    ("called", "target"), CELLS, ids=[f"{c.path.strip('/').replace('/', '.')}-{t.id}" for c, t in CELLS]
)
async def test_what_is_answered_is_what_the_vendor_says(
    client: Client, called: Called, target: Target, mode: GenerationMode
) -> None:
    count = RIGHT if mode is GenerationMode.POSITIVE else WRONG
    statuses = []
    for place, body in enumerate(bodies(called.vendor, called.path, mode, count)):
        told = addressed(body, called.path, target.model, place)
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        answer = await client.send("POST", called.ours.format(model=target.model), content)
        assert answer.status_code < 500, (content[:2000], answer.text)
        try:
            check_answer(called, answer)
        except Exception as error:
            raise AssertionError(f"{content[:3000]!r}\n{answer.status_code} {answer.text[:3000]}\n{error}") from error
        statuses.append(answer.status_code)
    assert mode is GenerationMode.NEGATIVE or 200 in statuses, "nothing that was right was answered"


async def test_a_stream_that_pings(client: Client) -> None:
    body = {"model": "anthropic/claude-haiku-4.5", "stream": True, **HELLO["/v1/messages"]}
    answer = await client.send("POST", MESSAGES.ours, json.dumps(body).encode())
    assert b"event: ping" in answer.content
    check_answer(MESSAGES, answer)


@pytest.mark.parametrize("called", [CHAT, COMPLETIONS, RESPONSES, MESSAGES], ids=lambda called: called.path.strip("/"))
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_local_model_answers_so_too(client: Client, called: Called, stream: bool) -> None:
    body = {"model": HERE.model, "stream": stream, "max_tokens": 8, "messages": [{"role": "user", "content": "Hi."}]}
    if called is RESPONSES:
        body = {"model": HERE.model, "stream": stream, "max_output_tokens": 16, "input": "Hi."}
    elif called is COMPLETIONS:
        body = {"model": HERE.model, "stream": stream, "max_tokens": 8, "prompt": "Hi."}
    answer = await client.send("POST", called.ours, json.dumps(body).encode())
    assert answer.status_code == 200, answer.text
    check_answer(called, answer)


async def test_the_list_of_models_is_openais(client: Client) -> None:
    answer = await client.send("GET", "v1/models", None)
    assert answer.status_code == 200
    case = operation("openai", "/models", "GET").Case()
    answer.elapsed = timedelta(0)
    case.validate_response(answer, checks=CHECKS)
