"""The turns of a Messages request: what Anthropic packs into a user turn becomes messages of its own role."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from isthmus.core.request import (
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.anthropic_messages.schema import Block, RequestMessage


class Turns:
    """Reads one request's messages, and keeps what it met on the way that has no place in a `Chat`."""

    def __init__(self) -> None:
        self.cached = False
        self._redacted = False

    def unplaced(self) -> list[str]:
        met = (("cache_control", self.cached), ("messages.redacted_thinking", self._redacted))
        return [name for name, seen in met if seen]

    def read(self, asked: tuple[RequestMessage, ...]) -> tuple[Message, ...]:
        if not asked:
            raise InvalidRequest("`messages` must hold at least one message.", param="messages")
        messages: list[Message] = []
        for index, message in enumerate(asked):
            at = f"messages.{index}"
            if message.role == "user":
                messages.extend(self._user(message, at))
            elif message.role == "assistant":
                messages.extend(self._assistant(message, at))
            else:
                messages.append(Message(role="system", parts=self._plain(message, at)))
        return tuple(messages)

    def texts(self, blocks: Iterable[Block], at: str) -> tuple[Text, ...]:
        """Blocks where Anthropic takes text only. An empty one says nothing."""
        read: list[Text] = []
        for index, block in enumerate(blocks):
            if block.type != "text":
                raise InvalidRequest(f"`{at}.{index}.type`: only text may stand here.", param=f"{at}.{index}.type")
            self.cached |= block.cache_control is not None
            if text := _required(block.text, f"{at}.{index}.text"):
                read.append(Text(text=text))
        return tuple(read)

    def _plain(self, message: RequestMessage, at: str) -> tuple[Text, ...]:
        content = message.content
        return (Text(text=content),) if isinstance(content, str) else self.texts(content, f"{at}.content")

    def _user(self, message: RequestMessage, at: str) -> Iterable[Message]:
        """Tool results first, each a message; then the rest, parted where instructions stand in the middle of it."""
        if isinstance(message.content, str):
            _not_empty(message.content, at)
            yield Message(role="user", parts=(Text(text=message.content),))
            return
        _not_empty(message.content, at)
        said: list[Message] = []
        parts: list[Part] = []
        for index, block in enumerate(message.content):
            here = f"{at}.content.{index}"
            self.cached |= block.cache_control is not None
            if block.type == "tool_result":
                yield Message(role="tool", parts=(self._tool_result(block, here),))
            elif block.type == "mid_conv_system":
                said += [Message(role="user", parts=tuple(parts))] if parts else []
                said.append(Message(role="system", parts=self.texts(_blocks(block), f"{here}.content")))
                parts = []
            else:
                parts += self._seen(block, here)
        yield from said
        if parts:
            yield Message(role="user", parts=tuple(parts))

    def _assistant(self, message: RequestMessage, at: str) -> Iterable[Message]:
        if isinstance(message.content, str):
            parts: list[Part] = [Text(text=message.content)] if message.content else []
        else:
            parts = []
            for index, block in enumerate(message.content):
                self.cached |= block.cache_control is not None
                parts += self._spoken(block, f"{at}.content.{index}")
        if parts:
            yield Message(role="assistant", parts=tuple(parts))

    def _seen(self, block: Block, at: str) -> list[Part]:
        """What a user shows: text and images."""
        if block.type == "text":
            text = _required(block.text, f"{at}.text")
            return [Text(text=text)] if text else []
        if block.type == "image":
            return [_image(block, at)]
        raise _unserved(block, at)

    def _spoken(self, block: Block, at: str) -> list[Part]:
        """What an assistant did."""
        if block.type == "text":
            text = _required(block.text, f"{at}.text")
            return [Text(text=text)] if text else []
        if block.type == "tool_use":
            return [_tool_call(block, at)]
        if block.type == "thinking":
            thought = Reasoning(text=_required(block.thinking, f"{at}.thinking"), signature=block.signature or None)
            return [thought] if thought.text or thought.signature else []
        if block.type == "redacted_thinking":
            self._redacted = True
            return []
        raise _unserved(block, at)

    def _tool_result(self, block: Block, at: str) -> ToolResult:
        call_id = _required(block.tool_use_id, f"{at}.tool_use_id")
        parts: list[Text | Image] = []
        if isinstance(block.content, str):
            parts = [Text(text=block.content)]
        else:
            for index, inner in enumerate(_blocks(block)):
                self.cached |= inner.cache_control is not None
                seen = self._seen(inner, f"{at}.content.{index}")
                parts += [part for part in seen if isinstance(part, Text | Image)]
        return ToolResult(call_id=call_id, parts=tuple(parts), is_error=bool(block.is_error))


def _blocks(block: Block) -> tuple[Block, ...]:
    return block.content if isinstance(block.content, tuple) else ()


def _image(block: Block, at: str) -> Image:
    source = block.source or {}
    kind = source.get("type")
    if kind == "base64":
        return Image(
            base64=_required(source.get("data"), f"{at}.source.data"),
            media_type=_required(source.get("media_type"), f"{at}.source.media_type"),
        )
    if kind == "url":
        return Image(url=_required(source.get("url"), f"{at}.source.url"))
    raise Unsupported(f"`{at}.source.type` must be base64 or url here.", param=f"{at}.source.type")


def _tool_call(block: Block, at: str) -> ToolCall:
    arguments = bytes(block.input)
    if not arguments.startswith(b"{"):
        raise InvalidRequest(f"`{at}.input` must be an object.", param=f"{at}.input")
    return ToolCall(
        id=_required(block.id, f"{at}.id"),
        name=_required(block.name, f"{at}.name"),
        arguments=msgspec.json.format(arguments, indent=-1).decode(),
    )


def _required(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"`{at}` is required and must be a string.", param=at)
    return value


def _not_empty(content: object, at: str) -> None:
    if not content:
        raise InvalidRequest(f"`{at}.content` must not be empty.", param=f"{at}.content")


def _unserved(block: Block, at: str) -> Unsupported:
    return Unsupported(
        f"`{at}.type`: this model cannot be given blocks of type `{block.type}` here.", param=f"{at}.type"
    )
