"""Gateways through the API, mostly as the vendor's own client calls it, with strict checks on every answer."""

from __future__ import annotations

import asyncio
from typing import Any

import cloudflare
import pytest
from cloudflare import Cloudflare

REQUIRED: dict[str, Any] = {
    "cache_invalidate_on_update": False,
    "cache_ttl": 0,
    "collect_logs": True,
    "rate_limiting_interval": 0,
    "rate_limiting_limit": 0,
}
EVERYTHING: dict[str, Any] = {
    "cache_invalidate_on_update": True,
    "cache_ttl": 300,
    "collect_logs": True,
    "rate_limiting_interval": 60,
    "rate_limiting_limit": 100,
    "rate_limiting_technique": "sliding",
    "authentication": True,
    "byok_only": True,
    "dlp": {"action": "BLOCK", "enabled": True, "profiles": ["pii"]},
    "guardrails": {"prompt": {"S1": "BLOCK", "P1": "FLAG"}, "response": {}},
    "log_classification": True,
    "log_management": 10_000,
    "log_management_strategy": "STOP_INSERTING",
    "logpush": True,
    "logpush_public_key": "k" * 16,
    "otel": [{"url": "https://otel.example.com", "headers": {"a": "b"}, "authorization": "x"}],
    "retry_backoff": "linear",
    "retry_delay": 60_000,
    "retry_max_attempts": 5,
    "spend_limits": {
        "enabled": True,
        "rules": [
            {
                "limit": 1.5,
                "limitType": "cost",
                "window": 3600,
                "model": {"mode": "filter", "values": ["gpt-5.5"]},
                "metadata": {"user": {"mode": "partition"}, "team": {"mode": "filter", "values": ["a"]}},
            }
        ],
    },
    "store_id": "store",
    "stripe": {"authorization": "key", "usage_events": [{"payload": "{}"}]},
    "workers_ai_billing_mode": "unified",
    "zdr": True,
}
ALL_NAMES = {*EVERYTHING, "id", "created_at", "modified_at", "is_default"}


async def test_the_whole_life_of_a_gateway(stand: Any) -> None:
    account_id = stand.account_id
    created = await stand.gateways.create(account_id=account_id, id="mine", **REQUIRED)
    assert created.id == "mine"
    assert created.created_at == created.modified_at
    assert created.is_default is False
    updated = await stand.gateways.update("mine", account_id=account_id, **{**REQUIRED, "collect_logs": False})
    assert updated.collect_logs is False
    assert updated.modified_at > created.modified_at
    assert updated.created_at == created.created_at
    got = await stand.gateways.get("mine", account_id=account_id)
    deleted = await stand.gateways.delete("mine", account_id=account_id)
    assert got.to_dict() == deleted.to_dict() == updated.to_dict()
    with pytest.raises(cloudflare.NotFoundError) as raised:
        await stand.gateways.get("mine", account_id=account_id)
    assert raised.value.errors[0].code == 7002


async def test_every_setting_comes_back_as_it_was_sent(stand: Any) -> None:
    created = await stand.gateways.create(account_id=stand.account_id, id="mine", **EVERYTHING)
    shown = (await stand.call("GET", "/ai-gateway/gateways/mine")).json()["result"]
    assert set(shown) == ALL_NAMES
    rule = shown["spend_limits"]["rules"][0]
    assert len(rule["id"]) == 8
    assert int(rule["id"], 16) >= 0
    defaults = {"id": rule["id"], "enabled": True, "technique": "sliding"}
    expected = EVERYTHING | {
        "otel": [EVERYTHING["otel"][0] | {"content_type": "json"}],
        "spend_limits": {"enabled": True, "rules": [EVERYTHING["spend_limits"]["rules"][0] | defaults]},
    }
    assert {name: shown[name] for name in EVERYTHING} == expected
    assert created.spend_limits.rules[0].id == rule["id"]


async def test_the_other_form_of_dlp(stand: Any) -> None:
    policy = {"id": "p", "action": "FLAG", "check": ["REQUEST"], "enabled": True, "profiles": []}
    dlp = {"enabled": True, "policies": [policy]}
    created = await stand.gateways.create(account_id=stand.account_id, id="mine", **REQUIRED, dlp=dlp)
    assert created.dlp.policies[0].check == ["REQUEST"]


async def test_the_synchronous_client(stand: Any) -> None:
    def life() -> list[str]:
        with Cloudflare(
            base_url=f"{stand.origin}/client/v4", api_token="writer", max_retries=0, _strict_response_validation=True
        ) as client:
            client.ai_gateway.create(account_id=stand.account_id, id="mine", **REQUIRED)
            return [each.id for each in client.ai_gateway.list(account_id=stand.account_id)]

    assert await asyncio.to_thread(life) == ["declared", "mine"]


async def test_what_was_never_set_is_left_out(stand: Any) -> None:
    answer = await stand.call("POST", "/ai-gateway/gateways", json={"id": "mine", **REQUIRED})
    assert set(answer.json()["result"]) == {*REQUIRED, "id", "is_default", "created_at", "modified_at"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["success"] is True
    assert answer.json()["errors"] == answer.json()["messages"] == []


async def test_put_forgets_and_patch_keeps(stand: Any) -> None:
    await stand.gateways.create(account_id=stand.account_id, id="mine", **EVERYTHING)
    patched = await stand.call("PATCH", "/ai-gateway/gateways/mine", json={"retry_delay": None, "cache_ttl": None})
    shown = patched.json()["result"]
    assert "retry_delay" not in shown
    assert shown["cache_ttl"] is None
    assert shown["guardrails"] == EVERYTHING["guardrails"]
    put = await stand.call("PUT", "/ai-gateway/gateways/mine", json=REQUIRED)
    assert set(put.json()["result"]) == {*REQUIRED, "id", "is_default", "created_at", "modified_at"}


async def test_patches_at_the_same_time_all_hold(stand: Any) -> None:
    await stand.gateways.create(account_id=stand.account_id, id="mine", **REQUIRED)
    changes = [{"cache_ttl": 5}, {"retry_delay": 7}, {"zdr": True}, {"collect_logs": False}]
    await asyncio.gather(*(stand.call("PATCH", "/ai-gateway/gateways/mine", json=change) for change in changes))
    shown = await stand.gateways.get("mine", account_id=stand.account_id)
    assert (shown.cache_ttl, shown.retry_delay, shown.zdr, shown.collect_logs) == (5, 7, True, False)


async def test_a_change_holds_before_its_answer_is_sent(stand: Any) -> None:
    await stand.gateways.create(account_id=stand.account_id, id="mine", **REQUIRED)
    await stand.gateways.update("mine", account_id=stand.account_id, **{**REQUIRED, "collect_logs": False})
    (mine,) = (each for each in stand.publisher.current.gateways if each.id == "mine")
    assert mine.settings.collect_logs is False


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"id": "Mine"}, "id", "Invalid: must match ^[a-z0-9_]+(?:-[a-z0-9_]+)*$"),
        ({"id": ""}, "id", "String must contain at least 1 character(s)"),
        ({"cache_ttl": "5"}, "cache_ttl", "Expected number, received string"),
        ({"guardrails": {"prompt": {}}}, "guardrails.response", "Required"),
    ],
)
async def test_a_field_that_does_not_fit(stand: Any, change: dict[str, Any], path: str, message: str) -> None:
    answer = await stand.call("POST", "/ai-gateway/gateways", json={"id": "mine", **REQUIRED, **change})
    assert answer.status_code == 400
    body = answer.json()
    assert (body["success"], body["result"], body["messages"]) == (False, None, [])
    assert body["errors"] == [{"code": 7001, "message": message, "path": ["body", *path.split(".")]}]


async def test_every_problem_is_told_at_once(stand: Any) -> None:
    answer = await stand.call("POST", "/ai-gateway/gateways", json={"zdr": 1, "retry_delay": 70_000})
    told = {each["path"][1]: each["message"] for each in answer.json()["errors"]}
    assert told == {
        "id": "Required",
        "cache_invalidate_on_update": "Required",
        "cache_ttl": "Expected number, received nan",
        "collect_logs": "Required",
        "rate_limiting_interval": "Expected number, received nan",
        "rate_limiting_limit": "Expected number, received nan",
        "retry_delay": "Number must be less than or equal to 60000",
        "zdr": "Expected boolean, received number",
    }


async def test_the_client_gets_the_errors(stand: Any) -> None:
    with pytest.raises(cloudflare.BadRequestError) as raised:
        await stand.gateways.create(account_id=stand.account_id, id="NO", **REQUIRED)
    assert raised.value.errors[0].code == 7001


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"id": "\xff"}'])
async def test_a_body_that_is_no_object(stand: Any, body: bytes) -> None:
    answer = await stand.call("POST", "/ai-gateway/gateways", content=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7001)


async def test_a_body_that_is_too_large(stand: Any) -> None:
    answer = await stand.call("POST", "/ai-gateway/gateways", content=b" " * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (413, 3006)


async def test_an_id_that_is_taken(stand: Any) -> None:
    await stand.gateways.create(account_id=stand.account_id, id="mine", **REQUIRED)
    answer = await stand.call("POST", "/ai-gateway/gateways", json={"id": "mine", **REQUIRED})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"code": 7001, "message": "A gateway with the id 'mine' already exists", "path": ["body", "id"]}
    ]


async def test_creating_the_same_at_the_same_time(stand: Any) -> None:
    calls = [stand.call("POST", "/ai-gateway/gateways", json={"id": "mine", **REQUIRED}) for _ in range(5)]
    assert sorted(each.status_code for each in await asyncio.gather(*calls)) == [200, 400, 400, 400, 400]


async def test_an_account_has_so_many_gateways(stand: Any) -> None:
    for number in range(3):
        await stand.gateways.create(account_id=stand.account_id, id=f"gateway-{number}", **REQUIRED)
    answer = await stand.call("POST", "/ai-gateway/gateways", json={"id": "one-more", **REQUIRED})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "An account can have 4 gateways"


async def test_lists_are_paged_and_end(stand: Any) -> None:
    for name in ("a-first", "b-second", "c-third"):
        await stand.gateways.create(account_id=stand.account_id, id=name, **REQUIRED)
    names = [each.id async for each in stand.gateways.list(account_id=stand.account_id, per_page=1)]
    assert names == ["declared", "a-first", "b-second", "c-third"]
    answer = (await stand.call("GET", "/ai-gateway/gateways?page=2&per_page=3")).json()
    assert [each["id"] for each in answer["result"]] == ["c-third"]
    assert answer["result_info"] == {"count": 1, "page": 2, "per_page": 3, "total_count": 4, "total_pages": 2}
    answer = (await stand.call("GET", "/ai-gateway/gateways?search=sec&unknown=1")).json()
    assert [each["id"] for each in answer["result"]] == ["b-second"]
    answer = (await stand.call("GET", "/ai-gateway/gateways?page=9")).json()
    assert (answer["result"], answer["result_info"]["total_count"]) == ([], 4)


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=99999999999999999999", "per_page=101", "per_page=0"])
async def test_a_page_that_cannot_be(stand: Any, query: str) -> None:
    answer = await stand.call("GET", f"/ai-gateway/gateways?{query}")
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["code"], error["path"]) == (400, 7001, ["query", query.split("=")[0]])


async def test_what_has_no_effect_yet_is_said(stand: Any) -> None:
    body = {"id": "mine", **REQUIRED, "logpush": True, "zdr": True, "colour": "red", "created_at": "2020"}
    answer = await stand.call("POST", "/ai-gateway/gateways", json=body)
    assert answer.json()["messages"] == [
        {"code": 7101, "message": "colour is not a field of a gateway and was ignored"},
        {"code": 7100, "message": "logpush is stored but has no effect yet"},
        {"code": 7100, "message": "zdr is stored but has no effect yet"},
    ]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_declared_gateway_is_read_only(stand: Any, method: str) -> None:
    answer = await stand.call(method, "/ai-gateway/gateways/declared", json=REQUIRED)
    assert answer.status_code == 409
    assert answer.headers["x-should-retry"] == "false"
    assert "isthmus.toml" in answer.json()["errors"][0]["message"]
    shown = await stand.gateways.get("declared", account_id=stand.account_id)
    assert (shown.cache_ttl, shown.created_at.timestamp()) == (60, 1_700_000_000.0)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_missing_gateway(stand: Any, method: str) -> None:
    answer = await stand.call(method, "/ai-gateway/gateways/absent", json={})
    assert answer.status_code == 404
    assert answer.json()["errors"] == [{"code": 7002, "message": "Not Found"}]


async def test_an_id_cannot_be_changed(stand: Any) -> None:
    await stand.gateways.create(account_id=stand.account_id, id="mine", **REQUIRED)
    answer = await stand.call("PUT", "/ai-gateway/gateways/mine", json={"id": "yours", **REQUIRED})
    assert answer.json()["errors"][0]["path"] == ["body", "id"]
    answer = await stand.call("PUT", "/ai-gateway/gateways/mine", json={"id": "mine", **REQUIRED})
    assert answer.status_code == 200


async def test_default_can_be_deleted_and_comes_again(stand: Any) -> None:
    await stand.publisher.ensure_default(stand.account_id)
    shown = await stand.gateways.get("default", account_id=stand.account_id)
    assert (shown.is_default, shown.authentication, shown.collect_logs) == (True, True, True)
    await stand.gateways.delete("default", account_id=stand.account_id)
    await stand.publisher.ensure_default(stand.account_id)
    again = await stand.gateways.get("default", account_id=stand.account_id)
    assert again.created_at > shown.created_at
