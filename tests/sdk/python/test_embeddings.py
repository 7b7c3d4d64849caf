"""Vectors by the official SDKs: OpenAI's, which asks for base64 where it is not told otherwise, and Cloudflare's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cloudflare
import openai
import pytest
from langchain_openai import OpenAIEmbeddings

from sdk.targets import logged

LOCAL = "@cf/intfloat/multilingual-e5-small"
OPENAI = "openai/text-embedding-3-small"
SIZES = {
    LOCAL: 384,
    OPENAI: 1536,
    "lab/text-embedding-3-small": 1536,
    "google/gemini-embedding-001": 3072,
    "cohere/embed-v4.0": 1536,
    "aws-bedrock/amazon.titan-embed-text-v2:0": 1024,
}
TEXTS = ["How do I reset my password?", "I forgot my login credentials.", "The recipe needs two eggs and flour."]

each_model = pytest.mark.parametrize("model", SIZES)


@pytest.fixture
def vectors(served: Any) -> Iterator[openai.OpenAI]:
    """As its users have it: strict, the SDK refuses the base64 that it asks for itself."""
    with openai.OpenAI(base_url=f"{served.ai}/v1", api_key=served.token, max_retries=0, timeout=60) as client:
        yield client


def alike(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@each_model
def test_openai(vectors: openai.OpenAI, openai_client: openai.OpenAI, served: Any, model: str) -> None:
    raw = vectors.embeddings.with_raw_response.create(model=model, input=TEXTS)
    answer = raw.parse()
    assert answer.object == "list" and [item.index for item in answer.data] == [0, 1, 2]
    assert [len(item.embedding) for item in answer.data] == [SIZES[model]] * 3
    assert 0 < answer.usage.prompt_tokens == answer.usage.total_tokens
    row = served.row(raw.headers["cf-aig-log-id"])
    assert (row["model"], row["model_type"], row["request_type"]) == (logged(model), "Text Embeddings", "embeddings")
    assert (row["tokens_in"], row["success"]) == (answer.usage.prompt_tokens, True)
    floats = openai_client.embeddings.create(model=model, input=TEXTS, encoding_format="float")
    for packed, plain in zip(answer.data, floats.data, strict=True):
        assert packed.embedding == pytest.approx(plain.embedding, abs=1e-6)


@each_model
async def test_openai_async(served: Any, model: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{served.ai}/v1", api_key=served.token, max_retries=0) as client:
        answer = await client.embeddings.create(model=model, input=TEXTS[0])
    assert [len(item.embedding) for item in answer.data] == [SIZES[model]]


def test_the_local_model_knows_what_is_meant(vectors: openai.OpenAI) -> None:
    answer = vectors.embeddings.create(model=LOCAL, input=TEXTS)
    question, same, other = (item.embedding for item in answer.data)
    assert alike(question, same) > alike(question, other)


@pytest.mark.parametrize("model", [OPENAI, "google/gemini-embedding-001", "cohere/embed-v4.0"])
def test_dimensions(vectors: openai.OpenAI, model: str) -> None:
    answer = vectors.embeddings.create(model=model, input="a", dimensions=256)
    assert len(answer.data[0].embedding) == 256


def test_errors(vectors: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="does not take `dimensions`"):
        vectors.embeddings.create(model=LOCAL, input="a", dimensions=256)
    with pytest.raises(openai.BadRequestError, match="empty"):
        vectors.embeddings.create(model=LOCAL, input="")
    with pytest.raises(openai.NotFoundError):
        vectors.embeddings.create(model="@cf/nobody/embeds", input="a")
    with pytest.raises(openai.NotFoundError):
        vectors.embeddings.create(model="openai/text-embedding-9", input="a")
    with pytest.raises(openai.RateLimitError) as throttled:
        vectors.embeddings.create(model=OPENAI, input="hello [[sim: fault=429 retry_after=7]]")
    assert throttled.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.AuthenticationError):
        vectors.with_options(api_key="nobodys").embeddings.create(model=LOCAL, input="a")


@pytest.mark.parametrize("model", [LOCAL, OPENAI])
def test_langchain(served: Any, model: str) -> None:
    """It counts tokens by itself and sends their numbers, unless it is told not to."""
    client = OpenAIEmbeddings(
        model=model, base_url=f"{served.ai}/v1", api_key=served.token, check_embedding_ctx_length=False, max_retries=0
    )
    assert [len(vector) for vector in client.embed_documents(TEXTS)] == [SIZES[model]] * 3
    assert len(client.embed_query(TEXTS[0])) == SIZES[model]


def test_cloudflare(cloudflare_client: cloudflare.Cloudflare, served: Any) -> None:
    answer: Any = cloudflare_client.ai.run(LOCAL, account_id=served.account, text=TEXTS)
    assert answer["shape"] == [3, 384] and [len(vector) for vector in answer["data"]] == [384] * 3
    question, same, other = answer["data"]
    assert alike(question, same) > alike(question, other)
    with pytest.raises(cloudflare.BadRequestError):
        cloudflare_client.ai.run(LOCAL, account_id=served.account, text=[])


async def test_cloudflare_async(served: Any) -> None:
    url = f"{served.url}/client/v4"
    async with cloudflare.AsyncCloudflare(base_url=url, api_token=served.token, max_retries=0) as client:
        answer: Any = await client.ai.run(LOCAL, account_id=served.account, text=TEXTS[0])
    assert answer["shape"] == [1, 384]
