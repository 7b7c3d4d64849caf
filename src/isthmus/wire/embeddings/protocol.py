"""What an embeddings dialect is. Callers speak two, OpenAI's and Cloudflare's native one; each vendor its own. Pure:
bytes in, values out. An answer is whole: nothing of it is streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.model import Model
from isthmus.core.embeddings.embed import Embed, Embedded
from isthmus.errors import GatewayError, UpstreamError
from isthmus.wire.body import Body


class WrittenEmbed(msgspec.Struct, frozen=True, kw_only=True):
    """A request body in a provider's dialect, and what became of the fields that the provider lacks."""

    body: bytes
    notes: tuple[Note, ...] = ()


class CallersEmbeddings(Protocol):
    """A dialect that callers speak. `spellings` gives its own names for neutral ones, where they differ."""

    name: str
    spellings: Mapping[str, str]

    def read_request(self, body: Body) -> Embed:
        """Raises `InvalidRequest` with a message that names the field and `param` set to its path."""
        ...

    def write_answer(self, embedded: Embedded, embed: Embed, model: str) -> bytes:
        """`embed` is the request that is answered, `model` the name that the answer bears."""
        ...

    def write_error(self, error: GatewayError, request_id: str) -> bytes: ...


class ProvidersEmbeddings(Protocol):
    """A dialect that providers speak. A request in a dialect of the same `name` is relayed, by those that `relays`."""

    name: str
    relays: bool

    def batch(self, model: Model) -> int:
        """How many inputs one request may have."""
        ...

    def write_request(self, embed: Embed, model: Model) -> WrittenEmbed:
        """Raises `Unsupported` where the provider cannot do what was asked."""
        ...

    def relay_request(self, body: Body, embed: Embed, model: Model, *, whole: bool) -> WrittenEmbed:
        """The caller's own body, changed only where it must be. `whole` False: `embed` is a part of it. Raises
        `Unsupported`."""
        ...

    def read_answer(self, data: bytes) -> Embedded:
        """Raises `Malformed`, or the error that the answer is."""
        ...

    def relay_answer(self, data: bytes, embed: Embed) -> bytes:
        """A sound answer to a relayed request, as the caller is given it."""
        ...

    def read_error(self, status: int, body: bytes, retry_after: float | None) -> UpstreamError: ...
