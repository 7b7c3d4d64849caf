"""What a dialect is: one wire format, read and written, whole and streamed. Pure: bytes in, values out.

Every dialect is a folder beside this file with the same four names in it (`schema`, `request`, `reader`, `writer`)
and an `__init__` that composes them into one value of this protocol. Callers speak dialects, and so do providers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from isthmus.core.chat.event import Event, Summary
from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Written
from isthmus.core.reply import Filter as Filter
from isthmus.core.reply import Reader as Reader
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.body import Body


class Writer(Protocol):
    """Events to a caller's answer. One writer an answer; `write(Failed(...))` gives the dialect's in-band error."""

    def write(self, event: Event) -> bytes: ...

    def close(self) -> bytes:
        """The rest: for a whole answer, all of it."""
        ...


class Relayed(msgspec.Struct, frozen=True, kw_only=True):
    """A request body passed on in its own dialect: byte for byte but for what we must change. `notes` tell what had to
    go since the provider would refuse it: another's signatures, thinking that cannot go on."""

    body: bytes
    filter: Filter | None = None
    notes: tuple[Note, ...] = ()


class Dialect(Protocol):
    """`name` is one of the names of the registry; `keep_alive` the bytes that say nothing on an idle stream. `origin`
    is the vendor whose signatures and ids this dialect carries bare (`core.chat.part.Opaque`). `spellings` gives the
    dialect's own names for neutral ones, where they differ: receipts speak to callers in them."""

    name: str
    keep_alive: bytes
    origin: str
    spellings: Mapping[str, str]

    def read_request(self, body: Body) -> Chat:
        """Raises `InvalidRequest` with a message that names the field and `param` set to its path."""
        ...

    def write_request(self, chat: Chat, model: Model) -> Written:
        """Raises `Unsupported` where a loss would change what the answer means."""
        ...

    def relay_request(self, body: Body, model: str) -> Relayed:
        """`model` is the provider's name for it. What this gateway sealed (`wire.sealed`) is opened or left out."""
        ...

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError:
        """A provider's error answer, classed by status and by its own code, never by searching the text."""
        ...

    def write_error(self, error: GatewayError, request_id: str) -> bytes: ...

    def reader(self, whole: bool) -> Reader: ...

    def writer(self, whole: bool, chat: Chat) -> Writer:
        """`chat` is the request that is being answered."""
        ...

    def summarize(self, answer: bytes, whole: bool) -> Summary:
        """Usage, model and finish reason of a relayed answer, found without decoding all of it. `answer` may have a
        hole in the middle where it was long (cut at event boundaries). Never raises: what is not there is None."""
        ...

    def stream_ended(self, events: bytes) -> bool:
        """Whether `events`, whole ones, hold the one after which a caller has all. Called for every piece of a relayed
        stream: a literal `in` first, an exact look only where that says yes."""
        ...
