"""Citations: where a text comes from, in Converse's five kinds of place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from isthmus.core.chat.part import Citation

_LOCATIONS: dict[str, Literal["char", "page", "block"]] = {
    "documentChar": "char",
    "documentPage": "page",
    "documentChunk": "block",
}
_WRITTEN = {ours: theirs for theirs, ours in _LOCATIONS.items()}
_MAX_INT = 2**31 - 1


def read_citations(stated: Iterable[object] | None) -> tuple[Citation, ...]:
    return tuple(citation for one in stated or () if (citation := read_citation(one)) is not None)


def read_citation(stated: object) -> Citation | None:
    """None for one that names no source."""
    if not isinstance(stated, dict):
        return None
    location = stated.get("location")
    location = location if isinstance(location, dict) else {}
    title, url = _text(stated.get("title")), _text(stated.get("source"))
    quote = "".join(_quoted(stated.get("sourceContent"))) or None
    for theirs, ours in _LOCATIONS.items():
        place = location.get(theirs)
        if isinstance(place, dict):
            index = _number(place.get("documentIndex"))
            return Citation(title=title, quote=quote, document=index, **_span(place, ours))
    web, found = location.get("web"), location.get("searchResultLocation")
    if isinstance(found, dict):
        index = _number(found.get("searchResultIndex"))
        return Citation(title=title, url=url, quote=quote, document=index, **_span(found, "block"))
    if isinstance(web, dict):
        url = _text(web.get("url")) or url
    return Citation(title=title, url=url, quote=quote) if title or url else None


def written_citation(citation: Citation) -> dict[str, Any] | None:
    """None for one that says neither page nor document."""
    written: dict[str, Any] = {}
    if citation.title:
        written["title"] = citation.title
    if citation.quote:
        written["sourceContent"] = [{"text": citation.quote}]
    if citation.document is not None:
        kind, index = _WRITTEN[citation.location or "block"], "documentIndex"
        if citation.url:  # a caller's own search result
            written["source"] = citation.url
            kind, index = "searchResultLocation", "searchResultIndex"
        place = {index: citation.document, "start": citation.first, "end": citation.last}
        written["location"] = {kind: {name: value for name, value in place.items() if value is not None}}
    elif citation.url:
        written["location"] = {"web": {"url": citation.url}}
    else:
        return None
    return written


def _span(place: dict[str, Any], location: Literal["char", "page", "block"]) -> dict[str, Any]:
    return {"location": location, "first": _number(place.get("start")), "last": _number(place.get("end"))}


def _quoted(stated: object) -> list[str]:
    parts = stated if isinstance(stated, list) else []
    return [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_INT else None
