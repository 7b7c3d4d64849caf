"""Custom providers through the API, where the vendor's own client has a method by it, with strict checks."""

from __future__ import annotations

import asyncio
import base64
import uuid
from typing import Any

import cloudflare
import pytest

from isthmus.control_plane import custom_providers

PATH = "/ai-gateway/custom-providers"
NEAR: dict[str, Any] = {"name": "Near", "slug": "near", "base_url": "https://near.example/v1"}
EVERYTHING: dict[str, Any] = {
    "name": "Far & Wide",
    "slug": "far-1",
    "base_url": "https://far.example:8443/api",
    "description": "far away",
    "link": "https://far.example/about",
    "curl_example": "curl https://far.example",
    "js_example": "fetch('https://far.example')",
    "enable": True,
    "beta": True,
    "headers": '{"X-Team": "blue"}',
    "position": 3,
}


async def create(stand: Any, **given: Any) -> Any:
    answer = await stand.call("POST", PATH, json={**NEAR, **given})
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


async def test_the_whole_life_of_one(stand: Any) -> None:
    calls = stand.gateways.custom_providers
    account_id = stand.account_id
    made = await calls.create(account_id=account_id, **EVERYTHING)
    assert {name: getattr(made, name) for name in EVERYTHING} == EVERYTHING
    assert uuid.UUID(made.id).version == 4
    assert made.created_at == made.modified_at
    assert made.to_dict()["account_id"] == made.to_dict()["account_tag"] == account_id
    assert b"<svg" in base64.b64decode(made.logo)
    got = await calls.get(made.id, account_id=account_id)
    (listed,) = [each async for each in calls.list(account_id=account_id)]
    removed = await calls.delete(made.id, account_id=account_id)
    assert got.to_dict() == listed.to_dict() == removed.to_dict() == made.to_dict()
    with pytest.raises(cloudflare.NotFoundError) as raised:
        await calls.get(made.id, account_id=account_id)
    assert raised.value.errors[0].code == 1004


async def test_what_was_never_set(stand: Any) -> None:
    shown = await create(stand)
    assert (shown["enable"], shown["beta"]) == (False, False)
    nulls = ("description", "link", "curl_example", "js_example")
    assert [shown[name] for name in nulls] == [None] * 4
    assert set(shown) == {
        *NEAR,
        *nulls,
        *("id", "account_id", "account_tag", "enable", "beta", "logo", "created_at", "modified_at"),
    }
    made = await stand.gateways.custom_providers.get(shown["id"], account_id=stand.account_id)
    assert made.headers is None and made.position is None


async def test_a_change_keeps_what_it_does_not_name(stand: Any) -> None:
    made = await create(stand, **EVERYTHING)
    path = f"{PATH}/{made['id']}"
    body = {"enable": False, "beta": None, "description": None, "headers": None, "name": "Mine"}
    shown = (await stand.call("PATCH", path, json=body)).json()["result"]
    assert (shown["enable"], shown["beta"], shown["description"], shown["name"]) == (False, False, None, "Mine")
    assert "headers" not in shown
    assert shown["modified_at"] > made["modified_at"]
    assert {name: shown[name] for name in ("id", "slug", "base_url", "position", "created_at")} == {
        name: made[name] for name in ("id", "slug", "base_url", "position", "created_at")
    }
    assert (await stand.call("GET", path)).json()["result"] == shown
    assert (await stand.call("PATCH", path, json={})).status_code == 200


async def test_a_change_holds_before_its_answer_is_sent(stand: Any) -> None:
    made = await create(stand)
    (stored,) = stand.publisher.current.custom_providers
    assert (stored.id, stored.enable) == (made["id"], False)
    await stand.call("PATCH", f"{PATH}/{made['id']}", json={"enable": True})
    (stored,) = stand.publisher.current.custom_providers
    assert stored.enable is True
    await stand.call("DELETE", f"{PATH}/{made['id']}")
    assert stand.publisher.current.custom_providers == ()


async def test_changes_at_the_same_time_all_hold(stand: Any) -> None:
    made = await create(stand)
    path = f"{PATH}/{made['id']}"
    changes: list[dict[str, Any]] = [{"enable": True}, {"beta": True}, {"name": "n"}, {"position": 1}]
    await asyncio.gather(*(stand.call("PATCH", path, json=change) for change in changes))
    shown = (await stand.call("GET", path)).json()["result"]
    assert (shown["enable"], shown["beta"], shown["name"], shown["position"]) == (True, True, "n", 1)


async def test_a_slug_that_is_taken(stand: Any) -> None:
    made = await create(stand)
    other = await create(stand, slug="other")
    taken = {"code": 1003, "message": "A custom provider with the slug 'near' already exists", "path": ["body", "slug"]}
    for method, path, body in (
        ("POST", PATH, NEAR),
        ("POST", PATH, NEAR | {"slug": "NEAR"}),
        ("PATCH", f"{PATH}/{other['id']}", {"slug": "Near"}),
    ):
        answer = await stand.call(method, path, json=body)
        assert (answer.status_code, answer.json()["errors"]) == (409, [taken])
        assert answer.headers["x-should-retry"] == "false"
    assert (await stand.call("PATCH", f"{PATH}/{made['id']}", json={"slug": "near"})).status_code == 200, "its own"
    with pytest.raises(cloudflare.ConflictError):
        await stand.gateways.custom_providers.create(account_id=stand.account_id, **NEAR)


async def test_creating_the_same_at_the_same_time(stand: Any) -> None:
    calls = [stand.call("POST", PATH, json=NEAR) for _ in range(5)]
    assert sorted(each.status_code for each in await asyncio.gather(*calls)) == [200, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("base_url", "message"),
    [
        ("http://near.example/", "Must begin with https:// and name a host"),
        ("near.example", "Must begin with https:// and name a host"),
        ("https://", "Must begin with https:// and name a host"),
        ("https:///v1", "Must begin with https:// and name a host"),
        ("ftp://near.example", "Must begin with https:// and name a host"),
        ("https://u:p@near.example/", "Must have no query, fragment or user name"),
        ("https://@near.example/", "Must have no query, fragment or user name"),
        ("https://near.example/?a=b", "Must have no query, fragment or user name"),
        ("https://near.example/?", "Must have no query, fragment or user name"),
        ("https://near.example/#x", "Must have no query, fragment or user name"),
        ("https://near.example/a b", "Invalid url"),
        ("https://near.example/a\nb", "Invalid url"),
        ("https://näh.example/", "Invalid url"),
        ("https://near.example:x/", "Invalid url"),
        ("https://near.example:99999/", "Invalid url"),
        ("https://[::1", "Invalid url"),
        ("https://127.0.0.1/", "Must not be a private address"),
        ("https://10.1.2.3/", "Must not be a private address"),
        ("https://169.254.169.254/latest", "Must not be a private address"),
        ("https://[::1]/", "Must not be a private address"),
        ("https://[::ffff:10.0.0.1]/", "Must not be a private address"),
        ("https://localhost/", "Must not be a private address"),
        ("https://a.localhost/", "Must not be a private address"),
        (["x"], "Expected string, received array"),
    ],
)
async def test_an_address_that_cannot_be(stand: Any, base_url: Any, message: str) -> None:
    made = await create(stand)
    expected = [{"code": 1002, "message": message, "path": ["body", "base_url"]}]
    answer = await stand.call("POST", PATH, json={**NEAR, "slug": "other", "base_url": base_url})
    assert (answer.status_code, answer.json()["errors"]) == (400, expected)
    answer = await stand.call("PATCH", f"{PATH}/{made['id']}", json={"base_url": base_url})
    assert (answer.status_code, answer.json()["errors"]) == (400, expected)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ("not json", "Must be a JSON object as text, names to values, all strings"),
        ("[]", "Must be a JSON object as text, names to values, all strings"),
        ('{"a": 1}', "Must be a JSON object as text, names to values, all strings"),
        ("[" * 5000, "Must be a JSON object as text, names to values, all strings"),
        ('{"a b": "c"}', "'a b' is no name of a header"),
        ('{"": "c"}', "'' is no name of a header"),
        ('{"a": "b\\r\\nc: d"}', "The value of a must be visible ASCII"),
        ('{"a": "é"}', "The value of a must be visible ASCII"),
        ('{"a": " b"}', "The value of a must be visible ASCII"),
        ('{"Host": "x"}', "Host is set by the gateway itself"),
        ('{"Content-Length": "7"}', "Content-Length is set by the gateway itself"),
        ("x" * 8193, "String must contain at most 8192 character(s)"),
    ],
)
async def test_headers_that_cannot_be(stand: Any, headers: str, message: str) -> None:
    answer = await stand.call("POST", PATH, json={**NEAR, "headers": headers})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"code": 7001, "message": message, "path": ["body", "headers"]}]


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "api_key", "Cookie", "x-auth", "X-Secret", "my-token"])
async def test_headers_hold_no_credential_yet(stand: Any, name: str) -> None:
    answer = await stand.call("POST", PATH, json={**NEAR, "headers": f'{{"{name}": "very-hidden"}}'})
    (error,) = answer.json()["errors"]
    assert answer.status_code == 400 and error["path"] == ["body", "headers"]
    assert error["message"].startswith(f"{name} would hold a credential") and "very-hidden" not in answer.text


@pytest.mark.parametrize(
    ("change", "path", "message"),
    [
        ({"slug": "a b"}, "slug", "Invalid: must match ^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$"),
        ({"slug": "a\n"}, "slug", "Invalid: must match ^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$"),
        ({"slug": ""}, "slug", "String must contain at least 1 character(s)"),
        ({"slug": "x" * 65}, "slug", "String must contain at most 64 character(s)"),
        ({"slug": None}, "slug", "Expected string, received null"),
        ({"name": 7}, "name", "Expected string, received number"),
        ({"name": ""}, "name", "String must contain at least 1 character(s)"),
        ({"enable": "true"}, "enable", "Expected boolean, received string"),
        ({"position": 1.5}, "position", "Expected integer, received float"),
        ({"position": 2**60}, "position", f"Number must be less than or equal to {2**53 - 1}"),
        ({"link": {}}, "link", "Expected string, received object"),
    ],
)
async def test_a_field_that_does_not_fit(stand: Any, change: dict[str, Any], path: str, message: str) -> None:
    answer = await stand.call("POST", PATH, json={**NEAR, **change})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [{"code": 7001, "message": message, "path": ["body", path]}]


async def test_every_problem_is_told_at_once(stand: Any) -> None:
    answer = await stand.call("POST", PATH, json={"base_url": "http://x", "headers": "{", "enable": 1})
    told = {each["path"][1]: (each["code"], each["message"]) for each in answer.json()["errors"]}
    assert told == {
        "name": (7001, "Required"),
        "slug": (7001, "Required"),
        "base_url": (7001, "Must begin with https:// and name a host"),
        "headers": (7001, "Must be a JSON object as text, names to values, all strings"),
        "enable": (7001, "Expected boolean, received number"),
    }
    answer = await stand.call("POST", PATH, json={"name": "n", "slug": "s"})
    assert answer.json()["errors"] == [{"code": 7001, "message": "Required", "path": ["body", "base_url"]}]


async def test_a_key_that_is_no_field_is_said(stand: Any) -> None:
    body = {**NEAR, "colour": "red", "id": "x", "logo": "y"}
    answer = (await stand.call("POST", PATH, json=body)).json()
    assert answer["messages"] == [
        {"code": 7101, "message": "colour is not a field of a custom provider and was ignored"}
    ]
    assert answer["result"]["id"] != "x"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_object(stand: Any, body: bytes) -> None:
    answer = await stand.call("POST", PATH, content=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, 7001)


async def test_lists(stand: Any) -> None:
    made = [
        await create(stand, name=name, slug=slug, enable=enable, beta=beta)
        for name, slug, enable, beta in (
            ("beta", "one", True, False),
            ("Alpha", "two", False, True),
            ("gamma", "three-x", True, True),
        )
    ]

    async def listed(query: str) -> list[str]:
        return [each["name"] for each in (await stand.call("GET", f"{PATH}?{query}")).json()["result"]]

    assert await listed("") == ["Alpha", "beta", "gamma"]
    assert await listed("order_by=name%20DESC") == ["gamma", "beta", "Alpha"]
    assert await listed("order_by=slug") == ["beta", "gamma", "Alpha"]
    assert await listed("order_by=created_at%20asc") == ["beta", "Alpha", "gamma"]
    assert await listed("enable=true") == ["beta", "gamma"]
    assert await listed("enable=false&beta=true") == ["Alpha"]
    assert await listed("search=THREE") == ["gamma"]
    assert await listed("search=alph") == ["Alpha"]
    assert await listed(f"search={made[0]['id']}") == ["beta"]
    assert await listed("search=nothing&unknown=1") == []
    assert await listed("page=9") == []
    answer = (await stand.call("GET", f"{PATH}?page=2&per_page=2")).json()
    assert [each["name"] for each in answer["result"]] == ["gamma"]
    assert answer["result_info"] == {"count": 1, "page": 2, "per_page": 2, "total_count": 3, "total_pages": 2}
    names = [each.name async for each in stand.gateways.custom_providers.list(account_id=stand.account_id, per_page=1)]
    assert names == ["Alpha", "beta", "gamma"]


@pytest.mark.parametrize(
    "query", ["page=0", "per_page=101", "enable=yes", "beta=1", "order_by=secret", "order_by=name%20sideways"]
)
async def test_a_list_query_that_cannot_be(stand: Any, query: str) -> None:
    answer = await stand.call("GET", f"{PATH}?{query}")
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["code"], error["path"]) == (400, 7001, ["query", query.split("=")[0]])


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("id", ["absent", "costs", "%2F", "0" * 3000])
async def test_a_missing_one(stand: Any, method: str, id: str) -> None:
    answer = await stand.call(method, f"{PATH}/{id}", json={"base_url": "wrong"})
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] in (1004, 7003)


async def test_another_accounts_are_not_there(stand: Any) -> None:
    made = await create(stand)
    await stand.storage.configs.custom_providers.remove(stand.account_id, made["id"])
    other = "fedcba9876543210fedcba9876543210"
    headers = {"authorization": "Bearer other"}
    answer = await stand.http.post(f"/accounts/{other}{PATH}", json=NEAR, headers=headers)
    theirs = answer.json()["result"]
    assert answer.status_code == 200
    for method in ("GET", "PATCH", "DELETE"):
        assert (await stand.call(method, f"{PATH}/{theirs['id']}", json={})).status_code == 404
    assert (await stand.call("GET", PATH)).json()["result"] == []
    assert (await stand.call("POST", PATH, json=NEAR)).status_code == 200, "slugs are an account's own"


async def test_who_may(stand: Any) -> None:
    made = await create(stand)
    path = f"{PATH}/{made['id']}"
    for secret, may_read in (("reader", True), ("bound", True), ("runner", False), ("nobody", False)):
        assert ((await stand.call("GET", path, secret)).status_code == 200) is may_read
        for method, place in (("POST", PATH), ("PATCH", path), ("DELETE", path)):
            answer = await stand.call(method, place, secret, json=NEAR | {"slug": "x"})
            assert answer.status_code == (403 if secret == "bound" else 401)
    assert (await stand.call("GET", path)).status_code == 200


async def test_an_account_has_so_many(stand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_providers, "MAX_CUSTOM_PROVIDERS", 2)
    for number in range(2):
        await create(stand, slug=f"slug-{number}")
    answer = await stand.call("POST", PATH, json=NEAR)
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
        400,
        "An account can have 2 custom providers",
    )


async def test_what_another_process_did_meanwhile(stand: Any) -> None:
    made = await create(stand)
    await stand.storage.configs.custom_providers.remove(stand.account_id, made["id"])
    answer = await stand.call("DELETE", f"{PATH}/{made['id']}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, 1004)
