"""An answer as it is kept: what the provider said, in its own dialect, so that any caller can be given it."""

from __future__ import annotations

from typing import Literal

import msgspec

from isthmus.core.chat.fidelity import Note
from isthmus.core.chat.usage import Usage

FORMAT = 1
"""Raised with every change of `CachedAnswer`: an entry of another format counts as none."""


class CacheScope(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Entries of two scopes never meet."""

    account_id: str
    gateway_id: str


class CachedAnswer(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """`kind` "frames": `data` is a provider's answer in `dialect` (a name of the wire registry), a stream's or a
    `whole` one, `constrained` where its JSON stands for a tool call; "body": bytes for callers who ask in the same
    words, in `dialect`. `models`: by each of these names a
    token may be let to have it. `notes` is the receipt in neutral names. `stored_at` in epoch seconds."""

    format: int
    kind: Literal["frames", "body"]
    dialect: str
    whole: bool
    content_type: bytes
    data: bytes
    stored_at: float
    provider: str
    models: tuple[str, ...]
    usage: Usage | None = None
    finish_reason: str | None = None
    notes: tuple[Note, ...] = ()
    constrained: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CachedAnswer).decode


def pack(answer: CachedAnswer) -> bytes:
    return _encode(answer)


def unpack(packed: bytes) -> CachedAnswer | None:
    """None for what another version of this program has kept, and for what is none of it."""
    try:
        answer = _decode(packed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return answer if answer.format == FORMAT else None
