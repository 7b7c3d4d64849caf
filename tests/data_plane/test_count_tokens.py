"""How many tokens a request has: the provider's own count where it has one, else an estimate that says so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from data_plane.callers import (
    AT,
    BEDROCK,
    CHAT,
    COHERE,
    GEMINI,
    MESSAGES,
    RESPONSES,
    nothing_secret,
    providers,
    refusal,
)
from isthmus.simulator import Fault, Simulator

COUNTERS = (MESSAGES, GEMINI)
TEXT = "How long is a piece of string? " * 40
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
MODELS = {**AT, "openai": "openai/gpt-4o"}
# What the providers count with; all others are estimated.
COUNTED = {MESSAGES: "/v1/messages/count_tokens", GEMINI: ":countTokens", BEDROCK: "/count-tokens"}
ESTIMATED = (CHAT, RESPONSES, COHERE, "openai")


def path(caller: str, model: str) -> str:
    return "v1/messages/count_tokens" if caller == MESSAGES else f"v1beta/models/{model}:countTokens"


def counted_body(caller: str, model: str, text: str = TEXT, **more: Any) -> dict[str, Any]:
    if caller == MESSAGES:
        return {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


class Counting:
    def __init__(self, gateway: Any, simulator: Simulator) -> None:
        self.gateway = gateway
        self.simulator = simulator

    async def ask(self, caller: str, model: str, body: Any = None, **more: Any) -> httpx.Response:
        body = counted_body(caller, model, **more) if body is None else body
        answer: httpx.Response = await self.gateway.post(path(caller, model), body)
        nothing_secret(answer)
        return answer

    async def count(self, caller: str, model: str, how: str, **more: Any) -> int:
        answer = await self.ask(caller, model, **more)
        assert answer.status_code == 200, (caller, model, answer.text)
        assert answer.headers["cf-aig-token-count"] == how
        found = answer.json()
        (number,) = (found[name] for name in ("input_tokens", "totalTokens") if name in found)
        if caller == MESSAGES:
            assert found == {"input_tokens": number}
        row = (await self.gateway.rows())[0]
        assert (row["end"], row["success"], row["request_type"]) == ("completed", True, "count_tokens")
        assert row["tokens_in"] is None and row["tokens_out"] is None  # nothing was used up
        return int(number)


@pytest.fixture
async def counting(start_gateway: Any, simulator: Simulator, tmp_path: Path) -> Counting:
    gateway = await start_gateway(config_file=providers(tmp_path, f"{simulator.base_url}/", after="v1/"))
    return Counting(gateway, simulator)


async def test_the_providers_own_count(counting: Counting) -> None:
    for caller in COUNTERS:
        for dialect, place in COUNTED.items():
            model = "aws-bedrock/anthropic.claude-haiku-4-5-20251001-v1:0" if dialect == BEDROCK else AT[dialect]
            asked = len(counting.simulator.requests)
            few = await counting.count(caller, model, "provider")
            many = await counting.count(caller, model, "provider", text=TEXT * 3)
            assert 50 < few < many < 4000, (caller, dialect, few, many)
            assert len(counting.simulator.requests) == asked + 2
            assert counting.simulator.requests[-1].path.endswith(place)


async def test_an_estimate_elsewhere(counting: Counting) -> None:
    for caller in COUNTERS:
        for dialect in ESTIMATED:
            few = await counting.count(caller, MODELS[dialect], "estimate")
            many = await counting.count(caller, MODELS[dialect], "estimate", text=TEXT * 3)
            assert len(TEXT) / 6 < few < len(TEXT) and 2.5 < many / few < 3.5
    assert not counting.simulator.requests


async def test_everything_in_a_request_counts(counting: Counting) -> None:
    tools = [{"name": "weather", "description": "The weather there.", "input_schema": SCHEMA}]
    more: dict[str, Any] = {"system": "Be brief. " * 30, "tools": tools, "tool_choice": {"type": "any"}}
    image = {"type": "base64", "media_type": "image/png", "data": PNG}
    picture = [{"role": "user", "content": [{"type": "image", "source": image}, {"type": "text", "text": TEXT}]}]
    for model, how in ((AT[MESSAGES], "provider"), (AT[GEMINI], "provider"), (AT[CHAT], "estimate")):
        plain = await counting.count(MESSAGES, model, how)
        assert await counting.count(MESSAGES, model, how, **more) > plain + 40, model
        assert await counting.count(MESSAGES, model, how, messages=picture) > plain + 50, model


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


async def test_thinking_is_counted_with(counting: Counting) -> None:
    """What Anthropic's count takes and what it does not: max_tokens and the like are for answers alone."""
    more: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    assert await counting.count(MESSAGES, AT[MESSAGES], "provider", **more) > 50
    config = {"generationConfig": {"temperature": 0.5, "maxOutputTokens": 100, "stopSequences": ["x"], "topK": 5}}
    wrapped = {"generateContentRequest": {"model": "models/x", **counted_body(GEMINI, ""), **config}}
    for model, how in ((AT[MESSAGES], "provider"), (AT[CHAT], "estimate"), (AT[GEMINI], "provider")):
        answer = await counting.ask(GEMINI, model, wrapped)
        assert answer.status_code == 200 and answer.headers["cf-aig-token-count"] == how, answer.text
        assert answer.json()["totalTokens"] > 50


async def test_a_request_that_is_wrapped_counts_as_much(counting: Counting) -> None:
    """Google's count takes bare contents, or a whole request in `generateContentRequest`."""
    for model in (AT[GEMINI], AT[CHAT], AT[MESSAGES]):
        bare = (await counting.ask(GEMINI, model)).json()["totalTokens"]
        wrapped = {"generateContentRequest": {"model": "models/other", **counted_body(GEMINI, model)}}
        assert (await counting.ask(GEMINI, model, wrapped)).json()["totalTokens"] == bare


async def test_a_relayed_count_is_the_callers_own_bytes(counting: Counting) -> None:
    for caller, name in ((MESSAGES, b'"claude-haiku-4-5"'), (GEMINI, b"")):
        said = b'"hi \\u00e9"'
        if caller == MESSAGES:
            body = b'{ "messages":[{"content":%b,"role":"user"}] ,"model":"%b" }' % (said, AT[caller].encode())
        else:
            body = b'{ "contents":[{"parts":[{"text":%b}] , "role":"user"}] }' % said
        answer = await counting.ask(caller, AT[caller], body)
        assert answer.status_code == 200, answer.text
        sent = counting.simulator.requests[-1].body
        assert sent == body.replace(b'"%b"' % AT[caller].encode(), name)


async def test_40_at_once(counting: Counting) -> None:
    """What a coding agent asks when it draws up what its context holds."""
    answers = await asyncio.gather(
        *(counting.ask(MESSAGES, AT[(MESSAGES, CHAT)[number % 2]], text=TEXT * (number + 1)) for number in range(40))
    )
    assert {answer.status_code for answer in answers} == {200}
    counts = [answer.json()["input_tokens"] for answer in answers]
    assert counts[::2] == sorted(counts[::2]) and counts[1::2] == sorted(counts[1::2])
    assert len(counting.simulator.requests) == 20
    assert len(await counting.gateway.rows()) == 40


async def test_a_model_that_its_provider_does_not_count_for(counting: Counting) -> None:
    """Bedrock counts for Claude, by its own name, not a profile's, and for no other."""
    for caller in COUNTERS:
        for model in ("aws-bedrock/us.amazon.nova-lite-v1:0", "aws-bedrock/amazon.nova-lite-v1:0"):
            answer = await counting.ask(caller, model)
            answered = (answer.status_code, answer.headers["cf-aig-token-count"])
            assert answered == (200, "estimate") and counting.simulator.requests[-1].status == 400


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503, 529])
async def test_a_provider_that_refuses_to_count(counting: Counting, status: int) -> None:
    for caller in COUNTERS:
        for dialect in (MESSAGES, GEMINI):
            counting.simulator.next(Fault(status=status, retry_after=7))
            answer = await counting.ask(caller, AT[dialect])
            if caller != dialect and status in (400, 404):  # it counts no such thing: the gateway estimates
                assert answer.status_code == 200 and answer.headers["cf-aig-token-count"] == "estimate"
                continue
            assert answer.status_code == status, answer.text
            assert answer.headers.get("retry-after") in ("7", None)
            row = (await counting.gateway.rows())[0]
            assert (row["status_code"], row["success"], row["end"]) == (status, False, "provider_error")


async def test_a_provider_that_counts_nonsense(counting: Counting) -> None:
    kinds: list[Any] = ["wrong_content_type", "empty_body", "malformed_json", "truncated", "close"]
    for caller in COUNTERS:
        for dialect in (MESSAGES, GEMINI):
            for kind in kinds:
                counting.simulator.next(Fault(kind=kind))
                answer = await counting.ask(caller, AT[dialect])
                assert answer.status_code == 502, (caller, dialect, kind, answer.text)
                assert refusal(caller, answer)[0] == 2005
                row = (await counting.gateway.rows())[0]
                assert row["success"] is False and row["end"] in ("provider_error", "interrupted")


BAD: dict[str, list[Any]] = {
    MESSAGES: [b"", b"[]", b"{", {"model": AT[CHAT]}, {"model": AT[CHAT], "messages": []}, {"messages": []}],
    GEMINI: [b"", b"[]", b"{", {"contents": "x"}, {"contents": [{"role": "nobody", "parts": []}]}],
}


async def test_what_cannot_be_counted(counting: Counting) -> None:
    for caller, bodies in BAD.items():
        for body in bodies:
            answer = await counting.ask(caller, AT[CHAT], body)
            assert answer.status_code == 400, (caller, body, answer.text)
            assert refusal(caller, answer)[0] in (7000, 7001)
    answer = await counting.ask(MESSAGES, "nobody/x")
    assert answer.status_code == 404 and refusal(MESSAGES, answer)[0] == 7003
    assert not counting.simulator.requests


async def test_strict_callers_may_count_what_only_an_answer_would_lose(counting: Counting) -> None:
    body = counted_body(MESSAGES, AT[CHAT], top_k=5)
    answer = await counting.gateway.post(path(MESSAGES, ""), body, headers={"cf-aig-fidelity": "strict"})
    assert answer.status_code == 200 and answer.headers["cf-aig-token-count"] == "estimate"
