"""Compaction for any model: the conversation's summary, made by a model that was asked for it, travels in an item of
the form that OpenAI's own have (`compaction`). OpenAI alone reads its own; ours is opened on any later turn, wherever
that goes. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.part import Opaque
from isthmus.errors import Malformed, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.json_text import made_up_id
from isthmus.wire.openai_responses.opaque import ORIGIN
from isthmus.wire.openai_responses.state.items import Head, kept_items, output_items, shown_item
from isthmus.wire.sealed import MARK, seal, unseal

OURS = "isthmus"
SUMMARY_MAX_TOKENS = 8192
"""With the thinking that goes before it."""

OTHER_MAX_CHARS = 2000
"""How much a transcript has of an item that is no message, call, or result."""

_LEAD = "What was said in this conversation before, summed up:\n\n"
_ASK = (
    "Sum up this conversation, so that it can be gone on with from your summary alone by somebody who has not seen it: "
    "what was asked for, what was found, decided and done, which names, numbers, files and identifiers matter, and "
    "what is still to do. Write the summary and nothing else."
)
_MARK_BYTES = MARK.encode()
_encode = msgspec.json.encode
_decode_head = msgspec.json.Decoder(Head).decode


class _Text(msgspec.Struct, frozen=True):
    type: str = ""
    text: str = ""


class _Message(msgspec.Struct, frozen=True):
    type: str = "message"
    role: str | None = None
    content: str | tuple[_Text, ...] | None = None


_decode_message = msgspec.json.Decoder(_Message).decode


def opened(item: bytes) -> str | None:
    """The summary in a compaction item of ours; None for any other item."""
    if _MARK_BYTES not in item or b"compaction" not in item:
        return None
    try:
        held = _decode_head(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if held.type != "compaction" or held.encrypted_content is None:
        return None
    sealed = unseal(held.encrypted_content, ORIGIN)
    return sealed.data if sealed.origin == OURS else None


def told(summary: str) -> str:
    """As a message of the user's says it."""
    return _LEAD + summary


def summary_item(summary: str) -> bytes:
    """In place of a compaction item, for who cannot open it."""
    content = [{"type": "input_text", "text": told(summary)}]
    return _encode({"type": "message", "role": "user", "content": content})


def summary_request(body: Body, items: list[bytes]) -> Body:
    """The request that asks for a summary of `items`, of the model that `body` names. What was said goes as one text:
    every model reads it, calls that are still without a result too. Raises `Unsupported`."""
    fields = {name: body.fields[name] for name in ("model", "service_tier") if name in body}
    said = "\n\n".join(filter(None, map(_line, items)))
    asked = {"instructions": _ASK, "input": said, "max_output_tokens": SUMMARY_MAX_TOKENS, "store": False}
    return Body(_encode(fields | asked))


class CompactionView:
    """A response that holds a summary, as the answer of `POST responses/compact`: the messages of the user's, and one
    compaction item (OpenAI's OpenAPI, CompactResource)."""

    __slots__ = ("_items",)

    def __init__(self, items: list[bytes]) -> None:
        self._items = items

    def stream(self, events: bytes) -> bytes:
        return events

    def whole(self, body: bytes) -> bytes:
        """Raises `Malformed` where the model wrote no summary."""
        response = Body(body)
        summary = _said(body)
        if not summary:
            raise Malformed("The model wrote no summary of the conversation. Try again, or ask another model.")
        compacted = {
            "id": made_up_id("cmp_"),
            "type": "compaction",
            "encrypted_content": seal(Opaque(origin=OURS, data=summary), ORIGIN),
        }
        output = [shown_item(item) for item in kept_items(filter(_is_users, self._items), "input")]
        return _encode(
            {
                "id": made_up_id("resp_"),
                "object": "response.compaction",
                "created_at": response.fields.get("created_at", 0),
                "output": [*output, compacted],
                "usage": response.fields.get("usage"),
            }
        )


def _line(item: bytes) -> str:
    """One item as a transcript has it; thinking is left out."""
    summary = opened(item)
    if summary is not None:
        return told(summary)
    held = msgspec.json.decode(item)
    kind = held.get("type") or "message"
    if kind == "compaction":
        raise Unsupported(
            "`input` holds a compaction that OpenAI alone can read: this model can sum up what is in words only.",
            param="input",
        )
    if kind == "message":
        return f"{str(held.get('role')).capitalize()}: {_words(held.get('content'))}"
    if kind in ("function_call", "custom_tool_call"):
        return f"The assistant called {held.get('name')} with {held.get('arguments') or held.get('input') or ''}"
    if kind in ("function_call_output", "custom_tool_call_output"):
        return f"The tool answered: {_words(held.get('output'))}"
    return "" if kind == "reasoning" else f"({kind}: {_encode(held).decode()[:OTHER_MAX_CHARS]})"


def _words(content: Any) -> str:
    if not isinstance(content, list):
        return str(content or "")
    parts = (part if isinstance(part, dict) else {} for part in content)
    return " ".join(part.get("text") or part.get("refusal") or f"({part.get('type')})" for part in parts)


def _said(response: bytes) -> str:
    texts: list[str] = []
    for item in output_items(response):
        try:
            message = _decode_message(item)
        except msgspec.DecodeError:
            continue
        if message.type == "message" and not isinstance(message.content, str):
            texts += [part.text for part in message.content or () if part.type == "output_text"]
    return "".join(texts).strip()


def _is_users(item: bytes) -> bool:
    try:
        held = _decode_head(item)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return held.kind == "message" and held.role == "user"
