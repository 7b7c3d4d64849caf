"""How a vendor's signatures travel through a caller who speaks another dialect, and find their way back.

A caller keeps an answer's opaque fields and ids and sends them again with the next turn. Where such a field belongs to
another vendor than the caller's dialect does, it is sealed: marked with its origin, in characters that every dialect
allows in its signatures and ids. Signatures of tool calls travel in the call's id, which every caller gives back. On
the next turn the seal is opened: its origin gets it back as it was; for all others it is left out.
"""

from __future__ import annotations

import base64
import binascii
import re

from isthmus.core.chat.part import Opaque

MARK = "isthmus-sealed"
_MARK_BYTES = MARK.encode()
_SEAL = re.compile(MARK + r"_([a-z]+)_([A-Za-z0-9_-]*)\Z")
_SEALED_ID = re.compile(r"(.*?)__" + MARK + r"_([a-z]+)_([A-Za-z0-9_-]*)\Z", re.DOTALL)
_SEALED_ID_BYTES = re.compile(rb"__" + _MARK_BYTES + rb"_[a-z]+_[A-Za-z0-9_-]*")


def seal(opaque: Opaque, own: str) -> str:
    """The text that a caller is given whose dialect's vendor is `own`: the bare data where that made it."""
    if opaque.origin == own:
        return opaque.data
    return f"{MARK}_{opaque.origin}_{_encoded(opaque.data)}"


def unseal(text: str, own: str) -> Opaque:
    """The reverse: text without a seal is of `own`'s making."""
    found = _SEAL.match(text)
    data = None if found is None else _decoded(found[2])
    if found is None or data is None:
        return Opaque(origin=own, data=text)
    return Opaque(origin=found[1], data=data)


def seal_id(id_: str, signature: Opaque | None) -> str:
    """A tool call's id that carries the call's signature."""
    if signature is None:
        return id_
    return f"{id_}__{MARK}_{signature.origin}_{_encoded(signature.data)}"


def unseal_id(id_: str) -> tuple[str, Opaque | None]:
    found = _SEALED_ID.match(id_)
    if found is None:
        return id_, None
    data = _decoded(found[3])
    return found[1], None if data is None else Opaque(origin=found[2], data=data)


def is_marked(body: bytes) -> bool:
    """Whether a request holds anything sealed. 1 µs for 20 kB: relays ask it of every body."""
    return _MARK_BYTES in body


def without_sealed_ids(body: bytes) -> bytes:
    """The same bytes with every sealed id back in its provider's own form."""
    return _SEALED_ID_BYTES.sub(b"", body)


def _encoded(data: str) -> str:
    return base64.urlsafe_b64encode(data.encode()).rstrip(b"=").decode()


def _decoded(text: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return None
