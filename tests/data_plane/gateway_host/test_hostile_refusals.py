"""Refusals that say more than they should, or nothing at all."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Gateway
from data_plane.gateway_host.test_native_keys import BODY, OWN, at
from data_plane.gateway_host.upstream import Upstream, answered, installations

NAMED = {**BODY, "model": "openai/gpt-4o"}
STEP = {"provider": "openai", "endpoint": "chat/completions", "headers": {}, "query": BODY}
ASKED: list[tuple[str, Any]] = [
    ("openai/chat/completions", BODY),
    ("openai/images/generations", {}),
    ("compat/chat/completions", NAMED),
    ("", [STEP]),
]


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "429 Too Many Requests", "500 Oh"])
async def test_a_refusal_that_repeats_the_installations_key(native: Gateway, upstream: Upstream, status: str) -> None:
    """In the words of Google's for a key that is suspended."""
    key = installations("openai")
    said = b'{"error":{"code":403,"message":"Consumer \'api_key:%s\' has been suspended."}}' % key.encode()
    upstream.answer = answered(said, status)
    for path, body in ASKED:
        answer = await native.client.post(at(native, path), json=body, headers=native.headers)
        assert answer.status_code == 503 and key not in answer.text and "openai" in answer.text
    answer = await native.post("v1/chat/completions", NAMED)
    assert answer.status_code == 503 and key not in answer.text
    rows = await native.rows()
    assert len(rows) == len(ASKED) + 1 and {row["status_code"] for row in rows} == {503}
    for row in rows:
        kept = await native.manage("GET", f"gateways/default/logs/{row['id']}")
        assert kept.status_code == 200 and key not in kept.text


async def test_a_head_that_is_refused_is_no_success(native: Gateway, upstream: Upstream) -> None:
    for status in (403, 404, 429, 500):
        upstream.answer = answered(b"", f"{status} No")
        answer = await native.client.head(at(native, "openai/models"), headers=native.headers)
        assert answer.status_code == status
    rows = await native.rows()
    assert [(row["status_code"], row["success"]) for row in rows] == [(s, False) for s in (500, 429, 404, 403)]


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
async def test_methods_that_no_provider_is_asked_by(native: Gateway, upstream: Upstream, method: str) -> None:
    reader, writer = await native.connect()
    head = (
        f"{method} {at(native, 'openai/models')} HTTP/1.1\r\nhost: isthmus\r\nconnection: close\r\n"
        f"cf-aig-authorization: {native.headers['authorization']}\r\nauthorization: Bearer {OWN}\r\n\r\n"
    )
    writer.write(head.encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    assert not upstream.requests
    writer.close()
