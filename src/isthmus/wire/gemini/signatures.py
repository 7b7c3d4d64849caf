"""Thought signatures: Google's own are bytes in base64, and are carried as they stand. Another vendor's are sealed
(`wire.sealed`), and the seal's text travels as such bytes. Opened again here, in translated and in relayed requests."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from isthmus.core.chat.part import Opaque
from isthmus.errors import InvalidRequest
from isthmus.wire.body import Body
from isthmus.wire.sealed import MARK, seal, unseal

OWN = "google"

# What Google tells callers to send for calls that Gemini did not make (a history of another model's): Gemini 3 refuses
# the calls of the current turn without a signature. https://ai.google.dev/gemini-api/docs/thought-signatures
NOT_SIGNED = "skip_thought_signature_validator"
_ALSO_NOT_SIGNED = "context_engineering_is_the_way_to_go"

_START = f"{MARK}_"
_MARKED = base64.b64encode(_START.encode())  # 15 bytes: 20 characters, alike whatever follows
_THOUGHT = "."  # no seal holds one: behind it is the thinking itself, where the caller was not shown it
_REDACTED = "!"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is the thinking that the signature is of, where it was kept in it."""

    opaque: Opaque
    text: str = ""
    redacted: bool = False


def written(signature: Signature) -> str:
    """The field's text for a caller."""
    if signature.opaque.origin == OWN:
        return signature.opaque.data
    sealed = seal(signature.opaque, OWN)
    if signature.redacted:
        sealed += _REDACTED
    elif signature.text:
        sealed += _THOUGHT + base64.urlsafe_b64encode(signature.text.encode("utf-8", "surrogatepass")).decode()
    return base64.b64encode(sealed.encode()).decode()


def read(text: str | None) -> Signature | None:
    """What a caller sent, None where it says that there is no signature."""
    plain = (text or "").replace("+", "-").replace("/", "_")
    if not plain:
        return None
    decoded = _decoded(plain)
    if any(word in (plain, decoded) for word in (NOT_SIGNED, _ALSO_NOT_SIGNED)):
        return None
    if decoded is None or not decoded.startswith(_START):
        return Signature(opaque=Opaque(origin=OWN, data=text or ""))
    sealed, _, thought = decoded.partition(_THOUGHT)
    return Signature(
        opaque=unseal(sealed.removesuffix(_REDACTED), OWN),
        text=_decoded(thought) or "",
        redacted=sealed.endswith(_REDACTED),
    )


def opened(body: Body) -> dict[str, bytes | None]:
    """The changes that leave other vendors' signatures, and the thinking that they sign, out of a body for Google."""
    if _MARKED not in body.data:
        return {}
    contents = body.value("contents")
    if not isinstance(contents, list):
        return {}
    kept = [content for given in contents if (content := _opened_content(given)) is not None]
    try:
        return {"contents": msgspec.json.encode(kept)}
    except RecursionError:
        raise InvalidRequest("`contents` is nested too deeply.", param="contents") from None


def _opened_content(content: Any) -> Any:
    if not isinstance(content, dict) or not isinstance(content.get("parts"), list):
        return content
    parts = [part for given in content["parts"] if (part := _opened_part(given)) is not None]
    return content | {"parts": parts} if parts else None


def _opened_part(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    for name in ("thoughtSignature", "thought_signature"):
        signed = read(part[name]) if isinstance(part.get(name), str) else None
        if signed is None or signed.opaque.origin == OWN:
            continue
        if part.get("thought") is True:
            return None
        part = {key: value for key, value in part.items() if key != name}
    return part


def _decoded(text: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        return None
