"""What every call has in common: addresses, methods, tokens, envelopes, and failures that are ours."""

from __future__ import annotations

import asyncio
from typing import Any

import cloudflare
import httpx
import pytest

from isthmus.control_plane.routes import control_plane
from isthmus.core.account import AI_GATEWAY_READ, Token, digest


def error_of(answer: Any) -> tuple[int, int, str]:
    body = answer.json()
    assert (body["success"], body["result"], body["messages"]) == (False, None, [])
    assert answer.headers["content-type"] == "application/json"
    (error,) = body["errors"]
    return answer.status_code, error["code"], error["message"]


@pytest.mark.parametrize(
    "path", ["/ai-gateway", "/ai-gateway/gateways/", "/ai-gateway/gateways/a/b", "/ai-gateway/gateways/a%2Fb", "/x"]
)
async def test_an_address_that_is_not_there(stand: Any, path: str) -> None:
    assert error_of(await stand.call("GET", path)) == (404, 7003, "No route for the URI")


async def test_a_method_that_is_not_there(stand: Any) -> None:
    answer = await stand.call("PATCH", "/ai-gateway/gateways")
    assert error_of(answer) == (405, 7001, "PATCH not supported for requested URI.")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("authorization", [{}, {"authorization": "Bearer wrong"}, {"x-api-key": "writer"}])
async def test_no_token(stand: Any, authorization: dict[str, str]) -> None:
    answer = await stand.http.get(f"/accounts/{stand.account_id}/ai-gateway/gateways", headers=authorization)
    assert error_of(answer) == (401, 10000, "Authentication error")


async def test_another_accounts_token(stand: Any) -> None:
    assert error_of(await stand.call("GET", "/ai-gateway/gateways", "other"))[:2] == (401, 10000)
    with pytest.raises(cloudflare.AuthenticationError):
        await stand.gateways.list(account_id="fedcba9876543210fedcba9876543210")


async def test_who_may_read_may_not_write(stand: Any) -> None:
    assert (await stand.call("GET", "/ai-gateway/gateways", "reader")).status_code == 200
    assert (await stand.call("GET", "/ai-gateway/gateways/declared/logs", "reader")).status_code == 200
    for method, path in (("POST", ""), ("PUT", "/declared"), ("PATCH", "/declared"), ("DELETE", "/declared")):
        assert error_of(await stand.call(method, f"/ai-gateway/gateways{path}", "reader", json={}))[0] == 401
    assert (await stand.call("GET", "/ai-gateway/gateways", "runner")).status_code == 401


async def test_a_token_for_one_gateway_sees_no_other(stand: Any) -> None:
    required = {"cache_invalidate_on_update": False, "cache_ttl": 0, "collect_logs": True}
    body = {**required, "rate_limiting_interval": 0, "rate_limiting_limit": 0}
    refused = await stand.call("POST", "/ai-gateway/gateways", "bound", json={**body, "id": "other"})
    assert refused.status_code == 403
    assert (await stand.call("POST", "/ai-gateway/gateways", "bound", json={**body, "id": "mine"})).status_code == 200
    assert [each["id"] for each in (await stand.call("GET", "/ai-gateway/gateways", "bound")).json()["result"]] == [
        "mine"
    ]
    for path in ("", "/logs", "/logs/x", "/logs/x/request"):
        assert (await stand.call("GET", f"/ai-gateway/gateways/declared{path}", "bound")).status_code == 403


async def test_a_token_that_another_process_has_just_made_counts(stand: Any) -> None:
    await stand.storage.configs.add_token(
        Token(
            id="new",
            account_id=stand.account_id,
            name="new",
            digest=digest("brand-new"),
            permissions=(AI_GATEWAY_READ,),
            created_at=1.0,
        )
    )
    assert (await stand.call("GET", "/ai-gateway/gateways", "brand-new")).status_code == 200


async def test_a_store_that_fails_is_said_so(stand: Any, caplog: Any) -> None:
    await stand.storage.database.aclose()
    answer = await stand.call("GET", "/ai-gateway/gateways/declared/logs/row")
    assert error_of(answer) == (503, 7000, "The store does not answer; try again")
    assert "The database is closed" in caplog.text


async def test_our_own_fault_is_logged_and_not_shown(stand: Any, caplog: Any) -> None:
    class Faulty:
        """`Logs`, written wrongly."""

        async def get(self, *_: str) -> None:
            raise KeyError("inner workings")

    app = control_plane(stand.publisher, Faulty(), stand.authenticate)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://isthmus") as client:
        path = f"/client/v4/accounts/{stand.account_id}/ai-gateway/gateways/declared/logs/row"
        answer = await client.get(path, headers={"authorization": "Bearer writer"})
    assert error_of(answer) == (500, 7000, "Internal error")
    assert "inner workings" in caplog.text


async def test_a_caller_who_leaves_while_sending_harms_nobody(stand: Any, caplog: Any) -> None:
    host, port = stand.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = f"/client/v4/accounts/{stand.account_id}/ai-gateway/gateways"
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer writer\r\n".encode())
    writer.write(b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n")
    await reader.readuntil(b"100 Continue\r\n\r\n")  # it waits for the body now
    writer.write(b"{")
    writer.close()
    await writer.wait_closed()
    assert (await stand.call("GET", "/ai-gateway/gateways")).status_code == 200
    assert [record for record in caplog.records if not record.name.startswith("http")] == []  # the client's own aside
