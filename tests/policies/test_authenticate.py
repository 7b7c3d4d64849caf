"""Who may call, and that nobody learns why he may not."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.core.account import AI_GATEWAY_READ, AI_GATEWAY_RUN, AI_GATEWAY_WRITE, WORKERS_AI_READ
from isthmus.core.snapshot import Snapshot
from isthmus.errors import Forbidden, Unauthenticated
from isthmus.policies.authenticate import SECRET_MAX_BYTES, authenticate, check_model, secret_of

MESSAGES = "v1/messages"
OTHER = "b" * 32


class Newest:
    """What the store knows now, and how often it was asked."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.asked = 0

    async def __call__(self) -> Snapshot:
        self.asked += 1
        return self.snapshot


@pytest.mark.parametrize("permission", [WORKERS_AI_READ, AI_GATEWAY_RUN])
async def test_a_token_of_the_account_with_either_permission(made: Any, clock: Any, rest: Any, permission: str) -> None:
    token = made.token(permissions=(AI_GATEWAY_READ, permission))
    newest = Newest(made.snapshot())
    call = made.call(made.snapshot(token), authorization="Bearer secret")
    assert await authenticate(clock, newest)(call, rest) is rest.reply
    assert rest.calls == [call] and call.token is token
    assert newest.asked == 0, "the store is not asked about a token that is known"


async def test_a_token_made_a_moment_ago(made: Any, clock: Any, rest: Any) -> None:
    old, new = made.snapshot(), made.snapshot(made.token(), version=2)
    newest = Newest(new)
    call = made.call(old, authorization="Bearer secret")
    await authenticate(clock, newest)(call, rest)
    assert newest.asked == 1 and call.snapshot is new and len(rest.calls) == 1


async def test_a_token_revoked_a_moment_ago_is_known_until_the_next_snapshot(made: Any, clock: Any, rest: Any) -> None:
    """A call keeps to the snapshot it began with; revoking publishes another."""
    call = made.call(made.snapshot(made.token()), authorization="Bearer secret")
    await authenticate(clock, Newest(made.snapshot(made.token(revoked=True))))(call, rest)
    assert len(rest.calls) == 1


BAD_TOKENS: dict[str, dict[str, Any]] = {
    "unknown": {"secret": "another"},
    "revoked": {"revoked": True},
    "expired": {"expires_on": 1_799_999_999.0},
    "expires now": {"expires_on": 1_800_000_000.0},
    "another account's": {"account_id": OTHER},
    "without the permission": {"permissions": (AI_GATEWAY_READ, AI_GATEWAY_WRITE)},
    "without any": {"permissions": ()},
}


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_all_that_is_wrong_is_told_in_the_same_words(made: Any, clock: Any, rest: Any, name: str) -> None:
    snapshot = made.snapshot(made.token(**BAD_TOKENS[name]))
    newest = Newest(snapshot)
    call = made.call(snapshot, authorization="Bearer secret")
    with pytest.raises(Unauthenticated) as caught:
        await authenticate(clock, newest)(call, rest)
    error = caught.value
    assert (error.status, error.code, error.message, error.kind, error.param) == (
        401,
        10000,
        "Authentication error",
        None,
        None,
    )
    assert rest.calls == [] and newest.asked == 1


async def test_a_token_expires_while_nothing_else_changes(made: Any, clock: Any, rest: Any) -> None:
    snapshot = made.snapshot(made.token(expires_on=clock.time + 10))
    stage = authenticate(clock, Newest(snapshot))
    await stage(made.call(snapshot, authorization="Bearer secret"), rest)
    clock.time += 9.9
    await stage(made.call(snapshot, authorization="Bearer secret"), rest)
    clock.time += 0.1
    with pytest.raises(Unauthenticated):
        await stage(made.call(snapshot, authorization="Bearer secret"), rest)


SECRETS: list[tuple[dict[bytes, bytes], bytes | None, str]] = [
    ({b"authorization": b"Bearer abc"}, None, "abc"),
    ({b"authorization": b"bearer  abc "}, None, "abc"),
    ({b"authorization": b"BEARER abc"}, b"x-api-key", "abc"),
    ({b"authorization": b"Bearer a b"}, None, "a b"),
    ({b"authorization": b"Basic abc"}, None, ""),
    ({b"authorization": b"abc"}, None, ""),
    ({b"authorization": b"Bearer"}, None, ""),
    ({b"authorization": b""}, None, ""),
    ({b"x-api-key": b"key"}, b"x-api-key", "key"),
    ({b"x-api-key": b"key"}, None, ""),
    ({b"authorization": b"Bearer abc", b"x-api-key": b"key"}, b"x-api-key", "abc"),
    ({b"authorization": b"Basic abc", b"x-api-key": b"key"}, b"x-api-key", ""),
    ({}, b"x-api-key", ""),
    ({b"authorization": b"Bearer \xff\xfe"}, None, "ÿþ"),
]


def test_where_the_secret_is_found() -> None:
    for headers, key_header, secret in SECRETS:
        assert secret_of(headers, key_header) == secret, headers
    assert len(secret_of({b"authorization": b"Bearer " + b"x" * 10_000}, None)) == SECRET_MAX_BYTES


async def test_x_api_key_counts_on_messages_only(made: Any, clock: Any, rest: Any) -> None:
    snapshot = made.snapshot(made.token())
    stage = authenticate(clock, Newest(snapshot))
    await stage(made.call(snapshot, path=MESSAGES, x_api_key="secret"), rest)
    assert len(rest.calls) == 1
    with pytest.raises(Unauthenticated):
        await stage(made.call(snapshot, x_api_key="secret"), rest)


MODELS: list[tuple[tuple[str, ...] | None, str, bool]] = [
    (None, "openai/gpt-4o", True),
    ((), "openai/gpt-4o", False),
    (("openai/gpt-4o",), "openai/gpt-4o", True),
    (("OpenAI/GPT-4o",), "openai/gpt-4o", True),
    (("openai/gpt-4o",), "openai/gpt-4o-mini", False),
    (("openai/*",), "openai/gpt-4o", True),
    (("openai/*",), "openai-like/gpt-4o", False),
    (("openai/gpt-4o*", "@cf/*"), "@cf/meta/llama", True),
    (("*",), "anthropic/claude", True),
    (("openai/*mini",), "openai/gpt-4o-mini", False),  # a star stands at the end only
    (("OpenAI/GPT-4o",), "openai/gpt-4O", True),
]


def test_models_of_a_token(made: Any) -> None:
    check_model(None, "openai/gpt-4o")
    for models, name, allowed in MODELS:
        token = made.token(models=models)
        if allowed:
            check_model(token, name)
            continue
        with pytest.raises(Forbidden) as caught:
            check_model(token, name)
        assert (caught.value.status, caught.value.param) == (403, "model")
