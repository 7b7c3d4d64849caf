"""The control plane as it is served: real storage, a listening server, and the vendor's own client, strict."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from cloudflare import AsyncCloudflare

from isthmus.clock import SystemClock
from isthmus.control_plane.publish import DeclaredGateways, Publisher
from isthmus.control_plane.routes import ControlPlaneOptions, control_plane
from isthmus.core.account import AI_GATEWAY_READ, AI_GATEWAY_WRITE, Account, Token, digest
from isthmus.core.entry import LogEntry
from isthmus.core.gateway import DEFAULT_SETTINGS
from isthmus.errors import Unauthenticated
from isthmus.storage.open import Storage, open_storage
from isthmus.storage.protocols import Configuration

ACCOUNT_ID = "0123456789abcdef0123456789abcdef"
OTHER_ACCOUNT_ID = "fedcba9876543210fedcba9876543210"
DECLARED = DeclaredGateways(
    settings={"declared": msgspec.structs.replace(DEFAULT_SETTINGS, cache_ttl=60)}, declared_at=1_700_000_000.0
)


def token(secret: str, account_id: str = ACCOUNT_ID, **given: Any) -> Token:
    values = {"permissions": (AI_GATEWAY_READ, AI_GATEWAY_WRITE), "name": secret, "created_at": 1.0, **given}
    return Token(id=digest(secret)[:32], account_id=account_id, digest=digest(secret), **values)


class Stand:
    """`origin` is where it listens, `cloudflare` the official client with every permission on `account_id`."""

    account_id = ACCOUNT_ID

    def __init__(self, storage: Storage, publisher: Publisher[Configuration], origin: str) -> None:
        self.storage = storage
        self.publisher = publisher
        self.authenticate = authenticating(publisher)
        self.origin = origin
        self.http = httpx.AsyncClient(base_url=f"{origin}/client/v4", verify=False)  # reading authorities takes 0.1 s
        self.cloudflare = AsyncCloudflare(
            base_url=f"{origin}/client/v4",
            api_token="writer",
            max_retries=0,
            http_client=self.http,
            _strict_response_validation=True,
        )

    @property
    def gateways(self) -> Any:
        return self.cloudflare.ai_gateway

    async def call(self, method: str, path: str, secret: str = "writer", **more: Any) -> httpx.Response:
        """`path` is below the account."""
        headers = {"authorization": f"Bearer {secret}", **more.pop("headers", {})}
        return await self.http.request(method, f"/accounts/{ACCOUNT_ID}{path}", headers=headers, **more)

    async def aclose(self) -> None:
        await self.http.aclose()


def authenticating(publisher: Publisher[Configuration]) -> Callable[..., Token]:
    def authenticate(headers: Mapping[str, str], account_id: str | None, permissions: frozenset[str]) -> Token:
        secret = headers.get("Authorization", "").removeprefix("Bearer ")
        for each in publisher.current.tokens:
            mine = account_id is None or each.account_id == account_id
            if each.digest == digest(secret) and mine and permissions & set(each.permissions) and not each.revoked:
                return each
        raise Unauthenticated("Authentication error")

    return authenticate


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    opened = await open_storage(tmp_path, f"sqlite:///{tmp_path}/isthmus.db")
    await opened.configs.add_account(Account(id=ACCOUNT_ID, name="Mine", created_at=1_700_000_000.25))
    await opened.configs.add_account(Account(id=OTHER_ACCOUNT_ID, name="Other", created_at=2.0))
    await opened.configs.add_token(token("writer"))
    yield opened
    await opened.aclose()


@pytest.fixture
async def stand(storage: Storage) -> AsyncIterator[Stand]:
    await storage.configs.add_token(token("reader", permissions=(AI_GATEWAY_READ,)))
    await storage.configs.add_token(token("runner", permissions=("Workers AI Read",), expires_on=2_000_000_000.0))
    await storage.configs.add_token(token("bound", gateways=("mine",)))
    await storage.configs.add_token(token("other", account_id=OTHER_ACCOUNT_ID))
    publisher = Publisher[Configuration](storage.configs, lambda each: each, SystemClock(), DECLARED, 3600.0)
    await publisher.start()
    options = ControlPlaneOptions(max_gateways_per_account=4)
    app = control_plane(publisher, storage.logs, authenticating(publisher), options)
    # asyncio switches Nagle's delay off only where the socket names its protocol
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listener])
    standing = Stand(storage, publisher, f"http://127.0.0.1:{listener.getsockname()[1]}")
    yield standing
    await standing.aclose()
    for each in server.servers:  # no call is left, and `shutdown` would wait 0.1 s for some
        each.close()
        await each.wait_closed()
    await publisher.aclose()


@pytest.fixture
def entry() -> Callable[..., LogEntry]:
    """A log row of the gateway `mine`, whatever of it is given."""

    def make(**given: Any) -> LogEntry:
        values: dict[str, Any] = {
            "id": "row-1",
            "account_id": ACCOUNT_ID,
            "gateway_id": "mine",
            "created_at": 1_700_000_000.123,
            "end": "completed",
            "provider": "openai",
            "model": "gpt-5.5",
            "path": "v1/chat/completions",
            "status_code": 200,
            "success": True,
            "duration_ms": 120,
            "first_byte_ms": 80,
            "event_id": "event-1",
            "request_type": "chat",
            "tokens_in": 10,
            "tokens_out": 5,
        }
        return LogEntry(**(values | given))

    return make
