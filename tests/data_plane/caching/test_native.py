"""What is cached of a provider's own paths, and of the steps of the universal endpoint."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from data_plane.caching.doors import VERSION
from data_plane.caching.served import CACHED, Served, served_by, status
from data_plane.gateway_host.upstream import Upstream, answered, configured, said
from isthmus.simulator import Fault

OWN = {"authorization": "Bearer sk-one"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


def openai_step(text: str, **more: Any) -> dict[str, Any]:
    query = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}
    return {"provider": "openai", "endpoint": "chat/completions", "query": query}


def anthropic_step(text: str) -> dict[str, Any]:
    query = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": text}]}
    return {"provider": "anthropic", "endpoint": "v1/messages", "headers": VERSION, "query": query}


def compat_step(text: str) -> dict[str, Any]:
    query = {"model": "anthropic/claude-haiku-4.5", "messages": [{"role": "user", "content": text}]}
    return {"provider": "compat", "endpoint": "chat/completions", "query": query}


async def universal(served: Served, *steps: Any) -> Any:
    return await served.post(f"/v1/{served.account}/{CACHED}", list(steps))


def told(answer: Any) -> Any:
    """But for when it was written, where its provider does not say."""
    return {**answer.json(), "created": None}


@pytest.mark.parametrize("second", [openai_step, anthropic_step, compat_step])
@pytest.mark.parametrize("first", [openai_step, anthropic_step, compat_step])
async def test_each_step_has_its_own_entry(served: Served, first: Any, second: Any) -> None:
    """A step that failed is asked again; the one that answered is asked no more."""
    name = f"{first.__name__} {second.__name__}"
    steps = first(f"The first of {name}."), second(f"The second of {name}.")
    served.simulator.next(Fault(status=503))
    answer = await universal(served, *steps)
    assert (answer.status_code, answer.headers["cf-aig-step"], status(answer)) == (200, "1", "MISS")
    served.simulator.next(Fault(status=503))
    again = await universal(served, *steps)
    assert (again.headers["cf-aig-step"], status(again)) == ("1", "HIT")
    assert told(again) == told(answer)
    before = served.asked
    recovered = await universal(served, *steps)
    assert (recovered.headers["cf-aig-step"], status(recovered)) == ("0", "MISS")
    assert served.asked == before + 1
    alone = await universal(served, steps[0])
    assert (alone.headers["cf-aig-step"], status(alone)) == ("0", "HIT") and told(alone) == told(recovered)


async def test_a_step_that_failed_leaves_no_receipt(served: Served) -> None:
    lossy = compat_step("A receipt.")
    lossy["query"]["seed"] = 7
    steps = lossy, openai_step("A receipt.")
    for expected in ("MISS", "HIT"):
        served.simulator.next(Fault(status=503))
        answer = await universal(served, *steps)
        assert (answer.headers["cf-aig-step"], status(answer)) == ("1", expected)
        assert "cf-aig-fidelity" not in answer.headers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def native(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> AsyncIterator[Served]:
    """Its provider is bytes that a test gives."""
    directory = tmp_path_factory.mktemp("native")
    config = configured(directory, f"{upstream.url}/base/v1", "openai", "elevenlabs")
    limits: Any = {"platform_keys_native": "all", "cache_entry_max_bytes": 100_000}
    async with served_by(directory, config_file=config, **limits) as served:
        yield served


async def asked(native: Served, upstream: Upstream, path: str = "openai/moderations", **more: Any) -> tuple[Any, int]:
    """The answer, and how many requests it took."""
    before = len(upstream.requests)
    body = more.pop("body", {"input": "something"})
    answer = await native.post(f"/v1/{native.account}/{CACHED}/{path}", body, headers=more.pop("headers", None))
    return answer, len(upstream.requests) - before


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("application/json", b'{ "a" : 1}'),
        ("application/json; charset=utf-8", b'{"b":1}'),
        ("text/plain", b"some text"),
        ("image/png", b"\x89PNG\x00\xff"),
        ("text/event-stream", b"event: odd\ndata: 1\n\n"),
    ],
)
async def test_what_nobody_knows_is_kept_byte_for_byte(
    native: Served, upstream: Upstream, kind: str, data: bytes
) -> None:
    upstream.answer = answered(data, "200 OK", "openai-organization: ours", kind=kind)
    path = f"openai/moderations?kind={kind.partition(';')[0]}{len(kind)}"
    first, cost = await asked(native, upstream, path)
    assert (first.status_code, first.content, status(first), cost) == (200, data, "MISS", 1)
    again, cost = await asked(native, upstream, path, body=b'{"input" :\n "s\\u006fmething"}')
    assert (again.status_code, again.content, status(again), cost) == (200, data, "HIT", 0)
    assert again.headers["content-type"] == kind and "openai-organization" not in again.headers
    other, cost = await asked(native, upstream, path, body={"input": "something else"})
    assert (status(other), cost) == ("MISS", 1)
    other, cost = await asked(native, upstream, path + "&more=1")
    assert (status(other), cost) == ("MISS", 1)


@pytest.mark.parametrize("kind", ["audio/mpeg", "application/octet-stream", "video/mp4", "application/pdf", None])
async def test_other_kinds_are_not_kept(native: Served, upstream: Upstream, kind: str | None) -> None:
    upstream.answer = answered(b"bytes", kind=kind)
    for _ in range(2):
        answer, cost = await asked(native, upstream, f"elevenlabs/v1/text-to-speech/{len(kind or '')}")
        assert (answer.status_code, answer.content, status(answer), cost) == (200, b"bytes", "MISS", 1)


@pytest.mark.parametrize(
    "status_line", ["201 Created", "204 No Content", "206 Partial Content", "302 Found", "304 Not"]
)
async def test_other_statuses(native: Served, upstream: Upstream, status_line: str) -> None:
    data = b"" if status_line[:3] in ("204", "304") else b"{}"
    upstream.answer = answered(data, status_line, "location: /elsewhere")
    found = []
    for _ in range(2):
        answer, _ = await asked(native, upstream, f"openai/moderations?status={status_line[:3]}")
        found.append((answer.status_code, answer.content, status(answer)))
    assert found == [(int(status_line[:3]), data, "MISS")] * 2


async def test_a_compressed_answer_can_be_read_again(native: Served, upstream: Upstream) -> None:
    squeezed = gzip.compress(b'{"squeezed":true}')
    upstream.answer = answered(squeezed, "200 OK", "content-encoding: gzip")
    for _ in range(2):
        answer, _ = await asked(native, upstream, "openai/moderations?squeezed")
        assert answer.json() == {"squeezed": True} and status(answer) == "MISS"


async def test_what_only_asks_for_what_is_there(native: Served, upstream: Upstream) -> None:
    upstream.answer = answered(b'{"data":[]}')
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        for _ in range(2):
            before = len(upstream.requests)
            answer = await native.gateway.client.request(
                method,
                f"/v1/{native.account}/{CACHED}/openai/models",
                headers={"cf-aig-authorization": native.gateway.headers["authorization"]},
            )
            assert answer.status_code == 200 and status(answer) is None
            assert len(upstream.requests) == before + 1


async def test_what_may_start_something(native: Served, upstream: Upstream) -> None:
    """A path that nobody knows: its answer is given again to who says what is alike, and to nobody else."""
    upstream.answer = answered(b'{"id":"batch_1"}')
    for path in ("openai/batches", "openai/fine_tuning/jobs", "openai/batches/batch_1/cancel", "openai/nobody/knows"):
        for _ in range(2):
            answer, cost = await asked(native, upstream, path)
            assert (answer.status_code, status(answer), cost) == (200, None, 1)
        told = [await asked(native, upstream, path, headers={"cf-aig-cache-key": path}) for _ in range(2)]
        assert [(status(answer), cost) for answer, cost in told] == [("MISS", 1), ("HIT", 0)]


async def test_a_key_of_the_caller_s_own_makes_no_question_of_a_deed(native: Served, upstream: Upstream) -> None:
    upstream.answer = answered(b'{"deleted":true}')
    for method in ("DELETE", "GET", "PUT"):
        for _ in range(2):
            before = len(upstream.requests)
            answer = await native.gateway.client.request(
                method,
                f"/v1/{native.account}/{CACHED}/openai/files/file-1",
                headers={
                    "cf-aig-authorization": native.gateway.headers["authorization"],
                    "cf-aig-cache-key": f"deed {method}",
                },
            )
            assert (answer.status_code, status(answer)) == (200, None) and len(upstream.requests) == before + 1


async def test_what_goes_through_unread(native: Served, upstream: Upstream) -> None:
    upstream.answer = answered(b'{"text":"hello"}')
    form = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'
    for _ in range(2):
        answer, cost = await asked(
            native,
            upstream,
            "openai/audio/transcriptions",
            body=form,
            headers={"content-type": "multipart/form-data; boundary=b"},
        )
        assert (answer.status_code, status(answer), cost) == (200, None, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (OWN, {"authorization": "Bearer sk-other"}),
        ({"openai-beta": "assistants=v2"}, {"openai-beta": "assistants=v1"}),
        ({**OWN, "openai-organization": "a"}, {**OWN, "openai-organization": "b"}),
        ({**OWN, "x-http-method-override": "GET"}, {**OWN, "x-http-method-override": "PUT"}),
        ({"accept-encoding": "gzip"}, {"accept-encoding": "identity"}),
        ({"accept": "application/json"}, {"accept": "text/plain"}),
        ({"content-type": "application/json"}, {"content-type": "application/json; charset=utf-8"}),
    ],
    ids=lambda given: [*given][-1],
)
async def test_headers_that_an_answer_depends_on(native: Served, upstream: Upstream, one: Any, other: Any) -> None:
    upstream.answer = answered(b"{}")
    path = f"openai/moderations?heads={[*one][-1]}"
    for headers, expected in ((one, "MISS"), (one, "HIT"), (other, "MISS"), (other, "HIT"), (None, "MISS")):
        if headers is None and "content-type" in one:
            continue
        answer, _ = await asked(native, upstream, path, headers=headers)
        assert (answer.status_code, status(answer)) == (200, expected)


@pytest.mark.parametrize("name", ["x-request-id", "user-agent", "cf-aig-metadata", "traceparent", "x-stainless-os"])
async def test_headers_that_it_does_not(native: Served, upstream: Upstream, name: str) -> None:
    upstream.answer = answered(b"{}")
    for value, expected in (('{"a":1}', "MISS"), ('{"a":2}', "HIT")):
        answer, _ = await asked(native, upstream, f"openai/moderations?other={name}", headers={name: value})
        assert status(answer) == expected


async def test_a_long_answer_and_a_long_request(native: Served, upstream: Upstream) -> None:
    upstream.answer = answered(b'"' + b"x" * 100_001 + b'"')
    for _ in range(2):
        answer, cost = await asked(native, upstream, "openai/moderations?long")
        assert (len(answer.content), status(answer), cost) == (100_003, "MISS", 1)
    upstream.answer = answered(b"{}")
    for _ in range(2):
        answer, cost = await asked(native, upstream, "openai/moderations?long", body={"input": "x" * 100_001})
        assert (status(answer), cost) == (None, 1)


async def test_an_answer_that_is_cut_short(native: Served, upstream: Upstream) -> None:
    cut = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"half":'
    for _ in range(2):
        upstream.answer = said(cut)
        with pytest.raises(httpx.RemoteProtocolError):
            await asked(native, upstream, "openai/moderations?cut")
    upstream.answer = answered(b"{}")
    answer, cost = await asked(native, upstream, "openai/moderations?cut")
    assert (status(answer), cost) == ("MISS", 1)


@pytest.mark.parametrize("reasons", [("stop", "content_filter"), ("content_filter", "stop"), ("stop", "stop")], ids=str)
@pytest.mark.parametrize("path", ["openai/chat/completions", "compat/chat/completions"])
async def test_one_of_several_answers_that_was_blocked(
    native: Served, upstream: Upstream, path: str, reasons: tuple[str, str]
) -> None:
    def choice(index: int, reason: str) -> dict[str, Any]:
        return {"index": index, "message": {"role": "assistant", "content": "Hm."}, "finish_reason": reason}

    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    choices = [choice(*each) for each in enumerate(reasons)]
    told = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}
    upstream.answer = answered(msgspec.json.encode(told))
    body = {"model": "openai/gpt-4o", "n": 2, "messages": [{"role": "user", "content": str(reasons)}]}
    found = [status((await asked(native, upstream, path, body=body))[0]) for _ in range(2)]
    assert found == ["MISS", "MISS" if "content_filter" in reasons else "HIT"]
