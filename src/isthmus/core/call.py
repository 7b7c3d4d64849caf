"""One request being served: the only mutable value on the path. What its row will say gathers here."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from isthmus.core.account import Token
from isthmus.core.attempt import Backoff, Target
from isthmus.core.caching.use import CacheUse
from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.usage import Usage
from isthmus.core.entry import End
from isthmus.core.gateway import Gateway
from isthmus.core.rates.claim import Ticket
from isthmus.core.snapshot import Snapshot
from isthmus.errors import GatewayError

if TYPE_CHECKING:
    from isthmus.core.chat.request import Chat


class ErrorWriter(Protocol):
    """The part of a dialect that says no."""

    @property
    def name(self) -> str: ...

    def write_error(self, error: GatewayError, request_id: str) -> bytes: ...


class Fields(Protocol):
    """A request body as it was sent (`wire.body.Body`)."""

    data: bytes


class Answer:
    """What the caller was given, kept up to a bound: the first `bound` bytes, and the last pieces for what stands at
    the end (usage). Pieces end at event boundaries; the first and the last two are kept whatever their size."""

    __slots__ = ("_bound", "_cut", "_head", "_tail", "_tail_size", "size")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._head: list[bytes] = []
        self._cut = b""  # as much of the piece after `_head` as is within the bound
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.size = 0

    def add(self, piece: bytes) -> None:
        if not self._tail and (self.size + len(piece) <= self._bound or not self._head):
            self._head.append(piece)
        else:
            if not self._tail:
                self._cut = piece[: max(0, self._bound - self.size)]
            self._tail.append(piece)
            self._tail_size += len(piece)
            while self._tail_size > TAIL_BYTES and len(self._tail) > 2:
                self._tail_size -= len(self._tail.popleft())
        self.size += len(piece)

    def head(self) -> bytes:
        """The first bytes, up to the bound."""
        return (b"".join(self._head) + self._cut)[: self._bound]

    def known(self) -> bytes:
        """All that is kept, with a hole in the middle where it was long."""
        return b"".join((*self._head, *self._tail))


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One address that callers call. `handler` names who answers it (`data_plane.pipeline`), `methods` are those it
    takes, none: any. `dialect` None: the body decides (`/ai/run`). `errors` writes our refusals.
    `streams`: whether the answer is streamed where the address says that, None where the body does. `counts`: the
    answer is how many tokens the request has, and no more. `model_type`: what log rows say is called there.
    `enveloped`: whole answers are wrapped as `{"result": …, "success": true, …}`. `key_header`: where the vendor's SDK
    puts its key, which is our token there; `Authorization` wins."""

    request_type: str
    dialect: str | None
    errors: ErrorWriter
    handler: str = "chat"
    model_type: str = "Text Generation"
    methods: tuple[str, ...] = ("POST",)
    enveloped: bool = False
    key_header: bytes | None = None
    streams: bool | None = None
    counts: bool = False


class Address(msgspec.Struct, frozen=True):
    """What a path says. `endpoint` None: there is none of ours, and `otherwise` says so. `account_id` empty: it is the
    token's. `gateway_id`: the one in the path. `model`: the same, and `author`: whose a bare name of a model is.
    `provider` and `rest`: a provider's slug, and what follows it, as it was sent. `parameters`: ids in the path."""

    account_id: str
    endpoint: Endpoint | None
    model: str | None = None
    otherwise: Endpoint | None = None
    gateway_id: str | None = None
    author: str | None = None
    provider: str = ""
    rest: str = ""
    parameters: tuple[str, ...] = ()


NOWHERE = Address("", None)


class Incoming(Protocol):
    """A request's body, read once: all of it, or piece by piece. Both raise `TooLarge`, `TimedOutReading`, or
    `CallerLeft`. `length`: as the caller declared it; None where it is not known, 0 where there is no body."""

    @property
    def length(self) -> int | None: ...

    async def whole(self) -> bytes: ...

    def pieces(self) -> AsyncIterator[bytes]: ...


MetadataValue = str | int | float | bool | None


class CallOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller's `cf-aig-*` headers ask for (data-plane 6.2), malformed ones left out: `notices` tell of those,
    and of what was bent to fit. `metadata_values` is what `metadata`, JSON text, says. `cache_ttl` in seconds, 0: this
    call has nothing to do with the cache. `cache_key` stands in the place of all that the answer depends on."""

    gateway_id: str | None = None
    event_id: str | None = None
    collect_log: bool | None = None
    collect_log_payload: bool = True
    metadata: str | None = None
    metadata_values: Mapping[str, MetadataValue] = {}
    cache_ttl: int | None = None
    cache_key: str | None = None
    skip_cache: bool = False
    notices: tuple[Note, ...] = ()
    request_timeout_seconds: float | None = None
    max_attempts: int | None = None
    retry_delay_seconds: float | None = None
    backoff: Backoff | None = None
    strict_fidelity: bool = False
    resumable: bool = False


class Call:
    """`id` names the request, its log row and (unless the caller sent one) its event. Times from `time`'s clocks."""

    __slots__ = (
        "account_id",
        "address",
        "answer",
        "body",
        "cache",
        "caller_left",
        "chat",
        "content_type",
        "dialect",
        "end",
        "endpoint",
        "error",
        "event_id",
        "failures",
        "fingerprint",
        "finish_reason",
        "first_byte_at",
        "gateway",
        "headers",
        "held",
        "hung_up",
        "id",
        "in_run",
        "incoming",
        "keeps_thinking",
        "lines",
        "method",
        "model",
        "model_type",
        "notes",
        "options",
        "own_key",
        "path",
        "query",
        "receipt",
        "request_size",
        "sent",
        "snapshot",
        "started_at",
        "started_monotonic",
        "status",
        "step",
        "stream",
        "target",
        "ticket",
        "token",
        "told",
        "usage",
    )

    def __init__(
        self, id: str, endpoint: Endpoint, account_id: str, path: str, headers: dict[bytes, bytes], snapshot: Snapshot
    ) -> None:
        self.id = id
        self.endpoint = endpoint
        self.account_id = account_id
        self.path = path
        self.headers = headers
        self.snapshot = snapshot
        self.options = NO_OPTIONS
        self.event_id = id
        self.started_at = time.time()
        self.started_monotonic = time.monotonic()
        self.address = NOWHERE
        self.method = "POST"
        self.query = b""
        self.lines: Sequence[tuple[bytes, bytes]] = ()  # the header lines as sent; a provider's own path keeps them all
        self.incoming: Incoming | None = None
        self.own_key: str | None = None  # the caller's key for the provider: the installation's is not used then
        self.token: Token | None = None
        self.gateway: Gateway | None = None
        self.cache: CacheUse | None = None  # None: it has nothing to do with the cache
        self.ticket: Ticket | None = None  # what it holds of the gateway's limits
        self.fingerprint: Callable[[], bytes | None] | None = None  # of a provider's own path
        self.held: Callable[[], bool] | None = None  # whether others wait for what this call does
        self.told: dict[bytes, bytes] = {}  # headers of ours that the answer gets, whatever answer it is
        # the request, known once it has been read
        self.dialect = endpoint.dialect
        self.body: Fields | None = None
        self.sent = b""
        self.request_size = 0
        self.model = ""
        self.model_type = endpoint.model_type
        self.stream = False
        self.chat: Chat | None = None
        self.keeps_thinking = False  # the answer is kept, with the thinking that the caller may not have asked for
        # the answer, as far as it came
        self.target: Target | None = None
        self.step = 0
        self.failures: tuple[str, ...] = ()  # the attempts that failed before the last one
        self.status = 0
        self.content_type: bytes | None = None
        self.first_byte_at: float | None = None
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.notes: tuple[Note, ...] = ()  # the receipt in the caller's own names
        self.receipt: tuple[Note, ...] = ()  # the same in neutral ones
        self.answer: Answer = Answer(0)
        self.end: End | None = None
        self.error: GatewayError | None = None
        self.caller_left = False
        self.hung_up = False  # the connection is no more: has the caller left, too, or is it to come back?
        self.in_run = False  # the answer is made apart from the connection, and whoever makes it says who has left

    @property
    def cached(self) -> bool:
        """Whether the answer was given before, so that no provider was asked for it."""
        return self.cache is not None and self.cache.status != "MISS"

    def hang_up(self) -> bool:
        """The caller's connection is no more. Whether what serves that is to be cancelled."""
        self.hung_up = True
        return self.in_run or self.leave()

    def leave(self) -> bool:
        """The caller has left. Whether the call is to be cancelled: not where others wait for its answer."""
        self.caller_left = True
        return self.held is None or not self.held()

    @property
    def model_names(self) -> tuple[str, ...]:
        """By each of these a token may be let to call the model; known when the target is."""
        assert self.target is not None
        return self.target.name, self.target.author_name, self.model


NO_OPTIONS = CallOptions()
TAIL_BYTES = 64 * 1024
