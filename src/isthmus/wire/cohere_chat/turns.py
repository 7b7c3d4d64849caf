"""Turns to Cohere's `messages`, and the documents in them to `documents` beside these."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Modality, Model
from isthmus.core.chat.request import (
    Audio,
    Document,
    HostedToolUse,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from isthmus.errors import Unsupported
from isthmus.wire.cohere_chat.citations import Block, written_citations
from isthmus.wire.cohere_chat.documents import written_document
from isthmus.wire.cohere_chat.thinking import thinks
from isthmus.wire.custom_tools import wrapped

# Cohere refuses messages without content. A turn that holds documents only, and a result that holds nothing, say this.
SEE_DOCUMENTS = "(See the documents.)"
NO_OUTPUT = "(no output)"
# Where a model wrote arguments that are no JSON object, they are kept in one: Cohere takes nothing else.
UNPARSED = "unparsed_arguments"

_DETAILS = ("auto", "low", "high")
_SIGNED_BY_ANOTHER = "it was signed by another provider"
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

Json = dict[str, Any]


class Turns:
    """Writes one request's messages; `documents` then holds what stands beside them, `fetch` the addresses of what is
    taken by value alone, and `cites` whether citations are wanted."""

    def __init__(self, model: Model, receipt: Receipt) -> None:
        self.documents: list[Json] = []
        self.fetch: dict[str, None] = {}
        self.cites = False
        self._model = model
        self._receipt = receipt
        self._thinks = thinks(model)
        self._numbered = 0  # documents so far, those in tools' results too: citations count them all
        self._shown: list[Json] = []  # images of results, to be shown after the whole run of these

    def written(self, messages: tuple[Message, ...]) -> list[Json]:
        written: list[Json] = []
        last = max((at for at, message in enumerate(messages) if message.role == "user"), default=-1)
        for at, message in enumerate(messages):
            if message.name is not None:
                self._receipt.lost("messages.name", "Cohere has no names of speakers")
            if message.role == "tool":
                written += [self._result(part) for part in message.parts if isinstance(part, ToolResult)]
                continue
            self._show(written)
            if message.role == "assistant":
                content = self._spoken(message.parts)
            elif message.role == "user":
                content = self._asked(message.parts, at == last)
            else:
                content = _plain([_text(part.text) for part in message.parts if isinstance(part, Text) and part.text])
            if content:
                role = "system" if message.role == "developer" else message.role
                written.append({"role": role, **content})
        self._show(written)
        return written

    def _show(self, written: list[Json]) -> None:
        shown, self._shown = self._shown, []
        if shown:
            written.append({"role": "user", "content": shown})

    # --- what is asked ---

    def _asked(self, parts: tuple[Part, ...], last: bool) -> Json:
        content: list[Json] = []
        known = len(self.documents)
        for part in parts:
            if isinstance(part, Document):
                if content or not last:
                    self._receipt.emulated("messages.document", "it stands beside the messages, not in its place")
                self.documents.append(self._document(part))
            elif isinstance(part, Text):
                content += [_text(part.text)] if part.text else []
            else:
                content += self._media(part)
        if not content and len(self.documents) > known:
            self._receipt.emulated("messages", "Cohere wants words beside documents, and is told to see them")
            content = [_text(SEE_DOCUMENTS)]
        return _plain(content)

    def _document(self, document: Document) -> Json:
        written = written_document(document, self._numbered, self.fetch)
        self._numbered += 1
        self.cites |= document.cite
        return written

    def _media(self, part: Part) -> list[Json]:
        if isinstance(part, Audio | Video):
            kind = "sound" if isinstance(part, Audio) else "video"
            raise Unsupported(f"`messages`: Cohere takes no {kind}.", param="messages")
        if not isinstance(part, Image):
            return []
        self._check_input("image")
        if part.file is not None:
            raise Unsupported("`messages`: Cohere takes no image by a file's id.", param="messages")
        url = part.url if part.url is not None else f"data:{part.media_type};base64,{part.base64}"
        image = {"url": url}
        if part.detail in _DETAILS:
            image["detail"] = part.detail
        elif part.detail is not None:
            self._receipt.lost("messages.image.detail", "Cohere knows low, high and auto")
        return [{"type": "image_url", "image_url": image}]

    def _check_input(self, modality: Modality) -> None:
        known = self._model.input
        if known is not None and modality not in known:
            raise Unsupported(f"`messages`: the model {self._model.name} takes no {modality}.", param="messages")

    # --- what the model said ---

    def _spoken(self, parts: tuple[Part, ...]) -> Json:
        """What is said before tools are called is the plan; a model that thinks says it in its content."""
        calls = [self._call(part) for part in parts if isinstance(part, ToolCall)]
        content: list[Json] = []
        for part in parts:
            if isinstance(part, Reasoning):
                content += self._thought(part)
        plans = bool(calls) and not content
        content = [] if plans else self._content(parts)
        plan = "".join(part.text for part in parts if isinstance(part, Text | Refusal)) if plans else ""
        if any(isinstance(part, Refusal) for part in parts):
            self._receipt.emulated("messages.refusal", "Cohere is told it as text")
        if any(isinstance(part, HostedToolUse) for part in parts):
            self._receipt.lost("messages.hosted_tool_use", "another provider ran it")
        written = _plain(content)
        if plan:
            written["tool_plan"] = plan
        if calls:
            written["tool_calls"] = calls
        citations = self._citations(parts, [Block(None, 0, plan)] if plan else _blocks(content))
        return written | ({"citations": citations} if citations else {})

    def _content(self, parts: tuple[Part, ...]) -> list[Json]:
        content: list[Json] = []
        for part in parts:
            if isinstance(part, Reasoning):
                content += self._thought(part)
            elif isinstance(part, Text | Refusal) and part.text:
                content.append(_text(part.text))
        return content

    def _thought(self, thought: Reasoning) -> list[Json]:
        """Cohere takes thinking back as plain text, whoever signed it; what has no text is of no use to it."""
        if thought.text and self._thinks:
            if thought.signature is not None:
                self._receipt.emulated("messages.reasoning", "its text is given without what proves it")
            return [{"type": "thinking", "thinking": thought.text}]
        self._receipt.lost("messages.reasoning", "this model does not think" if thought.text else _SIGNED_BY_ANOTHER)
        return []

    def _citations(self, parts: tuple[Part, ...], blocks: list[Block]) -> list[Json]:
        citations = []
        start = 0
        for part in parts:
            if isinstance(part, Text):
                end = start + len(part.text)
                for citation in part.citations:
                    placed = citation.start is not None and citation.end is not None
                    whole = msgspec.structs.replace(citation, start=start, end=end)
                    citations.append(citation if placed else whole)
                start = end
        written, complete = written_citations(citations, blocks)
        if not complete:
            self._receipt.lost("messages.citations", "Cohere takes back those of documents and its own alone")
        return written

    def _call(self, call: ToolCall) -> Json:
        text = call.arguments
        if call.custom:
            self._receipt.emulated("tools.custom", "it is a function with one string")
            text = wrapped(text)
        if not text.strip():
            text = "{}"
        try:
            _decode_object(text.encode())
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            text = msgspec.json.encode({UNPARSED: text}).decode()
            self._receipt.lost("messages.tool_calls", "its arguments are no JSON object")
        if call.signature is not None:
            self._receipt.lost("messages.reasoning", _SIGNED_BY_ANOTHER)
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": text}}

    # --- what tools said ---

    def _result(self, result: ToolResult) -> Json:
        content: list[Json] = []
        for part in result.parts:
            if isinstance(part, Text):
                content += [_text(part.text)] if part.text else []
            elif isinstance(part, Document):
                content.append({"type": "document", "document": self._document(part)})
            else:
                self._shown += self._media(part)
                self._receipt.emulated("messages.tool_result", "what it shows is shown in the turn after it")
        if result.is_error:
            self._receipt.emulated("messages.tool_result.is_error", "the text says so")
            content = [_text("Error: " + _first_text(content)), *content[1 if _first_text(content) else 0 :]]
        if not content:
            content = [_text(NO_OUTPUT)]
        return {"role": "tool", "tool_call_id": result.call_id, **_plain(content)}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _first_text(content: list[Json]) -> str:
    return str(content[0].get("text", "")) if content else ""


def _plain(content: list[Json]) -> Json:
    """One text as a string; parts only where there is need."""
    if len(content) == 1 and content[0]["type"] == "text":
        return {"content": content[0]["text"]}
    return {"content": content} if content else {}


def _blocks(content: list[Json]) -> list[Block]:
    blocks: list[Block] = []
    start = 0
    for index, part in enumerate(content):
        if part["type"] == "text":
            blocks.append(Block(index, start, part["text"]))
            start += len(part["text"])
    return blocks
