"""OpenAI's Responses as types: what callers send, and what providers answer. Requests are read strictly, answers
loosely, since a provider's oddity must not cost the caller the answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from isthmus.core.request import Effort
from isthmus.wire.unknown_fields import RequestReading

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]


# --- requests -------------------------------------------------------------------------------------------------------


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any part of an item: which fields it must have depends on `type`, and `items` says so with the field's path.

    `annotations` and `logprobs` come back in answers that a caller sends again; they say nothing to a model."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    annotations: Any = None
    logprobs: Any = None


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any item of the input. `id` and `status` are of the answer that it came in."""

    type: str = "message"
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | tuple[Content, ...] | dict[str, Any] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Any = None
    output: str | tuple[Content, ...] | dict[str, Any] | None = None
    summary: tuple[Content, ...] | None = None
    encrypted_content: str | None = None
    id: Any = None
    status: Any = None


class RequestTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class RequestToolChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    name: str | None = None


class Format(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class TextWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Format | None = None


class ReasoningWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    effort: Effort | None = None


class Request(msgspec.Struct, frozen=True):
    """The fields that have a place in `Chat`, or that we refuse by name."""

    model: str
    input: str | tuple[Item, ...] | None = None
    instructions: str | None = None
    max_output_tokens: AtLeastOne | None = None
    temperature: Temperature | None = None
    top_p: Fraction | None = None
    tools: tuple[RequestTool, ...] | None = None
    tool_choice: str | RequestToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextWish | None = None
    reasoning: ReasoningWish | None = None
    user: str | None = None
    safety_identifier: str | None = None
    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: Any = None
    conversation: Any = None
    prompt: Any = None


class LooseContent(Content, frozen=True, forbid_unknown_fields=False):
    pass


class LooseItem(Item, frozen=True, forbid_unknown_fields=False):
    content: str | tuple[LooseContent, ...] | dict[str, Any] | None = None
    output: str | tuple[LooseContent, ...] | dict[str, Any] | None = None
    summary: tuple[LooseContent, ...] | None = None


class LooseTool(RequestTool, frozen=True, forbid_unknown_fields=False):
    pass


class LooseToolChoice(RequestToolChoice, frozen=True, forbid_unknown_fields=False):
    pass


class LooseFormat(Format, frozen=True, forbid_unknown_fields=False):
    pass


class LooseTextWish(TextWish, frozen=True, forbid_unknown_fields=False):
    format: LooseFormat | None = None


class LooseReasoningWish(ReasoningWish, frozen=True, forbid_unknown_fields=False):
    pass


class LooseRequest(Request, frozen=True):
    input: str | tuple[LooseItem, ...] | None = None
    tools: tuple[LooseTool, ...] | None = None
    tool_choice: str | LooseToolChoice | None = None
    text: LooseTextWish | None = None
    reasoning: LooseReasoningWish | None = None


# The encrypted reasoning of an answer is written out whenever the provider gave any, and nothing is ever obfuscated.
REQUEST: RequestReading[Request] = RequestReading(
    Request,
    LooseRequest,
    {
        "include": ["reasoning.encrypted_content"],
        "service_tier": "auto",
        "stream_options": {"include_obfuscation": False},
        "top_logprobs": 0,
        "truncation": "disabled",
    },
)


# --- answers --------------------------------------------------------------------------------------------------------


class InputDetails(msgspec.Struct, frozen=True):
    cached_tokens: int | float | None = None
    cache_write_tokens: int | float | None = None


class OutputDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int | float | None = None


class AnsweredUsage(msgspec.Struct, frozen=True):
    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class IncompleteDetails(msgspec.Struct, frozen=True):
    reason: str | None = None


class AnsweredContent(msgspec.Struct, frozen=True):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class AnsweredItem(msgspec.Struct, frozen=True):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Any = None
    content: tuple[AnsweredContent, ...] | None = None
    summary: tuple[AnsweredContent, ...] | None = None
    encrypted_content: str | None = None


class ResponseHead(msgspec.Struct, frozen=True):
    """A response without its output: in a stream the items have come by themselves."""

    id: str | None = None
    model: str | None = None
    created_at: int | float | None = None
    status: str | None = None
    error: Any = None
    incomplete_details: IncompleteDetails | None = None
    usage: AnsweredUsage | None = None


class Response(ResponseHead, frozen=True):
    output: tuple[AnsweredItem, ...] | None = None


class StreamEvent(msgspec.Struct, frozen=True):
    """Any event of a stream: which fields it has depends on `type`."""

    type: str = ""
    response: ResponseHead | None = None
    item: AnsweredItem | None = None
    output_index: int = 0
    summary_index: int = 0
    content_index: int = 0
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    error: Any = None
    code: Any = None
    message: str | None = None
    param: str | None = None


class Kind(msgspec.Struct, frozen=True):
    """As much of an event as tells whether it concerns us."""

    type: str = ""
