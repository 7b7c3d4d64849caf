"""Tokens and accounts, as the vendor's own client asks for them."""

from __future__ import annotations

from typing import Any

import cloudflare
import pytest

from isthmus.core.account import digest


async def test_a_token_is_verified(stand: Any) -> None:
    by_user = await stand.cloudflare.user.tokens.verify()
    by_account = await stand.cloudflare.accounts.tokens.verify(account_id=stand.account_id)
    assert by_user.id == by_account.id == digest("writer")[:32]
    assert by_user.status == by_account.status == "active"
    assert by_user.expires_on is None


async def test_a_token_of_any_permission_is_verified_and_says_when_it_ends(stand: Any) -> None:
    answer = await stand.call("GET", "/tokens/verify", "runner")
    assert answer.json()["result"]["expires_on"] == "2033-05-18T03:33:20.000Z"


@pytest.mark.parametrize("path", ["/user/tokens/verify", "/accounts/0123456789abcdef0123456789abcdef/tokens/verify"])
async def test_a_bad_token_has_a_code_of_its_own_there(stand: Any, path: str) -> None:
    answer = await stand.http.get(path, headers={"authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert answer.json()["errors"] == [{"code": 1000, "message": "Invalid API Token"}]


async def test_a_token_sees_its_own_account_alone(stand: Any) -> None:
    accounts = [each async for each in stand.cloudflare.accounts.list(per_page=5)]
    assert [(each.id, each.name, each.type) for each in accounts] == [(stand.account_id, "Mine", "standard")]
    account = await stand.cloudflare.accounts.get(account_id=stand.account_id)
    assert account.created_on.timestamp() == 1_700_000_000.25
    with pytest.raises(cloudflare.AuthenticationError):
        await stand.cloudflare.accounts.get(account_id="fedcba9876543210fedcba9876543210")


@pytest.mark.parametrize(("query", "count"), [("name=min", 1), ("name=zzz", 0), ("direction=desc", 1), ("page=2", 0)])
async def test_the_list_of_accounts(stand: Any, query: str, count: int) -> None:
    answer = await stand.http.get(f"/accounts?{query}", headers={"authorization": "Bearer reader"})
    assert len(answer.json()["result"]) == count


@pytest.mark.parametrize("query", ["direction=up", "per_page=51"])
async def test_a_list_of_accounts_that_cannot_be(stand: Any, query: str) -> None:
    answer = await stand.http.get(f"/accounts?{query}", headers={"authorization": "Bearer reader"})
    assert answer.status_code == 400
