"""What the gateway wants of its stores. Few methods, all required; each implementation passes one contract suite.

Stores write what they are given: ids, times and rules are the domain's. Each raises `StorageError` when the store
cannot be reached; callers on the data plane never wait for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from isthmus.core.account import Account, Token
from isthmus.core.custom_provider import CustomProvider
from isthmus.core.entry import LogEntry
from isthmus.core.gateway import Gateway


class StorageError(Exception):
    """The store did not answer, or answered nonsense."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Everything configured, read in one transaction. `version` grows with every change by anybody."""

    version: int
    accounts: tuple[Account, ...]
    tokens: tuple[Token, ...]
    gateways: tuple[Gateway, ...]
    custom_providers: tuple[CustomProvider, ...] = ()


class CustomProviders(Protocol):
    """The providers that accounts declare by the API: a part of what is configured, and of its `version`."""

    async def add(self, provider: CustomProvider) -> bool:
        """False where the account has one of that slug, or there is one of that id; then nothing is changed."""
        ...

    async def put(self, provider: CustomProvider, expected_modified_at: float) -> bool:
        """Replaces the one that was last modified then; False where it is gone, another came first, or another of
        the account's has that slug."""
        ...

    async def remove(self, account_id: str, provider_id: str) -> bool: ...


class Configs(Protocol):
    """Accounts, tokens and gateways. Each write raises `version` in its own transaction."""

    @property
    def custom_providers(self) -> CustomProviders: ...

    async def load(self) -> Configuration: ...

    async def version(self) -> int: ...

    async def add_account(self, account: Account) -> bool:
        """False where the id is taken."""
        ...

    async def add_token(self, token: Token) -> bool: ...

    async def revoke_token(self, token_id: str) -> bool: ...

    async def add_gateway(self, gateway: Gateway) -> bool:
        """False where the account has one of that id; then nothing is changed."""
        ...

    async def put_gateway(self, gateway: Gateway, expected_modified_at: float) -> bool:
        """Replaces the one that was last modified then; False where it is gone or another came first."""
        ...

    async def remove_gateway(self, account_id: str, gateway_id: str) -> bool: ...


FilterOperator = Literal["eq", "neq", "contains", "lt", "gt"]
OrderBy = Literal["created_at", "provider", "model", "model_type", "success", "cached"]


class LogFilter(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is one of the API's (control-plane 7.3); any of the values may match. `values` hold the key's own type."""

    key: str
    operator: FilterOperator
    values: tuple[str | int | float | bool | None, ...]


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`page` counts from 1."""

    account_id: str
    gateway_id: str
    filters: tuple[LogFilter, ...] = ()
    search: str | None = None
    order_by: OrderBy = "created_at"
    descending: bool = True
    page: int = 1
    per_page: int = 20
    meta_info: bool = False


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """`entries` come without their bodies. `extremes` (with `meta_info`): min_ and max_ of cost, duration, tokens_in,
    tokens_out, total_tokens over all that matches."""

    entries: Sequence[LogEntry]
    total_count: int
    extremes: dict[str, float] = {}


class Logs(Protocol):
    """Log rows."""

    def append(self, entry: LogEntry) -> None:
        """Never waits and never raises. On return the row outlives the death of this process."""
        ...

    async def list(self, query: LogQuery) -> LogPage:
        """Sees every row appended before the call."""
        ...

    async def get(self, account_id: str, gateway_id: str, entry_id: str) -> LogEntry | None:
        """With its bodies. Sees every row appended before the call."""
        ...

    async def aclose(self) -> None:
        """All rows appended are in the store when it returns."""
        ...
