"""The items of a Responses request: a turn of the assistant, which OpenAI takes apart into items, is put together."""

from __future__ import annotations

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
from isthmus.wire.openai_chat.messages import read_image
from isthmus.wire.openai_responses.schema import Content, Item

_TEXTS = frozenset(("input_text", "output_text", "text"))


def read_items(items: tuple[Item, ...]) -> tuple[Message, ...]:
    """What an assistant said, thought and called, one after the other, is one message: its calls' results follow it in
    the dialects that know messages only."""
    messages: list[Message] = []
    spoken: list[Part] = []
    for index, item in enumerate(items):
        at = f"input.{index}"
        parts = _assistant_parts(item, at)
        if parts is not None:
            spoken += parts
            continue
        if spoken:
            messages.append(Message(role="assistant", parts=tuple(spoken)))
            spoken = []
        messages.append(_message(item, at))
    if spoken:
        messages.append(Message(role="assistant", parts=tuple(spoken)))
    if not messages:
        raise InvalidRequest("`input` must hold at least one item that says something.", param="input")
    return tuple(messages)


def _assistant_parts(item: Item, at: str) -> list[Part] | None:
    """None for an item that is not the assistant's."""
    if item.type == "message" and item.role == "assistant":
        return [part for part in _content(item, at) if not isinstance(part, Text) or part.text]
    if item.type == "function_call":
        return [_call(item, at)]
    if item.type == "reasoning":
        return _reasoning(item)
    return None


def _message(item: Item, at: str) -> Message:
    if item.type == "function_call_output":
        return Message(role="tool", parts=(_result(item, at),))
    if item.type != "message":
        raise Unsupported(f"`{at}.type`: this model cannot be given items of type `{item.type}`.", param=f"{at}.type")
    if item.role is None:
        raise InvalidRequest(f"`{at}.role` is required.", param=f"{at}.role")
    return Message(role=item.role, parts=tuple(_content(item, at)))


def _content(item: Item, at: str) -> list[Part]:
    content = item.content
    if isinstance(content, str):
        return [Text(text=content)]
    if not isinstance(content, tuple):
        raise InvalidRequest(f"`{at}.content` must be a string or an array of parts.", param=f"{at}.content")
    parts: list[Part] = []
    for index, part in enumerate(content):
        here = f"{at}.content.{index}"
        if part.type == "refusal" and item.role == "assistant":
            parts.append(Refusal(text=_required(part.refusal, f"{here}.refusal")))
        else:
            parts.append(_seen(part, item.role == "user", here))
    return parts


def _seen(part: Content, images: bool, at: str) -> Text | Image:
    if part.type in _TEXTS:
        return Text(text=_required(part.text, f"{at}.text"))
    if part.type != "input_image" or not images:
        raise Unsupported(
            f"`{at}.type`: this model cannot be given parts of type `{part.type}` here.", param=f"{at}.type"
        )
    if part.image_url is None:
        raise Unsupported(f"`{at}.image_url` is what an image must be given by here.", param=f"{at}.image_url")
    return read_image(part.image_url, part.detail, f"{at}.image_url")


def _call(item: Item, at: str) -> ToolCall:
    return ToolCall(
        id=_required(item.call_id, f"{at}.call_id"),
        name=_required(item.name, f"{at}.name"),
        arguments=_required(item.arguments, f"{at}.arguments"),
    )


def _reasoning(item: Item) -> list[Part]:
    """The thinking itself where there is any, else its summary."""
    content = item.content if isinstance(item.content, tuple) else ()
    texts = [part.text for part in content if part.text] or [part.text for part in item.summary or () if part.text]
    if not texts and not item.encrypted_content:
        return []
    return [Reasoning(text="\n\n".join(texts), signature=item.encrypted_content or None)]


def _result(item: Item, at: str) -> ToolResult:
    call_id = _required(item.call_id, f"{at}.call_id")
    if isinstance(item.output, str):
        return ToolResult(call_id=call_id, parts=(Text(text=item.output),))
    if not isinstance(item.output, tuple):
        raise InvalidRequest(f"`{at}.output` must be a string or an array of parts.", param=f"{at}.output")
    parts = tuple(_seen(part, True, f"{at}.output.{index}") for index, part in enumerate(item.output))
    return ToolResult(call_id=call_id, parts=parts)


def _required(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(f"`{at}` is required and must be a string.", param=at)
    return value
