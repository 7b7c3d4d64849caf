"""Secrets that are written in odd ways, by careless callers and on purpose: none comes where it does not belong."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Gateway
from data_plane.gateway_host.test_native_keys import BODY, OWN, at
from data_plane.gateway_host.upstream import Upstream, answered

NAMED = {**BODY, "model": "openai/gpt-4o"}


def basic(secret: str) -> str:
    return "Basic " + base64.b64encode(f"user:{secret}".encode()).decode()


FORMS: tuple[Callable[[str], str], ...] = (
    lambda secret: f"Bearer\t{secret}",
    lambda secret: f"bearer   {secret}",
    lambda secret: f"Bearer {secret}, Bearer sk-x",
    lambda secret: f"Bearer sk-x,Bearer {secret}",
    lambda secret: f"Bearer {secret} x",
    lambda secret: f"Bearer {secret};",
    lambda secret: f'"{secret}"',
    lambda secret: f"Token token={secret}",
    basic,
    lambda secret: basic(secret).rstrip("="),
)


def seen(upstream: Upstream, secret: str) -> bool:
    """Whether the provider was told it, in its own words or in base64."""
    encoded = basic(secret)[6:].rstrip("=")
    told = [
        value for request in upstream.requests for value in (request.target, *(value for _, value in request.lines))
    ]
    return any(secret in value or encoded in value for value in told)


@pytest.mark.parametrize("gateway_id", ["default", "open"])
@pytest.mark.parametrize("header", ["authorization", "x-api-key", "x-any"])
async def test_our_token_in_odd_forms(native: Gateway, upstream: Upstream, gateway_id: str, header: str) -> None:
    for form in FORMS:
        await ask_in(native, upstream, gateway_id, header, form)


async def ask_in(native: Gateway, upstream: Upstream, gateway_id: str, header: str, form: Callable[[str], str]) -> None:
    secret = str(native.running.api_token)
    ours = {"cf-aig-authorization": f"Bearer {secret}"}
    step = {"provider": "openai", "endpoint": "chat/completions", "headers": {header: form(secret)}, "query": BODY}
    asked: list[tuple[str, Any, dict[str, str]]] = [
        ("openai/chat/completions", BODY, {**ours, header: form(secret)}),
        ("openai/embeddings", BODY, {**ours, header: form(secret)}),
        ("compat/chat/completions", NAMED, {**ours, header: form(secret)}),
        ("", [step], ours),
        ("openai/chat/completions", BODY, {header: form(secret)}),
        ("compat/chat/completions", NAMED, {header: form(secret)}),
    ]
    for path, body, headers in asked:
        answer = await native.client.post(at(native, path, gateway_id), json=body, headers=headers)
        assert answer.status_code in (200, 400, 401), answer.text
        assert not seen(upstream, secret)


@pytest.mark.parametrize("query", ["{}", "k=Bearer%20{}", "a=1;key={}", "a={}%20", "{}=1", "x=%22{}%22"])
async def test_our_token_in_the_query(native: Gateway, upstream: Upstream, query: str) -> None:
    secret = str(native.running.api_token)
    path = f"openai/chat/completions?b=2&{query.format(secret)}&c=%20"
    answer = await native.client.post(at(native, path), json=BODY, headers=native.headers)
    assert answer.status_code == 200, answer.text
    assert upstream.last.target.endswith("?b=2&c=%20") and not seen(upstream, secret)


async def test_two_lines_of_one_name(native: Gateway, upstream: Upstream) -> None:
    """Our token in one, the caller's key in the other, in either order: the key alone goes on."""
    secret = str(native.running.api_token)
    lines = [("Authorization", f"Bearer {secret}"), ("AUTHORIZATION", f"Bearer {OWN}")]
    for each in (lines, lines[::-1]):
        answer = await native.client.post(
            at(native, "openai/chat/completions", "open"), json=BODY, headers=[*each, ("cf-aig-event-id", "e")]
        )
        assert answer.status_code == 200, answer.text
        assert upstream.last.all("authorization") == [f"Bearer {OWN}"] and not seen(upstream, secret)


async def test_a_key_that_its_provider_repeats_stands_in_no_row(native: Gateway, upstream: Upstream) -> None:
    said = b'{"error":{"message":"Incorrect API key provided: %s"}}' % OWN.encode()
    upstream.answer = answered(said, "401 Unauthorized")
    own = {"authorization": f"Bearer {OWN}"}
    step = {"provider": "openai", "endpoint": "chat/completions", "headers": own, "query": BODY}
    asked: list[tuple[str, Any, dict[str, str]]] = [
        ("openai/chat/completions", BODY, own),
        ("openai/images/generations", BODY, own),
        ("compat/chat/completions", NAMED, own),
        ("", [step], {}),
    ]
    for path, body, headers in asked:
        answer = await native.client.post(at(native, path, "open"), json=body, headers=headers)
        assert answer.status_code == 401 and answer.content == said  # its own caller may know
    rows = await native.rows("open")
    assert len(rows) == len(asked)
    for row in rows:
        for part in ("", "/request", "/response"):
            kept = await native.manage("GET", f"gateways/open/logs/{row['id']}{part}")
            assert kept.status_code == 200 and OWN not in kept.text
