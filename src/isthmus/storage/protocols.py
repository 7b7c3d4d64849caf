"""What the gateway wants of its stores. Few methods, all required; each implementation passes one contract suite.

Stores write what they are given: ids, times and rules are the domain's. Each raises `StorageError` when the store
cannot be reached; callers on the data plane never wait for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from isthmus.core.account import Account, Token
from isthmus.core.caching.answer import CacheScope
from isthmus.core.caching.semantic import Partition
from isthmus.core.custom_provider import CustomProvider
from isthmus.core.entry import LogEntry
from isthmus.core.gateway import Gateway
from isthmus.core.rates.claim import Claim, Taken, Ticket
from isthmus.core.state import Context, Conversation, ItemPage, ItemQuery, Reach, StoredItem, StoredResponse


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


class ContextTooLarge(Exception):
    """What stands before a request is more than may be sent again; the message says of what."""


class ContextLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of what is sent again with a turn: responses that go on from one another, items, bytes of items."""

    turns: int = 1000
    items: int = 10_000
    bytes: int = 64 * 1024 * 1024


class Responses(Protocol):
    """Answered Responses calls, each with its items. `now` decides what has expired: that is not there any more.
    What is beyond a caller's reach is not there either."""

    async def put(self, response: StoredResponse, items: Sequence[StoredItem]) -> int:
        """Replaces the one of that id. A completed or incomplete one's items are added to its conversation, if that is
        still there. How many bytes the account has in store then."""
        ...

    async def get(self, reach: Reach, response_id: str, now: float) -> StoredResponse | None: ...

    async def context(self, reach: Reach, response_id: str, now: float) -> Context | None:
        """Everything said up to the end of this response. None where it, or one before it, is not there. Raises
        `ContextTooLarge`."""
        ...

    async def find_items(self, reach: Reach, item_ids: Sequence[str], now: float) -> dict[str, StoredItem]:
        """Of responses and conversations."""
        ...

    async def remove(self, reach: Reach, response_id: str, now: float) -> bool: ...

    async def end(self, response: StoredResponse, status: str, body: bytes) -> None:
        """Its status and response object alone; what was said stays."""
        ...

    async def running(self, limit: int) -> Sequence[StoredResponse]:
        """Those that were being made when the server stopped."""
        ...


class Conversations(Protocol):
    async def add(self, conversation: Conversation, items: Sequence[StoredItem]) -> int:
        """How many bytes the account has in store then."""
        ...

    async def get(self, reach: Reach, conversation_id: str, now: float) -> Conversation | None: ...

    async def change(self, conversation: Conversation) -> bool:
        """Its metadata. False where it is not there."""
        ...

    async def remove(self, reach: Reach, conversation_id: str, now: float) -> bool: ...

    async def context(self, reach: Reach, conversation_id: str, now: float) -> Context | None:
        """All of its items. Raises `ContextTooLarge`."""
        ...

    async def add_items(self, conversation: Conversation, items: Sequence[StoredItem]) -> int | None:
        """At its end. None where it is not there; else how many bytes the account has in store then."""
        ...

    async def item(self, account_id: str, conversation_id: str, item_id: str) -> StoredItem | None: ...

    async def remove_item(self, account_id: str, conversation_id: str, item_id: str) -> bool: ...


class States(Protocol):
    """What is kept so that a caller can go on from an answer."""

    @property
    def responses(self) -> Responses: ...

    @property
    def conversations(self) -> Conversations: ...

    async def items(self, query: ItemQuery) -> ItemPage | None:
        """None where an item that the query names is not there."""
        ...

    async def used(self, account_id: str) -> int:
        """How many bytes the account has in store."""
        ...

    async def sweep(self, now: float, limit: int) -> int:
        """Removes what has expired, at most so many of each kind; how many it removed."""
        ...


class Purge(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries go: an account's, or those of one gateway of it; of these, where something more is said, those that
    it is true of: of one of the `keys`, with one of the `models` among their own (in any case, with dots or hyphens),
    of the `provider`."""

    account_id: str
    gateway_id: str | None = None
    keys: tuple[bytes, ...] | None = None
    models: tuple[str, ...] | None = None
    provider: str | None = None


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`answer` is opaque here. `models` and `provider` are what it can be purged by. `expires_at` in epoch seconds."""

    answer: bytes
    models: tuple[str, ...]
    provider: str
    expires_at: float


class CacheHoldings(msgspec.Struct, frozen=True, kw_only=True):
    """What has not expired; `bytes` as the store counts them against its bound."""

    entries: int
    bytes: int


class Cache(Protocol):
    """Answers that are kept for a while: what is forgotten is asked for again, so that any of them may go at any time.
    Each operation is one step that nobody comes between."""

    async def get(self, scope: CacheScope, key: bytes, now: float) -> tuple[bytes | None, int]:
        """The answer, None where there is none or it has expired; and the scope's generation."""
        ...

    def put(self, scope: CacheScope, key: bytes, entry: CacheEntry, generation: int) -> None:
        """In the place of what was there. Never waits and never raises. Nothing is kept where something of the scope
        has been purged since `generation`, or where it is larger than all that may be kept."""
        ...

    async def purge(self, purge: Purge) -> int:
        """How many entries went; expired ones may be among them. Raises the generation of every scope that it touches,
        those without entries too, whatever of a scope it names."""
        ...

    async def holdings(self, scope: CacheScope, now: float) -> CacheHoldings: ...


class VectorEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A question that was answered. `vector`: float32, little-endian, of length one. `key`: its answer's in the
    `Cache`. `expires_at` in epoch seconds, as the answer's."""

    vector: bytes
    key: bytes
    text: str
    expires_at: float


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """`score`: the cosine of the two vectors."""

    key: bytes
    text: str
    score: float


class VectorIndex(Protocol):
    """Questions by what they mean, in partitions that never meet. Each leads to an answer in the `Cache` and is of no
    use without it, so that any of them may go at any time. Each operation is one step that nobody comes between."""

    async def nearest(
        self, partition: Partition, vector: bytes, threshold: float, most: int, now: float
    ) -> Sequence[Near]:
        """Those at the threshold or above it, the nearest first."""
        ...

    def add(self, partition: Partition, entry: VectorEntry) -> None:
        """In the place of the one with its key. Never waits and never raises. The oldest go where there are too
        many."""
        ...

    def remove(self, partition: Partition, key: bytes) -> None: ...

    async def count(self, scope: CacheScope, now: float) -> int: ...


class Counters(Protocol):
    """What has been used of limits. Each operation is one step that nobody comes between. `now` is a clock's that does
    not step; where it goes back nevertheless, time stands still here until it has caught up.

    Fixed windows begin at multiples of their length since the epoch. A sliding one counts what was admitted in
    (now - window, now]. What was refused is never counted.
    """

    async def take(self, ticket_id: str, claims: Sequence[Claim], now: float) -> Taken:
        """Takes all of the claims' amounts, or, where one of the limits has no room for its own, none of them. Their
        keys differ from one another, and from those that the ticket of this id holds already."""
        ...

    def settle(self, ticket: Ticket, tokens: int | None, now: float) -> None:
        """What the ticket's claims are for has ended: their leases are given back, and what they took in tokens
        becomes what was used (None: not known, and stays), in the window in which it was taken. Never waits and never
        raises; a second time does nothing."""
        ...

    async def renew(self, tickets: Sequence[Ticket], now: float) -> None:
        """Leases that have neither run out nor been given back go on for LEASE_SECONDS from now; those of a process
        that renews none run out."""
        ...
