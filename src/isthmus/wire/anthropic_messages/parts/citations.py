"""Citations: where a text comes from, in Anthropic's five forms. Each is about the text block that it stands in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from isthmus.core.chat.part import Citation
from isthmus.wire.anthropic_messages.parts.signatures import OWN, sealed, unsealed
from isthmus.wire.media import WEB_URL

_URL_MAX_CHARS = 2048
_URL_TITLE_MAX_CHARS = 512
_DOCUMENT_TITLE_MAX_CHARS = 255
# Our word for what a citation counts → Anthropic's type, and its two fields.
_LOCATIONS = {
    "char": ("char_location", "start_char_index", "end_char_index"),
    "page": ("page_location", "start_page_number", "end_page_number"),
    "block": ("content_block_location", "start_block_index", "end_block_index"),
}
_READ = {kind: (ours, first, last) for ours, (kind, first, last) in _LOCATIONS.items()}


def read_citations(stated: object) -> tuple[Citation, ...]:
    if not isinstance(stated, list | tuple):
        return ()
    return tuple(citation for one in stated if (citation := read_citation(one)) is not None)


def read_citation(stated: object) -> Citation | None:
    """None for a form that is not known, or that names no source."""
    found = _read(stated) if isinstance(stated, dict) else None
    return None if found is None or (found.document is None and not found.url) else found


def _read(stated: dict[str, Any]) -> Citation | None:
    kind = _text(stated.get("type"))
    quote = _text(stated.get("cited_text"))
    if kind == "web_search_result_location":
        return Citation(
            url=_text(stated.get("url")),
            title=_text(stated.get("title")),
            quote=quote,
            opaque=unsealed(_text(stated.get("encrypted_index"))),
        )
    if kind == "search_result_location":
        source = _text(stated.get("source"))
        return Citation(
            url=source if source and WEB_URL.match(source) else None,
            title=_text(stated.get("title")) or source,
            quote=quote,
            document=_number(stated.get("search_result_index")),
            location="block",
            first=_number(stated.get("start_block_index")),
            last=_number(stated.get("end_block_index")),
        )
    if kind is None or kind not in _READ:
        return None
    ours, first, last = _READ[kind]
    return Citation(
        title=_text(stated.get("document_title")),
        quote=quote,
        document=_number(stated.get("document_index")),
        location=ours,  # type: ignore[arg-type]  # the keys of _LOCATIONS are these words
        first=_number(stated.get(first)),
        last=_number(stated.get(last)),
    )


def sent_citations(citations: Iterable[Citation]) -> tuple[list[dict[str, Any]], bool]:
    """As Anthropic takes them back, and whether some could not be: it wants its own index with every page."""
    sent: list[dict[str, Any]] = []
    complete = True
    for citation in citations:
        opaque = citation.opaque
        if citation.document is not None:
            sent.append(_of_document(citation, _DOCUMENT_TITLE_MAX_CHARS))
        elif opaque is not None and opaque.origin == OWN and citation.url and len(citation.url) <= _URL_MAX_CHARS:
            sent.append(_of_page(citation, citation.url, opaque.data))
        else:
            complete = False
    return sent, complete


def answered_citation(citation: Citation) -> dict[str, Any] | None:
    """As a caller is given it; None for one that says neither page nor document."""
    if citation.document is not None:
        return _of_document(citation, None) | {"file_id": None}
    if citation.url:
        return _of_page(citation, citation.url, sealed(citation.opaque))
    return None


def _of_page(citation: Citation, url: str, index: str) -> dict[str, Any]:
    title = citation.title[:_URL_TITLE_MAX_CHARS] if citation.title else None
    return {
        "type": "web_search_result_location",
        "cited_text": citation.quote or "",
        "url": url,
        "title": title,
        "encrypted_index": index,
    }


def _of_document(citation: Citation, title_max_chars: int | None) -> dict[str, Any]:
    """A vendor that names the document alone means all of it: one block."""
    kind, first, last = _LOCATIONS[citation.location or "block"]
    start = citation.first if citation.first is not None else (1 if citation.location == "page" else 0)
    return {
        "type": kind,
        "cited_text": citation.quote or "",
        "document_index": citation.document,
        "document_title": citation.title[:title_max_chars] if citation.title else None,
        first: start,
        last: citation.last if citation.last is not None else start + 1,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
