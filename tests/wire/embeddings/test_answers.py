"""What each provider answers, read; and what callers are given."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.chat.model import Model
from isthmus.core.embeddings.embed import Embed, Embedded
from isthmus.errors import GatewayError, Malformed, Unavailable, UpstreamError
from isthmus.wire.body import Body
from isthmus.wire.embeddings.registry import CALLERS, PROVIDERS
from isthmus.wire.embeddings.vectors import from_base64, to_base64

OPENAI, NATIVE = CALLERS["openai_embeddings"], CALLERS["workers_ai_embeddings"]
ONE = Embed(model="m", texts=("a",))
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
vectors = st.lists(st.lists(floats, min_size=1, max_size=8), min_size=1, max_size=5)


def openai_answer(*embeddings: Any, **more: Any) -> bytes:
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(embeddings)]
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    return json.dumps({"object": "list", "data": data, "model": "m", "usage": usage, **more}).encode()


@given(st.lists(floats, max_size=50))
def test_base64_there_and_back(vector: list[float]) -> None:
    packed = to_base64(vector)
    assert base64.b64decode(packed) == struct.pack(f"<{len(vector)}f", *vector)
    assert from_base64(packed) == vector


@pytest.mark.parametrize("text", ["AAA", "not base64!", "AAAAAAA=", "é"])
def test_what_is_no_vector(text: str) -> None:
    with pytest.raises(Malformed):
        from_base64(text)


READ: dict[str, tuple[str, Any, list[list[float]], int | None]] = {
    "openai": ("openai_embeddings", json.loads(openai_answer([0.5, 1])), [[0.5, 1]], 3),
    "base64": ("openai_embeddings", json.loads(openai_answer(to_base64([0.5, 1]))), [[0.5, 1]], 3),
    "out of order": (
        "openai_embeddings",
        {"data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]},
        [[1.0], [2.0]],
        None,
    ),
    "without an index": (
        "openai_embeddings",
        {"data": [{"embedding": [2.0]}, {"embedding": [1.0]}]},
        [[2.0], [1.0]],
        None,
    ),
    "total only": (
        "openai_embeddings",
        {"data": [{"embedding": [2.0]}], "usage": {"total_tokens": 4}},
        [[2.0]],
        4,
    ),
    "gemini": (
        "gemini_embeddings",
        {"embeddings": [{"values": [0.5]}], "usageMetadata": {"promptTokenCount": 4}},
        [[0.5]],
        4,
    ),
    "gemini without usage": ("gemini_embeddings", {"embeddings": [{"values": [0.5]}]}, [[0.5]], None),
    "cohere": (
        "cohere_embeddings",
        {"id": "i", "embeddings": {"float": [[0.5]]}, "meta": {"billed_units": {"input_tokens": 5}}},
        [[0.5]],
        5,
    ),
    "cohere at bedrock": ("bedrock_cohere_embeddings", {"embeddings": [[0.5]]}, [[0.5]], None),
    "cohere at bedrock by type": ("bedrock_cohere_embeddings", {"embeddings": {"float": [[0.5]]}}, [[0.5]], None),
    "titan": ("titan_embeddings", {"embedding": [0.5], "inputTextTokenCount": 6}, [[0.5]], 6),
}


@pytest.mark.parametrize("case", READ)
def test_answers(case: str) -> None:
    dialect, answer, expected, tokens = READ[case]
    embedded = PROVIDERS[dialect].read_answer(json.dumps(answer).encode())
    assert ([list(vector) for vector in embedded.vectors], embedded.input_tokens) == (expected, tokens)


@pytest.mark.parametrize("dialect", PROVIDERS)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"<html>",
        b'{"data":7}',
        b'{"data":[{}]}',
        b'{"embeddings":[7],"data":[7],"embedding":"a"}',
        b'{"data":[{"embedding":[null]}],"embedding":[null],"embeddings":[[null]]}',
        b'{"a":' * 5000,
    ],
)
def test_nonsense_is_told_as_such(dialect: str, data: bytes) -> None:
    with pytest.raises(UpstreamError):
        PROVIDERS[dialect].read_answer(data)


@pytest.mark.parametrize("dialect", PROVIDERS)
@given(data=st.binary(max_size=60))
def test_any_bytes(dialect: str, data: bytes) -> None:
    try:
        PROVIDERS[dialect].read_answer(data)
    except GatewayError:
        pass
    PROVIDERS[dialect].read_error(500, data, None)


def test_errors_with_status_200() -> None:
    with pytest.raises(UpstreamError, match="too much"):
        PROVIDERS["openai_embeddings"].read_answer(b'{"error":{"message":"too much","code":429}}')
    with pytest.raises(Unavailable, match="credential"):
        PROVIDERS["gemini_embeddings"].read_answer(
            b'{"error":{"code":401,"message":"key=secret","status":"UNAUTHENTICATED"}}'
        )


@given(vectors, st.booleans(), st.integers(0, 10**6))
def test_openais_form(given_vectors: list[list[float]], as_base64: bool, tokens: int) -> None:
    embedded = Embedded(vectors=given_vectors, input_tokens=tokens)
    embed = Embed(model="m", texts=("a",) * len(given_vectors), as_base64=as_base64)
    data = OPENAI.write_answer(embedded, embed, "named")
    answer = json.loads(data)
    assert (answer["object"], answer["model"]) == ("list", "named")
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert [item["index"] for item in answer["data"]] == list(range(len(given_vectors)))
    assert all(isinstance(item["embedding"], str) is as_base64 for item in answer["data"])
    again = PROVIDERS["openai_embeddings"].read_answer(data)
    assert again == Embedded(vectors=given_vectors, model="named", input_tokens=tokens)


@given(vectors)
def test_the_native_form(given_vectors: list[list[float]]) -> None:
    embed = Embed(model="", texts=("a",) * len(given_vectors))
    answer = json.loads(NATIVE.write_answer(Embedded(vectors=given_vectors), embed, "m"))
    assert answer == {"shape": [len(given_vectors), len(given_vectors[0])], "data": given_vectors}
    pooled = msgspec.structs.replace(embed, pooling="mean")
    assert json.loads(NATIVE.write_answer(Embedded(vectors=given_vectors), pooled, "m"))["pooling"] == "mean"


@pytest.mark.parametrize("as_base64", [True, False])
def test_a_relayed_answer_that_fits_is_not_touched(as_base64: bool) -> None:
    data = b" " + openai_answer(to_base64([0.5]) if as_base64 else [0.5], extra={"a": 1})
    embed = msgspec.structs.replace(ONE, as_base64=as_base64)
    assert PROVIDERS["openai_embeddings"].relay_answer(data, embed) is data


@pytest.mark.parametrize("as_base64", [True, False])
def test_one_in_the_other_form_is_put_into_the_callers(as_base64: bool) -> None:
    vector, packed = [0.5, 0.25], to_base64([0.5, 0.25])
    data = openai_answer(vector if as_base64 else packed, extra={"a": 1})
    embed = msgspec.structs.replace(ONE, as_base64=as_base64)
    answer = json.loads(PROVIDERS["openai_embeddings_compatible"].relay_answer(data, embed))
    assert answer == json.loads(openai_answer(packed if as_base64 else vector, extra={"a": 1}))


texts = st.lists(st.text(min_size=1), min_size=1, max_size=4)


@given(texts, st.sampled_from(["query", "document", "classification", "clustering", None]))
def test_every_text_reaches_every_provider(given_texts: list[str], purpose: Any) -> None:
    """In its order, whole, whatever it holds."""
    embed = Embed(model="m", texts=tuple(given_texts), purpose=purpose)
    for name, dialect in PROVIDERS.items():
        size = min(dialect.batch(Model(name="m")), len(given_texts))
        sent = json.loads(dialect.write_request(embed.part(0, size), Model(name="m")).body)
        found = {
            "gemini_embeddings": lambda body: [r["content"]["parts"][0]["text"] for r in body["requests"]],
            "titan_embeddings": lambda body: [body["inputText"]],
            "cohere_embeddings": lambda body: body["texts"],
            "bedrock_cohere_embeddings": lambda body: body["texts"],
        }.get(name, lambda body: body["input"])(sent)
        assert found == given_texts[:size]


@given(texts)
def test_what_is_written_for_openai_reads_the_same(given_texts: list[str]) -> None:
    embed = Embed(model="m", texts=tuple(given_texts), dimensions=5, user="u")
    body = PROVIDERS["openai_embeddings"].write_request(embed, Model(name="m")).body
    assert OPENAI.read_request(Body(body)) == embed


def test_too_large_numbers_stay_numbers() -> None:
    assert from_base64(to_base64([1e300])) == [math.inf]
