"""What Claude Code asks below its base URL when it starts: whether somebody is there."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("path", ["/client/v4/accounts/{account}/ai/api/hello", "/anthropic/api/hello"])
async def test_hello(gateway: Any, path: str, method: str) -> None:
    """No token, no row, not even a gateway made."""
    answer = await gateway.client.request(method, path.format(account=gateway.running.account_id))
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")
    assert await gateway.rows_or_none() == []


@pytest.mark.parametrize(
    "path", ["/client/v4/accounts/{account}/ai/api/hello", "/client/v4/accounts/{account}/api/hello"]
)
async def test_nobody_else_is_greeted(gateway: Any, path: str) -> None:
    answer = await gateway.client.post(path.format(account=gateway.running.account_id), headers=gateway.headers)
    assert answer.status_code == 404
