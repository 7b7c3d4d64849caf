"""Anthropic's Messages as types: what callers send, and what providers answer. Requests are read strictly, answers
loosely, since a provider's oddity must not cost the caller the answer. Tools are read in `parts.tools`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from isthmus.wire.unknown_fields import RequestReading

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


# --- requests -------------------------------------------------------------------------------------------------------


class CacheControl(msgspec.Struct, frozen=True, omit_defaults=True):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Any content block: which fields it must have depends on `type`, and `turns` says so with the field's path.

    `caller` comes back in answers that a caller sends again; it says nothing to a model. Encoded, a block is what was
    sent."""

    type: str
    text: str | None = None
    source: str | dict[str, Any] | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    tool_use_id: str | None = None
    content: str | tuple[Block, ...] | dict[str, Any] | None = None
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    citations: Any = None
    caller: Any = None
    title: str | None = None
    context: str | None = None
    url: str | None = None
    encrypted_content: str | None = None
    page_age: str | None = None
    file_id: str | None = None
    tool_name: str | None = None
    server_name: str | None = None
    cache_control: CacheControl | None = None


class RequestMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["user", "assistant", "system"]
    content: str | tuple[Block, ...]


class RequestToolChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["auto", "any", "none", "tool"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: AtLeastOne | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user_id: str | None = None


class Request(msgspec.Struct, frozen=True):
    """`output_format` is the beta's place for what is now `output_config.format`."""

    model: str
    max_tokens: AtLeastOne
    messages: tuple[RequestMessage, ...]
    system: str | tuple[Block, ...] | None = None
    tools: tuple[msgspec.Raw, ...] | None = None
    tool_choice: RequestToolChoice | None = None
    stop_sequences: tuple[str, ...] | None = None
    temperature: Fraction | None = None
    top_p: Fraction | None = None
    top_k: int | None = None
    metadata: Metadata | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    stream: bool | None = None
    cache_control: CacheControl | None = None


class LooseBlock(Block, frozen=True, forbid_unknown_fields=False):
    content: str | tuple[LooseBlock, ...] | dict[str, Any] | None = None


class LooseMessage(RequestMessage, frozen=True, forbid_unknown_fields=False):
    content: str | tuple[LooseBlock, ...]


class LooseToolChoice(RequestToolChoice, frozen=True, forbid_unknown_fields=False):
    pass


class LooseThinking(Thinking, frozen=True, forbid_unknown_fields=False):
    pass


class LooseOutputFormat(OutputFormat, frozen=True, forbid_unknown_fields=False):
    pass


class LooseOutputConfig(OutputConfig, frozen=True, forbid_unknown_fields=False):
    format: LooseOutputFormat | None = None


class LooseMetadata(Metadata, frozen=True, forbid_unknown_fields=False):
    pass


class LooseRequest(Request, frozen=True, kw_only=True):
    messages: tuple[LooseMessage, ...]
    system: str | tuple[LooseBlock, ...] | None = None
    tool_choice: LooseToolChoice | None = None
    metadata: LooseMetadata | None = None
    thinking: LooseThinking | None = None
    output_config: LooseOutputConfig | None = None
    output_format: LooseOutputFormat | None = None


REQUEST: RequestReading[Request] = RequestReading(Request, LooseRequest, {"speed": "standard"})


# --- answers --------------------------------------------------------------------------------------------------------


class AnsweredOutputDetails(msgspec.Struct, frozen=True):
    thinking_tokens: int | float | None = None


class AnsweredCacheCreation(msgspec.Struct, frozen=True):
    ephemeral_1h_input_tokens: int | float | None = None


class AnsweredServerTools(msgspec.Struct, frozen=True):
    web_search_requests: int | float | None = None


class AnsweredUsage(msgspec.Struct, frozen=True):
    """Exclusive: cached tokens are not part of `input_tokens`."""

    input_tokens: int | float | None = None
    output_tokens: int | float | None = None
    cache_read_input_tokens: int | float | None = None
    cache_creation_input_tokens: int | float | None = None
    cache_creation: AnsweredCacheCreation | None = None
    output_tokens_details: AnsweredOutputDetails | None = None
    server_tool_use: AnsweredServerTools | None = None
    service_tier: str | None = None


class AnsweredBlock(msgspec.Struct, frozen=True):
    type: str = ""
    text: str | None = None
    citations: Any = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()


class AnsweredError(msgspec.Struct, frozen=True):
    type: str | None = None
    message: str | None = None


class StopDetails(msgspec.Struct, frozen=True):
    category: str | None = None
    explanation: str | None = None


class AnsweredMessage(msgspec.Struct, frozen=True):
    """A whole answer, or the head of a streamed one. A whole answer may be an error. The blocks are read one by one:
    what one of an unknown type holds is nobody's concern."""

    type: str = ""
    id: str | None = None
    model: str | None = None
    content: tuple[msgspec.Raw, ...] = ()
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: AnsweredUsage | None = None
    error: AnsweredError | None = None


class Delta(msgspec.Struct, frozen=True):
    """Of a content block, or of the message."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class StreamEvent(msgspec.Struct, frozen=True):
    """Any event of a stream: which fields it has depends on `type`."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: msgspec.Raw = msgspec.Raw()
    message: AnsweredMessage | None = None
    usage: AnsweredUsage | None = None
    error: AnsweredError | None = None


class Kind(msgspec.Struct, frozen=True):
    """As much of an event or a block as tells whether it concerns us."""

    type: str = ""


class MessageHead(msgspec.Struct, frozen=True):
    """What a log row wants of a whole answer; its content is passed over."""

    type: str = ""
    model: str | None = None
    stop_reason: str | None = None
    usage: AnsweredUsage | None = None
