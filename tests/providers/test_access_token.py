"""Tokens are fetched once for all who wait, kept till shortly before they run out, and never quoted."""

from __future__ import annotations

import asyncio

import pytest

from isthmus.errors import Unavailable
from isthmus.providers.cloud.access_token import ANSWER_MAX_BYTES, EARLY_SECONDS, AccessToken, Granted, exchange
from providers.token_endpoint import TokenEndpoint

URL = "https://login.example/token"


class FakeClock:
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


def token_of(endpoint: TokenEndpoint, clock: FakeClock | None = None) -> AccessToken:
    async def fetch() -> Granted:
        return await exchange(endpoint, URL, b"client_secret=very-secret", "some-cloud")

    return AccessToken(fetch, clock or FakeClock())


async def test_it_signs_with_the_token() -> None:
    token = token_of(TokenEndpoint())
    headers = await token.sign("POST", "https://x.example/", ((b"a", b"b"),), b"body")
    assert headers == ((b"a", b"b"), (b"authorization", b"Bearer token-1"))


async def test_one_is_enough_until_shortly_before_its_end() -> None:
    endpoint, clock = TokenEndpoint(), FakeClock()
    token = token_of(endpoint, clock)
    assert await token.get() == "token-1"
    clock.at += 3600 - EARLY_SECONDS - 1
    assert await token.get() == "token-1"
    clock.at += 1
    assert await token.get() == "token-2" and len(endpoint.requests) == 2


async def test_a_short_lived_one_is_used_for_half_of_its_life() -> None:
    endpoint, clock = TokenEndpoint(b'{"access_token":"token-{n}","expires_in":"60"}'), FakeClock()
    token = token_of(endpoint, clock)
    assert await token.get() == "token-1"
    clock.at += 29
    assert await token.get() == "token-1"
    clock.at += 1
    assert await token.get() == "token-2"


async def test_all_who_come_meanwhile_wait_for_the_same_and_may_leave() -> None:
    endpoint = TokenEndpoint()
    endpoint.gate.clear()
    token = token_of(endpoint)
    waiting = [asyncio.create_task(token.get()) for _ in range(10)]
    while not endpoint.requests:
        await asyncio.sleep(0)
    waiting[0].cancel()
    endpoint.gate.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == ["token-1"] * 9
    assert len(endpoint.requests) == 1


async def test_the_request() -> None:
    endpoint = TokenEndpoint()
    await token_of(endpoint).get()
    (sent,) = endpoint.requests
    assert (sent.method, sent.url, sent.body) == ("POST", URL, b"client_secret=very-secret")
    assert sent.headers == ((b"content-type", b"application/x-www-form-urlencoded"),)
    assert sent.allow_private_address is False
    assert endpoint.answers[0].closed


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b'{"error":"invalid_client","error_description":"very-secret"}', "must renew it"),
        (400, b"<html>", "status 400"),
        (503, b"", "answered with status 503"),
        (302, b"", "answered with status 302"),
        (200, b"", "makes no sense"),
        (200, b"<html>very-secret</html>", "makes no sense"),
        (200, b'{"access_token":7,"expires_in":3600}', "makes no sense"),
        (200, b'{"access_token":"very-secret"}', "makes no sense"),
        (200, b"[" * 100_000, "makes no sense"),
        (200, b'{"access_token":"\xff","expires_in":1}', "makes no sense"),
        (200, b'{"access_token":"","expires_in":3600}', "cannot be used"),
        (200, b'{"access_token":"a\\nb","expires_in":3600}', "cannot be used"),
        (200, b'{"access_token":"\xc3\xa9","expires_in":3600}', "cannot be used"),
        (200, b'{"access_token":"a","expires_in":0}', "cannot be used"),
        (200, b'{"access_token":"a","expires_in":-5}', "cannot be used"),
        (200, b'{"access_token":"a","expires_in":1e300}', "cannot be used"),
        (200, b" " * (ANSWER_MAX_BYTES + 1), "too long"),
    ],
)
async def test_an_answer_that_is_no_token(status: int, body: bytes, message: str) -> None:
    endpoint = TokenEndpoint(body)
    endpoint.status = status
    token = token_of(endpoint)
    with pytest.raises(Unavailable) as caught:
        await token.get()
    assert caught.value.status == 503
    assert message in caught.value.message and "some-cloud" in caught.value.message
    assert "very-secret" not in caught.value.message
    assert all(answer.closed for answer in endpoint.answers)


async def test_after_a_failure_the_next_call_tries_again() -> None:
    endpoint = TokenEndpoint()
    endpoint.down = True
    token = token_of(endpoint)
    for _ in range(2):
        with pytest.raises(Unavailable, match="no connection"):
            await token.get()
    endpoint.down = False
    assert await token.get() == "token-3"
