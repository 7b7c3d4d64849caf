"""`reasoning_details`, OpenRouter's list in a message, as the place where signatures of thinking travel for callers of
Chat Completions, which have none. OpenRouter's own items stand there as it made them; another's signature is sealed:

    {"type": "reasoning.text", "text": "…", "signature": "<sealed>", "index": 0}
    {"type": "reasoning.encrypted", "data": "<sealed>", "index": 1}

(https://openrouter.ai/docs/guides/best-practices/reasoning-tokens). All items of OpenRouter's in one message are one
`Opaque`: a JSON list, to be given back whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from isthmus.core.chat.request import Opaque, Reasoning
from isthmus.wire.sealed import seal, unseal

ORIGIN = "openrouter"
_NOBODY = "none"
_TEXT, _SUMMARY, _ENCRYPTED = "reasoning.text", "reasoning.summary", "reasoning.encrypted"


def read_thinking(text: str | None, details: list[dict[str, Any]] | None) -> Iterator[Reasoning]:
    """A message's thinking. `text` (`reasoning_content`) says again what the items say, unless these say nothing."""
    if not details:
        if text:
            yield Reasoning(text=text)
        return
    blocks = list(_blocks(details))
    if text and not any(block.text for block in blocks):
        yield Reasoning(text=text)
    yield from blocks


def _blocks(details: list[dict[str, Any]]) -> Iterator[Reasoning]:
    vendors: list[dict[str, Any]] = []
    for item in details:
        signature = sealed_in(item)
        if signature is not None and signature.origin == _NOBODY:
            continue
        if signature is None and is_bare(item):
            yield Reasoning(text=_text(item))
        elif signature is None:
            vendors.append(item)
        else:
            yield Reasoning(text=_text(item), signature=signature, redacted=item.get("type") == _ENCRYPTED)
    if vendors:
        text = "".join(map(_text, vendors))
        yield Reasoning(text=text, signature=vendors_own(vendors), redacted=not text)


def sealed_in(item: Any) -> Opaque | None:
    """The signature of another vendor than OpenRouter in one item, None where there is none."""
    if not isinstance(item, dict):
        return None
    held = item.get("data") if item.get("type") == _ENCRYPTED else item.get("signature")
    found = unseal(held, ORIGIN) if isinstance(held, str) else None
    return None if found is None or found.origin == ORIGIN else found


def is_bare(item: dict[str, Any]) -> bool:
    """Whether an item is text and nothing that proves or holds it."""
    return item.get("type") == _TEXT and not item.get("signature") and not item.get("format") and not item.get("id")


def vendors_own(items: list[dict[str, Any]]) -> Opaque:
    return Opaque(origin=ORIGIN, data=msgspec.json.encode(items).decode())


def _text(item: dict[str, Any]) -> str:
    said = item.get("summary") if item.get("type") == _SUMMARY else item.get("text")
    return said if isinstance(said, str) else ""


def write_details(blocks: Iterable[Reasoning], first: int = 0) -> list[dict[str, Any]]:
    """The items of some blocks of thinking, the first one's `index` being `first`."""
    items: list[dict[str, Any]] = []
    for block in blocks:
        signature = block.signature
        if signature is not None and signature.origin == ORIGIN:
            items += _given_back(signature.data)
        elif signature is not None and block.redacted:
            items.append({"type": _ENCRYPTED, "data": seal(signature, ORIGIN), "index": first + len(items)})
        else:
            item: dict[str, Any] = {"type": _TEXT, "text": block.text, "index": first + len(items)}
            if signature is not None:
                item["signature"] = seal(signature, ORIGIN)
            items.append(item)
    return items


def unsigned_details() -> list[dict[str, Any]]:
    """Beside thinking that nobody signed, so that a relay knows it for an answer that this gateway wrote: OpenAI and
    others refuse a message that brings `reasoning_content` back."""
    return [{"type": _ENCRYPTED, "data": seal(Opaque(origin=_NOBODY, data=""), ORIGIN), "index": 0}]


def given_back(blocks: Iterable[Reasoning]) -> list[dict[str, Any]]:
    """What OpenRouter made, for OpenRouter."""
    return [
        item
        for block in blocks
        if block.signature is not None and block.signature.origin == ORIGIN
        for item in _given_back(block.signature.data)
    ]


def _given_back(data: str) -> list[dict[str, Any]]:
    """Nothing where it is not what we sealed: it comes back from callers."""
    try:
        items = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return []
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


class Gathered:
    """OpenRouter's items of a streamed answer, whose pieces carry the index of their item, joined to whole ones."""

    __slots__ = ("_items", "has_text")

    def __init__(self) -> None:
        self._items: dict[tuple[int, str], list[dict[str, Any]]] = {}
        self.has_text = False

    def add(self, pieces: Any) -> str:
        """The text in these pieces."""
        texts = []
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict):
                index = piece.get("index")
                place = (index if isinstance(index, int) else len(self._items), str(piece.get("type")))
                self._items.setdefault(place, []).append(piece)
                texts.append(_text(piece))
        text = "".join(texts)
        self.has_text = self.has_text or bool(text)
        return text

    def whole(self) -> Opaque | None:
        """All of it, None where nothing in it proves or holds the thinking."""
        items = list(map(_joined, self._items.values()))
        return vendors_own(items) if any(map(_proves, items)) else None


def _joined(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for piece in pieces:
        item.update((name, value) for name, value in piece.items() if value is not None or name not in item)
    for name in ("text", "summary", "data"):
        if isinstance(item.get(name), str):
            said = [piece.get(name) for piece in pieces]
            item[name] = "".join(text for text in said if isinstance(text, str))
    return item


def _proves(item: dict[str, Any]) -> bool:
    return bool(item.get("signature") or item.get("data") or item.get("id"))
