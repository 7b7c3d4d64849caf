"""Images, documents and sounds inside a request: data URLs, and whether the bytes are what they are said to be.

It is looked at where a request is translated: the next provider's own complaint would be in another dialect's terms.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode

from isthmus.errors import InvalidRequest

WEB_URL = re.compile(r"https?://[^\s]+\Z", re.IGNORECASE)
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)((?:;[^;,]+)*?);base64,", re.IGNORECASE)
_SNIFFED_CHARACTERS = 64  # of base64: 48 bytes hold every signature below
_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"%PDF-", 0, "application/pdf"),
)
_ALIKE = {"image/jpg": "image/jpeg"}
_KNOWN = frozenset(kind for _, _, kind in _SIGNATURES)


def data_url(url: str) -> tuple[str, str] | None:
    """(media type in lower case, base64 text) of a data URL in base64; None for any other text."""
    found = _DATA_URL.match(url)
    return None if found is None else (found[1].lower(), url[found.end() :])


def checked_base64(text: str, media_type: str, at: str) -> str:
    """The media type that the bytes have, `media_type` where no signature tells. Raises `InvalidRequest` for what is
    not base64, or is not of the type that it is said to be."""
    try:
        head = b64decode(text[:_SNIFFED_CHARACTERS], validate=True)
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"`{at}` is not base64.", param=at) from None
    if not head:
        raise InvalidRequest(f"`{at}` is empty.", param=at)
    said = _ALIKE.get(media_type, media_type)
    for signature, offset, kind in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            if said.partition("/")[0] != kind.partition("/")[0]:
                raise InvalidRequest(f"`{at}` is said to be {said[:64]}, but its bytes are {kind}.", param=at)
            return kind
    if said in _KNOWN:
        raise InvalidRequest(f"`{at}` is said to be {said}, but its bytes are not.", param=at)
    return said
