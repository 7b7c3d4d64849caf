"""What Gemini takes and answers, over a matrix of features, is what Google's discovery documents allow; the pieces of a
stream, in either of its forms, add up to the whole answer.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from isthmus.simulator.google.candidate import BLOCKS, REASONS, VERTEX_BLOCKS, VERTEX_REASONS
from isthmus.simulator.google.messages import STUDIO
from isthmus.simulator.google.vertex_messages import VERTEX

HEADERS = {"x-goog-api-key": "k", "authorization": "Bearer k", "content-type": "application/json"}
PATHS = {
    "studio": "/v1beta/models/{}",
    "vertex": "/v1/projects/p/locations/us-central1/publishers/google/models/{}",
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA = {
    "type": "OBJECT",
    "properties": {
        "city": {"type": "STRING"},
        "days": {"type": "INTEGER", "minimum": 1, "maximum": 5, "nullable": True},
        "units": {"type": "STRING", "enum": ["metric", "imperial"]},
        "places": {"type": "ARRAY", "minItems": "1", "items": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}},
    },
    "required": ["city", "days"],
}
STRICT = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
WEATHER = {"functionDeclarations": [{"name": "get_weather", "description": "Weather", "parameters": SCHEMA}]}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"text": text}]}


REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {"contents": [user("hello")], "systemInstruction": {"parts": [{"text": "Be brief."}]}},
    "media": {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "hello"},
                    {"inlineData": {"mimeType": "image/png", "data": PNG}},
                    {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a.pdf"}},
                ],
            }
        ]
    },
    "unicode": {"contents": [user("echo: ☃ 😀 é\u2028 data: [DONE]\n\nevent: x\r\n ")]},
    "empty": {"contents": [user("echo: ")]},
    "length": {"contents": [user("hello")], "generationConfig": {"maxOutputTokens": 3}},
    "stop": {
        "contents": [user("echo: one two three")],
        "generationConfig": {"stopSequences": [" three", "never"], "seed": 3, "temperature": 0.5, "topP": 1, "topK": 3},
    },
    "thoughts": {
        "contents": [user("[[sim: events=4]] hello")],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024}},
    },
    "two": {"contents": [user("hello")], "generationConfig": {"candidateCount": 2}},
    "logprobs": {"contents": [user("hello")], "generationConfig": {"responseLogprobs": True, "logprobs": 3}},
    "call": {"contents": [user("call get_weather")], "tools": [WEATHER]},
    "calls, text and thoughts": {
        "contents": [user("[[sim: events=4]] call get_weather and call get_weather echo: Wait.")],
        "tools": [WEATHER],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
    },
    "forced": {
        "contents": [user("hello")],
        "tools": [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": STRICT}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}},
    },
    "schema": {
        "contents": [user("who?")],
        "generationConfig": {"responseMimeType": "application/json", "responseSchema": SCHEMA},
    },
    "json schema": {
        "contents": [user("who?")],
        "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": STRICT},
    },
    "any json": {"contents": [user("who?")], "generationConfig": {"responseMimeType": "application/json"}},
    "enum": {
        "contents": [user("who?")],
        "generationConfig": {
            "responseMimeType": "text/x.enum",
            "responseSchema": {"type": "STRING", "enum": ["EAST", "WEST"]},
        },
    },
    "search": {"contents": [user("Who won?")], "tools": [{"googleSearch": {}}]},
    "cited": {"contents": [user("[[sim: citations=2]] hello")]},
    "refusal": {"contents": [user("[[sim: refusal]]")]},
    "safety": {
        "contents": [user("hello")],
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    },
}


MODELS = ("gemini-2.0-flash", "gemini-2.5-flash", "gemini-3.5-flash")
# What not all of them do: likelihoods, several candidates, thinking.
UNABLE = {("logprobs", "gemini-3.5-flash"), ("two", "gemini-3.5-flash"), ("thoughts", "gemini-2.0-flash")}
UNABLE |= {("calls, text and thoughts", "gemini-2.0-flash")}
CASES = [
    (name, place, model)
    for name in REQUESTS
    for place in PATHS
    for model in MODELS
    if (name, model) not in UNABLE and (name, place, model) != ("logprobs", "studio", "gemini-2.5-flash")
]


@pytest.mark.parametrize(("name", "place", "model"), CASES)
async def test_answers(
    name: str, place: str, model: str, caller: Any, gemini_schemas: Any, vertex_schemas: Any
) -> None:
    schemas = gemini_schemas if place == "studio" else vertex_schemas
    body, path = REQUESTS[name], PATHS[place].format(model)
    schemas.check("GenerateContentRequest", body)

    reply = await caller.post(f"{path}:generateContent", body, HEADERS)
    assert reply.status == 200, reply.body
    whole = reply.json()
    schemas.check("GenerateContentResponse", whole)
    usage = whole["usageMetadata"]
    parts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount")
    assert usage["totalTokenCount"] == sum(usage.get(part, 0) for part in parts)
    assert usage["promptTokenCount"] == sum(row["tokenCount"] for row in usage["promptTokensDetails"])

    events = await caller.post(f"{path}:streamGenerateContent?alt=sse", body, HEADERS)
    chunks = sse_chunks(events.body)
    listed = await caller.post(f"{path}:streamGenerateContent", body, HEADERS)
    for answers in (chunks, json.loads(listed.body)):
        for chunk in answers:
            schemas.check("GenerateContentResponse", chunk)
        assert folded(answers) == blanked(whole)
    assert events.complete and events.headers["content-type"] == "text/event-stream"
    assert listed.complete and listed.headers["content-type"] == "application/json; charset=UTF-8"


def sse_chunks(body: bytes) -> list[Any]:
    blocks = body.split(b"\r\n\r\n")
    assert blocks.pop() == b"" and all(block.startswith(b"data: {") for block in blocks)
    return [json.loads(block.removeprefix(b"data: ")) for block in blocks]


def folded(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """A whole answer, from its pieces: text that follows text of the same kind is one part."""
    candidates: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for piece in chunk["candidates"]:
            candidate = candidates.setdefault(piece.get("index", 0), {"content": {"role": "model", "parts": []}})
            for part in piece.get("content", {}).get("parts", ()):
                add_part(candidate["content"]["parts"], part)
            for name in piece.keys() - {"content", "logprobsResult"}:
                candidate[name] = piece[name]
            for name, rows in piece.get("logprobsResult", {}).items():
                candidate.setdefault("logprobsResult", {}).setdefault(name, []).extend(rows)
    whole = {**chunks[-1], "candidates": [candidates[index] for index in sorted(candidates)]}
    return blanked(whole)


def add_part(parts: list[dict[str, Any]], part: dict[str, Any]) -> None:
    same = parts and "text" in part and "text" in parts[-1] and parts[-1].get("thought") == part.get("thought")
    if same:
        parts[-1] = {**parts[-1], **part, "text": parts[-1]["text"] + part["text"]}
    elif part != {"text": ""}:
        parts.append(part)


def blanked(whole: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from one answer to the next: ids, made-up likelihoods, what earlier prompts left cached."""
    candidates = []
    for candidate in whole["candidates"]:
        candidate = {name: value for name, value in candidate.items() if name != "avgLogprobs"}
        parts = candidate.get("content", {}).get("parts", [])
        for part in parts:
            if "functionCall" in part:
                part["functionCall"].pop("id", None)
        candidate["content"] = {"role": "model", "parts": parts}
        if "logprobsResult" in candidate:
            candidate["logprobsResult"] = [row["token"] for row in candidate["logprobsResult"]["chosenCandidates"]]
        candidates.append(candidate)
    return {**whole, "candidates": candidates, "responseId": ""}


@pytest.mark.parametrize("place", PATHS)
async def test_every_reason(place: str, caller: Any, gemini_schemas: Any, vertex_schemas: Any) -> None:
    """What a filter ends says nothing when whole, and half of it when streamed."""
    schemas = gemini_schemas if place == "studio" else vertex_schemas
    path = PATHS[place].format("gemini-2.5-flash")
    for reason in REASONS if place == "studio" else VERTEX_REASONS:
        body = {"contents": [user(f"[[sim: finish_reason={reason}]] echo: one two three four")]}
        whole = (await caller.post(f"{path}:generateContent", body, HEADERS)).json()
        chunks = sse_chunks((await caller.post(f"{path}:streamGenerateContent?alt=sse", body, HEADERS)).body)
        for answer in (whole, *chunks):
            schemas.check("GenerateContentResponse", answer)
        assert whole["candidates"][0]["finishReason"] == chunks[-1]["candidates"][0]["finishReason"] == reason
        said = "".join(part["text"] for part in folded(chunks)["candidates"][0]["content"]["parts"])
        assert ("content" in whole["candidates"][0]) == (reason in ("STOP", "MAX_TOKENS")) == (said != "one two")


@pytest.mark.parametrize("place", PATHS)
async def test_every_block(place: str, caller: Any, gemini_schemas: Any, vertex_schemas: Any) -> None:
    schemas = gemini_schemas if place == "studio" else vertex_schemas
    path = PATHS[place].format("gemini-2.5-flash")
    for reason in BLOCKS if place == "studio" else VERTEX_BLOCKS:
        body = {"contents": [user(f"[[sim: block_reason={reason}]] hello")]}
        whole = (await caller.post(f"{path}:generateContent", body, HEADERS)).json()
        (chunk,) = sse_chunks((await caller.post(f"{path}:streamGenerateContent?alt=sse", body, HEADERS)).body)
        for answer in (whole, chunk):
            schemas.check("GenerateContentResponse", answer)
            assert "candidates" not in answer and answer["promptFeedback"]["blockReason"] == reason


@pytest.mark.parametrize("place", PATHS)
async def test_count_tokens(place: str, caller: Any, gemini_schemas: Any, vertex_schemas: Any) -> None:
    schemas = gemini_schemas if place == "studio" else vertex_schemas
    path = PATHS[place].format("gemini-2.5-flash")
    body = {"contents": [user("hello")], "tools": [WEATHER], "systemInstruction": {"parts": [{"text": "Be brief."}]}}
    asked = body
    if place == "studio":
        asked = {"generateContentRequest": {"model": "models/gemini-2.5-flash", **body}}
    schemas.check("CountTokensRequest", asked)
    counted = (await caller.post(f"{path}:countTokens", asked, HEADERS)).json()
    schemas.check("CountTokensResponse", counted)
    answered = (await caller.post(f"{path}:generateContent", body, HEADERS)).json()
    assert counted["totalTokens"] == answered["usageMetadata"]["promptTokenCount"] > 10


async def test_a_prompt_seen_before_is_cached(caller: Any) -> None:
    long = {"systemInstruction": {"parts": [{"text": "water " * 1100}]}}
    path = PATHS["studio"].format("gemini-2.5-flash:generateContent")
    first = (await caller.post(path, {**long, "contents": [user("a")]}, HEADERS)).json()["usageMetadata"]
    second = (await caller.post(path, {**long, "contents": [user("b")]}, HEADERS)).json()["usageMetadata"]
    assert "cachedContentTokenCount" not in first
    assert 1100 < second["cachedContentTokenCount"] < second["promptTokenCount"] == first["promptTokenCount"]


async def test_models(caller: Any, gemini_schemas: Any) -> None:
    listed = (await caller.post("/v1beta/models", b"", HEADERS, method="GET")).json()
    gemini_schemas.check("ListModelsResponse", listed)
    one = (await caller.post("/v1beta/models/gemini-2.5-pro", b"", HEADERS, method="GET")).json()
    assert one in listed["models"] and one["name"] == "models/gemini-2.5-pro"


@pytest.mark.parametrize("package", [STUDIO, VERTEX], ids=["studio", "vertex"])
def test_tables_are_the_documents(package: Any, gemini_schemas: Any, vertex_schemas: Any) -> None:
    """Every field and every enum; of Vertex, not what the simulator does not look into."""
    schemas = vertex_schemas if package.prefix else gemini_schemas
    reached, waiting = set(), ["GenerateContentRequest", "CountTokensRequest"]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in package.messages:
            continue
        reached.add(name)
        fields = package.messages[name]
        published = schemas.fields(name)
        assert published is None or fields.keys() == published.keys(), name
        for field, kind in fields.items():
            assert published is None or kind in (published[field], "struct", "[struct]"), (name, field)
            waiting.append(kind.strip("[]{}"))
    assert len(reached) > 40
