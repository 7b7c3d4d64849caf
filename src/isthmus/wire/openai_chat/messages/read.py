"""OpenAI's `messages` to turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import (
    Audio,
    CacheMark,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Video,
)
from isthmus.errors import InvalidRequest
from isthmus.wire.conversation import check_tool_ids
from isthmus.wire.media import WEB_URL, checked_base64, data_url
from isthmus.wire.openai_chat import schema
from isthmus.wire.openai_chat.messages.thinking import read_thinking
from isthmus.wire.sealed import unseal_id

_PARTS_OF_ROLE = {
    "system": ("text",),
    "developer": ("text",),
    "user": ("text", "image_url", "input_audio", "file", "video_url"),
    "assistant": ("text", "refusal"),
    "tool": ("text", "image_url", "file"),
    "function": ("text",),
}


def read_messages(asked: Sequence[schema.RequestMessage], receipt: Receipt) -> tuple[Message, ...]:
    """Notes what a message held and we have no place for. Raises `InvalidRequest`."""
    if not asked:
        raise InvalidRequest("`messages` must hold at least one message.", param="messages")
    reading = _Reading(receipt)
    messages = tuple([reading.read(message, f"messages.{index}") for index, message in enumerate(asked)])
    check_tool_ids(messages)
    return messages


class _Reading:
    """Remembers what later messages refer to: calls of custom tools, and calls of the old functions, which have no ids
    and are answered by name."""

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._custom: set[str] = set()
        self._functions: list[tuple[str, str]] = []

    def read(self, message: schema.RequestMessage, at: str) -> Message:
        if message.audio is not None:
            self._receipt.lost("messages.audio", "sounds that were said before live at OpenAI")
        role, name = message.role, message.name
        parts: tuple[Part, ...]
        if role == "tool":
            name, parts = None, (self._read_tool_result(message, at),)
        elif role == "function":
            role, name, parts = "tool", None, (self._read_function_result(message, at),)
        elif role == "assistant":
            parts = self._read_assistant(message, at)
        elif message.tool_calls or message.function_call:
            field = "tool_calls" if message.tool_calls else "function_call"
            raise InvalidRequest(f"`{at}.{field}` is for assistant messages only.", param=f"{at}.{field}")
        else:
            parts = _read_content(message, at)
        mark = read_mark(message.cache_control)
        if mark is not None:
            parts = _marked(parts, mark)
        return Message(role=role, parts=parts, name=name)

    def _read_assistant(self, message: schema.RequestMessage, at: str) -> tuple[Part, ...]:
        thinking, details = message.reasoning_content or message.reasoning, message.reasoning_details
        parts = _read_content(message, at)
        if thinking or details:
            parts = (*read_thinking(thinking, details), *parts)
        if message.refusal:
            parts = (*parts, Refusal(text=message.refusal))
        if message.tool_calls:
            calls = [self._read_call(call, f"{at}.tool_calls.{place}") for place, call in enumerate(message.tool_calls)]
            parts = (*parts, *calls)
        if message.function_call is not None:
            parts = (*parts, self._read_function_call(message.function_call, at))
        return parts

    def _read_function_call(self, called: schema.CalledFunction, at: str) -> ToolCall:
        id_ = f"call_function_{at.rpartition('.')[2]}"
        self._functions.append((called.name, id_))
        return ToolCall(id=id_, name=called.name, arguments=called.arguments)

    def _read_call(self, call: schema.MadeCall, at: str) -> ToolCall:
        if not call.id:
            raise InvalidRequest(f"`{at}.id` must not be empty.", param=f"{at}.id")
        id_, signature = unseal_id(call.id)
        if signature is None:
            signature = google_signature(call.extra_content)
        if call.type == "custom" and call.custom is not None:
            self._custom.add(id_)
            return ToolCall(
                id=id_, name=call.custom.name, arguments=call.custom.input, custom=True, signature=signature
            )
        if call.type not in ("function", "custom"):
            raise InvalidRequest(f"`{at}.type` must be `function` or `custom`.", param=f"{at}.type")
        if call.function is None or call.type == "custom":
            raise InvalidRequest(f"`{at}.{call.type}` is required.", param=f"{at}.{call.type}")
        return ToolCall(id=id_, name=call.function.name, arguments=call.function.arguments, signature=signature)

    def _read_tool_result(self, message: schema.RequestMessage, at: str) -> ToolResult:
        if not message.tool_call_id:
            raise InvalidRequest(f"`{at}.tool_call_id` is required.", param=f"{at}.tool_call_id")
        id_ = unseal_id(message.tool_call_id)[0]
        return ToolResult(call_id=id_, parts=_result_parts(message, at), custom=id_ in self._custom)

    def _read_function_result(self, message: schema.RequestMessage, at: str) -> ToolResult:
        for place, (name, id_) in enumerate(self._functions):
            if name == message.name:
                del self._functions[place]
                return ToolResult(call_id=id_, parts=_result_parts(message, at))
        raise InvalidRequest(f"`{at}.name` names no function that was called before it.", param=f"{at}.name")


def google_signature(extra: Any) -> Opaque | None:
    """What Google's own Chat Completions give with a call, and want back with it
    (https://ai.google.dev/gemini-api/docs/thought-signatures)."""
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return Opaque(origin="google", data=signature) if isinstance(signature, str) and signature else None


def _marked(parts: tuple[Part, ...], mark: CacheMark) -> tuple[Part, ...]:
    """The prompt may be kept up to the end of this message: its last part bears the mark, if not one of its own."""
    for index, part in reversed(list(enumerate(parts))):
        if isinstance(part, Text | Image | Document | Audio | Video | ToolCall | ToolResult):
            marked = msgspec.structs.replace(part, cache=part.cache or mark)
            return (*parts[:index], marked, *parts[index + 1 :])
    return parts


def _result_parts(message: schema.RequestMessage, at: str) -> tuple[Text | Image | Document, ...]:
    return tuple(part for part in _read_content(message, at) if isinstance(part, Text | Image | Document))


def _read_content(message: schema.RequestMessage, at: str) -> tuple[Part, ...]:
    content = message.content
    if isinstance(content, str):
        # An assistant's empty string beside its tool calls says nothing.
        return (Text(text=content),) if content or message.role != "assistant" else ()
    if content is None:
        if message.role not in ("assistant", "function"):
            raise InvalidRequest(f"`{at}.content` is required.", param=f"{at}.content")
        return ()
    if not content:
        raise InvalidRequest(f"`{at}.content` must hold at least one part.", param=f"{at}.content")
    return tuple([_read_part(part, message.role, f"{at}.content.{index}") for index, part in enumerate(content)])


def _read_part(part: schema.ContentPart, role: str, at: str) -> Part:
    kind = part.type
    if kind not in _PARTS_OF_ROLE[role]:
        allowed = " or ".join(f"`{name}`" for name in _PARTS_OF_ROLE[role])
        raise InvalidRequest(f"`{at}.type` must be {allowed} in a {role} message, not `{kind}`.", param=f"{at}.type")
    if getattr(part, kind) is None:
        raise InvalidRequest(f"`{at}.{kind}` is required.", param=f"{at}.{kind}")
    return _READERS[kind](part, read_mark(part.cache_control), at)


def read_mark(asked: schema.CacheControl | None) -> CacheMark | None:
    return None if asked is None else CacheMark(ttl=asked.ttl)


def read_image(url: str, detail: str | None, at: str, cache: CacheMark | None = None) -> Image:
    """Raises `InvalidRequest` for what is neither a web address nor base64 text of an image."""
    inline = data_url(url)
    if inline is not None and inline[0].startswith("image/"):
        return Image(base64=inline[1], media_type=checked_base64(inline[1], inline[0], at), detail=detail, cache=cache)
    if WEB_URL.match(url):
        return Image(url=url, detail=detail, cache=cache)
    raise InvalidRequest(f"`{at}` must be an http or https URL, or an image's data URL in base64.", param=at)


def _read_text(part: schema.ContentPart, cache: CacheMark | None, at: str) -> Part:
    return Text(text=part.text or "", cache=cache)


def _read_refusal(part: schema.ContentPart, cache: CacheMark | None, at: str) -> Part:
    return Refusal(text=part.refusal or "")


def _read_image(part: schema.ContentPart, cache: CacheMark | None, at: str) -> Part:
    assert part.image_url is not None
    return read_image(part.image_url.url, part.image_url.detail, f"{at}.image_url.url", cache)


def _read_video(part: schema.ContentPart, cache: CacheMark | None, at: str) -> Part:
    assert part.video_url is not None
    url, at = part.video_url.url, f"{at}.video_url.url"
    inline = data_url(url)
    if inline is not None and inline[0].startswith("video/"):
        return Video(base64=inline[1], media_type=checked_base64(inline[1], inline[0], at), cache=cache)
    if WEB_URL.match(url):
        return Video(url=url, cache=cache)
    raise InvalidRequest(f"`{at}` must be an http or https URL, or a video's data URL in base64.", param=at)


def _read_audio(part: schema.ContentPart, cache: CacheMark | None, at: str) -> Part:
    assert part.input_audio is not None
    data, kind = part.input_audio.data, part.input_audio.format
    if not (kind.isascii() and kind.isalnum()):
        raise InvalidRequest(
            f"`{at}.input_audio.format` must be `wav`, `mp3` or the like.", param=f"{at}.input_audio.format"
        )
    media_type = checked_base64(data, f"audio/{kind.lower()}", f"{at}.input_audio.data")
    return Audio(base64=data, media_type=media_type, cache=cache)


def _read_file(part: schema.ContentPart, cache: CacheMark | None, at: str) -> Part:
    """OpenAI takes a data URL or an id; a web address stands in `file_data` for OpenRouter."""
    assert part.file is not None
    given, at = part.file, f"{at}.file"
    if given.file_id:
        return Document(file=Opaque(origin="openai", data=given.file_id), name=given.filename, cache=cache)
    data = given.file_data or ""
    inline = data_url(data)
    if inline is not None:
        media_type = checked_base64(inline[1], inline[0], f"{at}.file_data")
        if media_type.startswith("image/"):
            return Image(base64=inline[1], media_type=media_type, cache=cache)
        return Document(base64=inline[1], media_type=media_type, name=given.filename, cache=cache)
    if WEB_URL.match(data):
        return Document(url=data, name=given.filename, cache=cache)
    raise InvalidRequest(
        f"`{at}` must hold a `file_id`, or `file_data` as a data URL in base64.", param=f"{at}.file_data"
    )


_READERS: dict[str, Callable[[schema.ContentPart, CacheMark | None, str], Part]] = {
    "text": _read_text,
    "refusal": _read_refusal,
    "image_url": _read_image,
    "video_url": _read_video,
    "input_audio": _read_audio,
    "file": _read_file,
}
