"""What Converse takes: the shape of a request, member by member, as AWS's service model has it. A union is a structure
of which one member is set, which `rules` checks; null counts as not set, as everywhere at AWS.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from isthmus.simulator.shape import Strict

MAX_INT = 2**31 - 1
StopReason = Literal[
    "end_turn",
    "tool_use",
    "max_tokens",
    "stop_sequence",
    "guardrail_intervened",
    "content_filtered",
    "malformed_model_output",
    "malformed_tool_use",
    "model_context_window_exceeded",
]
ToolUseId = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.:-]+\Z", min_length=1, max_length=64)]
ToolName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]+\Z", min_length=1, max_length=64)]
_NonEmpty = Annotated[str, Meta(min_length=1)]
_Fraction = Annotated[float, Meta(ge=0, le=1)]
_Natural = Annotated[int, Meta(ge=0, le=MAX_INT)]
_ReferenceName = Annotated[str, Meta(min_length=1, max_length=128)]
_FieldPath = Annotated[str, Meta(min_length=1, max_length=256)]
_Bytes = Annotated[str, Meta(min_length=1)]  # base64


class S3Location(Strict, frozen=True, kw_only=True):
    uri: Annotated[
        str,
        Meta(pattern=r"^s3://[a-z0-9][\.\-a-z0-9]{1,61}[a-z0-9](/.*)?\Z", min_length=1, max_length=1024),
    ]
    bucketOwner: Annotated[str, Meta(pattern=r"^[0-9]{12}\Z")] | None = None


class BytesOrS3(Strict, frozen=True, kw_only=True):
    bytes: _Bytes | None = None
    s3Location: S3Location | None = None


class ErrorBlock(Strict, frozen=True, kw_only=True):
    message: str | None = None


class ImageBlock(Strict, frozen=True, kw_only=True):
    format: Literal["png", "jpeg", "gif", "webp"]
    source: BytesOrS3
    error: ErrorBlock | None = None


class TextOnly(Strict, frozen=True, kw_only=True):
    text: str | None = None


class DocumentSource(BytesOrS3, frozen=True, kw_only=True):
    text: str | None = None
    content: list[TextOnly] | None = None


class CitationsConfig(Strict, frozen=True, kw_only=True):
    enabled: bool


class DocumentBlock(Strict, frozen=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    source: DocumentSource
    format: Literal["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"] | None = None
    context: str | None = None
    citations: CitationsConfig | None = None


class VideoBlock(Strict, frozen=True, kw_only=True):
    format: Literal["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"]
    source: BytesOrS3


class AudioBlock(Strict, frozen=True, kw_only=True):
    format: Literal[
        "mp3",
        "opus",
        "wav",
        "aac",
        "flac",
        "mp4",
        "ogg",
        "mkv",
        "mka",
        "x-aac",
        "m4a",
        "mpeg",
        "mpga",
        "pcm",
        "webm",
    ]
    source: BytesOrS3
    error: ErrorBlock | None = None


class ToolUseBlock(Strict, frozen=True, kw_only=True):
    toolUseId: ToolUseId
    name: ToolName
    input: Any
    type: Literal["server_tool_use"] | None = None


class SearchResultContentBlock(Strict, frozen=True, kw_only=True):
    text: str


class SearchResultBlock(Strict, frozen=True, kw_only=True):
    source: str
    title: str
    content: list[SearchResultContentBlock]
    citations: CitationsConfig | None = None


class ToolResultContentBlock(Strict, frozen=True, kw_only=True):
    json: Any = None
    text: str | None = None
    image: ImageBlock | None = None
    document: DocumentBlock | None = None
    video: VideoBlock | None = None
    searchResult: SearchResultBlock | None = None


class ToolResultBlock(Strict, frozen=True, kw_only=True):
    toolUseId: ToolUseId
    content: list[ToolResultContentBlock]
    status: Literal["success", "error"] | None = None
    type: str | None = None


class GuardrailConverseTextBlock(Strict, frozen=True, kw_only=True):
    text: str
    qualifiers: list[Literal["grounding_source", "query", "guard_content"]] | None = None


class GuardrailBytes(Strict, frozen=True, kw_only=True):
    bytes: _Bytes | None = None


class GuardrailConverseImageBlock(Strict, frozen=True, kw_only=True):
    format: Literal["png", "jpeg"]
    source: GuardrailBytes


class GuardrailConverseContentBlock(Strict, frozen=True, kw_only=True):
    text: GuardrailConverseTextBlock | None = None
    image: GuardrailConverseImageBlock | None = None


class CachePointBlock(Strict, frozen=True, kw_only=True):
    type: Literal["default"]
    ttl: Literal["5m", "1h"] | None = None


class ReasoningTextBlock(Strict, frozen=True, kw_only=True):
    text: str
    signature: str | None = None


class ReasoningContentBlock(Strict, frozen=True, kw_only=True):
    reasoningText: ReasoningTextBlock | None = None
    redactedContent: str | None = None


class WebLocation(Strict, frozen=True, kw_only=True):
    url: str | None = None
    domain: str | None = None


class DocumentRange(Strict, frozen=True, kw_only=True):
    documentIndex: _Natural | None = None
    start: _Natural | None = None
    end: _Natural | None = None


class SearchResultLocation(Strict, frozen=True, kw_only=True):
    searchResultIndex: _Natural | None = None
    start: _Natural | None = None
    end: _Natural | None = None


class CitationLocation(Strict, frozen=True, kw_only=True):
    web: WebLocation | None = None
    documentChar: DocumentRange | None = None
    documentPage: DocumentRange | None = None
    documentChunk: DocumentRange | None = None
    searchResultLocation: SearchResultLocation | None = None


class Citation(Strict, frozen=True, kw_only=True):
    title: str | None = None
    source: str | None = None
    sourceContent: list[TextOnly] | None = None
    location: CitationLocation | None = None


class CitationsContentBlock(Strict, frozen=True, kw_only=True):
    content: list[TextOnly] | None = None
    citations: list[Citation] | None = None


class ToolReference(Strict, frozen=True, kw_only=True):
    type: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    name: _ReferenceName | None = None
    serverName: _ReferenceName | None = None


class ToolChangeBlock(Strict, frozen=True, kw_only=True):
    tool: ToolReference


class ContentBlock(Strict, frozen=True, kw_only=True):
    text: str | None = None
    image: ImageBlock | None = None
    document: DocumentBlock | None = None
    video: VideoBlock | None = None
    audio: AudioBlock | None = None
    toolUse: ToolUseBlock | None = None
    toolResult: ToolResultBlock | None = None
    guardContent: GuardrailConverseContentBlock | None = None
    cachePoint: CachePointBlock | None = None
    reasoningContent: ReasoningContentBlock | None = None
    citationsContent: CitationsContentBlock | None = None
    searchResult: SearchResultBlock | None = None
    toolAddition: ToolChangeBlock | None = None
    toolRemoval: ToolChangeBlock | None = None


class Message(Strict, frozen=True, kw_only=True):
    role: Literal["user", "assistant", "system"]
    content: list[ContentBlock]


class SystemContentBlock(Strict, frozen=True, kw_only=True):
    text: _NonEmpty | None = None
    guardContent: GuardrailConverseContentBlock | None = None
    cachePoint: CachePointBlock | None = None


class InferenceConfiguration(Strict, frozen=True, kw_only=True):
    maxTokens: Annotated[int, Meta(ge=1, le=MAX_INT)] | None = None
    temperature: _Fraction | None = None
    topP: _Fraction | None = None
    stopSequences: Annotated[list[_NonEmpty], Meta(max_length=2500)] | None = None


class ToolInputSchema(Strict, frozen=True, kw_only=True):
    json: Any = None


class ToolSpecification(Strict, frozen=True, kw_only=True):
    name: ToolName
    inputSchema: ToolInputSchema
    description: _NonEmpty | None = None
    strict: bool | None = None


class SystemTool(Strict, frozen=True, kw_only=True):
    name: ToolName


class Tool(Strict, frozen=True, kw_only=True):
    toolSpec: ToolSpecification | None = None
    systemTool: SystemTool | None = None
    cachePoint: CachePointBlock | None = None


class Empty(Strict, frozen=True, kw_only=True):
    pass


class ToolChoice(Strict, frozen=True, kw_only=True):
    auto: Empty | None = None
    any: Empty | None = None
    tool: SystemTool | None = None


class ToolConfiguration(Strict, frozen=True, kw_only=True):
    tools: Annotated[list[Tool], Meta(min_length=1)]
    toolChoice: ToolChoice | None = None


class GuardrailConfiguration(Strict, frozen=True, kw_only=True):
    guardrailIdentifier: (
        Annotated[
            str,
            Meta(
                pattern=r"^(|([a-z0-9]+)|(arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:guardrail/[a-z0-9]+))\Z",
                max_length=2048,
            ),
        ]
        | None
    ) = None
    guardrailVersion: Annotated[str, Meta(pattern=r"^(|([1-9][0-9]{0,7})|(DRAFT))\Z")] | None = None
    trace: Literal["enabled", "disabled", "enabled_full"] | None = None


class GuardrailStreamConfiguration(GuardrailConfiguration, frozen=True, kw_only=True):
    streamProcessingMode: Literal["sync", "async"] | None = None


class PerformanceConfiguration(Strict, frozen=True, kw_only=True):
    latency: Literal["standard", "optimized"] | None = None


class ServiceTier(Strict, frozen=True, kw_only=True):
    type: Literal["priority", "default", "flex", "reserved"]


class JsonSchemaDefinition(Strict, frozen=True, kw_only=True):
    schema: str
    name: str | None = None
    description: str | None = None


class OutputFormatStructure(Strict, frozen=True, kw_only=True):
    jsonSchema: JsonSchemaDefinition | None = None


class OutputFormat(Strict, frozen=True, kw_only=True):
    type: Literal["json_schema"]
    structure: OutputFormatStructure


class OutputConfig(Strict, frozen=True, kw_only=True):
    textFormat: OutputFormat | None = None
    effort: Annotated[str, Meta(max_length=16)] | None = None


_MetadataKey = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\s:_@$#=/+,-.]{1,256}\Z", min_length=1, max_length=256)]
_MetadataValue = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\s:_@$#=/+,-.]{0,256}\Z", max_length=256)]


class CountedRequest(Strict, frozen=True, kw_only=True):
    """What counting takes, under `input.converse`."""

    messages: list[Message] | None = None
    system: list[SystemContentBlock] | None = None
    toolConfig: ToolConfiguration | None = None
    additionalModelRequestFields: Any = None


class ConverseRequest(CountedRequest, frozen=True, kw_only=True):
    """The model's name is in the path. `promptVariables` are for stored prompts, of which there are none here."""

    inferenceConfig: InferenceConfiguration | None = None
    guardrailConfig: GuardrailConfiguration | None = None
    promptVariables: dict[str, TextOnly] | None = None
    additionalModelResponseFieldPaths: Annotated[list[_FieldPath], Meta(max_length=10)] | None = None
    requestMetadata: Annotated[dict[_MetadataKey, _MetadataValue], Meta(min_length=1, max_length=16)] | None = None
    performanceConfig: PerformanceConfiguration | None = None
    serviceTier: ServiceTier | None = None
    outputConfig: OutputConfig | None = None


class ConverseStreamRequest(ConverseRequest, frozen=True, kw_only=True):
    guardrailConfig: GuardrailStreamConfiguration | None = None


class InvokeModelTokensRequest(Strict, frozen=True, kw_only=True):
    body: Annotated[str, Meta(max_length=25_000_000 * 4 // 3 + 4)]


class CountTokensInput(Strict, frozen=True, kw_only=True):
    invokeModel: InvokeModelTokensRequest | None = None
    converse: CountedRequest | None = None


class CountTokensRequest(Strict, frozen=True, kw_only=True):
    input: CountTokensInput


def set_members(union: Strict) -> list[str]:
    """The names of the members that are set."""
    return [name for name in union.__struct_fields__ if getattr(union, name) is not None]
