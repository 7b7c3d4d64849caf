"""What only its vendor can read and that travels through us all the same: the proof of thinking, the items of tools
that OpenAI runs itself, and citations. An item is kept whole beside what is read of it: most has no place elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from isthmus.core.chat.request import Citation, HostedToolUse, Opaque, SearchResult
from isthmus.wire.json_text import prefixed_id
from isthmus.wire.sealed import seal, unseal

ORIGIN = "openai"
WEB_SEARCH = "web_search"

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.encode


# Before a sealed signature: the thinking that it belongs to has no text that might be shown.
REDACTED = "redacted."


# --- thinking -------------------------------------------------------------------------------------------------------


class _Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """The form of OpenAI's `Opaque.data`: the item's id and what proves it. Some callers keep no ids."""

    encrypted_content: str
    id: str | None = None


_decode_signature = msgspec.json.Decoder(_Signature).decode


def signature_of(item_id: str | None, encrypted_content: str) -> Opaque:
    data = _encode(_Signature(encrypted_content=encrypted_content, id=item_id)).decode()
    return Opaque(origin=ORIGIN, data=data)


def opened(signature: Opaque) -> tuple[str | None, str] | None:
    """The id and encrypted content of OpenAI's own thinking; None for another vendor's."""
    if signature.origin != ORIGIN:
        return None
    try:
        held = _decode_signature(signature.data)
    except (msgspec.DecodeError, RecursionError):
        return None
    return held.id, held.encrypted_content


def written_signature(signature: Opaque, redacted: bool) -> str:
    """As `encrypted_content` of an item for callers."""
    own = opened(signature)
    if own is not None:
        return own[1]
    return f"{REDACTED if redacted else ''}{seal(signature, ORIGIN)}"


def read_signature(item_id: str | None, encrypted_content: str, text: str) -> tuple[Opaque, bool]:
    """The reverse: the signature, and whether it stands for thinking that has no text."""
    sealed = encrypted_content.removeprefix(REDACTED)
    signature = unseal(sealed, ORIGIN)
    if signature.origin == ORIGIN:
        return signature_of(item_id, encrypted_content), not text
    return signature, sealed != encrypted_content


# --- items ----------------------------------------------------------------------------------------------------------


def read_hosted(raw: bytes) -> HostedToolUse | None:
    """Any item that is no message, call of the caller's tools, or thinking. None for what is no JSON object."""
    item = _object(raw)
    if item is None:
        return None
    kind = str(item.get("type", ""))
    tool = kind.removesuffix("_call")
    action = _dict(item.get("action"))
    sealed = _text(item.get("encrypted_content")) if tool == WEB_SEARCH else None
    return HostedToolUse(
        id=_text(item.get("id")) or _text(item.get("call_id")) or "",
        tool=tool,
        input=_encode({name: value for name, value in action.items() if name != "sources"}).decode(),
        results=_sources(action),
        error="failed" if item.get("status") == "failed" else None,
        opaque=Opaque(origin=ORIGIN, data=raw.decode()) if sealed is None else unseal(sealed, ORIGIN),
    )


def count_searches(uses: Iterable[HostedToolUse]) -> int:
    """OpenAI bills searches; looking into a page that was found is free."""
    return sum(use.tool == WEB_SEARCH and _is_search(use.input) for use in uses)


def _is_search(action: str) -> bool:
    return str(_dict(_object(action.encode())).get("type", "search")) == "search"


def own_item(use: HostedToolUse) -> dict[str, Any] | None:
    """The item as OpenAI gave it; None where another vendor ran the tool."""
    if use.opaque is None or use.opaque.origin != ORIGIN:
        return None
    return _object(use.opaque.data.encode())


def search_item(use: HostedToolUse, item_id: str) -> dict[str, Any]:
    """Another vendor's search as a caller of ours sees it. What that vendor wants back travels sealed in a field that
    OpenAI's item has not; relays take such an item out again."""
    asked = _dict(_object(use.input.encode()))
    query = _text(asked.get("query")) or ""
    sources = [{"type": "url", "url": result.url} for result in use.results]
    item: dict[str, Any] = {
        "id": prefixed_id("ws_", item_id),
        "type": "web_search_call",
        "status": "failed" if use.error else "completed",
        "action": {"type": "search", "query": query, "queries": [query], "sources": sources},
    }
    if use.opaque is not None and use.opaque.origin != ORIGIN:
        item["encrypted_content"] = seal(use.opaque, ORIGIN)
    return item


def _sources(action: dict[str, Any]) -> tuple[SearchResult, ...]:
    given = action.get("sources")
    urls = (_text(_dict(source).get("url")) for source in given) if isinstance(given, list) else ()
    return tuple(SearchResult(url=url) for url in urls if url)


# --- citations ------------------------------------------------------------------------------------------------------


def read_annotation(annotation: Any, before: int) -> Citation | None:
    """`before`: how much text of the message came before the part that is annotated. None for what is no annotation."""
    if not isinstance(annotation, dict) or not _text(annotation.get("type")):
        return None
    nested = annotation.get("url_citation")  # as chat completions have it, and some servers here
    url_citation = nested if isinstance(nested, dict) else annotation
    start, end = _count(url_citation.get("start_index")), _count(url_citation.get("end_index"))
    url = _text(url_citation.get("url"))
    title = _text(url_citation.get("title")) or _text(annotation.get("filename"))
    opaque = None
    if url is None:
        opaque = Opaque(origin=ORIGIN, data=_encode(annotation).decode())
    return Citation(
        url=url,
        title=title,
        start=None if start is None else start + before,
        end=None if end is None else end + before,
        opaque=opaque,
    )


def written_annotation(citation: Citation, before: int, span: tuple[int, int]) -> dict[str, Any] | None:
    """`span`: the part of the text (counted from the part's own start) that cites, where the citation does not say.
    None for what has no place here: a source with no web address that OpenAI did not name itself."""
    if citation.url is not None:
        start = span[0] if citation.start is None else max(0, citation.start - before)
        end = span[1] if citation.end is None else max(start, citation.end - before)
        title = citation.title or ""
        return {"type": "url_citation", "url": citation.url, "start_index": start, "end_index": end, "title": title}
    if citation.opaque is not None and citation.opaque.origin == ORIGIN:
        return _object(citation.opaque.data.encode())
    return None


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        return _decode_object(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
