"""OpenAI Chat Completions as types: what callers send, and what providers answer. Requests are read strictly, since a
wrong field is the caller's to mend; answers loosely, since a provider's oddity must not cost the caller the answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from isthmus.wire.unknown_fields import RequestReading

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


# --- requests ------------------------------------------------------------------------------------------------------


class ImageURL(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class ContentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which fields a part must have depends on `type`; `messages` looks, and says so with the field's path."""

    type: str
    text: str | None = None
    image_url: ImageURL | None = None
    refusal: str | None = None
    input_audio: Any = None
    file: Any = None


class CalledFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: str = ""


class MadeCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`index` comes back from callers who gathered a stream's fragments; it says nothing here."""

    id: str
    type: str = "function"
    function: CalledFunction | None = None
    custom: Any = None
    index: Any = None


class RequestMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`annotations` comes back from callers who send an answer's message again; it says nothing to a model."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | tuple[ContentPart, ...] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: tuple[MadeCall, ...] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    function_call: Any = None
    audio: Any = None
    annotations: Any = None


class Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    function: Function | None = None
    custom: Any = None


class ChosenFunction(msgspec.Struct, frozen=True):
    name: str


class ChosenTool(msgspec.Struct, frozen=True):
    type: str
    function: ChosenFunction | None = None


class ResponseFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`json_schema` is OpenAI's wrapper, or a bare schema (data-plane 4.3): `request` tells them apart."""

    type: str
    json_schema: dict[str, Any] | None = None


class NamedSchema(msgspec.Struct, frozen=True):
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that have a place in `Chat`, those that we refuse by name, and `options` and `gateway`, which are the
    gateway's own (data-plane 4.2). The input of `/ai/run` has no `model`."""

    messages: tuple[RequestMessage, ...]
    model: str | None = None
    max_completion_tokens: AtLeastOne | None = None
    max_tokens: AtLeastOne | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | tuple[str, ...] | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    n: AtLeastOne | None = None
    tools: tuple[ToolDefinition, ...] | None = None
    tool_choice: str | ChosenTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    functions: Any = None
    function_call: Any = None
    options: Any = None
    gateway: Any = None


class LooseImageURL(ImageURL, frozen=True, forbid_unknown_fields=False):
    pass


class LoosePart(ContentPart, frozen=True, forbid_unknown_fields=False):
    image_url: LooseImageURL | None = None


class LooseCalledFunction(CalledFunction, frozen=True, forbid_unknown_fields=False):
    pass


class LooseCall(MadeCall, frozen=True, forbid_unknown_fields=False):
    function: LooseCalledFunction | None = None


class LooseMessage(RequestMessage, frozen=True, forbid_unknown_fields=False):
    content: str | tuple[LoosePart, ...] | None = None
    tool_calls: tuple[LooseCall, ...] | None = None


class LooseFunction(Function, frozen=True, forbid_unknown_fields=False):
    pass


class LooseTool(ToolDefinition, frozen=True, forbid_unknown_fields=False):
    function: LooseFunction | None = None


class LooseFormat(ResponseFormat, frozen=True, forbid_unknown_fields=False):
    pass


class LooseRequest(Request, frozen=True, kw_only=True):
    messages: tuple[LooseMessage, ...]
    tools: tuple[LooseTool, ...] | None = None
    response_format: LooseFormat | None = None


REQUEST: RequestReading[Request] = RequestReading(
    Request,
    LooseRequest,
    {"store": False, "logprobs": False, "service_tier": "auto", "modalities": ["text"], "verbosity": "medium"},
)


# --- answers -------------------------------------------------------------------------------------------------------


class PromptDetails(msgspec.Struct, frozen=True):
    cached_tokens: int | float | None = None


class CompletionDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int | float | None = None


class AnsweredUsage(msgspec.Struct, frozen=True):
    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: int | float | None = None  # DeepSeek's own name for cached tokens


class AnsweredFunction(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: Any = None


class AnsweredCall(msgspec.Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: AnsweredFunction | None = None


class Said(msgspec.Struct, frozen=True):
    """A chunk's delta, or a whole answer's message."""

    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    reasoning_content: Any = None  # DeepSeek, llama.cpp, older vLLM
    reasoning: Any = None  # OpenRouter, newer vLLM
    tool_calls: list[AnsweredCall] | None = None


class Choice(msgspec.Struct, frozen=True):
    index: int | None = None
    delta: Said | None = None
    message: Said | None = None
    finish_reason: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """A chunk or a whole answer: they differ in `delta` and `message` only."""

    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[Choice] | None = None
    usage: AnsweredUsage | None = None
    error: Any = None
