"""Signatures and other opaque fields as this dialect carries them: bare where Anthropic made them, else sealed."""

from __future__ import annotations

from isthmus.core.chat.part import Opaque
from isthmus.wire.sealed import seal, unseal

OWN = "anthropic"
# Anthropic wants a signature on every block of thinking and an index in every citation of a page. Where another vendor
# gave none, this seal tells on the next turn that there is nothing in it.
_NOBODY = "none"
NOTHING = seal(Opaque(origin=_NOBODY, data=""), OWN)


def sealed(opaque: Opaque | None) -> str:
    return NOTHING if opaque is None else seal(opaque, OWN)


def unsealed(text: str | None) -> Opaque | None:
    if not text:
        return None
    opaque = unseal(text, OWN)
    return None if opaque.origin == _NOBODY else opaque


def read_signature(text: str | None) -> Opaque | None:
    """Of an answer: Anthropic's own."""
    return Opaque(origin=OWN, data=text) if text else None
