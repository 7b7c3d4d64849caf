"""A call, an account with tokens and gateways, and a clock that stands where a test puts it."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.core.account import WORKERS_AI_READ, Account, Token, digest
from isthmus.core.call import Address, Call
from isthmus.core.gateway import DEFAULT_SETTINGS, Gateway
from isthmus.core.ids import uuid7
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.routes import POST
from isthmus.providers.models import ModelTable

ACCOUNT = "a" * 32
NOW = 1_800_000_000.0


class StillClock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.time = NOW
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


def a_token(secret: str = "secret", **changes: Any) -> Token:
    fields: dict[str, Any] = {
        "id": "t1",
        "account_id": ACCOUNT,
        "name": "a token",
        "digest": digest(secret),
        "permissions": (WORKERS_AI_READ,),
        "created_at": NOW - 100,
    }
    return Token(**{**fields, **changes})


def a_gateway(gateway_id: str = "default", settings: Any = DEFAULT_SETTINGS, account_id: str = ACCOUNT) -> Gateway:
    return Gateway(id=gateway_id, account_id=account_id, settings=settings, created_at=NOW, modified_at=NOW)


def a_snapshot(*parts: Token | Gateway, version: int = 1) -> Snapshot:
    return Snapshot(
        version=version,
        accounts={ACCOUNT: Account(id=ACCOUNT, name="An account", created_at=NOW)},
        tokens={part.digest: part for part in parts if isinstance(part, Token)},
        gateways={(part.account_id, part.id): part for part in parts if isinstance(part, Gateway)},
        models=ModelTable({}, {}),
    )


class Made:
    """Makes the values that stages are tried with."""

    token = staticmethod(a_token)
    gateway = staticmethod(a_gateway)
    snapshot = staticmethod(a_snapshot)

    def call(
        self,
        snapshot: Snapshot | None = None,
        path: str = "v1/chat/completions",
        account_id: str = ACCOUNT,
        **headers: str,
    ) -> Call:
        """`headers` with underscores for hyphens."""
        named = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
        full_path = f"/client/v4/accounts/{account_id}/ai/{path}"
        call = Call(uuid7(), POST[path], account_id, full_path, named, snapshot or a_snapshot())
        call.address = Address(account_id, POST[path])
        return call


@pytest.fixture
def made() -> Made:
    return Made()


class Next:
    """The rest of the pipeline: notes what reached it, and answers or fails as a test wants."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.reply = Reply(200, content_type=b"application/json", dialect="openai_chat", whole=True, body=b"{}")
        self.error: BaseException | None = None

    async def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return self.reply


@pytest.fixture
def rest() -> Next:
    return Next()
