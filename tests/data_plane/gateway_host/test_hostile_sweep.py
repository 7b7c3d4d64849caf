"""Every method at every kind of address, with and without a token, with bodies that are none: refused in words."""

from __future__ import annotations

import httpx
import pytest

from conftest import Gateway
from data_plane.gateway_host.upstream import Upstream

OLDER = (
    *("/v1", "/v1/", "/v1/A", "/v1/A/", "/v1/A/default", "/v1/A/default/", "/v1/A/none/", "/v1/A/none/openai/x"),
    *("/v1/A/default/openai", "/v1/A/default/openai/", "/v1/A/default/openai/files", "/v1/A/default/nobody/x"),
    *("/v1/A/default/compat", "/v1/A/default/compat/chat/completions", "/v1/A/default/compat/models"),
    *("/v1/A/default/workers-ai", "/v1/A/default/workers-ai/@cf/x/y", "/v1/A/default/workers-ai/v1/embeddings"),
    *("/v1/%00/x/y", "/v1/a%2Fb/default/openai/x", "/v1/A/default/%6Fpenai/files", "/v1/A/default/openai/%2e%2e/x"),
    *("/v1/A/default/fal", "/v1/A/default/azure-openai/r/d/..%2F..%2Fx", "/v1/A/default/azure-openai/e.com%23/d/x"),
    *("/v1/A/default/aws-bedrock/bedrock-runtime/x@evil.com/x", "/v1/A/default/aws-bedrock/bedrock-runtime/a.b/x"),
)
SHORT = (
    *("/openai", "/openai/", "/openai/v1/files", "/openai/v1/chat/completions", "/openai/v1/responses/x"),
    *("/anthropic/", "/anthropic/v1/messages", "/google/", "/google/v1beta/files"),
)
API = tuple(
    f"/client/v4/accounts/A/{rest}"
    for rest in (
        *("ai/v1/responses", "ai/v1/responses/compact", "ai/v1/responses/input_tokens", "ai/v1/responses/x"),
        *("ai/v1/responses/x/cancel", "ai/v1/responses/x/none", "ai/v1/conversations", "ai/v1/conversations/x/items"),
        *("ai/v1/completions", "ai/v1/embeddings", "ai/run", "ai/run/", "ai/run/%00", "ai/v1/responses/%FF"),
        *("ai-gateway/gateways/default/run/x/resume", "ai-gateway/gateways/default/run/%2E%2E%2Fx/resume"),
    )
)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE")
REFUSED = range(400, 500)


@pytest.mark.parametrize("paths", [OLDER, SHORT, API], ids=["gateway host", "short", "api"])
async def test_refused_in_words(native: Gateway, upstream: Upstream, paths: tuple[str, ...]) -> None:
    for path in paths:
        url = native.running.base_url + path.replace("/A", f"/{native.running.account_id}", 1)
        for method in METHODS:
            for headers in (native.headers, {}):
                await refused(native, method, url, headers)
    assert not upstream.requests


async def refused(native: Gateway, method: str, url: str, headers: dict[str, str]) -> None:
    conversation = method == "POST" and url.endswith("/conversations")
    for body in (b"[1", b"\xff\xfe", b'"x"') if conversation else (b"", b"[1", b"\xff\xfe", b'"x"'):
        request = httpx.Request(method, url, headers={**headers, "content-type": "application/json"}, content=body)
        answer = await native.client.send(request)
        assert answer.status_code in REFUSED, (method, url, answer.status_code, answer.text)
        if method == "HEAD":
            assert not answer.content
        elif "/resume" not in url:
            assert answer.json()["success"] is False, (method, url, answer.text)
