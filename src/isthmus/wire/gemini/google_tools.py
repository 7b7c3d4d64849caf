"""What Google's own tools did in an answer: code that it ran, searches, pages that it fetched; and the sources that the
text rests on, which Google counts in bytes and we in characters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from isthmus.core.chat.event import Cited, Event, HostedToolUsed
from isthmus.core.chat.part import Citation, HostedToolUse, Opaque, SearchResult
from isthmus.wire.gemini import schema
from isthmus.wire.gemini.signatures import OWN

_decode_grounding = msgspec.json.Decoder(schema.GroundingMetadata).decode
_decode_pages = msgspec.json.Decoder(schema.UrlContextMetadata).decode
_decode_input = msgspec.json.Decoder(dict[str, Any]).decode
_FETCHED = "URL_RETRIEVAL_STATUS_SUCCESS"


def hosted_part(part: schema.Part | schema.AnsweredPart) -> dict[str, Any]:
    """The part as it came if it tells of a tool that Google runs; else empty."""
    said: dict[str, dict[str, Any] | None] = {
        "executableCode": part.executable_code,
        "codeExecutionResult": part.code_execution_result,
        "toolCall": part.tool_call,
        "toolResponse": part.tool_response,
    }
    found: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if found and part.thought_signature:
        found["thoughtSignature"] = part.thought_signature
    return found


class HostedUses:
    """Puts together what Google tells in two parts: what it ran, and what came of it."""

    __slots__ = ("_make_id", "_waiting")

    def __init__(self, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._waiting: list[dict[str, Any]] = []

    def add(self, part: dict[str, Any]) -> HostedToolUse | None:
        if "executableCode" in part or "toolCall" in part:
            self._waiting.append(part)
            return None
        result = part.get("codeExecutionResult", part.get("toolResponse", {}))
        kind = "executableCode" if "codeExecutionResult" in part else "toolCall"
        for at, waiting in enumerate(self._waiting):
            if kind in waiting and result.get("id") in (None, waiting[kind].get("id")):
                del self._waiting[at]
                return self._use([waiting, part])
        return self._use([part])

    def rest(self) -> list[HostedToolUse]:
        waiting, self._waiting = self._waiting, []
        return [self._use([part]) for part in waiting]

    def _use(self, parts: list[dict[str, Any]]) -> HostedToolUse:
        first, last = parts[0], parts[-1]
        call = first.get("toolCall", first.get("toolResponse"))
        if call is not None:
            kind = str(call.get("toolType", "tool"))
            tool = "web_search" if kind == "GOOGLE_SEARCH_WEB" else kind.lower()
            given = call.get("args")
        else:
            tool = "code_execution"
            given = first.get("executableCode")
            call = given
        id_ = (call or {}).get("id")
        outcome = last.get("codeExecutionResult", {}).get("outcome", "OUTCOME_OK")
        return HostedToolUse(
            id=id_ if isinstance(id_, str) and id_ else self._make_id(),
            tool=tool,
            input=msgspec.json.encode(given or {}).decode(),
            error=None if outcome == "OUTCOME_OK" else str(outcome),
            opaque=Opaque(origin=OWN, data=msgspec.json.encode(parts).decode()),
        )


def hosted_parts(use: HostedToolUse) -> list[Any] | None:
    """The parts that Google gave, None where these are not Google's. What it tells beside its content (grounding) it
    does not take back: then there are none."""
    if use.opaque is None or use.opaque.origin != OWN:
        return None
    try:
        given = msgspec.json.decode(use.opaque.data)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return []
    return given if isinstance(given, list) else []


# --- sources read ---------------------------------------------------------------------------------------------------


class SaidText:
    """The text of one answer, and where each part of it begins."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[tuple[int, str]] = []  # one for each part of the content, "" for what is no text
        self._size = 0

    def add(self, text: str) -> None:
        self._parts.append((self._size, text))
        self._size += len(text)

    def place(self, segment: schema.Segment) -> tuple[int | None, int | None]:
        """In characters of the whole text. A stream's segments count from its start, a whole answer's from the part's:
        whichever gives the segment's own text is meant."""
        start, end = segment.start_index or 0, segment.end_index
        if end is None:
            return None, None
        index = segment.part_index or 0
        whole = "".join(text for _, text in self._parts)
        places = [self._parts[index], (0, whole)] if 0 <= index < len(self._parts) else [(0, whole)]
        for offset, text in places:
            data = text.encode()
            if not 0 <= start <= end <= len(data):
                continue
            cited = data[start:end].decode(errors="replace")
            if segment.text is None or cited == segment.text:
                begin = offset + len(data[:start].decode(errors="ignore"))
                return begin, begin + len(cited)
        at = whole.find(segment.text) if segment.text else -1
        return (None, None) if at < 0 or segment.text is None else (at, at + len(segment.text))


class Sources:
    """Gathers what the chunks of one answer tell of its sources; `events` tells it, when all of the text was said."""

    __slots__ = ("_cited", "_grounding", "_pages", "searched")

    def __init__(self) -> None:
        self._grounding: dict[str, Any] = {}
        self._pages = b""
        self._cited: list[schema.CitationSource] = []
        self.searched = 0  # how often Google searched

    def add(self, candidate: schema.Candidate) -> None:
        if len(memoryview(candidate.grounding_metadata)) > len("null"):
            self._add_grounding(bytes(candidate.grounding_metadata))
        if len(memoryview(candidate.url_context_metadata)) > len("null"):
            self._pages = bytes(candidate.url_context_metadata)
        if candidate.citation_metadata is not None:
            cited = candidate.citation_metadata
            self._cited += (cited.citation_sources or ()) + (cited.citations or ())

    def events(self, said: SaidText, choice: int, make_id: Callable[[], str], told: bool) -> list[Event]:
        """`told`: the search itself has been told of by a part of the content."""
        events: list[Event] = []
        grounding = _decoded(_decode_grounding, msgspec.json.encode(self._grounding))
        chunks = [chunk.web or chunk.retrieved_context or chunk.maps for chunk in grounding.grounding_chunks or ()]
        if self._grounding and not told and (chunks or grounding.web_search_queries):
            events.append(HostedToolUsed(use=self._search(grounding, make_id()), choice=choice))
        if self._pages:
            events.append(HostedToolUsed(use=_fetched(self._pages, make_id()), choice=choice))
        for support in grounding.grounding_supports or ():
            start, end = said.place(support.segment or schema.Segment())
            for index in support.grounding_chunk_indices or ():
                source = chunks[index] if 0 <= index < len(chunks) else None
                if source is not None:
                    found = Citation(url=source.uri, title=source.title, start=start, end=end)
                    events.append(Cited(citation=found, choice=choice))
        for cited in self._cited:
            start, end = said.place(schema.Segment(start_index=cited.start_index, end_index=cited.end_index))
            found = Citation(url=cited.uri, title=cited.title, start=start, end=end)
            events.append(Cited(citation=found, choice=choice))
        return events

    def _add_grounding(self, data: bytes) -> None:
        """A stream's chunks are told once each, the later ones behind the earlier."""
        given = _decoded_dict(data)
        for name, value in given.items():
            known = self._grounding.get(name)
            self._grounding[name] = known + value if isinstance(known, list) and isinstance(value, list) else value
        queries = given.get("webSearchQueries")
        self.searched += len(queries) if isinstance(queries, list) else 0

    def _search(self, grounding: schema.GroundingMetadata, id_: str) -> HostedToolUse:
        queries = grounding.web_search_queries or ()
        asked: dict[str, Any] = {"query": queries[0]} if queries else {}
        if len(queries) > 1:
            asked["queries"] = list(queries)
        sources = [chunk.web or chunk.retrieved_context or chunk.maps for chunk in grounding.grounding_chunks or ()]
        return HostedToolUse(
            id=id_,
            tool="web_search",
            input=msgspec.json.encode(asked).decode(),
            results=tuple(
                SearchResult(url=source.uri, title=source.title or "") for source in sources if source and source.uri
            ),
            opaque=Opaque(origin=OWN, data=msgspec.json.encode(self._grounding).decode()),
        )


def _fetched(data: bytes, id_: str) -> HostedToolUse:
    pages = _decoded(_decode_pages, data).url_metadata or ()
    failed = [page.url_retrieval_status for page in pages if page.url_retrieval_status != _FETCHED]
    return HostedToolUse(
        id=id_,
        tool="url_context",
        results=tuple(SearchResult(url=page.retrieved_url) for page in pages if page.retrieved_url),
        error=failed[0] if pages and len(failed) == len(pages) else None,
        opaque=Opaque(origin=OWN, data=msgspec.json.encode(_decoded_dict(data)).decode()),
    )


def _decoded(decode: Callable[[bytes], Any], data: bytes) -> Any:
    """Sources of a form that we do not know cost a caller the sources, not the answer."""
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode(b"{}")


def _decoded_dict(data: bytes) -> dict[str, Any]:
    given: dict[str, Any] = _decoded(_decode_input, data)
    return given


# --- sources written ------------------------------------------------------------------------------------------------


class WrittenSources:
    """The grounding of one answer, from any provider's searches and citations."""

    __slots__ = ("_chunks", "_queries", "_rest", "_supports")

    def __init__(self) -> None:
        self._chunks: dict[str, dict[str, Any]] = {}
        self._queries: list[str] = []
        self._supports: dict[tuple[int, int], list[int]] = {}
        self._rest: dict[str, Any] = {}

    def used(self, use: HostedToolUse) -> None:
        if use.tool != "web_search":
            return
        asked = _decoded(_decode_input, use.input.encode("utf-8", "replace"))
        queries = asked.get("queries") or [asked.get("query")]
        self._queries += [query for query in queries if isinstance(query, str) and query]
        for result in use.results:
            self._chunk(result.url, result.title)
        if use.opaque is not None and use.opaque.origin == OWN:
            given = _decoded_dict(use.opaque.data.encode())
            self._rest |= {name: given[name] for name in ("searchEntryPoint",) if name in given}

    def cited(self, citation: Citation) -> None:
        if citation.url is None:
            return
        index = self._chunk(citation.url, citation.title or "")
        if citation.start is not None and citation.end is not None and citation.start < citation.end:
            indices = self._supports.setdefault((citation.start, citation.end), [])
            if index not in indices:
                indices.append(index)

    def written(self, text: str) -> dict[str, Any]:
        """`text` is all that the answer said."""
        metadata = dict(self._rest)
        if self._queries:
            metadata["webSearchQueries"] = self._queries
        if self._chunks:
            metadata["groundingChunks"] = [{"web": web} for web in self._chunks.values()]
        if self._supports:
            metadata["groundingSupports"] = [
                {"segment": _segment(text, start, end), "groundingChunkIndices": indices}
                for (start, end), indices in self._supports.items()
            ]
        return {"groundingMetadata": metadata} if metadata else {}

    def _chunk(self, url: str, title: str) -> int:
        known = self._chunks.setdefault(url, {"uri": url})
        if title:
            known["title"] = title
        return list(self._chunks).index(url)


def written_pages(use: HostedToolUse) -> dict[str, Any]:
    """The pages that Google fetched, as it told of them."""
    if use.tool != "url_context" or use.opaque is None or use.opaque.origin != OWN:
        return {}
    return {"urlContextMetadata": _decoded_dict(use.opaque.data.encode())}


def _segment(text: str, start: int, end: int) -> dict[str, Any]:
    begin = len(text[:start].encode("utf-8", "replace"))
    cited = text[start:end]
    return {"startIndex": begin, "endIndex": begin + len(cited.encode("utf-8", "replace")), "text": cited}
