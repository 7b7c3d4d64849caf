"""The turns of a conversation, from and to OpenAI's `messages`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from isthmus.core.request import (
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.openai_chat import schema

_DATA_URL = re.compile(r"data:(image/[^;,]+)(?:;[^;,]+)*;base64,", re.IGNORECASE)
_WEB_URL = re.compile(r"https?://", re.IGNORECASE)

_PARTS_OF_ROLE = {
    "system": ("text",),
    "developer": ("text",),
    "user": ("text", "image_url"),
    "assistant": ("text", "refusal"),
    "tool": ("text",),
}
_UNSERVED = ("input_audio", "file")


def read_messages(asked: Sequence[schema.RequestMessage], unplaced: set[str]) -> tuple[Message, ...]:
    """Names in `unplaced` what a message held and we have no place for. Raises `InvalidRequest`, `Unsupported`."""
    if not asked:
        raise InvalidRequest("`messages` must hold at least one message.", param="messages")
    return tuple(_read(message, f"messages.{index}", unplaced) for index, message in enumerate(asked))


def _read(message: schema.RequestMessage, at: str, unplaced: set[str]) -> Message:
    role = message.role
    if role == "function" or message.function_call is not None:
        field = "role" if role == "function" else "function_call"
        raise Unsupported(
            f"`{at}.{field}`: functions are not served, send `tools` and `tool_calls`.", param=f"{at}.{field}"
        )
    if message.audio is not None:
        unplaced.add("messages.audio")
    if role == "tool":
        return _read_tool_result(message, at)
    parts: list[Part] = []
    reasoning = message.reasoning_content or message.reasoning
    if role == "assistant" and reasoning:
        parts.append(Reasoning(text=reasoning))
    parts.extend(_read_content(message, at))
    if role == "assistant":
        if message.refusal:
            parts.append(Refusal(text=message.refusal))
        calls = message.tool_calls or ()
        parts.extend(_read_call(call, f"{at}.tool_calls.{index}") for index, call in enumerate(calls))
    elif message.tool_calls:
        raise InvalidRequest(f"`{at}.tool_calls` is for assistant messages only.", param=f"{at}.tool_calls")
    return Message(role=role, parts=tuple(parts), name=message.name)


def _read_tool_result(message: schema.RequestMessage, at: str) -> Message:
    if not message.tool_call_id:
        raise InvalidRequest(f"`{at}.tool_call_id` is required.", param=f"{at}.tool_call_id")
    content = tuple(part for part in _read_content(message, at) if isinstance(part, Text))
    result = ToolResult(call_id=message.tool_call_id, parts=content)
    return Message(role="tool", parts=(result,))


def _read_content(message: schema.RequestMessage, at: str) -> Iterator[Part]:
    content = message.content
    if isinstance(content, str):
        # An assistant's empty string beside its tool calls says nothing.
        if content or message.role != "assistant":
            yield Text(text=content)
        return
    if content is None:
        if message.role != "assistant":
            raise InvalidRequest(f"`{at}.content` is required.", param=f"{at}.content")
        return
    if not content:
        raise InvalidRequest(f"`{at}.content` must hold at least one part.", param=f"{at}.content")
    for index, part in enumerate(content):
        yield _read_part(part, message.role, f"{at}.content.{index}")


def _read_part(part: schema.ContentPart, role: str, at: str) -> Text | Image | Refusal:
    kind = part.type
    if kind in _UNSERVED:
        raise Unsupported(f"`{at}.type`: parts of type `{kind}` are not served.", param=f"{at}.type")
    if kind not in _PARTS_OF_ROLE[role]:
        allowed = " or ".join(f"`{name}`" for name in _PARTS_OF_ROLE[role])
        raise InvalidRequest(f"`{at}.type` must be {allowed} in a {role} message, not `{kind}`.", param=f"{at}.type")
    if kind == "text" and part.text is not None:
        return Text(text=part.text)
    if kind == "image_url" and part.image_url is not None:
        return read_image(part.image_url.url, part.image_url.detail, f"{at}.image_url.url")
    if kind == "refusal" and part.refusal is not None:
        return Refusal(text=part.refusal)
    raise InvalidRequest(f"`{at}.{kind}` is required.", param=f"{at}.{kind}")


def read_image(url: str, detail: str | None, at: str) -> Image:
    """Raises `InvalidRequest` for what is neither a web address nor base64 text of an image."""
    inline = _DATA_URL.match(url)
    if inline:
        return Image(base64=url[inline.end() :], media_type=inline.group(1).lower(), detail=detail)
    if _WEB_URL.match(url):
        return Image(url=url, detail=detail)
    raise InvalidRequest(f"`{at}` must be an http or https URL, or an image's data URL in base64.", param=at)


def _read_call(call: schema.MadeCall, at: str) -> ToolCall:
    if call.type != "function":
        raise Unsupported(f"`{at}.type`: calls of type `{call.type}` are not served.", param=f"{at}.type")
    if call.function is None:
        raise InvalidRequest(f"`{at}.function` is required.", param=f"{at}.function")
    if not call.id:
        raise InvalidRequest(f"`{at}.id` must not be empty.", param=f"{at}.id")
    return ToolCall(id=call.id, name=call.function.name, arguments=call.function.arguments)


def write_messages(messages: Iterable[Message], *, developer: bool, lost: set[str]) -> list[dict[str, Any]]:
    """`developer` False: the role is written as `system`, which every server knows. A tool message takes text only,
    so images of tool results follow as a user message, after the whole run of results."""
    written: list[dict[str, Any]] = []
    held: list[dict[str, Any]] = []
    for message in messages:
        if message.role != "tool" and held:
            written.append({"role": "user", "content": held})
            held = []
        if message.role == "tool":
            written.extend(_write_tool_result(message, held))
        elif message.role == "assistant":
            written.append(_write_assistant(message, lost))
        else:
            role = "system" if message.role == "developer" and not developer else message.role
            content = [_write_part(part) for part in message.parts if isinstance(part, Text | Image)]
            written.append(_named({"role": role, "content": _plain(content) or ""}, message))
    if held:
        written.append({"role": "user", "content": held})
    return written


def _write_assistant(message: Message, lost: set[str]) -> dict[str, Any]:
    texts: list[dict[str, Any]] = []
    refusals: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Text):
            texts.append(_write_part(part))
        elif isinstance(part, Refusal):
            refusals.append(part.text)
        elif isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": part.arguments or "{}"}
            calls.append({"id": part.id, "type": "function", "function": function})
        elif isinstance(part, Reasoning):
            lost.add("messages.reasoning")
    written: dict[str, Any] = {"role": "assistant", "content": _plain(texts)}
    if refusals:
        written["refusal"] = "".join(refusals)
    if calls:
        written["tool_calls"] = calls
    elif not texts and not refusals:
        written["content"] = ""
    return _named(written, message)


def _write_tool_result(message: Message, held: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for result in message.parts:
        if isinstance(result, ToolResult):
            texts = [_write_part(part) for part in result.parts if isinstance(part, Text)]
            held.extend(_write_part(part) for part in result.parts if isinstance(part, Image))
            if result.is_error:
                first = texts[0]["text"] if texts else ""
                texts[:1] = [{"type": "text", "text": f"Error: {first}"}]
            yield {"role": "tool", "tool_call_id": result.call_id, "content": _plain(texts) or ""}


def _write_part(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    url = part.url if part.url is not None else f"data:{part.media_type};base64,{part.base64}"
    image = {"url": url} if part.detail is None else {"url": url, "detail": part.detail}
    return {"type": "image_url", "image_url": image}


def _plain(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]] | None:
    """One text as the string that every server reads; parts only where there is need."""
    if not parts:
        return None
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return parts


def _named(written: dict[str, Any], message: Message) -> dict[str, Any]:
    if message.name is not None:
        written["name"] = message.name
    return written
