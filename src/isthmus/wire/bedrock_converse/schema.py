"""Converse as types: what is asked, and what is answered, whole and in events. A union of AWS's is a structure of which
one member is set. Members that nobody knows are passed over, as AWS does; what is known and has no place is noted.

Sources: the `bedrock-runtime` service model,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = int | float | None


# --- content, in requests and answers alike --------------------------------------------------------------------------


class S3Location(msgspec.Struct, frozen=True, omit_defaults=True):
    uri: str
    bucketOwner: str | None = None


class TextPart(msgspec.Struct, frozen=True):
    text: str | None = None


class Source(msgspec.Struct, frozen=True):
    """Of an image, a document, a sound or a film; `text` and `content` are a document's."""

    bytes: str | None = None
    s3Location: S3Location | None = None
    text: str | None = None
    content: tuple[TextPart, ...] | None = None


class Media(msgspec.Struct, frozen=True):
    """An image, a sound or a film."""

    format: str
    source: Source


class CitationsConfig(msgspec.Struct, frozen=True):
    enabled: bool = False


class DocumentBlock(msgspec.Struct, frozen=True):
    name: str
    source: Source
    format: str | None = None
    context: str | None = None
    citations: CitationsConfig | None = None


class SearchResultBlock(msgspec.Struct, frozen=True):
    source: str
    title: str
    content: tuple[TextPart, ...]
    citations: CitationsConfig | None = None


class GuardContent(msgspec.Struct, frozen=True):
    text: TextPart | None = None
    image: Media | None = None


class CachePoint(msgspec.Struct, frozen=True):
    type: str = "default"
    ttl: Literal["5m", "1h"] | None = None


class ToolUse(msgspec.Struct, frozen=True):
    """`type` is "server_tool_use" for a tool that the provider runs itself."""

    toolUseId: str
    name: str
    input: msgspec.Raw = msgspec.Raw()
    type: str | None = None


class ResultContent(msgspec.Struct, frozen=True):
    json: msgspec.Raw = msgspec.Raw()
    text: str | None = None
    image: Media | None = None
    document: DocumentBlock | None = None
    video: Media | None = None
    searchResult: SearchResultBlock | None = None


class ToolResultBlock(msgspec.Struct, frozen=True):
    toolUseId: str
    content: tuple[ResultContent, ...] = ()
    status: Literal["success", "error"] | None = None


class ReasoningText(msgspec.Struct, frozen=True):
    text: str
    signature: str | None = None


class Reasoning(msgspec.Struct, frozen=True):
    reasoningText: ReasoningText | None = None
    redactedContent: str | None = None


class CitedText(msgspec.Struct, frozen=True):
    content: tuple[TextPart, ...] | None = None
    citations: tuple[Any, ...] | None = None


class Content(msgspec.Struct, frozen=True):
    text: str | None = None
    image: Media | None = None
    document: DocumentBlock | None = None
    video: Media | None = None
    audio: Media | None = None
    toolUse: ToolUse | None = None
    toolResult: ToolResultBlock | None = None
    guardContent: GuardContent | None = None
    cachePoint: CachePoint | None = None
    reasoningContent: Reasoning | None = None
    citationsContent: CitedText | None = None
    searchResult: SearchResultBlock | None = None
    toolAddition: Any = None
    toolRemoval: Any = None


# --- requests -------------------------------------------------------------------------------------------------------


class RequestMessage(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: tuple[Content, ...]


class SystemContent(msgspec.Struct, frozen=True):
    text: str | None = None
    guardContent: GuardContent | None = None
    cachePoint: CachePoint | None = None


class InferenceConfig(msgspec.Struct, frozen=True):
    maxTokens: AtLeastOne | None = None
    temperature: Fraction | None = None
    topP: Fraction | None = None
    stopSequences: tuple[str, ...] | None = None


class InputSchema(msgspec.Struct, frozen=True):
    json: dict[str, Any]


class ToolSpec(msgspec.Struct, frozen=True):
    name: str
    inputSchema: InputSchema
    description: str | None = None
    strict: bool | None = None


class Named(msgspec.Struct, frozen=True):
    name: str


class ToolItem(msgspec.Struct, frozen=True):
    toolSpec: ToolSpec | None = None
    systemTool: Named | None = None
    cachePoint: CachePoint | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    auto: dict[str, Any] | None = None
    any: dict[str, Any] | None = None
    tool: Named | None = None


class ToolConfig(msgspec.Struct, frozen=True):
    tools: tuple[ToolItem, ...]
    toolChoice: ToolChoice | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    schema: str
    name: str | None = None
    description: str | None = None


class FormatStructure(msgspec.Struct, frozen=True):
    jsonSchema: JsonSchema | None = None


class TextFormat(msgspec.Struct, frozen=True):
    type: Literal["json_schema"]
    structure: FormatStructure


class OutputConfig(msgspec.Struct, frozen=True):
    textFormat: TextFormat | None = None
    effort: str | None = None


class Tier(msgspec.Struct, frozen=True):
    type: str


class Request(msgspec.Struct, frozen=True):
    """The model and whether to stream are in the path."""

    messages: tuple[RequestMessage, ...]
    system: tuple[SystemContent, ...] | None = None
    inferenceConfig: InferenceConfig | None = None
    toolConfig: ToolConfig | None = None
    additionalModelRequestFields: dict[str, Any] | None = None
    additionalModelResponseFieldPaths: tuple[str, ...] | None = None
    requestMetadata: dict[str, str] | None = None
    serviceTier: Tier | None = None
    outputConfig: OutputConfig | None = None


# --- answers --------------------------------------------------------------------------------------------------------


class AnsweredCacheDetail(msgspec.Struct, frozen=True):
    ttl: str | None = None
    inputTokens: Count = None


class AnsweredUsage(msgspec.Struct, frozen=True):
    """Exclusive: cached tokens are not part of `inputTokens`."""

    inputTokens: Count = None
    outputTokens: Count = None
    cacheReadInputTokens: Count = None
    cacheWriteInputTokens: Count = None
    cacheDetails: tuple[AnsweredCacheDetail, ...] | None = None


class AnsweredTier(msgspec.Struct, frozen=True):
    type: str | None = None


class AnsweredMessage(msgspec.Struct, frozen=True):
    content: tuple[msgspec.Raw, ...] = ()


class AnsweredOutput(msgspec.Struct, frozen=True):
    message: AnsweredMessage | None = None


class Answer(msgspec.Struct, frozen=True):
    """A whole answer. Its blocks are read one by one: what one of an unknown kind holds is nobody's concern."""

    output: AnsweredOutput | None = None
    stopReason: str | None = None
    usage: AnsweredUsage | None = None
    serviceTier: AnsweredTier | None = None
    additionalModelResponseFields: Any = None


class AnswerHead(msgspec.Struct, frozen=True):
    """What a log row wants of a whole answer; its content is passed over."""

    stopReason: str | None = None
    usage: AnsweredUsage | None = None
    serviceTier: AnsweredTier | None = None


class Start(msgspec.Struct, frozen=True):
    toolUse: ToolUse | None = None
    toolResult: ToolResultBlock | None = None


class ToolUseDelta(msgspec.Struct, frozen=True):
    input: str = ""


class ReasoningDelta(msgspec.Struct, frozen=True):
    text: str | None = None
    redactedContent: str | None = None
    signature: str | None = None


class Delta(msgspec.Struct, frozen=True):
    text: str | None = None
    toolUse: ToolUseDelta | None = None
    reasoningContent: ReasoningDelta | None = None
    citation: Any = None
    toolResult: Any = None


class StreamEvent(msgspec.Struct, frozen=True):
    """The payload of any event: which fields it has depends on the event's type."""

    contentBlockIndex: int = 0
    start: Start | None = None
    delta: Delta | None = None
    stopReason: str | None = None
    additionalModelResponseFields: Any = None
    usage: AnsweredUsage | None = None
    serviceTier: AnsweredTier | None = None
