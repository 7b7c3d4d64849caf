"""Logs through the API: the vendor's own client with strict checks, and the answers' own form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cloudflare
import msgspec
import pytest

from isthmus.core.entry import LogEntry
from isthmus.core.gateway import GatewaySettings as Settings

REQUIRED: dict[str, Any] = {
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}
Make = Callable[..., LogEntry]
REQUEST = b'{"model": "gpt-5.5",  "messages": []}'


@pytest.fixture
async def logged(stand: Any, entry: Make) -> Any:
    """Three rows in `mine`: a plain one, a failure, and one without what may be unknown."""
    await stand.gateways.create(account_id=stand.account_id, id="mine", **REQUIRED)
    stand.storage.logs.append(
        entry(
            id="row-1",
            metadata='{"team":"blue"}',
            user_agent="curl/8",
            cached_tokens=4,
            reasoning_tokens=2,
            finish_reason="stop",
            streamed=True,
            request_content_type="application/json",
            response_content_type="text/event-stream",
            request_body=REQUEST,
            response_body=b"data: {}\n\ndata: [DONE]\n\n",
            request_size=len(REQUEST),
            response_size=24,
        )
    )
    stand.storage.logs.append(
        entry(
            id="row-2",
            created_at=1_700_000_100.0,
            success=False,
            status_code=429,
            end="provider_error",
            provider="anthropic",
            error_code=2003,
            error_message="slow down",
            duration_ms=7,
            request_body=b"x" * 2000,
            request_complete=False,
            response_body=b"\xff\xfe",
        )
    )
    stand.storage.logs.append(
        entry(id="row-3", created_at=1_700_000_200.0, tokens_in=None, tokens_out=None, first_byte_ms=None)
    )
    return stand


async def ids(stand: Any, query: str) -> list[str]:
    answer = await stand.call("GET", f"/ai-gateway/gateways/mine/logs?{query}")
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["result"]]


async def test_the_client_lists_page_by_page(logged: Any) -> None:
    where = {"gateway_id": "mine", "account_id": logged.account_id}
    rows = [each async for each in logged.gateways.logs.list(**where, per_page=2)]
    assert [each.id for each in rows] == ["row-3", "row-2", "row-1"]
    assert (rows[2].duration, rows[2].tokens_in, rows[2].ai_model_type) == (120, 10, "Text Generation")


async def test_the_call_of_the_clients_own_tests(logged: Any) -> None:
    page = await logged.gateways.logs.list(
        gateway_id="mine",
        account_id=logged.account_id,
        cached=True,
        direction="asc",
        end_date="2019-12-27T18:11:19.117Z",
        feedback=0,
        filters=[{"key": "id", "operator": "eq", "value": ["string"]}],
        max_cost=0,
        max_duration=0,
        max_tokens_in=0,
        max_tokens_out=0,
        max_total_tokens=0,
        meta_info=True,
        min_cost=0,
        min_duration=0,
        min_tokens_in=0,
        min_tokens_out=0,
        min_total_tokens=0,
        model="model",
        model_type="model_type",
        order_by="created_at",
        order_by_direction="asc",
        page=1,
        per_page=1,
        provider="provider",
        request_content_type="request_content_type",
        response_content_type="response_content_type",
        search="search",
        start_date="2019-12-27T18:11:19.117Z",
        success=True,
    )
    assert page.result == []


async def test_the_clients_filters(logged: Any) -> None:
    where = {"gateway_id": "mine", "account_id": logged.account_id}
    filters = [
        {"key": "success", "operator": "eq", "value": [False]},
        {"key": "duration", "operator": "lt", "value": [100]},
    ]
    page = await logged.gateways.logs.list(**where, filters=filters)
    assert [each.id for each in page.result] == ["row-2"]
    filters = [{"key": "provider", "operator": "eq", "value": ["anthropic", "groq"]}]
    page = await logged.gateways.logs.list(**where, filters=filters)
    assert [each.id for each in page.result] == ["row-2"]


async def test_one_row(logged: Any) -> None:
    row = await logged.gateways.logs.get("row-1", gateway_id="mine", account_id=logged.account_id)
    assert row.created_at.timestamp() == 1_700_000_000.123
    assert row.request_head == REQUEST.decode()
    assert row.request_head_complete is True
    assert (row.request_size, row.response_size) == (len(REQUEST), 24)
    assert row.metadata == '{"team":"blue"}'


async def test_a_row_in_full(logged: Any) -> None:
    shown = (await logged.call("GET", "/ai-gateway/gateways/mine/logs/row-2")).json()["result"]
    assert shown == {
        "id": "row-2",
        "created_at": "2023-11-14T22:15:00.000Z",
        "provider": "anthropic",
        "model": "gpt-5.5",
        "path": "v1/chat/completions",
        "duration": 7,
        "success": False,
        "cached": False,
        "tokens_in": 10,
        "tokens_out": 5,
        "status_code": 429,
        "step": 0,
        "event_id": "event-1",
        "authentication": True,
        "wholesale": False,
        "streamed": False,
        "end": "provider_error",
        "first_byte": 80,
        "model_type": "Text Generation",
        "request_type": "chat",
        "error_code": 2003,
        "error_message": "slow down",
        "usage_metadata": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
        "request_size": 0,
        "response_size": 0,
        "request_head": "x" * 1000,
        "request_head_complete": False,
        "response_head": "\ufffd\ufffd",
        "response_head_complete": True,
    }


async def test_unknown_tokens_are_null_and_bodies_are_not_in_lists(logged: Any) -> None:
    answer = await logged.call("GET", "/ai-gateway/gateways/mine/logs")
    first = answer.json()["result"][0]
    assert (first["id"], first["tokens_in"], first["tokens_out"], first["first_byte"]) == ("row-3", None, None, None)
    assert "usage_metadata" not in first
    assert "request_head" not in answer.json()["result"][2]
    assert answer.json()["result_info"] == {
        "count": 3,
        "page": 1,
        "per_page": 20,
        "total_count": 3,
        "total_pages": 1,
    }


async def test_payloads(logged: Any) -> None:
    where = {"gateway_id": "mine", "account_id": logged.account_id}
    assert await logged.gateways.logs.request("row-1", **where) == msgspec.json.decode(REQUEST)
    assert await logged.gateways.logs.response("row-1", **where) == "data: {}\n\ndata: [DONE]\n\n"
    with pytest.raises(cloudflare.NotFoundError):
        await logged.gateways.logs.request("row-3", **where)


@pytest.mark.parametrize(
    ("path", "form", "body"),
    [
        ("row-1/request", "json", REQUEST),
        ("row-1/response", "text", b'"data: {}\\n\\ndata: [DONE]\\n\\n"'),
        ("row-2/request", "truncated", b'"' + b"x" * 2000 + b'"'),
        ("row-2/response", "base64", b'"//4="'),
    ],
)
async def test_the_form_of_a_payload(logged: Any, path: str, form: str, body: bytes) -> None:
    answer = await logged.call("GET", f"/ai-gateway/gateways/mine/logs/{path}")
    assert (answer.headers["content-type"], answer.headers["x-isthmus-payload"]) == ("application/json", form)
    assert answer.content == body


@pytest.mark.parametrize("path", ["absent/logs", "absent/logs/row-1", "mine/logs/absent", "mine/logs/absent/request"])
async def test_what_is_missing(logged: Any, path: str) -> None:
    answer = await logged.call("GET", f"/ai-gateway/gateways/{path}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, 7002)


async def test_another_accounts_logs_are_not_seen(logged: Any) -> None:
    await logged.publisher.add_gateway("fedcba9876543210fedcba9876543210", "mine", msgspec.convert(REQUIRED, Settings))
    path = "/accounts/fedcba9876543210fedcba9876543210/ai-gateway/gateways/mine/logs"
    headers = {"authorization": "Bearer other"}
    assert (await logged.http.get(path, headers=headers)).json()["result"] == []
    assert (await logged.http.get(f"{path}/row-1", headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("order_by_direction=asc", ["row-1", "row-2", "row-3"]),
        ("direction=asc&page=2&per_page=2", ["row-3"]),
        ("order_by=success&order_by_direction=asc&per_page=1", ["row-2"]),
        ("start_date=2023-11-14T22:15:00%2B00:00", ["row-3", "row-2"]),
        ("end_date=2023-11-14T22:15:00.000000+00:00", ["row-2", "row-1"]),
        ("min_duration=120&max_duration=120&order_by_direction=asc", ["row-1", "row-3"]),
        ("max_duration=7", ["row-2"]),
        ("min_total_tokens=15&success=true", ["row-1"]),
        ("provider=anthropic", ["row-2"]),
        ("search=blue", ["row-1"]),
        ("feedback=1", []),
        ('filters=[{"key":"tokens_in","operator":"eq","value":[null]}]', ["row-3"]),
        ('filters=[{"key":"metadata.key","operator":"eq","value":["team"]}]', ["row-1"]),
        ("filters.key=event_id&filters.operator=contains&filters.value=EVENT&per_page=1", ["row-3"]),
    ],
)
async def test_queries(logged: Any, query: str, found: list[str]) -> None:
    assert await ids(logged, query) == found


async def test_meta_info(logged: Any) -> None:
    answer = await logged.call("GET", "/ai-gateway/gateways/mine/logs?meta_info=true&per_page=1")
    info = answer.json()["result_info"]
    assert (info["count"], info["total_count"], info["total_pages"]) == (1, 3, 3)
    assert (info["min_duration"], info["max_duration"], info["max_total_tokens"]) == (7, 120, 15)
    assert {f"{end}_{name}" for end in ("min", "max") for name in ("cost", "tokens_in", "tokens_out")} < set(info)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("per_page=51", "per_page"),
        ("order_by=cost", "order_by"),
        ("order_by_direction=up", "order_by_direction"),
        ("meta_info=1", "meta_info"),
        ("min_cost=much", "min_cost"),
        ("min_cost=nan", "min_cost"),
        ("start_date=yesterday", "start_date"),
        ("success=yes", "success"),
        ("filters=nonsense", "filters"),
        ("filters.key=colour&filters.operator=eq&filters.value=red", "filters"),
        ("filters.key=model&filters.operator=like&filters.value=red", "filters"),
        ("filters.key=duration&filters.operator=eq&filters.value=red", "filters"),
        ("filters.operator=eq&filters.value=red", "filters"),
        ("&".join("filters.key=model&filters.operator=eq&filters.value=x" for _ in range(51)), "filters"),
        ("&".join("a=1" for _ in range(2001)), ""),
    ],
)
async def test_queries_that_cannot_be(logged: Any, query: str, place: str) -> None:
    answer = await logged.call("GET", f"/ai-gateway/gateways/mine/logs?{query}")
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["code"]) == (400, 7001)
    assert error["path"][:2] == (["query", place] if place else ["query"])


@pytest.mark.parametrize("method", ["DELETE", "POST"])
async def test_what_is_not_served_yet(logged: Any, method: str) -> None:
    answer = await logged.call(method, "/ai-gateway/gateways/mine/logs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
