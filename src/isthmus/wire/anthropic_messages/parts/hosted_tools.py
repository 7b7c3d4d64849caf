"""Tools that a provider ran itself: at Anthropic two blocks, `server_tool_use` and the result that bears its id.

Another vendor's web search is shown to callers as Anthropic's; what that vendor wants back stands sealed in the input
of the search, since its id has no room for it."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from isthmus.core.chat.part import HostedToolUse, Opaque, SearchResult
from isthmus.wire.anthropic_messages.parts.signatures import NOTHING, OWN, sealed, unsealed
from isthmus.wire.json_text import made_up_id
from isthmus.wire.sealed import MARK

CALLS = frozenset(("server_tool_use", "mcp_tool_use"))
RESULT = "_tool_result"
_SEAL = "isthmus"  # the field of an input that holds what another vendor wants back
_SEARCH = "web_search"
_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")
_ERRORS = frozenset(
    (
        "invalid_tool_input",
        "unavailable",
        "max_uses_exceeded",
        "too_many_requests",
        "query_too_long",
        "request_too_large",
    )
)
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_blocks = msgspec.json.Decoder(tuple[dict[str, Any], ...]).decode

Json = dict[str, Any]


def is_result(kind: str) -> bool:
    return kind.endswith(RESULT)


def read_use(call: Json | None, result: Json | None) -> HostedToolUse:
    """Of the two blocks, one of which may be missing: a call whose result is still to come, or the reverse."""
    call, result = call or {}, result or {}
    given = call.get("input")
    asked = given if isinstance(given, dict) else {}
    seal = asked.get(_SEAL)
    if isinstance(seal, str) and seal.startswith(MARK):
        asked = {name: value for name, value in asked.items() if name != _SEAL}
        opaque = unsealed(seal)
    else:
        blocks = [block for block in (call, result) if block]
        opaque = Opaque(origin=OWN, data=msgspec.json.encode(blocks).decode())
    content = result.get("content")
    error = content.get("error_code") if isinstance(content, dict) else None
    return HostedToolUse(
        id=_text(call.get("id")) or _text(result.get("tool_use_id")) or "",
        tool=_text(call.get("name")) or _text(result.get("type")).removesuffix(RESULT),
        input=msgspec.json.encode(asked).decode(),
        results=tuple(_result(one) for one in content if isinstance(one, dict) and _text(one.get("url")))
        if isinstance(content, list)
        else (),
        error=error if isinstance(error, str) else None,
        opaque=opaque,
    )


def _result(stated: Json) -> SearchResult:
    return SearchResult(
        url=_text(stated.get("url")),
        title=_text(stated.get("title")),
        age=_text(stated.get("page_age")) or None,
        opaque=unsealed(_text(stated.get("encrypted_content"))),
    )


def own_blocks(use: HostedToolUse) -> list[Json] | None:
    """Anthropic's own blocks; None where another vendor ran the tool."""
    if use.opaque is None or use.opaque.origin != OWN:
        return None
    try:
        blocks = list(_decode_blocks(use.opaque.data))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return blocks or None


def answered_blocks(use: HostedToolUse) -> list[Json]:
    """As a caller is given them: nothing for a tool of another vendor that Anthropic has no block for."""
    own = own_blocks(use)
    if own is not None:
        return [{"caller": {"type": "direct"}} | block for block in own]
    if use.tool != _SEARCH:
        return []
    id_ = "srvtoolu_" + (_UNSAFE.sub("", use.id.removeprefix("srvtoolu_")) or made_up_id(""))
    caller = {"type": "direct"}
    call = {
        "type": "server_tool_use",
        "id": id_,
        "name": _SEARCH,
        "input": _input(use) | {_SEAL: NOTHING if use.opaque is None else sealed(use.opaque)},
        "caller": caller,
    }
    content: Json | list[Json]
    if use.error is not None:
        code = use.error if use.error in _ERRORS else "unavailable"
        content = {"type": "web_search_tool_result_error", "error_code": code}
    else:
        content = [
            {
                "type": "web_search_result",
                "url": found.url,
                "title": found.title,
                "encrypted_content": sealed(found.opaque),
                "page_age": found.age,
            }
            for found in use.results
        ]
    result = {"type": _SEARCH + RESULT, "tool_use_id": id_, "content": content, "caller": caller}
    return [call, result]


def is_foreign(block: Json) -> bool:
    """Whether a block that a caller sends back is another vendor's search."""
    given = block.get("input")
    return isinstance(given, dict) and isinstance(given.get(_SEAL), str)


def _input(use: HostedToolUse) -> Json:
    try:
        return _decode_object(use.input)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {"query": use.input}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
