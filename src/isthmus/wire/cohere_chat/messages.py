"""Cohere's `messages` to turns. The documents beside them become parts of the last user turn, which they are about."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import Citation, Document, Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from isthmus.errors import InvalidRequest
from isthmus.wire.cohere_chat import schema
from isthmus.wire.cohere_chat.citations import Places, read_citation
from isthmus.wire.cohere_chat.documents import read_document
from isthmus.wire.conversation import check_tool_ids
from isthmus.wire.media import WEB_URL, checked_base64, data_url
from isthmus.wire.sealed import unseal_id

_OFF = frozenset(("OFF", "DISABLED"))
_PARTS_OF_ROLE = {
    "system": ("text",),
    "user": ("text", "image_url"),
    "assistant": ("text", "thinking"),
    "tool": ("text", "document"),
}


def read_messages(asked: schema.Request, receipt: Receipt) -> tuple[Message, ...]:
    """Raises `InvalidRequest`."""
    if not asked.messages:
        raise InvalidRequest("`messages` must hold at least one message.", param="messages")
    reading = _Reading(_cites(asked, receipt), receipt)
    messages = [reading.read(message, f"messages.{index}") for index, message in enumerate(asked.messages)]
    check_tool_ids(messages)
    return tuple(_with_documents(messages, reading.documents(asked.documents or ())))


def _cites(asked: schema.Request, receipt: Receipt) -> bool:
    """Cohere cites unless it is told not to; how hard it tries has no name elsewhere."""
    mode = (asked.citation_options.mode if asked.citation_options is not None else None) or "ENABLED"
    if mode.upper() == "FAST":
        receipt.lost("citation_options.mode", "no other dialect has it")
    return mode.upper() not in _OFF


def _with_documents(messages: list[Message], documents: tuple[Document, ...]) -> list[Message]:
    if not documents:
        return messages
    for at in range(len(messages) - 1, -1, -1):
        if messages[at].role == "user":
            messages[at] = msgspec.structs.replace(messages[at], parts=(*documents, *messages[at].parts))
            return messages
    return [*messages, Message(role="user", parts=documents)]


class _Reading:
    def __init__(self, cite: bool, receipt: Receipt) -> None:
        self._cite = cite
        self._receipt = receipt

    def documents(self, given: Sequence[str | schema.Document]) -> tuple[Document, ...]:
        return tuple(read_document(one, self._cite, "documents", self._receipt) for one in given)

    def read(self, message: schema.RequestMessage, at: str) -> Message:
        if message.role == "assistant":
            return Message(role="assistant", parts=tuple(self._spoken(message, at)))
        for name in ("tool_calls", "tool_plan", "citations"):
            if getattr(message, name):
                raise InvalidRequest(f"`{at}.{name}` is for assistant messages only.", param=f"{at}.{name}")
        if message.content is None:
            raise InvalidRequest(f"`{at}.content` is required.", param=f"{at}.content")
        parts = self._content(message, at)
        if message.role != "tool":
            return Message(role=message.role, parts=tuple(parts))
        if not message.tool_call_id:
            raise InvalidRequest(f"`{at}.tool_call_id` is required.", param=f"{at}.tool_call_id")
        shown = tuple(part for part in parts if isinstance(part, Text | Document))
        return Message(role="tool", parts=(ToolResult(call_id=unseal_id(message.tool_call_id)[0], parts=shown),))

    def _spoken(self, message: schema.RequestMessage, at: str) -> list[Part]:
        parts = self._content(message, at)
        places = Places()
        for index, part in enumerate(parts):
            if isinstance(part, Text):
                places.add(part.text, index)
        if message.tool_plan:
            places.add(message.tool_plan, None)
            parts.append(Text(text=message.tool_plan))
        cited = [one for citation in message.citations or () for one in read_citation(citation, places)]
        parts = _cited(parts, cited)
        # An empty text beside a plan or calls says nothing; until here it counts as a block.
        parts = [part for part in parts if not isinstance(part, Text) or part.text]
        return parts + [self._call(call, f"{at}.tool_calls.{n}") for n, call in enumerate(message.tool_calls or ())]

    def _call(self, call: schema.MadeCall, at: str) -> ToolCall:
        if not call.id:
            raise InvalidRequest(f"`{at}.id` must not be empty.", param=f"{at}.id")
        if call.type != "function":
            raise InvalidRequest(f"`{at}.type` must be `function`.", param=f"{at}.type")
        if call.function is None or not call.function.name:
            raise InvalidRequest(f"`{at}.function.name` is required.", param=f"{at}.function.name")
        id_, signature = unseal_id(call.id)
        return ToolCall(id=id_, name=call.function.name, arguments=call.function.arguments or "", signature=signature)

    # --- content ----------------------------------------------------------------------------------------------------

    def _content(self, message: schema.RequestMessage, at: str) -> list[Part]:
        content = message.content
        if isinstance(content, str):
            return [Text(text=content)]
        return [self._part(part, message.role, f"{at}.content.{index}") for index, part in enumerate(content or ())]

    def _part(self, part: schema.ContentPart, role: str, at: str) -> Part:
        allowed = _PARTS_OF_ROLE[role]
        if part.type not in allowed:
            raise InvalidRequest(f"`{at}.type` must be {' or '.join(allowed)} here.", param=f"{at}.type")
        if part.type == "text" and part.text is not None:
            return Text(text=part.text)
        if part.type == "thinking" and part.thinking is not None:
            return Reasoning(text=part.thinking)
        if part.type == "image_url" and part.image_url is not None:
            return _image(part.image_url, f"{at}.image_url.url")
        if part.type == "document" and part.document is not None:
            return read_document(part.document, self._cite, "messages.content.document", self._receipt)
        raise InvalidRequest(f"`{at}.{part.type}` is required.", param=f"{at}.{part.type}")


def _image(given: schema.ImageURL, at: str) -> Image:
    inline = data_url(given.url)
    if inline is not None:
        kind = checked_base64(inline[1], inline[0], at)
        if not kind.startswith("image/"):
            raise InvalidRequest(f"`{at}` must be an image.", param=at)
        return Image(base64=inline[1], media_type=kind, detail=given.detail)
    if not WEB_URL.match(given.url):
        raise InvalidRequest(f"`{at}` must be an http(s) address or a data URL in base64.", param=at)
    return Image(url=given.url, detail=given.detail)


def _cited(parts: list[Part], citations: list[Citation]) -> list[Part]:
    """Each citation with the text that it is about; one that does not say, with the last."""
    starts: list[tuple[int, int]] = []
    size = 0
    for at, part in enumerate(parts):
        if isinstance(part, Text):
            starts.append((size, at))
            size += len(part.text)
    found: dict[int, list[Citation]] = {}
    for citation in citations if starts else ():
        before = [at for start, at in starts if citation.start is None or start <= citation.start]
        found.setdefault(before[-1], []).append(citation)
    return [
        msgspec.structs.replace(part, citations=tuple(found[at])) if at in found and isinstance(part, Text) else part
        for at, part in enumerate(parts)
    ]
