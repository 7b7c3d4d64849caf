"""The turns of a Converse request to messages: tool results become messages of their own, cache points marks of what
stands before them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.part import (
    Audio,
    CacheMark,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from isthmus.core.chat.request import Message
from isthmus.errors import InvalidRequest
from isthmus.wire.bedrock_converse import schema
from isthmus.wire.bedrock_converse.parts import media
from isthmus.wire.bedrock_converse.parts.caching import read_mark
from isthmus.wire.bedrock_converse.parts.citations import read_citations
from isthmus.wire.bedrock_converse.parts.signatures import OWN, unsealed
from isthmus.wire.bedrock_converse.schema import Content, RequestMessage, ResultContent, SystemContent
from isthmus.wire.sealed import unseal_id

_NO_OTHER = "no other dialect has it"

Shown = Text | Image | Document | Audio | Video
P = TypeVar("P", Text, Part)


class Turns:
    """Reads one request; `receipt` is told what has no place. Raises `InvalidRequest` with the path of what is wrong,
    `Unsupported` for content that is AWS's own."""

    __slots__ = ("_receipt",)

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt

    def system(self, blocks: Iterable[SystemContent]) -> tuple[Message, ...]:
        parts: list[Text] = []
        for index, block in enumerate(blocks):
            at = f"system.{index}"
            if block.cachePoint is not None:
                _mark(parts, read_mark(block.cachePoint), at)
            elif block.text is not None:
                parts.append(Text(text=block.text))
            elif block.guardContent is not None:
                parts += [part for part in self._guarded(block.guardContent, at) if isinstance(part, Text)]
        return (Message(role="system", parts=tuple(parts)),) if parts else ()

    def read(self, messages: Iterable[RequestMessage]) -> tuple[Message, ...]:
        read: list[Message] = []
        for index, message in enumerate(messages):
            at = f"messages.{index}.content"
            if not message.content:
                raise InvalidRequest(f"`{at}` must not be empty.", param=at)
            parts: list[Part] = []
            for place, block in enumerate(message.content):
                here = f"{at}.{place}"
                if block.cachePoint is not None:
                    _mark(parts, read_mark(block.cachePoint), here)
                elif message.role == "assistant":
                    parts += self._spoken(block, here)
                else:
                    parts += self._seen(block, here)
            read += _messages(message, parts)
        return tuple(read)

    def _seen(self, block: Content, at: str) -> Iterable[Part]:
        """What a user shows."""
        if block.toolResult is not None:
            return (self._tool_result(block.toolResult, f"{at}.toolResult"),)
        if block.guardContent is not None:
            return self._guarded(block.guardContent, f"{at}.guardContent")
        if block.audio is not None:
            return (media.read_audio(block.audio, f"{at}.audio"),)
        for name in ("toolAddition", "toolRemoval"):
            if getattr(block, name) is not None:
                self._receipt.lost(f"messages.{name}", _NO_OTHER)
                return ()
        return self._shown(block, at)

    def _shown(self, block: Content | ResultContent, at: str) -> tuple[Shown, ...]:
        """What may stand in a tool's result too."""
        if block.text is not None:
            return (Text(text=block.text),) if block.text else ()
        if block.image is not None:
            return (media.read_image(block.image, f"{at}.image"),)
        if block.document is not None:
            return (media.read_document(block.document, f"{at}.document"),)
        if block.video is not None:
            return (media.read_video(block.video, f"{at}.video"),)
        if block.searchResult is not None:
            self._receipt.emulated("messages.searchResult", "it is sent as a document")
            return (media.read_search_result(block.searchResult),)
        raise InvalidRequest(f"`{at}` holds nothing that may stand there.", param=at)

    def _spoken(self, block: Content, at: str) -> Iterable[Part]:
        """What an assistant did."""
        if block.text is not None:
            return (Text(text=block.text),) if block.text else ()
        if block.toolUse is not None:
            return self._tool_use(block.toolUse, f"{at}.toolUse")
        if block.reasoningContent is not None:
            return _reasoning(block.reasoningContent)
        if block.citationsContent is not None:
            cited = block.citationsContent
            text = "".join(part.text or "" for part in cited.content or ())
            return (Text(text=text, citations=read_citations(cited.citations)),) if text else ()
        if block.toolResult is not None:
            self._receipt.lost("messages.toolResult", "the provider's own tools gave it")
            return ()
        raise InvalidRequest(f"`{at}` holds nothing that may stand there.", param=at)

    def _guarded(self, block: schema.GuardContent, at: str) -> tuple[Text | Image, ...]:
        self._receipt.lost("messages.guardContent", "only its text or image is sent, not that it is to be guarded")
        if block.image is not None:
            return (media.read_image(block.image, f"{at}.image"),)
        return (Text(text=block.text.text),) if block.text is not None and block.text.text else ()

    def _tool_use(self, use: schema.ToolUse, at: str) -> tuple[Part, ...]:
        if use.type is not None:
            self._receipt.lost("messages.toolUse.type", "the provider ran it itself")
            return ()
        arguments = bytes(use.input)
        if not arguments.startswith(b"{"):
            raise InvalidRequest(f"`{at}.input` must be an object.", param=f"{at}.input")
        id_, signature = unseal_id(use.toolUseId)
        text = msgspec.json.format(arguments, indent=-1).decode()
        return (ToolCall(id=id_, name=use.name, arguments=text, signature=signature),)

    def _tool_result(self, result: schema.ToolResultBlock, at: str) -> ToolResult:
        parts: list[Shown] = []
        for index, content in enumerate(result.content):
            if bytes(content.json) not in (b"", b"null"):
                parts.append(Text(text=msgspec.json.format(bytes(content.json), indent=-1).decode()))
            else:
                parts += self._shown(content, f"{at}.content.{index}")
        call_id, _ = unseal_id(result.toolUseId)
        return ToolResult(call_id=call_id, parts=tuple(parts), is_error=result.status == "error")


def _messages(message: RequestMessage, parts: list[Part]) -> Iterable[Message]:
    """Tool results first, each a message; then the rest."""
    yield from (Message(role="tool", parts=(part,)) for part in parts if isinstance(part, ToolResult))
    rest = tuple(part for part in parts if not isinstance(part, ToolResult))
    if message.role == "system":
        rest = tuple(part for part in rest if isinstance(part, Text))
    if rest:
        yield Message(role=message.role, parts=rest)


def _reasoning(thought: schema.Reasoning) -> tuple[Part, ...]:
    if thought.redactedContent:
        return (Reasoning(text="", redacted=True, signature=Opaque(origin=OWN, data=thought.redactedContent)),)
    text = thought.reasoningText
    if text is None or not (text.text or text.signature):
        return ()
    return (Reasoning(text=text.text, signature=unsealed(text.signature)),)


def _mark(parts: list[P], mark: CacheMark, at: str) -> None:
    """Thinking cannot be marked: the mark goes with what stands before it."""
    for place in reversed(range(len(parts))):
        part = parts[place]
        if hasattr(part, "cache"):
            parts[place] = msgspec.structs.replace(part, cache=mark)
            return
    raise InvalidRequest(f"`{at}.cachePoint`: there is nothing before it.", param=f"{at}.cachePoint")
