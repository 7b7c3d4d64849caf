"""The real embedding model in its own process: what it says of sentences, how it is bounded, how it ends."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import struct
import unicodedata
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import openai
import pytest
import pytest_asyncio

from isthmus.errors import Unavailable
from isthmus.local.embedding import CONTEXT_TOKENS, NAME, embedding_model
from isthmus.local.embedding_worker import TEXT_MAX_CHARACTERS
from isthmus.local.model import LocalAddress
from isthmus.local.supervisor import LocalModels

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "How do I reset my password?"
SAME = ["I forgot my login credentials, how can I get a new one?", "Wie setze ich mein Passwort zurück?"]
OTHER = ["The recipe needs two eggs and flour.", "Der Zug nach Berlin fährt um neun Uhr."]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def models() -> AsyncIterator[LocalModels]:
    models = LocalModels({NAME: embedding_model()})
    yield models
    await models.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def address(models: LocalModels) -> LocalAddress:
    return await models.address(NAME)


@pytest_asyncio.fixture(loop_scope="module")
async def client(address: LocalAddress) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {address.api_key}"}
    async with httpx.AsyncClient(
        base_url=address.base_url,
        headers=headers,
        timeout=120,
        verify=False,  # reading authorities takes 0.1 s
    ) as client:
        yield client


async def embed(client: httpx.AsyncClient, given: Any, **more: Any) -> list[Any]:
    answer = await client.post("embeddings", json={"input": given, **more})
    assert answer.status_code == 200, answer.text
    return [item["embedding"] for item in answer.json()["data"]]


def alike(one: list[float], other: list[float]) -> float:
    """The vectors have length one."""
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_sentences_that_mean_the_same_are_closer(client: httpx.AsyncClient) -> None:
    """In another language too."""
    question, *others = await embed(client, [QUESTION, *SAME, *OTHER])
    near = [alike(question, vector) for vector in others[:2]]
    far = [alike(question, vector) for vector in others[2:]]
    assert min(near) > max(far)
    assert len(question) == 384 and alike(question, question) == pytest.approx(1)


async def test_queries_find_their_passages(client: httpx.AsyncClient) -> None:
    passages = ["Paris is the capital of France.", "Basalt is a volcanic rock.", "Cats sleep most of the day."]
    found = await embed(client, passages, input_type="passage")
    for place, query in enumerate(("Which city is France governed from?", "rocks from volcanoes", "feline sleep")):
        (asked,) = await embed(client, query, input_type="query")
        scores = [alike(asked, vector) for vector in found]
        assert scores.index(max(scores)) == place


async def test_it_says_the_same_however_it_is_asked(client: httpx.AsyncClient) -> None:
    texts = [QUESTION, *SAME, *OTHER]
    together = await embed(client, texts)
    alone = [(await embed(client, text))[0] for text in texts]
    packed = await embed(client, texts, encoding_format="base64")
    for one, other, third in zip(together, alone, packed, strict=True):
        assert alike(one, other) == pytest.approx(1, abs=1e-5)
        assert list(struct.unpack("<384f", base64.b64decode(third))) == pytest.approx(one, abs=1e-7)


async def test_what_stands_after_a_nul_counts(client: httpx.AsyncClient) -> None:
    with_nul, without, cut = await embed(client, ["cats\0 and volcanoes", "cats  and volcanoes", "cats"])
    assert with_nul == without and with_nul != cut


async def test_long_texts_are_read_to_their_end_or_refused(client: httpx.AsyncClient) -> None:
    start = "salt and water " * 170
    plain, other = await embed(client, [start, start + "volcanic rock " * 40])
    assert alike(plain, other) < 0.999
    refused = await client.post("embeddings", json={"input": ["a", "word " * (CONTEXT_TOKENS + 1)]})
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["param"] == "input" and error["message"].startswith("`input.1` has ")


async def test_texts_that_grow_when_they_are_normalized(client: httpx.AsyncClient, address: LocalAddress) -> None:
    """One character that stands for eighteen made the engine write beyond its memory."""
    for given in (
        "\ufdfa",
        "\ufdfa" * 100,
        "\u3316\u33a1\ufb03" * 40,
        "e\u0301" * 40,
        "\U0001d15f" * 40,
        "\u0958" * 40,
    ):
        assert len(await embed(client, [given, "a"])) == 2
    (one,) = await embed(client, "\ufdfa")
    (other,) = await embed(client, unicodedata.normalize("NFKC", "\ufdfa"))
    assert one == other
    too_long = await client.post("embeddings", json={"input": ["a", "a" * (TEXT_MAX_CHARACTERS + 1)]})
    assert too_long.status_code == 400 and "characters" in too_long.json()["error"]["message"]


async def test_usage(client: httpx.AsyncClient) -> None:
    async def tokens(given: Any) -> int:
        usage = (await client.post("embeddings", json={"input": given})).json()["usage"]
        assert usage["prompt_tokens"] == usage["total_tokens"]
        count: int = usage["prompt_tokens"]
        return count

    assert 0 < await tokens("a") < await tokens("a much longer text than the other one")
    assert await tokens(["a", "a"]) == 2 * await tokens("a")


async def test_openais_own_client(address: LocalAddress) -> None:
    async with openai.AsyncOpenAI(base_url=address.base_url, api_key=address.api_key, max_retries=0) as client:
        answer = await client.embeddings.create(model=NAME, input=[QUESTION])
    assert len(answer.data[0].embedding) == 384 and answer.model == NAME


async def test_strangers_and_nonsense(client: httpx.AsyncClient) -> None:
    stranger = await client.post("embeddings", json={"input": "a"}, headers={"authorization": "Bearer no"})
    assert stranger.status_code == 401
    assert (await client.post("models", json={})).status_code == 404
    for body in (b"", b"{", b"[]", b'{"input":7}', b'{"input":[7]}', b'{"input":"\xff"}'):
        assert (await client.post("embeddings", content=body)).status_code == 400


async def test_a_caller_who_leaves_is_not_worked_for(client: httpx.AsyncClient, address: LocalAddress) -> None:
    """What it asked would take minutes; the next in turn waits for one step of it at most."""
    body = msgspec.json.encode({"input": ["salt and water " * 1300] * 70})
    host, port = address.base_url.split("/")[2].split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {address.api_key}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert len(await embed(client, "a")) == 1


async def test_one_that_is_killed_comes_back(models: LocalModels) -> None:
    before = await models.address(NAME)
    os.kill(before.pid, signal.SIGKILL)
    while (after := await models.address(NAME)).pid == before.pid:
        await asyncio.sleep(0)
    async with httpx.AsyncClient(base_url=after.base_url, timeout=60) as client:
        headers = {"authorization": f"Bearer {after.api_key}"}
        assert (await client.post("embeddings", json={"input": "a"}, headers=headers)).status_code == 200


async def test_without_its_package_the_remedy_is_told(tmp_path: Any) -> None:
    missing = msgspec.structs.replace(embedding_model(), file=tmp_path / "none.bin")
    models = LocalModels({NAME: missing})
    with pytest.raises(Unavailable, match=r"are missing: pip install 'isthmus\[local\]'"):
        await models.address(NAME)
    await models.aclose()


async def test_a_file_that_is_none(tmp_path: Any) -> None:
    (tmp_path / "odd.bin").write_bytes(b"x" * 5000)
    models = LocalModels({NAME: msgspec.structs.replace(embedding_model(), file=tmp_path / "odd.bin")})
    with pytest.raises(Unavailable, match="did not start"):
        await models.address(NAME)
    await models.aclose()
