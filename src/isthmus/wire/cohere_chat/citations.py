"""Citations: pieces of an answer and what they rest on, documents of the request and results of tools. Cohere counts
characters in one block of the content, or in the plan; we in all that the message says, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from isthmus.core.chat.request import Citation, Document, Opaque
from isthmus.wire.cohere_chat import schema
from isthmus.wire.cohere_chat.documents import number_of
from isthmus.wire.media import WEB_URL

OWN = "cohere"
PLAN = "PLAN"
_TEXT = "TEXT_CONTENT"

_decode_handle = msgspec.json.Decoder(dict[str, str]).decode


class Places:
    """Where the pieces of one message's text begin in all of it."""

    __slots__ = ("_blocks", "_plan", "_size")

    def __init__(self) -> None:
        self._blocks: dict[int, int] = {}
        self._plan: int | None = None
        self._size = 0

    def add(self, text: str, index: int | None) -> None:
        """More of the block `index`, of the plan where that is None."""
        if index is None:
            self._plan = self._size if self._plan is None else self._plan
        else:
            self._blocks.setdefault(index, self._size)
        self._size += len(text)

    def start(self, cited: schema.Citation) -> int | None:
        """None where no text is there that it could be of: what cites is the thinking."""
        if cited.type == PLAN:
            return self._plan
        if cited.type not in (None, _TEXT):
            return None
        if cited.content_index is not None and (cited.content_index in self._blocks or self._plan is None):
            return self._blocks.get(cited.content_index)
        return next(iter(self._blocks.values()), self._plan)


def read_citation(cited: schema.Citation, places: Places) -> list[Citation]:
    """One of ours for each of its sources."""
    offset = places.start(cited)
    if offset is None:
        return []
    start, end = cited.start, cited.end
    placed = start is not None and end is not None and 0 <= start <= end
    found = (_source(source) for source in cited.sources or ())
    return [
        msgspec.structs.replace(
            one,
            start=offset + start if placed and start is not None else None,
            end=offset + end if placed and end is not None else None,
        )
        for one in found
    ]


def _source(source: schema.Source) -> Citation:
    said: Any = source.tool_output if source.type == "tool" else source.document
    told = said if isinstance(said, dict) else {}
    url, title = told.get("url"), told.get("title")
    number = number_of(source.id) if source.type == "document" else None
    opaque = None
    if number is None and source.id:
        handle = {"type": "tool" if source.type == "tool" else "document", "id": source.id}
        opaque = Opaque(origin=OWN, data=msgspec.json.encode(handle).decode())
    return Citation(
        url=url if isinstance(url, str) and WEB_URL.match(url) else None,
        title=title if isinstance(title, str) and title else None,
        document=number,
        opaque=opaque,
    )


class Block:
    """A piece of a message's text as it is written: `index` None is the plan."""

    __slots__ = ("index", "start", "text")

    def __init__(self, index: int | None, start: int, text: str) -> None:
        self.index = index
        self.start = start
        self.text = text


def written_citations(citations: Iterable[Citation], blocks: list[Block]) -> tuple[list[dict[str, Any]], bool]:
    """Those of documents and of what Cohere cited before, as Cohere takes them back; and whether that is all of them.
    Sources of one place are one citation, as Cohere has them."""
    written: dict[tuple[int | None, int, int], dict[str, Any]] = {}
    complete = True
    for citation in citations:
        source, found = written_source(citation), placed(citation, blocks)
        if source is None or found is None:
            complete = False
            continue
        block, start, end = found
        one = written.setdefault((block.index, start, end), _written(block, start, end))
        one["sources"].append(source)
    return list(written.values()), complete


def written_source(citation: Citation) -> dict[str, Any] | None:
    if citation.document is not None:
        return {"type": "document", "id": f"doc:{citation.document}"}
    if citation.opaque is None or citation.opaque.origin != OWN:
        return None
    try:
        handle = _decode_handle(citation.opaque.data)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    return handle if handle.get("type") in ("tool", "document") and handle.get("id") else None


def answered_citation(citation: Citation, blocks: list[Block], documents: list[Document]) -> dict[str, Any] | None:
    """As a caller is told it: a page of the web is a document that the caller did not send."""
    found = placed(citation, blocks)
    if found is None:
        return None
    source = written_source(citation)
    if source is None and citation.url is not None:
        source = {"type": "document", "id": citation.url}
    if source is None:
        return None
    told = {"title": citation.title, "url": citation.url}
    if citation.document is not None and citation.document < len(documents):
        asked = documents[citation.document]
        told |= {"id": source["id"], "text": asked.text, "title": asked.name or citation.title}
    said = {name: value for name, value in told.items() if value is not None}
    if said:
        source |= {"tool_output" if source["type"] == "tool" else "document": said}
    block, start, end = found
    written = _written(block, start, end)
    written["sources"].append(source)
    return written


def placed(citation: Citation, blocks: list[Block]) -> tuple[Block, int, int] | None:
    """The block that it stands in, and where; one that does not say is of the last block."""
    if not blocks:
        return None
    if citation.start is None or citation.end is None:
        block = blocks[-1]
        return block, 0, len(block.text)
    block = next((one for one in reversed(blocks) if one.start <= citation.start), blocks[0])
    start = max(0, min(citation.start - block.start, len(block.text)))
    return block, start, max(start, min(citation.end - block.start, len(block.text)))


def _written(block: Block, start: int, end: int) -> dict[str, Any]:
    place: dict[str, Any] = {"type": PLAN} if block.index is None else {"content_index": block.index, "type": _TEXT}
    return {"start": start, "end": end, "text": block.text[start:end], "sources": list[Any](), **place}
