"""Cloudflare's native form of text generation as types (data-plane 4.7). Its messages and tools come in OpenAI's shape,
or in a flat one of its own; newer models answer in OpenAI's shape altogether."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from isthmus.wire.openai_chat import schema as openai
from isthmus.wire.openai_chat.answer import schema as answered
from isthmus.wire.unknown_fields import RequestReading

# --- requests -------------------------------------------------------------------------------------------------------


class CalledFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: Any = None


class MadeCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """OpenAI's `{id, type, function}` or a flat `{name, arguments}`; arguments are an object or its text."""

    id: str | None = None
    type: str | None = None
    function: CalledFunction | None = None
    name: str | None = None
    arguments: Any = None
    index: Any = None


class RequestMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | tuple[openai.ContentPart, ...] | None = None
    name: str | None = None
    tool_calls: tuple[MadeCall, ...] | None = None
    tool_call_id: str | None = None


class ToolDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """OpenAI's `{type, function}` or a flat `{name, description, parameters}`."""

    type: str | None = None
    function: openai.Function | None = None
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`prompt` or `messages`. `functions` and `image` are refused by name; `options` and `gateway` are ours."""

    prompt: str | None = None
    messages: tuple[RequestMessage, ...] | None = None
    model: str | None = None
    max_tokens: openai.AtLeastOne | None = None
    max_completion_tokens: openai.AtLeastOne | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: str | tuple[str, ...] | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    response_format: openai.ResponseFormat | None = None
    tools: tuple[ToolDefinition, ...] | None = None
    tool_choice: str | openai.ChosenTool | None = None
    stream: bool | None = None
    functions: Any = None
    image: Any = None
    options: Any = None
    gateway: Any = None


class LooseCalledFunction(CalledFunction, frozen=True, forbid_unknown_fields=False):
    pass


class LooseCall(MadeCall, frozen=True, forbid_unknown_fields=False):
    function: LooseCalledFunction | None = None


class LooseMessage(RequestMessage, frozen=True, forbid_unknown_fields=False):
    content: str | tuple[openai.LoosePart, ...] | None = None
    tool_calls: tuple[LooseCall, ...] | None = None


class LooseTool(ToolDefinition, frozen=True, forbid_unknown_fields=False):
    function: openai.LooseFunction | None = None


class LooseRequest(Request, frozen=True, kw_only=True):
    messages: tuple[LooseMessage, ...] | None = None
    tools: tuple[LooseTool, ...] | None = None
    response_format: openai.LooseFormat | None = None


REQUEST: RequestReading[Request] = RequestReading(Request, LooseRequest, {"raw": False, "repetition_penalty": 1})


# --- answers --------------------------------------------------------------------------------------------------------


class AnsweredCall(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: answered.AnsweredFunction | None = None
    name: str | None = None
    arguments: Any = None


class Answer(answered.Answer, frozen=True):
    """A whole answer or a stream's event; the v4 envelope may be around it (`result`, `success`, `errors`)."""

    response: Any = None
    tool_calls: list[AnsweredCall] | None = None
    finish_reason: str | None = None
    result: Answer | None = None
    success: bool | None = None
    errors: list[Any] | None = None
