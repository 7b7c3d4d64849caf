"""Signatures and other opaque fields as this dialect carries them. Only Claude signs on Bedrock, and what it signed
holds at Anthropic as well as at AWS; places in S3 are AWS's own."""

from __future__ import annotations

import binascii

from isthmus.core.chat.part import Opaque
from isthmus.wire.sealed import unseal

OWN = "anthropic"
AWS = "aws"  # of `core.chat.part.Opaque`: the JSON text of a place in S3


def read_signature(text: str | None) -> Opaque | None:
    """Of an answer: its maker's own. Models that do not sign give an empty one."""
    return Opaque(origin=OWN, data=text) if text else None


def unsealed(text: str | None) -> Opaque | None:
    return unseal(text, OWN) if text else None


def is_blob(text: str) -> bool:
    """Whether a text can stand where AWS has bytes: as base64, which the redacted thinking of Claude is."""
    try:
        return bool(binascii.a2b_base64(text, strict_mode=True))
    except (binascii.Error, ValueError):
        return False
