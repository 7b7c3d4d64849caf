"""One request being answered: what it says, what the simulator knows, how it shall be answered. And the values that
pass between the parts: `Rejection` (a rule was broken), `Answer` (what goes out).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

import msgspec

from isthmus.simulator.faults import PLAIN, Fault, read_directive, read_text
from isthmus.simulator.models import Model, Vendor
from isthmus.simulator.recorded import RecordedRequest
from isthmus.simulator.seeds import Seed
from isthmus.simulator.shape import ShapeError

EPOCH_SECONDS = 1_780_000_000  # every answer's "created": the same seed gives the same bytes at any hour
DIRECTIVE_HEADER = "x-sim"
MAX_REMEMBERED = 4096

Headers = tuple[tuple[str, str], ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`events` where it is a stream, one whole event of the provider's each; else `body`. `cut_json` is for events of
    which the JSON is not the end: how one is made that holds no JSON."""

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    events: tuple[bytes, ...] | None = None
    cut_json: Callable[[bytes], bytes] | None = None


class Rejection(Exception):
    """The provider says no. `kind` is its name for the sort of error, `code` and `param` are OpenAI's."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = "invalid_request_error", param: str = "", code: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param or None
        self.code = code or None


class Memory:
    """Remembers the last `MAX_REMEMBERED` of what it was told."""

    def __init__(self) -> None:
        self._items: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any, default: Any = None) -> Any:
        return self._items.get(key, default)

    def put(self, key: Any, value: Any) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > MAX_REMEMBERED:
            self._items.popitem(last=False)


class World:
    """What outlives a request: the seed, the models, prompt prefixes seen (for cached tokens), stored responses."""

    def __init__(self, seed: int, models: Mapping[tuple[Vendor, str], Model]) -> None:
        self.seed = Seed(seed)
        self.models = models
        self.prefixes = Memory()
        self.responses = Memory()
        self._bodies = Memory()

    def occurrence(self, digest: bytes) -> int:
        """How many times this body came before: answers repeat their words, never their ids."""
        seen: int = self._bodies.get(digest, 0)
        self._bodies.put(digest, seen + 1)
        return seen


class Exchange:
    """`path_values` is what stands in the path where its route has a `{name}`."""

    def __init__(self, request: RecordedRequest, world: World, scripted: Fault | None) -> None:
        self.request = request
        self.world = world
        self.fault = scripted or PLAIN
        self.path_values: Mapping[str, str] = {}
        self._scripted = scripted is not None
        digest = world.seed.digest(request.method, request.path, request.body)
        self.ids = world.seed.rng(digest, str(world.occurrence(digest)))

    @cached_property
    def raw(self) -> Any:
        """The decoded body. Raises `msgspec.DecodeError` or `UnicodeDecodeError`."""
        return msgspec.json.decode(self.request.body)

    def settle(self, text: str = "", streamed: bool | None = None) -> str:
        """Decides the fault: scripted in process, or by the header, or by a directive in the last user message.
        `streamed` is for those whose path says so; None leaves it to the body's `stream`.

        Returns the message without its directives. Raises `UnknownDirective`.
        """
        text, written = read_text(text)
        header = self.request.header(DIRECTIVE_HEADER)
        if not self._scripted:
            self.fault = read_directive(header) if header is not None else written or PLAIN
        fault = self.fault
        if fault.kind == "out_of_credit" or (fault.status is not None and fault.error_event_after is None):
            raise Scripted
        if fault.error_event_after is not None and not (self._is_streamed() if streamed is None else streamed):
            raise Scripted
        return text

    def _is_streamed(self) -> bool:
        return self.request.method == "POST" and self.raw.get("stream") is True


class Scripted(Exception):
    """The fault asks for the provider's own error instead of an answer."""


class Provider(Protocol):
    """The manners of one vendor, whichever of its dialects is spoken."""

    name: Vendor

    def authenticate(self, request: RecordedRequest) -> None:
        """Raises `Rejection`."""
        ...

    def headers(self, exchange: Exchange) -> Headers:
        """What each of its answers carries, errors too."""
        ...

    def rephrase(self, error: ShapeError) -> Rejection:
        """A broken shape in this vendor's words."""
        ...

    def trouble(self, exchange: Exchange) -> Rejection:
        """The genuine error for the fault's status."""
        ...

    def refuse(self, rejection: Rejection, exchange: Exchange) -> Answer:
        """An error's body and headers."""
        ...

    def list_models(self, exchange: Exchange) -> Answer: ...


Respond = Callable[[Exchange], Answer]


def whole(provider: Provider, exchange: Exchange, body: Any) -> Answer:
    headers = (("content-type", "application/json"), *provider.headers(exchange))
    return Answer(headers=headers, body=msgspec.json.encode(body))


def streamed(provider: Provider, exchange: Exchange, events: list[bytes]) -> Answer:
    headers = (
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
        *provider.headers(exchange),
    )
    return Answer(headers=headers, events=tuple(events))


def sse(data: Any, name: str = "") -> bytes:
    head = b"event: " + name.encode() + b"\n" if name else b""
    return b"%sdata: %s\n\n" % (head, msgspec.json.encode(data))


def spoiled(events: list[bytes], fault: Fault, errors: Callable[[int], list[bytes]]) -> list[bytes]:
    """The events that a fault lets through, and what the provider says in the stream when it breaks off there."""
    after = fault.end_after if fault.error_event_after is None else fault.error_event_after
    if after is None:
        return events
    kept = events[: min(after, len(events) - 1)]
    return kept if fault.error_event_after is None else kept + errors(len(kept))
