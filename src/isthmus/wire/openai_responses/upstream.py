"""A `Chat` to a Responses request for OpenAI (data-plane 16.4). What it cannot carry is named, never dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from isthmus.core.request import (
    Chat,
    Effort,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Written,
)

MIN_OUTPUT_TOKENS = 16
# `thinking_budget` has no field here. The widest budget that is still of an effort; above the last it is "high".
EFFORT_BUDGETS: tuple[tuple[int, Effort], ...] = ((0, "none"), (1024, "low"), (8192, "medium"))

_EMPTY_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
_LOST = ("top_k", "stop", "seed", "frequency_penalty", "presence_penalty")


def write_request(chat: Chat, model: str) -> Written:
    """Instructions stay items among the others, in their order. Nothing is kept at OpenAI (`store` false)."""
    lost: dict[str, None] = {name: None for name in _LOST if getattr(chat, name)}
    asked: dict[str, Any] = {
        "model": model,
        "input": [item for at, message in enumerate(chat.messages) for item in _items(message, at, lost)],
        "store": False,
        "stream": chat.stream,
    }
    asked |= _limits(chat, lost) | _tools(chat)
    if chat.answer_format is not None:
        asked["text"] = {"format": text_format(chat)}
    effort = _effort(chat, lost)
    if effort is not None:
        asked["reasoning"] = {"effort": effort}
    if chat.user:
        asked["user"] = chat.user
    return Written(body=msgspec.json.encode(asked), lost=tuple(lost))


def text_format(chat: Chat) -> dict[str, Any]:
    wish = chat.answer_format
    if wish is None:
        return {"type": "text"}
    if wish.schema is None:
        return {"type": "json_object"}
    written: dict[str, Any] = {"type": "json_schema", "name": wish.name, "schema": wish.schema}
    if wish.description is not None:
        written["description"] = wish.description
    written["strict"] = bool(wish.strict)
    return written


def written_tool(tool: Tool) -> dict[str, Any]:
    """Strict is OpenAI's default here and nowhere else: one who did not say so gets what he would elsewhere."""
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or _EMPTY_SCHEMA,
        "strict": bool(tool.strict),
    }


def written_choice(chat: Chat) -> str | dict[str, Any]:
    choice = chat.tool_choice
    if choice is None:
        return "auto"
    return {"type": "function", "name": choice.name} if choice.mode == "named" else choice.mode


def _limits(chat: Chat, lost: dict[str, None]) -> dict[str, Any]:
    tokens = chat.max_tokens
    if tokens is not None and tokens < MIN_OUTPUT_TOKENS:
        tokens = MIN_OUTPUT_TOKENS
        lost["max_tokens"] = None
    stated = {"max_output_tokens": tokens, "temperature": chat.temperature, "top_p": chat.top_p}
    return {name: value for name, value in stated.items() if value is not None}


def _tools(chat: Chat) -> dict[str, Any]:
    if not chat.tools:
        return {}
    written: dict[str, Any] = {"tools": [written_tool(tool) for tool in chat.tools]}
    if chat.tool_choice is not None:
        written["tool_choice"] = written_choice(chat)
    if chat.parallel_tool_calls is not None:
        written["parallel_tool_calls"] = chat.parallel_tool_calls
    return written


def _effort(chat: Chat, lost: dict[str, None]) -> Effort | None:
    if chat.thinking_budget is not None:
        fitting = (effort for most, effort in EFFORT_BUDGETS if chat.thinking_budget <= most)
        return next(fitting, "high")
    if chat.effort == "max":
        # Only its newest models know "max".
        lost["effort"] = None
        return "xhigh"
    return chat.effort


def _items(message: Message, at: int, lost: dict[str, None]) -> Iterator[dict[str, Any]]:
    if message.name is not None:
        lost["messages.name"] = None
    if message.role == "tool":
        for part in message.parts:
            if isinstance(part, ToolResult):
                yield {"type": "function_call_output", "call_id": part.call_id, "output": _output(part)}
    elif message.role == "assistant":
        yield from _assistant_items(message, at, lost)
    else:
        yield {"type": "message", "role": message.role, "content": _content(message.parts)}


def _assistant_items(message: Message, at: int, lost: dict[str, None]) -> Iterator[dict[str, Any]]:
    said: list[Text | Refusal] = []
    for index, part in enumerate(message.parts):
        if isinstance(part, Text | Refusal):
            said.append(part)
        elif isinstance(part, ToolCall):
            yield from _said(said, f"msg_{at}_{index}")
            said = []
            yield {
                "type": "function_call",
                "call_id": part.id,
                "name": part.name,
                "arguments": part.arguments or "{}",
            }
        elif isinstance(part, Reasoning):
            # OpenAI takes its own reasoning back only encrypted, and whose signature this is nobody can tell.
            lost["messages.reasoning"] = None
    yield from _said(said, f"msg_{at}")


def _said(parts: list[Text | Refusal], item_id: str) -> Iterator[dict[str, Any]]:
    """Plain text as the string that every server reads; with a refusal in it, the whole item, which needs an id (one
    that no other item has)."""
    if not parts:
        return
    if all(isinstance(part, Text) for part in parts):
        yield {"type": "message", "role": "assistant", "content": "".join(part.text for part in parts)}
        return
    content = [
        {"type": "output_text", "text": part.text, "annotations": [], "logprobs": []}
        if isinstance(part, Text)
        else {"type": "refusal", "refusal": part.text}
        for part in parts
    ]
    yield {"type": "message", "id": item_id, "role": "assistant", "status": "completed", "content": content}


def _content(parts: Iterable[Part]) -> str | list[dict[str, Any]]:
    written = [_seen(part) for part in parts if isinstance(part, Text | Image)]
    if len(written) == 1 and written[0]["type"] == "input_text":
        text: str = written[0]["text"]
        return text
    return written


def _output(result: ToolResult) -> str | list[dict[str, Any]]:
    """There is no field for a failed call: the text says so."""
    content = _content(result.parts) or ""
    if not result.is_error:
        return content
    if isinstance(content, str):
        return f"Error: {content}"
    return [{"type": "input_text", "text": "Error:"}, *content]


def _seen(part: Text | Image) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    url = part.url if part.url is not None else f"data:{part.media_type};base64,{part.base64}"
    return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
