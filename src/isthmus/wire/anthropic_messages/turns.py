"""The turns of a Messages request: what Anthropic packs into a user turn becomes messages of its own role."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import Document, Image, Message, Part, Reasoning, Text, ToolCall, ToolResult
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.anthropic_messages.parts import hosted_tools
from isthmus.wire.anthropic_messages.parts.caching import read_mark
from isthmus.wire.anthropic_messages.parts.citations import read_citations
from isthmus.wire.anthropic_messages.parts.fields import required
from isthmus.wire.anthropic_messages.parts.media import read_document, read_image, read_search_result
from isthmus.wire.anthropic_messages.parts.signatures import unsealed
from isthmus.wire.anthropic_messages.schema import Block, RequestMessage
from isthmus.wire.sealed import unseal_id

_NO_OTHER = "no other dialect has it"


class Turns:
    """Reads one request's messages, and notes what it met on the way that has no place in a `Chat`."""

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt

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
            read += _texts(block, f"{at}.{index}")
        return tuple(read)

    def _plain(self, message: RequestMessage, at: str) -> tuple[Text, ...]:
        content = message.content
        return (Text(text=content),) if isinstance(content, str) else self.texts(content, f"{at}.content")

    def _user(self, message: RequestMessage, at: str) -> Iterable[Message]:
        """Tool results first, each a message; then the rest, parted where instructions stand in the middle of it."""
        _not_empty(message.content, at)
        if isinstance(message.content, str):
            yield Message(role="user", parts=(Text(text=message.content),))
            return
        said: list[Message] = []
        parts: list[Part] = []
        for index, block in enumerate(message.content):
            here = f"{at}.content.{index}"
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
            hosted = _Hosted(message.content)
            for index, block in enumerate(message.content):
                parts += hosted.read(block) if hosted.has(block) else self._spoken(block, f"{at}.content.{index}")
        if parts:
            yield Message(role="assistant", parts=tuple(parts))

    def _seen(self, block: Block, at: str) -> Iterable[Text | Image | Document]:
        """What a user shows: text, images and documents."""
        kind = block.type
        if kind == "text":
            return _texts(block, at)
        if kind == "image":
            return (read_image(block, at),)
        if kind == "document":
            return read_document(block, at, self._receipt)
        if kind == "search_result":
            return (read_search_result(block, at, self._receipt),)
        if kind in ("container_upload", "tool_reference"):
            self._receipt.lost(f"messages.{kind}", _NO_OTHER)
            return ()
        raise _unserved(block, at)

    def _spoken(self, block: Block, at: str) -> Iterable[Part]:
        """What an assistant did."""
        kind = block.type
        if kind == "text":
            return _texts(block, at)
        if kind == "tool_use":
            return (_tool_call(block, at),)
        if kind == "thinking":
            thought = Reasoning(text=required(block.thinking, f"{at}.thinking"), signature=unsealed(block.signature))
            return (thought,) if thought.text or thought.signature else ()
        if kind == "redacted_thinking":
            signature = unsealed(required(block.data, f"{at}.data"))
            return () if signature is None else (Reasoning(text="", redacted=True, signature=signature),)
        if kind == "compaction":
            return self._compaction(block)
        if kind == "container_upload":
            self._receipt.lost("messages.container_upload", _NO_OTHER)
            return ()
        raise _unserved(block, at)

    def _compaction(self, block: Block) -> Iterable[Text]:
        """What Anthropic made of the turns before it."""
        if isinstance(block.content, str) and block.content:
            self._receipt.emulated("messages.compaction", "its summary is sent as text")
            return (Text(text=block.content, cache=read_mark(block.cache_control)),)
        self._receipt.lost("messages.compaction", "it is encrypted")
        return ()

    def _tool_result(self, block: Block, at: str) -> ToolResult:
        call_id, _ = unseal_id(required(block.tool_use_id, f"{at}.tool_use_id"))
        parts: list[Text | Image | Document] = []
        if isinstance(block.content, str):
            parts = [Text(text=block.content)]
        elif isinstance(block.content, dict):
            raise InvalidRequest(f"`{at}.content` must be a string or an array.", param=f"{at}.content")
        else:
            for index, inner in enumerate(_blocks(block)):
                parts += self._seen(inner, f"{at}.content.{index}")
        return ToolResult(
            call_id=call_id,
            parts=tuple(parts),
            is_error=bool(block.is_error),
            cache=read_mark(block.cache_control),
        )


class _Hosted:
    """The tools that Anthropic ran itself in one turn: each call is read together with its result, where the call
    stands, or where the result stands if there is no call."""

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self._results = {block.tool_use_id: block for block in blocks if _is_result(block)}
        self._called = {block.id for block in blocks if block.type in hosted_tools.CALLS}

    def has(self, block: Block) -> bool:
        return block.type in hosted_tools.CALLS or _is_result(block)

    def read(self, block: Block) -> Iterable[Part]:
        if not _is_result(block):
            return (hosted_tools.read_use(_plain_json(block), _plain_json(self._results.get(block.id))),)
        if block.tool_use_id in self._called:
            return ()
        return (hosted_tools.read_use(None, _plain_json(block)),)


def _is_result(block: Block) -> bool:
    return hosted_tools.is_result(block.type)


def _plain_json(block: Block | None) -> dict[str, Any] | None:
    if block is None:
        return None
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(block))
    return plain


def _texts(block: Block, at: str) -> tuple[Text, ...]:
    text = required(block.text, f"{at}.text")
    if not text:
        return ()
    return (Text(text=text, citations=read_citations(block.citations), cache=read_mark(block.cache_control)),)


def _blocks(block: Block) -> tuple[Block, ...]:
    return block.content if isinstance(block.content, tuple) else ()


def _tool_call(block: Block, at: str) -> ToolCall:
    arguments = bytes(block.input)
    if not arguments.startswith(b"{"):
        raise InvalidRequest(f"`{at}.input` must be an object.", param=f"{at}.input")
    id_, signature = unseal_id(required(block.id, f"{at}.id"))
    return ToolCall(
        id=id_,
        name=required(block.name, f"{at}.name"),
        arguments=msgspec.json.format(arguments, indent=-1).decode(),
        signature=signature,
        cache=read_mark(block.cache_control),
    )


def _not_empty(content: object, at: str) -> None:
    if not content:
        raise InvalidRequest(f"`{at}.content` must not be empty.", param=f"{at}.content")


def _unserved(block: Block, at: str) -> Unsupported:
    return Unsupported(
        f"`{at}.type`: this model cannot be given blocks of type `{block.type[:100]}` here.", param=f"{at}.type"
    )
