"""Requests that are sound JSON and make no sense: results without a call, pictures that are none, content for a model
that cannot take it, schemas that the provider refuses. Each is told in the caller's dialect and leaves a row."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from data_plane.callers import (
    AT,
    BEDROCK,
    CALLERS,
    CHAT,
    COHERE,
    GEMINI,
    MESSAGES,
    OURS,
    RESPONSES,
    ask,
    asked,
    path,
    providers,
    refusal,
)
from isthmus.simulator import Simulator

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()
# A target in another dialect for every caller, so that the request has to be understood.
ELSEWHERE = {CHAT: AT[MESSAGES], RESPONSES: AT[MESSAGES], MESSAGES: AT[CHAT], GEMINI: AT[MESSAGES]}


class Strict:
    """The gateway before a simulator that is each of the providers."""

    def __init__(self, gateway: Any, simulator: Simulator) -> None:
        self.gateway = gateway
        self.simulator = simulator

    async def refused(
        self, caller: str, model: str, *turns: Any, code: int = 7000, status: int = 400, **more: Any
    ) -> str:
        """The message of a refusal of ours, before anything was sent to the provider."""
        before = len(self.simulator.requests)
        answer = await ask(self.gateway, caller, model, *turns, **more)
        assert answer.status_code == status, (caller, answer.text)
        found, message = refusal(caller, answer)
        assert found == code and len(message) > 10
        await self.row(answer, "refused", message)
        assert len(self.simulator.requests) == before
        return message

    async def refused_there(self, caller: str, model: str, *turns: Any, **more: Any) -> str:
        """The message of a refusal of the provider's, in our words."""
        before = len(self.simulator.requests)
        answer = await ask(self.gateway, caller, model, *turns, **more)
        assert answer.status_code == 400, (caller, answer.text)
        found, message = refusal(caller, answer)
        assert found == OURS
        await self.row(answer, "provider_error", message)
        assert len(self.simulator.requests) == before + 1
        return message

    async def row(self, answer: httpx.Response, end: str, message: str) -> None:
        found = await self.gateway.manage("GET", f"gateways/default/logs/{answer.headers['cf-aig-log-id']}")
        row = found.json()["result"]
        assert (row["status_code"], row["success"], row["end"]) == (answer.status_code, False, end)
        assert row["error_message"] == message[:1000] and row["tokens_out"] is None


@pytest.fixture
async def strict(start_gateway: Any, simulator: Simulator, tmp_path: Path) -> Strict:
    gateway = await start_gateway(config_file=providers(tmp_path, f"{simulator.base_url}/", after="v1/"))
    return Strict(gateway, simulator)


# Tools.


def calls(caller: str, *ids: str) -> list[Any]:
    """A turn in which the model calls a tool, once for each id."""
    if caller == CHAT:
        made = [{"id": id_, "type": "function", "function": {"name": "look", "arguments": "{}"}} for id_ in ids]
        return [{"role": "assistant", "content": None, "tool_calls": made}]
    if caller == RESPONSES:
        return [{"type": "function_call", "call_id": id_, "name": "look", "arguments": "{}"} for id_ in ids]
    if caller == MESSAGES:
        used = [{"type": "tool_use", "id": id_, "name": "look", "input": {}} for id_ in ids]
        return [{"role": "assistant", "content": used}]
    return [{"role": "model", "parts": [{"functionCall": {"id": id_, "name": "look", "args": {}}} for id_ in ids]}]


def results(caller: str, *ids: str) -> list[Any]:
    if caller == CHAT:
        return [{"role": "tool", "tool_call_id": id_, "content": "seen"} for id_ in ids]
    if caller == RESPONSES:
        return [{"type": "function_call_output", "call_id": id_, "output": "seen"} for id_ in ids]
    if caller == MESSAGES:
        return [
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": id_, "content": "seen"} for id_ in ids],
            }
        ]
    answered = [{"functionResponse": {"id": id_, "name": "look", "response": {"result": "seen"}}} for id_ in ids]
    return [{"role": "user", "parts": answered}]


def tools(caller: str, schema: Any = None, name: str = "look") -> dict[str, Any]:
    schema = {"type": "object", "properties": {}} if schema is None else schema
    if caller == CHAT:
        return {"tools": [{"type": "function", "function": {"name": name, "parameters": schema}}]}
    if caller == RESPONSES:
        return {"tools": [{"type": "function", "name": name, "parameters": schema, "strict": False}]}
    if caller == MESSAGES:
        return {"tools": [{"name": name, "input_schema": schema}]}
    return {"tools": [{"functionDeclarations": [{"name": name, "parametersJsonSchema": schema}]}]}


async def test_calls_and_results_that_belong_together(strict: Strict) -> None:
    for caller in CALLERS:
        turns = [*calls(caller, "call_1", "call_2"), *results(caller, "call_1", "call_2")]
        answer = await ask(strict.gateway, caller, ELSEWHERE[caller], "Look.", *turns, **tools(caller))
        assert answer.status_code == 200, (caller, answer.text)


async def test_a_result_with_no_call(strict: Strict) -> None:
    for caller in CALLERS:
        conversations = [
            results(caller, "call_1"),
            [*results(caller, "call_1"), *calls(caller, "call_1")],
            [*calls(caller, "call_2"), *results(caller, "call_2"), *results(caller, "call_1")],
        ]
        if caller != GEMINI:  # whose callers may make up ids for their results: then the tool's name counts
            conversations.append([*calls(caller, "call_2"), *results(caller, "call_1")])
        for turns in conversations:
            message = await strict.refused(caller, ELSEWHERE[caller], "Look.", *turns, **tools(caller))
            assert ("functionResponse" if caller == GEMINI else "call_1") in message


async def test_two_calls_of_one_turn_with_the_same_id(strict: Strict) -> None:
    for caller in CALLERS:
        turns = [*calls(caller, "call_1", "call_1"), *results(caller, "call_1")]
        assert "call_1" in await strict.refused(caller, ELSEWHERE[caller], "Look.", *turns, **tools(caller))


async def test_two_results_of_one_call(strict: Strict) -> None:
    for caller in CALLERS:
        turns = [*calls(caller, "call_1"), *results(caller, "call_1", "call_1")]
        message = await strict.refused(caller, ELSEWHERE[caller], "Look.", *turns, **tools(caller))
        assert ("functionResponse" if caller == GEMINI else "call_1") in message


async def test_ids_may_come_again_in_the_next_turn(strict: Strict) -> None:
    for caller in CALLERS:
        turn = [*calls(caller, "0"), *results(caller, "0")]
        answer = await ask(strict.gateway, caller, ELSEWHERE[caller], "Look.", *turn, *turn, **tools(caller))
        assert answer.status_code in (200, 400), (caller, answer.text)
        assert refusal(caller, answer)[0] == OURS if answer.status_code == 400 else True


async def test_ids_of_any_characters(strict: Strict) -> None:
    for caller in CALLERS:
        for id_ in ("a b", "ключ", "x" * 500, "a/b:c", '"'):
            turns = [*calls(caller, id_), *results(caller, id_)]
            answer = await ask(strict.gateway, caller, ELSEWHERE[caller], "Look.", *turns, **tools(caller))
            assert answer.status_code == 200, (caller, id_, answer.text)


async def test_half_a_conversation_is_the_providers_to_refuse(strict: Strict) -> None:
    """A call that nothing answered: some providers take it, and the strict ones say what is wrong."""
    for caller in CALLERS:
        answer = await ask(
            strict.gateway, caller, ELSEWHERE[caller], "Look.", *calls(caller, "call_1"), "Well?", **tools(caller)
        )
        assert answer.status_code in (200, 400), (caller, answer.text)
        if answer.status_code == 400:
            assert refusal(caller, answer)[0] in (OURS, 7000)


# Schemas.

REFUSED_SCHEMAS: list[Any] = [
    {"type": "nonsense"},
    {"type": "object", "properties": {"a": {"type": "strin"}}},
]


async def test_schemas_that_the_provider_refuses(strict: Strict) -> None:
    """Passed on as they are: the provider's own words come back, in the caller's dialect."""
    for caller in CALLERS:
        for schema in REFUSED_SCHEMAS:
            await strict.refused_there(caller, ELSEWHERE[caller], "Look.", **tools(caller, schema))


async def test_schemas_that_are_none(strict: Strict) -> None:
    for caller in CALLERS:
        for schema in ("text", 7, ["a"]):
            answer = await ask(strict.gateway, caller, ELSEWHERE[caller], "Look.", **tools(caller, schema))
            assert answer.status_code == 400, (caller, schema, answer.text)
            assert refusal(caller, answer)[0] in (OURS, 7000, 7001)


async def test_a_schema_as_deep_as_a_body_may_be(strict: Strict) -> None:
    for caller in CALLERS:
        deep = b'{"a":' * 900 + b"{}" + b"}" * 900
        body = msgspec.json.encode(asked(caller, ELSEWHERE[caller], "Look.", **tools(caller, {"type": "object"})))
        body = body.replace(b'{"type":"object"}', deep)
        answer = await strict.gateway.post(path(caller, ELSEWHERE[caller]), body)
        assert answer.status_code in (200, 400), (caller, answer.text[:300])
        if answer.status_code == 400:
            assert refusal(caller, answer)[0] in (OURS, 7000)


# Pictures, documents and sounds.


def seen(caller: str, media_type: str, data: str) -> dict[str, Any]:
    """A turn with a picture by value."""
    url = f"data:{media_type};base64,{data}"
    if caller == CHAT:
        return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    if caller == RESPONSES:
        return {"role": "user", "content": [{"type": "input_image", "image_url": url, "detail": "auto"}]}
    if caller == MESSAGES:
        source = {"type": "base64", "media_type": media_type, "data": data}
        return {"role": "user", "content": [{"type": "image", "source": source}]}
    return {"role": "user", "parts": [{"inlineData": {"mimeType": media_type, "data": data}}]}


NOT_IMAGES = {
    "not base64": ("image/png", "!!!!"),
    "base64 with blanks": ("image/png", PNG[:20] + " \n" + PNG[20:]),
    "half a group": ("image/png", PNG[:-3]),
    "too much padding": ("image/png", PNG + "="),
    "characters that are no ASCII": ("image/png", "iVBORw0KGgo\u00e9"),
    "nothing": ("image/png", ""),
    "a text": ("image/png", base64.b64encode(b"hello").decode()),
    "a document": ("image/png", PDF),
}


@pytest.mark.parametrize("name", NOT_IMAGES)
async def test_images_that_are_none(strict: Strict, name: str) -> None:
    media_type, data = NOT_IMAGES[name]
    for caller in CALLERS:
        message = await strict.refused(caller, ELSEWHERE[caller], seen(caller, media_type, data))
        assert data[:20] not in message or not data


async def test_an_image_of_another_kind_than_it_says_is_sent_as_what_it_is(strict: Strict) -> None:
    for caller in CALLERS:
        answer = await ask(strict.gateway, caller, ELSEWHERE[caller], seen(caller, "image/jpeg", PNG))
        assert answer.status_code == 200, (caller, answer.text)
        sent = strict.simulator.requests[-1].body
        assert b"image/png" in sent and b"image/jpeg" not in sent


async def test_images_of_a_kind_that_the_provider_does_not_take(strict: Strict) -> None:
    for caller in CALLERS:
        tiff = base64.b64encode(b"II*\x00" + bytes(40)).decode()
        await strict.refused(caller, AT[BEDROCK], seen(caller, "image/tiff", tiff))


def heard(caller: str, data: str, kind: str = "wav") -> dict[str, Any]:
    if caller == CHAT:
        return {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data, "format": kind}}]}
    if caller == RESPONSES:
        return {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": data, "format": kind}}]}
    return {"role": "user", "parts": [{"inlineData": {"mimeType": f"audio/{kind}", "data": data}}]}


WAV = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(28)).decode()


async def test_sounds_for_a_model_that_hears_none(strict: Strict) -> None:
    for caller in (CHAT, RESPONSES, GEMINI):
        for model in (AT[MESSAGES], AT[BEDROCK], AT[COHERE]):
            message = await strict.refused(caller, model, heard(caller, WAV))
            assert "audio" in message or "sound" in message


async def test_sounds_that_are_none(strict: Strict) -> None:
    for caller, model in ((CHAT, AT[GEMINI]), (RESPONSES, AT[GEMINI]), (GEMINI, AT[CHAT])):
        for data in ("????", "", PDF):
            await strict.refused(caller, model, heard(caller, data))


async def test_pictures_for_a_model_that_sees_none(strict: Strict) -> None:
    for caller in CALLERS:
        message = await strict.refused(caller, "aws-bedrock/amazon.nova-micro-v1:0", seen(caller, "image/png", PNG))
        assert "image" in message and "nova-micro" in message


async def test_documents_for_a_model_that_reads_none(strict: Strict) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    turn = {"role": "user", "content": [{"type": "document", "source": source}]}
    message = await strict.refused(MESSAGES, "aws-bedrock/amazon.nova-micro-v1:0", turn)
    assert "document" in message
    plain = {"type": "text", "media_type": "text/plain", "data": "Some words."}
    turn = {"role": "user", "content": [{"type": "document", "source": plain}, {"type": "text", "text": "Well?"}]}
    answer = await ask(strict.gateway, MESSAGES, "aws-bedrock/amazon.nova-lite-v1:0", turn)
    assert answer.status_code == 200, answer.text


async def test_files_that_lie_at_another_provider(strict: Strict) -> None:
    turns: dict[str, Any] = {
        CHAT: {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        RESPONSES: {"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]},
        MESSAGES: {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]},
        GEMINI: {"role": "user", "parts": [{"fileData": {"fileUri": "gs://bucket/x.png", "mimeType": "image/png"}}]},
    }
    for caller, turn in turns.items():
        await strict.refused(caller, ELSEWHERE[caller], turn)


# Names.


@pytest.mark.parametrize("model", ["nobody/gpt", "gpt-4o", "@cf/nobody/nothing", "openai/", "/", "a/b/c"])
async def test_14_unknown_models(strict: Strict, model: str) -> None:
    for caller in (CHAT, RESPONSES, MESSAGES):
        assert model in await strict.refused(caller, model, "hi", code=7003, status=404)


async def test_14_unknown_models_in_a_path(strict: Strict) -> None:
    """Without an author it is one of Google's own, who refuses it herself."""
    for model in ("nobody/gpt", "@cf/nobody/nothing", "openai/", "a/b/c"):
        for stream in (False, True):
            assert model in await strict.refused(GEMINI, model, "hi", code=7003, status=404, stream=stream)
    answer = await ask(strict.gateway, GEMINI, "gemini-nobody", "hi")
    assert answer.status_code == 404 and answer.json()["error"]["status"] == "NOT_FOUND"
    assert len(strict.simulator.requests) == 1


async def test_models_that_the_provider_does_not_have(strict: Strict) -> None:
    for caller, model in (
        (CHAT, "anthropic/claude-nobody"),
        (MESSAGES, "openai/gpt-nobody"),
        (RESPONSES, "google/gemini-nobody"),
        (GEMINI, "cohere/command-nobody"),
        (CHAT, "aws-bedrock/nobody.model-v1:0"),
    ):
        answer = await ask(strict.gateway, caller, model, "hi")
        assert answer.status_code in (400, 404), (model, answer.text)
        code, message = refusal(caller, answer)
        assert code == OURS
        await strict.row(answer, "provider_error", message)


@pytest.mark.parametrize("model", ["anthropic/..", "google/..", "google/.", "aws-bedrock/..", "google/a\ud800b"])
async def test_names_that_would_climb_out_of_a_path(strict: Strict, model: str) -> None:
    answer = await strict.gateway.post(path(CHAT, model), encoded(asked(CHAT, model, "hi")))
    assert answer.status_code in (400, 404), answer.text
    refusal(CHAT, answer)
    for request in strict.simulator.requests:
        assert ".." not in request.path


async def test_no_model_at_all(strict: Strict) -> None:
    for caller in (CHAT, RESPONSES, MESSAGES):
        for model in (None, 7, "", [], {}):
            body = {**asked(caller, "x", "hi"), "model": model}
            answer = await strict.gateway.post(path(caller, ""), body)
            assert answer.status_code == 400 and refusal(caller, answer)[0] == 7001


# Google's own addresses.


async def google(strict: Strict, tail: str, *, key: str | None = None, **more: Any) -> httpx.Response:
    headers = dict(strict.gateway.headers) if key is None else {}
    url = f"{strict.gateway.account}/ai/v1beta/models/{tail}"
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], **more}
    answer: httpx.Response = await strict.gateway.client.post(url, json=body, headers=headers)
    return answer


@pytest.mark.parametrize("query", ["", "?alt=json", "?alt=", "?alt=SSE", "?ALT=sse", "?alt=sse&alt=json"])
async def test_a_stream_that_is_not_asked_for_as_events(strict: Strict, query: str) -> None:
    answer = await google(strict, f"gemini-2.5-flash:streamGenerateContent{query}")
    assert answer.status_code == 400
    code, message = refusal(GEMINI, answer)
    assert code == 7000 and "alt=sse" in message
    await strict.row(answer, "refused", message)
    assert not strict.simulator.requests


@pytest.mark.parametrize("action", ["embedContent", "generatecontent", "batchGenerateContent", "x"])
async def test_an_action_that_is_not_there(strict: Strict, action: str) -> None:
    answer = await google(strict, f"gemini-2.5-flash:{action}")
    assert answer.status_code == 404
    assert refusal(GEMINI, answer)[0] == 7003
    assert answer.json()["error"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "tail", ["gemini-2.5-flash", "gemini-2.5-flash:", ":generateContent", "gemini:generateContent/x"]
)
async def test_addresses_that_are_none(strict: Strict, tail: str) -> None:
    assert (await google(strict, tail)).status_code == 404


async def test_a_wrong_method_at_googles_addresses(strict: Strict) -> None:
    url = f"{strict.gateway.account}/ai/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    answer = await strict.gateway.client.get(url, headers=strict.gateway.headers)
    assert answer.status_code == 405 and answer.headers["allow"] == "POST"
    assert refusal(GEMINI, answer)[0] == 7001


async def test_googles_callers_show_their_key_in_their_own_places(strict: Strict) -> None:
    token = strict.gateway.headers["authorization"].removeprefix("Bearer ")
    url = f"{strict.gateway.account}/ai/v1beta/models/gemini-2.5-flash:generateContent"
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    client = strict.gateway.client
    shown = [
        await client.post(url, json=body, headers={"x-goog-api-key": token}),
        await client.post(f"{url}?key={token}", json=body),
        await client.post(f"{url}?key=wrong", json=body, headers={"x-goog-api-key": token}),
        await client.post(f"{url}?key=wrong", json=body, headers=strict.gateway.headers),
    ]
    assert [answer.status_code for answer in shown] == [200] * 4, [answer.text for answer in shown]
    assert all(token not in row["path"] for row in await strict.gateway.rows())
    for request in strict.simulator.requests:  # the provider is shown the installation's own
        assert request.header("x-goog-api-key") == "google-test-key" and token not in request.query
    for query in ("", "?key=", "?key=wrong", "?key=%FF%00", "?key=" + "x" * 5000):
        answer = await client.post(url + query, json=body)
        assert answer.status_code == 401 and refusal(GEMINI, answer)[0] == 10000
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"


# Values of the wrong kind, wherever they stand.

WRONG: dict[str, list[dict[str, Any]]] = {
    CHAT: [
        {"messages": "hi"},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "nobody", "content": "hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x/y"}}]}]},
        {"temperature": "hot"},
        {"max_tokens": -1},
        {"tools": "x"},
        {"tools": [{"type": "function"}]},
        {"tool_choice": {"type": "function", "function": {"name": "nobody"}}},
        {"response_format": {"type": "nobody"}},
        {"stop": [1]},
        {"n": 0},
    ],
    RESPONSES: [
        {"input": 7},
        {"input": []},
        {"input": [{"type": "message", "role": "user"}]},
        {"input": [{"type": "function_call"}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        {"temperature": "hot"},
        {"tools": [{"type": "function"}]},
        {"text": {"format": {"type": "nobody"}}},
        {"reasoning": "much"},
    ],
    MESSAGES: [
        {"messages": "hi"},
        {"messages": [{"role": "nobody", "content": "hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "nobody"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}]},
        {"max_tokens": "many"},
        {"thinking": {"type": "enabled"}},
        {"tools": [{"name": ""}]},
        {"tool_choice": {"type": "tool"}},
        {"system": 7},
    ],
    GEMINI: [
        {"contents": "hi"},
        {"contents": []},
        {"contents": [{"role": "nobody", "parts": [{"text": "hi"}]}]},
        {"contents": [{"role": "user", "parts": [{"text": 7}]}]},
        {"generationConfig": {"temperature": "hot"}},
        {"generationConfig": {"responseMimeType": "image/png"}},
        {"tools": [{"functionDeclarations": [{}]}]},
        {"toolConfig": {"functionCallingConfig": {"mode": "NOBODY"}}},
        {"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}},
    ],
}


async def test_values_of_the_wrong_kind(strict: Strict) -> None:
    wrong = []
    for caller, changes in WRONG.items():
        for change in changes:
            body = {**asked(caller, ELSEWHERE[caller], "hi"), **change}
            answer = await strict.gateway.post(path(caller, ELSEWHERE[caller]), body)
            try:
                assert answer.status_code == 400, answer.text
                code, message = refusal(caller, answer)
                assert code in (7000, 7001) and len(message) > 10
                await strict.row(answer, "refused", message)
            except AssertionError as error:
                wrong.append(f"{caller} {change}: {error}")
    assert not wrong, "\n".join(wrong)
    assert not strict.simulator.requests


async def test_numbers_that_no_computer_counts_with(strict: Strict) -> None:
    """Cut to what the model has, or refused: never a failure of ours."""
    for caller in CALLERS:
        for field in ("max_tokens", "seed", "temperature"):
            names = {(RESPONSES, "max_tokens"): "max_output_tokens", (GEMINI, "max_tokens"): "maxOutputTokens"}
            for number in (10**30, -(10**30), 2**64, 1e300):
                value: Any = {names.get((caller, field), field): number}
                change = {"generationConfig": value} if caller == GEMINI else value
                body = encoded({**asked(caller, ELSEWHERE[caller], "hi"), **change})
                answer = await strict.gateway.post(path(caller, ELSEWHERE[caller]), body)
                assert answer.status_code in (200, 400), (caller, field, number, answer.text)
                if answer.status_code == 400:
                    assert refusal(caller, answer)[0] in (OURS, 7000, 7001)


def encoded(body: dict[str, Any]) -> bytes:
    """Python's own JSON has numbers of any size."""
    return json.dumps(body).encode()
