"""What a caller of the universal endpoint sends, and reads."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec

from conftest import Gateway

OPEN = {
    "id": "open",
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
    "authentication": False,
}
OWN = "sk-of-the-caller-12345"
NEVER_MS = 3_600_000
USER = [{"role": "user", "content": "echo: yes"}]
OPENAI: dict[str, Any] = {
    "provider": "openai",
    "endpoint": "chat/completions",
    "query": {"model": "gpt-4o", "messages": USER},
}
ANTHROPIC: dict[str, Any] = {
    "provider": "anthropic",
    "endpoint": "v1/messages",
    "headers": {"anthropic-version": "2023-06-01"},
    "query": {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": USER},
}
COMPAT: dict[str, Any] = {
    "provider": "compat",
    "endpoint": "chat/completions",
    "query": {"model": "anthropic/claude-haiku-4.5", "messages": USER},
}
IMPATIENT = {"requestTimeout": 50}


async def universal(
    gateway: Gateway, body: Any, headers: dict[str, str] | None = None, gateway_id: str = "default", slash: str = ""
) -> httpx.Response:
    given = {"cf-aig-authorization": gateway.headers["authorization"]} if headers is None else headers
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    path = f"/v1/{gateway.running.account_id}/{gateway_id}{slash}"
    return await gateway.client.post(path, content=content, headers={"content-type": "application/json", **given})


def problem(response: httpx.Response) -> tuple[int, int]:
    """Status and code of an error of ours, in the shape E2 (data-plane 5.1)."""
    body = response.json()
    assert (body["success"], body["result"], body["name"]) == (False, [], "AiGatewayError")
    (listed,) = body["error"]
    assert listed["code"] == body["internalCode"] and body["httpCode"] == response.status_code
    return response.status_code, listed["code"]


def step_of(response: httpx.Response) -> str:
    return response.headers["cf-aig-step"]
