"""Who comes in by the gateway host: the platform's tokens wherever SDKs put them, strangers where a gateway says so."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from isthmus.core.account import AI_GATEWAY_RUN, WORKERS_AI_READ, new_secret
from isthmus.core.call import Address, Call
from isthmus.core.gateway import DEFAULT_SETTINGS
from isthmus.core.snapshot import Snapshot
from isthmus.errors import InvalidRequest, Unauthenticated
from isthmus.policies.admit import admit, carries_token, check_credential

ACCOUNT = "a" * 32
OTHER = "b" * 32
OPEN = msgspec.structs.replace(DEFAULT_SETTINGS, authentication=False)
CLOSED = msgspec.structs.replace(DEFAULT_SETTINGS, authentication=True)
SECRET = "a-secret-of-ours"
OURS = {"cf_aig_authorization": "Bearer " + SECRET}


class Store:
    """What it knows now, how often it was asked, and for whom it made a gateway."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.asked = 0
        self.made: list[str] = []

    async def refresh(self) -> Snapshot:
        self.asked += 1
        return self.snapshot

    async def ensure_default(self, account_id: str) -> Snapshot:
        self.made.append(account_id)
        return self.snapshot


def by_gateway_host(made: Any, snapshot: Snapshot, gateway_id: str = "default", **headers: str) -> Call:
    call: Call = made.call(snapshot, **headers)
    call.address = Address(ACCOUNT, call.endpoint, gateway_id=gateway_id, provider="openai")
    return call


def runs(made: Any, **changes: Any) -> Any:
    return made.token(**{"secret": SECRET, "permissions": (AI_GATEWAY_RUN,), **changes})


async def admitted(call: Call, clock: Any, rest: Any, store: Store | None = None) -> Call:
    store = store or Store(call.snapshot)
    await admit(clock, store.refresh, store.ensure_default)(call, rest)
    return call


@pytest.mark.parametrize(
    "shown",
    [
        {"cf_aig_authorization": "Bearer " + SECRET},
        {"cf_aig_authorization": SECRET},
        {"authorization": "Bearer " + SECRET},
        {"x_api_key": SECRET},
        {"x_goog_api_key": SECRET},
        {"api_key": SECRET},
    ],
    ids=str,
)
async def test_a_token_wherever_an_sdk_puts_it(made: Any, clock: Any, rest: Any, shown: dict[str, str]) -> None:
    snapshot = made.snapshot(runs(made), made.gateway(settings=CLOSED))
    call = await admitted(by_gateway_host(made, snapshot, **shown), clock, rest)
    assert call.token is not None and call.gateway is not None and call.own_key is None
    check_credential(call)


BAD: dict[str, dict[str, Any]] = {
    "revoked": {"revoked": True},
    "expired": {"expires_on": 1_799_999_999.0},
    "another account's": {"account_id": OTHER},
    "without Run": {"permissions": (WORKERS_AI_READ,)},
    "bound to other gateways": {"gateways": ("another",)},
}


@pytest.mark.parametrize("name", BAD)
async def test_a_closed_gateway_refuses_all_in_the_same_words(made: Any, clock: Any, rest: Any, name: str) -> None:
    snapshot = made.snapshot(runs(made, **BAD[name]), made.gateway(settings=CLOSED))
    store = Store(snapshot)
    with pytest.raises(Unauthenticated) as caught:
        await admitted(by_gateway_host(made, snapshot, **OURS), clock, rest, store)
    assert (caught.value.status, caught.value.code, caught.value.message) == (401, 2009, "Unauthorized")
    assert store.asked == 1 and rest.calls == []


async def test_our_own_header_has_the_only_word(made: Any, clock: Any, rest: Any) -> None:
    snapshot = made.snapshot(runs(made), made.gateway(settings=CLOSED))
    call = by_gateway_host(made, snapshot, cf_aig_authorization="wrong", authorization="Bearer " + SECRET)
    with pytest.raises(Unauthenticated):
        await admitted(call, clock, rest)


async def test_an_open_gateway_lets_strangers_in_without_asking_the_store(made: Any, clock: Any, rest: Any) -> None:
    snapshot = made.snapshot(runs(made), made.gateway(settings=OPEN))
    store = Store(snapshot)
    call = await admitted(by_gateway_host(made, snapshot, authorization="Bearer sk-own"), clock, rest, store)
    assert call.token is None and call.own_key == "sk-own" and store.asked == 0
    check_credential(call)


async def test_a_stranger_without_a_key_has_nothing_to_call_with(made: Any, clock: Any, rest: Any) -> None:
    snapshot = made.snapshot(made.gateway(settings=OPEN))
    call = await admitted(by_gateway_host(made, snapshot), clock, rest)
    with pytest.raises(InvalidRequest, match="no credential"):
        check_credential(call)


@pytest.mark.parametrize("name", BAD)
async def test_a_token_that_is_not_good_here_is_never_a_providers_key(
    made: Any, clock: Any, rest: Any, name: str
) -> None:
    snapshot = made.snapshot(runs(made, **BAD[name]), made.gateway(settings=OPEN))
    call = await admitted(by_gateway_host(made, snapshot, authorization="Bearer " + SECRET), clock, rest)
    assert call.token is None and call.own_key is None
    for header in (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key"):
        for value in ("Bearer " + SECRET, SECRET):
            assert carries_token(header, value.encode(), snapshot)
        assert not carries_token(header, b"Bearer sk-own", snapshot)


async def test_both_keys(made: Any, clock: Any, rest: Any) -> None:
    snapshot = made.snapshot(runs(made), made.gateway(settings=CLOSED))
    call = by_gateway_host(made, snapshot, cf_aig_authorization="Bearer " + SECRET, authorization="Bearer sk-own")
    await admitted(call, clock, rest)
    assert call.token is not None and call.own_key == "sk-own"


async def test_a_token_made_a_moment_ago(made: Any, clock: Any, rest: Any) -> None:
    newest = made.snapshot(runs(made), made.gateway(settings=CLOSED), version=2)
    call = by_gateway_host(made, made.snapshot(made.gateway(settings=CLOSED)), **OURS)
    assert (await admitted(call, clock, rest, Store(newest))).snapshot is newest


FRESH = new_secret()


@pytest.mark.parametrize(
    "shown",
    [
        {"authorization": "Bearer " + FRESH},
        {"authorization": "Basic " + b64encode(b"user:" + FRESH.encode()).decode()},
        {"x_api_key": FRESH},
        {"x_goog_api_key": FRESH},
        {"api_key": FRESH},
    ],
    ids=list,
)
async def test_at_an_open_gateway_too_it_is_nobodys_own_key(
    made: Any, clock: Any, rest: Any, shown: dict[str, str]
) -> None:
    store = Store(made.snapshot(runs(made, secret=FRESH), made.gateway(settings=OPEN), version=2))
    call = await admitted(
        by_gateway_host(made, made.snapshot(made.gateway(settings=OPEN)), **shown), clock, rest, store
    )
    assert store.asked == 1 and call.snapshot is store.snapshot
    assert call.own_key is None and (call.token is not None) != ("Basic" in str(shown))


async def test_a_key_of_that_form_that_nobody_knows_is_its_callers(made: Any, clock: Any, rest: Any) -> None:
    store = Store(made.snapshot(made.gateway(settings=OPEN)))
    call = by_gateway_host(made, store.snapshot, authorization="Bearer " + FRESH)
    await admitted(call, clock, rest, store)
    assert (store.asked, call.token, call.own_key) == (1, None, FRESH)
    for other in (FRESH[1:], FRESH + "x", "." + FRESH[1:], "AIza" + FRESH):
        await admitted(by_gateway_host(made, store.snapshot, authorization="Bearer " + other), clock, rest, store)
    assert store.asked == 1


async def test_default_comes_to_be_for_those_who_show_a_token(made: Any, clock: Any, rest: Any) -> None:
    token = runs(made)
    store = Store(made.snapshot(token, made.gateway(settings=CLOSED), version=2))
    await admitted(by_gateway_host(made, made.snapshot(token), **OURS), clock, rest, store)
    assert store.made == [ACCOUNT] and len(rest.calls) == 1


@pytest.mark.parametrize(("gateway_id", "headers"), [("default", {}), ("nope", OURS), ("nope", {})])
async def test_no_other_gateway_comes_to_be(
    made: Any, clock: Any, rest: Any, gateway_id: str, headers: dict[str, str]
) -> None:
    store = Store(made.snapshot(runs(made)))
    with pytest.raises(InvalidRequest) as caught:
        await admitted(by_gateway_host(made, store.snapshot, gateway_id, **headers), clock, rest, store)
    assert caught.value.code == 2001 and store.made == []
