"""OpenAI's Responses as types: what callers send, and what providers answer. Requests are read strictly, answers
loosely, since a provider's oddity must not cost the caller the answer.

Items and tools are of many types, and only some have a place in `Chat`: they are kept as they came (`msgspec.Raw`) and
read one by one, each as its type wants.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from isthmus.core.chat.request import Effort
from isthmus.wire.unknown_fields import RequestReading

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
TopLogprobs = Annotated[int, msgspec.Meta(ge=0, le=20)]
Level = Literal["low", "medium", "high"]
SummaryWish = Literal["auto", "concise", "detailed"]


# --- requests -------------------------------------------------------------------------------------------------------


class Sound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: str
    format: str


class Breakpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the prompt's cache may end (newer than OpenAI's specification of May 2026, and of its SDKs')."""

    mode: str | None = None
    ttl: str | None = None


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any part of an item: which fields it must have depends on `type`, and `items` says so with the field's path.

    `logprobs` come back in answers that a caller sends again; they say nothing to a model."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    input_audio: Sound | None = None
    annotations: tuple[dict[str, Any], ...] | None = None
    logprobs: Any = None
    prompt_cache_breakpoint: Breakpoint | None = None


class Thought(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str | None = None
    text: str | None = None


class Item(msgspec.Struct, frozen=True):
    """Any item of the input that has a place in `Chat`. `status` is of the answer that it came in."""

    type: str = "message"
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | tuple[Content, ...] | None = None
    call_id: str | None = None
    namespace: str | None = None
    name: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: str | tuple[Content, ...] | None = None
    summary: tuple[Thought, ...] | None = None
    encrypted_content: str | None = None
    id: str | None = None
    status: Any = None


class StrictItem(Item, frozen=True, forbid_unknown_fields=True):
    pass


class LooseContent(Content, frozen=True, forbid_unknown_fields=False):
    pass


class LooseThought(Thought, frozen=True, forbid_unknown_fields=False):
    pass


class LooseItem(Item, frozen=True):
    content: str | tuple[LooseContent, ...] | None = None
    output: str | tuple[LooseContent, ...] | None = None
    summary: tuple[LooseThought, ...] | None = None


# `phase` tells a commentary from the last word; "direct" is how functions are called where no program calls them.
ITEM: RequestReading[Item] = RequestReading(Item, LooseItem, {"caller": {"type": "direct"}})


class CustomFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["text", "grammar"]
    syntax: Literal["lark", "regex"] | None = None
    definition: str | None = None


class Filters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    allowed_domains: tuple[str, ...] | None = None
    blocked_domains: tuple[str, ...] | None = None


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    timezone: str | None = None


class RequestTool(msgspec.Struct, frozen=True):
    """Any tool that has a place in `Chat`; `tools` are a namespace's."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    format: CustomFormat | None = None
    filters: Filters | None = None
    user_location: Place | None = None
    search_context_size: Level | None = None
    tools: tuple[msgspec.Raw, ...] | None = None


class Labelled(msgspec.Struct, frozen=True):
    """What a tool that only OpenAI has calls itself."""

    type: str = ""
    name: str | None = None
    server_label: str | None = None


class LooseFormatOfCustom(CustomFormat, frozen=True, forbid_unknown_fields=False):
    pass


class LooseFilters(Filters, frozen=True, forbid_unknown_fields=False):
    pass


class LoosePlace(Place, frozen=True, forbid_unknown_fields=False):
    pass


class LooseTool(RequestTool, frozen=True):
    format: LooseFormatOfCustom | None = None
    filters: LooseFilters | None = None
    user_location: LoosePlace | None = None


TOOL: RequestReading[RequestTool] = RequestReading(
    RequestTool,
    LooseTool,
    {
        "defer_loading": False,
        "external_web_access": True,
        "search_content_types": ["text"],
        "allowed_callers": ["direct"],
    },
)


class RequestToolChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    name: str | None = None
    namespace: str | None = None
    server_label: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: tuple[Labelled, ...] | None = None


class Format(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class TextWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Format | None = None
    verbosity: Level | None = None


class ReasoningWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`generate_summary` is `summary` as it was called before."""

    effort: Effort | None = None
    summary: SummaryWish | None = None
    generate_summary: SummaryWish | None = None


class Request(msgspec.Struct, frozen=True):
    """The fields that have a place in `Chat`, or that we refuse by name."""

    model: str
    input: str | tuple[msgspec.Raw, ...] | None = None
    instructions: str | None = None
    max_output_tokens: AtLeastOne | None = None
    temperature: Temperature | None = None
    top_p: Fraction | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    tools: tuple[msgspec.Raw, ...] | None = None
    tool_choice: str | RequestToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: AtLeastOne | None = None
    text: TextWish | None = None
    reasoning: ReasoningWish | None = None
    include: tuple[str, ...] | None = None
    top_logprobs: TopLogprobs | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    service_tier: str | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: Any = None
    conversation: Any = None
    prompt: Any = None


class LooseToolChoice(RequestToolChoice, frozen=True, forbid_unknown_fields=False):
    pass


class LooseFormat(Format, frozen=True, forbid_unknown_fields=False):
    pass


class LooseTextWish(TextWish, frozen=True, forbid_unknown_fields=False):
    format: LooseFormat | None = None


class LooseReasoningWish(ReasoningWish, frozen=True, forbid_unknown_fields=False):
    pass


class LooseRequest(Request, frozen=True):
    tool_choice: str | LooseToolChoice | None = None
    text: LooseTextWish | None = None
    reasoning: LooseReasoningWish | None = None


# Nothing is ever obfuscated.
REQUEST: RequestReading[Request] = RequestReading(
    Request,
    LooseRequest,
    {"stream_options": {"include_obfuscation": False}, "truncation": "disabled"},
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


class AnsweredLogprob(msgspec.Struct, frozen=True):
    token: str = ""
    logprob: float = 0.0
    top_logprobs: tuple[AnsweredLogprob, ...] | None = None


class AnsweredContent(msgspec.Struct, frozen=True):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: tuple[Any, ...] | None = None
    logprobs: tuple[AnsweredLogprob, ...] | None = None


class AnsweredItem(msgspec.Struct, frozen=True):
    """An item that we read: a message, a call, or thinking. `arguments` is an object at servers that mean well."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    namespace: str | None = None
    name: str | None = None
    arguments: Any = None
    input: str | None = None
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
    service_tier: str | None = None


class Response(ResponseHead, frozen=True):
    output: tuple[msgspec.Raw, ...] | None = None


class StreamEvent(msgspec.Struct, frozen=True):
    """Any event of a stream: which fields it has depends on `type`."""

    type: str = ""
    response: ResponseHead | None = None
    item: msgspec.Raw = msgspec.Raw()
    output_index: int = 0
    summary_index: int = 0
    content_index: int = 0
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    logprobs: tuple[AnsweredLogprob, ...] | None = None
    annotation: Any = None
    error: Any = None
    code: Any = None
    message: str | None = None
    param: str | None = None


class Kind(msgspec.Struct, frozen=True):
    """As much of an event or item as tells whether it concerns us."""

    type: str = ""
