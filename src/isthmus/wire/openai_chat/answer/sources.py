"""Where an answer comes from: `annotations`, and what Perplexity and xAI tell beside their answers."""

from __future__ import annotations

from typing import Any

from isthmus.core.chat.request import Citation, SearchResult
from isthmus.wire.openai_chat.answer.schema import Answer


def read_annotations(annotations: Any) -> list[Citation]:
    found = []
    for annotation in annotations if isinstance(annotations, list) else ():
        cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
        if isinstance(cited, dict) and isinstance(cited.get("url"), str):
            start, end = _place(cited.get("start_index")), _place(cited.get("end_index"))
            title, quote = _words(cited.get("title")), _words(cited.get("content"))
            found.append(Citation(url=cited["url"], title=title, quote=quote, start=start, end=end))
    return found


def read_sources(answer: Answer) -> list[SearchResult]:
    """`search_results` of {"title", "url", "date"}, or `citations`, a list of addresses."""
    listed = answer.search_results if isinstance(answer.search_results, list) else []
    found = [
        SearchResult(url=item["url"], title=_words(item.get("title")) or "", age=_words(item.get("date")))
        for item in listed
        if isinstance(item, dict) and isinstance(item.get("url"), str)
    ]
    if found or not isinstance(answer.citations, list):
        return found
    return [SearchResult(url=url) for url in answer.citations if isinstance(url, str)]


def write_annotation(citation: Citation, said_chars: int) -> dict[str, Any] | None:
    """None for what is no web page: Chat Completions cite nothing else. Without a place it is the end of what was said
    so far, `said_chars` long."""
    if citation.url is None:
        return None
    start = said_chars if citation.start is None else citation.start
    end = max(start, said_chars if citation.end is None else citation.end)
    url_citation = {"start_index": start, "end_index": end, "url": citation.url, "title": citation.title or ""}
    return {"type": "url_citation", "url_citation": url_citation}


def _words(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _place(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
