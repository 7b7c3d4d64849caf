"""What callers send for vectors, read; and what each provider is sent."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from isthmus.core.chat.model import Model
from isthmus.core.embeddings.embed import Embed
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.embeddings.registry import CALLERS, PROVIDERS
from isthmus.wire.embeddings.run import run_dialect

OPENAI, NATIVE = CALLERS["openai_embeddings"], CALLERS["workers_ai_embeddings"]


def body(**fields: Any) -> Body:
    return Body(msgspec.json.encode({"model": "m", **fields}))


def read(**fields: Any) -> Embed:
    return OPENAI.read_request(body(**fields))


def written(dialect: str, embed: Embed, name: str = "m") -> tuple[Any, dict[str, str]]:
    """The body, and the fate of each field that was noted."""
    made = PROVIDERS[dialect].write_request(embed, Model(name=name))
    return json.loads(made.body), {note.field: note.fate for note in made.notes}


def relayed(dialect: str, sent: Body, name: str = "m") -> tuple[bytes, dict[str, str]]:
    made = PROVIDERS[dialect].relay_request(sent, OPENAI.read_request(sent), Model(name=name), whole=True)
    return made.body, {note.field: note.fate for note in made.notes}


@pytest.mark.parametrize(
    ("given", "texts", "tokens", "many"),
    [
        ("a", ("a",), (), False),
        (["a"], ("a",), (), True),
        (["a", "b"], ("a", "b"), (), True),
        ([1, 2], (), ((1, 2),), False),
        ([[1], [2, 3]], (), ((1,), (2, 3)), True),
    ],
)
def test_inputs(given: Any, texts: Any, tokens: Any, many: bool) -> None:
    embed = read(input=given)
    assert (embed.texts, embed.tokens, embed.many, embed.size) == (texts, tokens, many, max(len(texts), len(tokens)))


def test_fields() -> None:
    embed = read(
        input="a", dimensions=256, encoding_format="base64", user="u", input_type="passage", extra=1, none=None
    )
    assert (embed.dimensions, embed.as_base64, embed.user, embed.purpose) == (256, True, "u", "document")
    assert [(note.field, note.fate) for note in embed.unplaced] == [("extra", "lost")]
    assert [note.field for note in read(input="a", input_type="haiku").unplaced] == ["input_type"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "input"),
    ({"input": None}, "input"),
    ({"input": ""}, "input"),
    ({"input": []}, "input"),
    ({"input": {}}, "input"),
    ({"input": 7}, "input"),
    ({"input": True}, "input"),
    ({"input": ["a", ""]}, "input.1"),
    ({"input": ["a", 1]}, "input.1"),
    ({"input": ["a", None]}, "input.1"),
    ({"input": [1, "a"]}, "input.1"),
    ({"input": [1.5]}, "input.0"),
    ({"input": [-1]}, "input.0"),
    ({"input": [True]}, "input.0"),
    ({"input": [2**40]}, "input.0"),
    ({"input": [[1], []]}, "input.1"),
    ({"input": [[1], "a"]}, "input.1"),
    ({"input": [["a"]]}, "input.0.0"),
    ({"input": [{}]}, "input.0"),
    ({"input": ["a"] * 2049}, "input"),
    ({"input": [[1]] * 2049}, "input"),
    ({"input": "a", "dimensions": 0}, "dimensions"),
    ({"input": "a", "dimensions": "256"}, "dimensions"),
    ({"input": "a", "dimensions": 2.5}, "dimensions"),
    ({"input": "a", "dimensions": True}, "dimensions"),
    ({"input": "a", "dimensions": 10**9}, "dimensions"),
    ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
    ({"input": "a", "encoding_format": ["float"]}, "encoding_format"),
    ({"input": "a", "user": 7}, "user"),
    ({"input": "a", "stream": True}, "stream"),
]


@pytest.mark.parametrize(("fields", "param"), BAD, ids=lambda value: str(value)[:40])
def test_bad_requests(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param and f"`{param}`" in caught.value.message


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": []}, "text"),
        ({"text": 7}, "text"),
        ({"text": ["a", 7]}, "text.1"),
        ({"text": ["a", ""]}, "text.1"),
        ({"text": ["a"] * 2049}, "text"),
        ({"text": "a", "pooling": "max"}, "pooling"),
        ({"text": "a", "pooling": []}, "pooling"),
        ({"text": "a", "stream": True}, "stream"),
    ],
    ids=str,
)
def test_bad_native_requests(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        NATIVE.read_request(Body(msgspec.json.encode(fields)))
    assert caught.value.param == param


def test_native() -> None:
    embed = NATIVE.read_request(Body(b'{"text":["a","b"],"pooling":"cls","truncate_inputs":true}'))
    assert (embed.texts, embed.many, embed.pooling) == (("a", "b"), True, "cls")
    assert [note.field for note in embed.unplaced] == ["truncate_inputs"]


# --- relayed --------------------------------------------------------------------------------------------------------


def test_openai_gets_the_callers_bytes() -> None:
    sent = Body(b'{ "input" : ["a"],\n"model":"openai/x", "encoding_format":"base64", "new": 1, "gateway":{} }')
    assert relayed("openai_embeddings", sent, "x") == (
        b'{ "input" : ["a"],\n"model":"x", "encoding_format":"base64", "new": 1 }',
        {},
    )


@pytest.mark.parametrize(
    ("dialect", "expected", "fates"),
    [
        ("openai_embeddings_compatible", {"dimensions": 256, "user": "u", "input_type": "query"}, {}),
        ("openai_embeddings_mistral", {"output_dimension": 256, "encoding_format": "base64"}, {"user", "input_type"}),
        ("openai_embeddings_fireworks", {"dimensions": 256}, {"user", "input_type"}),
        ("openai_embeddings_alibaba", {"dimensions": 256}, {"user", "input_type"}),
        ("openai_embeddings_github", {"dimensions": 256, "user": "u"}, {"input_type"}),
        ("openai_embeddings_texts", {"dimensions": 256, "user": "u", "input_type": "query"}, set()),
    ],
)
def test_what_compatible_providers_lack(dialect: str, expected: dict[str, Any], fates: set[str]) -> None:
    sent = body(input=["a"], encoding_format="base64", dimensions=256, user="u", input_type="query")
    made, noted = relayed(dialect, sent)
    assert json.loads(made) == {"model": "m", "input": ["a"], **expected}
    assert noted == dict.fromkeys(fates, "lost")


@pytest.mark.parametrize("dialect", ["openai_embeddings_plain", "openai_embeddings_full_size"])
def test_dimensions_are_refused_where_they_would_be_passed_over(dialect: str) -> None:
    with pytest.raises(Unsupported, match="does not take `dimensions`") as caught:
        relayed(dialect, body(input="a", dimensions=256))
    assert caught.value.param == "dimensions"


@pytest.mark.parametrize(
    "dialect",
    [
        "openai_embeddings_local",
        "openai_embeddings_mistral",
        "openai_embeddings_plain",
        "openai_embeddings_texts",
        "openai_embeddings_github",
        "openai_embeddings_alibaba",
        "gemini_embeddings",
        "cohere_embeddings",
        "bedrock_cohere_embeddings",
        "titan_embeddings",
    ],
)
@pytest.mark.parametrize("given", [[1, 2], [[1], [2]]])
def test_token_numbers_are_refused_where_they_mean_nothing(dialect: str, given: Any) -> None:
    with pytest.raises(Unsupported, match="not the numbers of tokens") as caught:
        PROVIDERS[dialect].write_request(read(input=given), Model(name="m"))
    assert caught.value.param == "input"


def test_a_part_of_a_request() -> None:
    sent = body(input=["a", "b", "c"], extra=1)
    part = OPENAI.read_request(sent).part(1, 3)
    made = PROVIDERS["openai_embeddings"].relay_request(sent, part, Model(name="m"), whole=False)
    assert made.body == b'{"model":"m","input":["b","c"],"extra":1}'


# --- translated -----------------------------------------------------------------------------------------------------


def test_gemini() -> None:
    embed = read(input=["a", "b"], dimensions=256, input_type="query", user="u")
    made, fates = written("gemini_embeddings", embed, "gemini-embedding-001")
    one = {"model": "models/gemini-embedding-001", "outputDimensionality": 256, "taskType": "RETRIEVAL_QUERY"}
    assert made == {"requests": [{**one, "content": {"parts": [{"text": text}]}} for text in "ab"]}
    assert fates == {"user": "lost"}


def test_gemini_without_tasks_and_sizes() -> None:
    made, fates = written("gemini_embeddings", read(input="a", input_type="query"), "gemini-embedding-2")
    assert "taskType" not in made["requests"][0] and fates == {"purpose": "lost"}
    with pytest.raises(Unsupported, match="dimensions"):
        written("gemini_embeddings", read(input="a", dimensions=5), "embedding-001")


@pytest.mark.parametrize(
    ("given", "sent", "fates"),
    [
        (None, "search_document", {"purpose": "emulated"}),
        ("query", "search_query", {}),
        ("document", "search_document", {}),
        ("clustering", "clustering", {}),
        ("similarity", "search_document", {"purpose": "lost"}),
    ],
)
@pytest.mark.parametrize("dialect", ["cohere_embeddings", "bedrock_cohere_embeddings"])
def test_cohere(dialect: str, given: str | None, sent: str, fates: dict[str, str]) -> None:
    made, noted = written(dialect, read(input=["a"], input_type=given, dimensions=512), "embed-v4.0")
    named = {"model": "embed-v4.0"} if dialect == "cohere_embeddings" else {}
    assert made == {
        **named,
        "texts": ["a"],
        "input_type": sent,
        "embedding_types": ["float"],
        "truncate": "NONE",
        "output_dimension": 512,
    }
    assert noted == fates


def test_titan() -> None:
    made, fates = written("titan_embeddings", read(input="a", dimensions=512), "amazon.titan-embed-text-v2:0")
    assert (made, fates) == ({"inputText": "a", "dimensions": 512}, {})


@pytest.mark.parametrize(
    ("dialect", "name"),
    [
        ("cohere_embeddings", "embed-multilingual-v3.0"),
        ("bedrock_cohere_embeddings", "cohere.embed-english-v3"),
        ("titan_embeddings", "amazon.titan-embed-text-v1"),
        ("openai_embeddings_local", "@cf/intfloat/multilingual-e5-small"),
    ],
)
def test_models_of_one_size(dialect: str, name: str) -> None:
    with pytest.raises(Unsupported, match="dimensions") as caught:
        written(dialect, read(input="a", dimensions=256), name)
    assert caught.value.param == "dimensions"
    assert written(dialect, read(input="a"), name)


def test_the_local_model() -> None:
    embed = read(input=["a"], dimensions=384, encoding_format="base64", input_type="document")
    made, fates = written("openai_embeddings_local", embed)
    assert made == {"model": "m", "input": ["a"], "encoding_format": "base64", "input_type": "passage"}
    assert fates == {}
    native = NATIVE.read_request(Body(b'{"text":"a","pooling":"cls"}'))
    with pytest.raises(Unsupported, match="pools by `mean`"):
        written("openai_embeddings_local", native)


def test_pooling_elsewhere_is_noted() -> None:
    native = NATIVE.read_request(Body(b'{"text":"a","pooling":"cls"}'))
    for dialect in ("openai_embeddings", "gemini_embeddings", "cohere_embeddings", "titan_embeddings"):
        assert written(dialect, native)[1]["pooling"] == "lost"


# --- /ai/run ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "sent", "dialect"),
    [
        ("openai/text-embedding-3-small", b'{"input":"a"}', "openai_embeddings"),
        ("mistral/mistral-embed", b'{"input":["a"]}', "openai_embeddings"),
        ("@cf/intfloat/multilingual-e5-small", b'{"text":"a"}', "workers_ai_embeddings"),
        ("@cf/baai/BGE-M3", b'{"text":["a"]}', "workers_ai_embeddings"),
        ("@cf/baai/bge-m3", b'{"input":"a"}', "openai_embeddings"),
        ("@cf/baai/bge-reranker-base", b'{"text":"a"}', None),
        ("lab/vectors", b'{"input": [ "a"]}', "openai_embeddings"),
        ("lab/vectors", b'{"input":[[1]]}', "openai_embeddings"),
        ("lab/vectors", b'{"input":[7]}', "openai_embeddings"),
        ("openai/gpt-5.5", b'{"input":"a"}', None),
        ("openai/gpt-5.5", b'{"input":[{"role":"user","content":"a"}]}', None),
        ("openai/gpt-5.5", b'{"input":[ \n {"role":"user"}]}', None),
        ("openai/gpt-5.5", b'{"input":[]}', None),
        ("openai/text-embedding-3-small", b'{"messages":[]}', None),
        ("@cf/deepgram/aura-1", b'{"text":"a"}', None),
        ("google/gemini-2.5-flash", b'{"contents":[]}', None),
    ],
)
def test_run(model: str, sent: bytes, dialect: str | None) -> None:
    assert run_dialect(model, Body(sent)) == dialect
