"""Cohere's Chat of version 2 as types. Requests are read strictly, since a wrong field is the caller's to mend; answers
are read loosely."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from isthmus.wire.unknown_fields import RequestReading

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]

# --- both -----------------------------------------------------------------------------------------------------------


class Source(msgspec.Struct, frozen=True):
    """`tool_output` and `document` are what the source says: objects with whatever was sent in them."""

    type: str | None = None
    id: str | None = None
    tool_output: Any = None
    document: Any = None


class Citation(msgspec.Struct, frozen=True):
    start: int | None = None
    end: int | None = None
    text: str | None = None
    sources: tuple[Source, ...] | None = None
    content_index: int | None = None
    type: str | None = None


# --- requests -------------------------------------------------------------------------------------------------------


class ImageURL(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` as text is how Cohere's own guides send what a tool said."""

    data: dict[str, Any] | str
    id: str | None = None


class ContentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which field a part must have depends on `type`; `messages` looks, and says so with the field's path."""

    type: str
    text: str | None = None
    image_url: ImageURL | None = None
    thinking: str | None = None
    document: Document | None = None


class CalledFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | None = None


class MadeCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    type: str = "function"
    function: CalledFunction | None = None


class RequestMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | tuple[ContentPart, ...] | None = None
    tool_calls: tuple[MadeCall, ...] | None = None
    tool_plan: str | None = None
    citations: tuple[Citation, ...] | None = None
    tool_call_id: str | None = None


class Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    parameters: dict[str, Any]
    description: str | None = None


class ToolDefinition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    function: Function | None = None


class CitationOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: str | None = None


class ResponseFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["text", "json_object"]
    json_schema: dict[str, Any] | None = None


class Thinking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["enabled", "disabled"]
    token_budget: AtLeastOne | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`options` and `gateway` are the gateway's own (data-plane 4.2)."""

    messages: tuple[RequestMessage, ...]
    model: str | None = None
    stream: bool | None = None
    tools: tuple[ToolDefinition, ...] | None = None
    strict_tools: bool | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    documents: tuple[str | Document, ...] | None = None
    citation_options: CitationOptions | None = None
    response_format: ResponseFormat | None = None
    safety_mode: str | None = None
    max_tokens: NotNegative | None = None
    stop_sequences: tuple[str, ...] | None = None
    temperature: Fraction | None = None
    seed: NotNegative | None = None
    frequency_penalty: Fraction | None = None
    presence_penalty: Fraction | None = None
    k: Annotated[int, msgspec.Meta(ge=0, le=500)] | None = None
    p: Fraction | None = None
    logprobs: bool | None = None
    thinking: Thinking | None = None
    options: Any = None
    gateway: Any = None


class LooseImageURL(ImageURL, frozen=True, forbid_unknown_fields=False):
    pass


class LooseDocument(Document, frozen=True, forbid_unknown_fields=False):
    pass


class LoosePart(ContentPart, frozen=True, forbid_unknown_fields=False):
    image_url: LooseImageURL | None = None
    document: LooseDocument | None = None


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


class LooseCitationOptions(CitationOptions, frozen=True, forbid_unknown_fields=False):
    pass


class LooseFormat(ResponseFormat, frozen=True, forbid_unknown_fields=False):
    pass


class LooseThinking(Thinking, frozen=True, forbid_unknown_fields=False):
    pass


class LooseRequest(Request, frozen=True, kw_only=True):
    messages: tuple[LooseMessage, ...]
    tools: tuple[LooseTool, ...] | None = None
    documents: tuple[str | LooseDocument, ...] | None = None
    citation_options: LooseCitationOptions | None = None
    response_format: LooseFormat | None = None
    thinking: LooseThinking | None = None


REQUEST: RequestReading[Request] = RequestReading(Request, LooseRequest, {"priority": 0})

# --- answers --------------------------------------------------------------------------------------------------------


class AnsweredContent(msgspec.Struct, frozen=True):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class AnsweredFunction(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class AnsweredCall(msgspec.Struct, frozen=True):
    id: str | None = None
    function: AnsweredFunction | None = None


class Said(msgspec.Struct, frozen=True):
    """A message, or a piece of one: of a piece, what is a list in the message is one of its items."""

    content: list[AnsweredContent] | AnsweredContent | None = None
    tool_plan: str | None = None
    tool_calls: list[AnsweredCall] | AnsweredCall | None = None
    citations: list[Citation] | Citation | None = None


class Logprobs(msgspec.Struct, frozen=True):
    """Of a piece of text, one number for each of its tokens; which token is which part of it is not told."""

    text: str | None = None
    token_ids: list[int] | None = None
    logprobs: list[float] | None = None


class Counts(msgspec.Struct, frozen=True):
    input_tokens: float | None = None
    output_tokens: float | None = None


class AnsweredUsage(msgspec.Struct, frozen=True):
    """`tokens` are what the model read and wrote, `billed_units` what Cohere bills, without its own words around a
    prompt."""

    tokens: Counts | None = None
    billed_units: Counts | None = None
    cached_tokens: float | None = None


class Answer(msgspec.Struct, frozen=True):
    """A `message` that is text is an error's."""

    id: str | None = None
    message: Said | str | None = None
    finish_reason: str | None = None
    usage: AnsweredUsage | None = None
    logprobs: list[Logprobs] | None = None


class AnswerHead(msgspec.Struct, frozen=True):
    finish_reason: str | None = None
    usage: AnsweredUsage | None = None
    message: msgspec.Raw = msgspec.Raw()


class Delta(msgspec.Struct, frozen=True):
    message: Said | None = None
    finish_reason: str | None = None
    error: str | None = None
    usage: AnsweredUsage | None = None


class StreamEvent(msgspec.Struct, frozen=True):
    """`message` is there where an error came instead of an event."""

    type: str = ""
    id: str | None = None
    index: int | None = None
    delta: Delta | None = None
    logprobs: Logprobs | None = None
    message: str | None = None
