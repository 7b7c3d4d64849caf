"""What Messages takes: the shape of a request, block by block, as Anthropic's published schema has it. Blocks of tools
that run on the server are passed over: this simulator runs none.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from isthmus.simulator.shape import Path, ShapeError, Strict, read_shape

ToolId = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")]
Fraction = Annotated[float, Meta(ge=0, le=1)]
_Title = Annotated[str, Meta(min_length=1, max_length=500)]
_SERVER_TOOL = re.compile(
    r"^(bash|text_editor|computer|web_search|web_fetch|code_execution|memory|advisor|"
    r"tool_search_tool_(bm25|regex))_\d{8}$|^mcp_toolset$|^tool_search_tool_(bm25|regex)$"
)


class CacheControl(Strict, tag_field="type", tag="ephemeral", frozen=True, kw_only=True):
    ttl: Literal["5m", "1h"] | UnsetType = UNSET


class Block(Strict, tag_field="type", frozen=True, kw_only=True):
    cache_control: CacheControl | None = None


class Citations(Strict, frozen=True, kw_only=True):
    enabled: bool | UnsetType = UNSET


class TextBlock(Block, tag="text", frozen=True, kw_only=True):
    text: Annotated[str, Meta(min_length=1)]
    citations: list[dict[str, Any]] | None = None


class Base64Image(Strict, tag_field="type", tag="base64", frozen=True, kw_only=True):
    data: str
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]


class UrlSource(Strict, tag_field="type", tag="url", frozen=True, kw_only=True):
    url: str


class FileSource(Strict, tag_field="type", tag="file", frozen=True, kw_only=True):
    """Of the Files API, which is in beta: only with an `anthropic-beta` header."""

    file_id: str


class ImageBlock(Block, tag="image", frozen=True, kw_only=True):
    source: Base64Image | UrlSource | FileSource


class Base64Pdf(Strict, tag_field="type", tag="base64", frozen=True, kw_only=True):
    data: str
    media_type: Literal["application/pdf"]


class PlainText(Strict, tag_field="type", tag="text", frozen=True, kw_only=True):
    data: str
    media_type: Literal["text/plain"]


class ContentSource(Strict, tag_field="type", tag="content", frozen=True, kw_only=True):
    content: str | list[TextBlock | ImageBlock]


class DocumentBlock(Block, tag="document", frozen=True, kw_only=True):
    source: Base64Pdf | PlainText | ContentSource | UrlSource | FileSource
    citations: Citations | None = None
    context: Annotated[str, Meta(min_length=1)] | None = None
    title: _Title | None = None


class SearchResultBlock(Block, tag="search_result", frozen=True, kw_only=True):
    content: list[TextBlock]
    source: str
    title: str
    citations: Citations | UnsetType = UNSET


class ThinkingBlock(Strict, tag_field="type", tag="thinking", frozen=True, kw_only=True):
    thinking: str
    signature: str


class RedactedThinkingBlock(Strict, tag_field="type", tag="redacted_thinking", frozen=True, kw_only=True):
    data: str


class ToolUseBlock(Block, tag="tool_use", frozen=True, kw_only=True):
    id: ToolId
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    input: dict[str, Any]
    caller: dict[str, Any] | UnsetType = UNSET
    toolset_name: str | None = None


class ToolReferenceBlock(Block, tag="tool_reference", frozen=True, kw_only=True):
    tool_name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,256}$")]


ResultPart = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolReferenceBlock


class ToolResultBlock(Block, tag="tool_result", frozen=True, kw_only=True):
    tool_use_id: ToolId
    content: str | list[ResultPart] | UnsetType = UNSET
    is_error: bool | UnsetType = UNSET


class MidConversationSystemBlock(Block, tag="mid_conv_system", frozen=True, kw_only=True):
    content: list[TextBlock]


class ServerToolUseBlock(Block, tag="server_tool_use", frozen=True, kw_only=True):
    id: Annotated[str, Meta(pattern="^srvtoolu_[a-zA-Z0-9_]+$")]
    name: str
    input: dict[str, Any]
    caller: dict[str, Any] | UnsetType = UNSET


class WebSearchResultBlock(Block, tag="web_search_tool_result", frozen=True, kw_only=True):
    tool_use_id: Annotated[str, Meta(pattern="^srvtoolu_[a-zA-Z0-9_]+$")]
    content: list[dict[str, Any]] | dict[str, Any]
    caller: dict[str, Any] | UnsetType = UNSET


UserBlock = TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolResultBlock | MidConversationSystemBlock
AssistantBlock = ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ServerToolUseBlock | WebSearchResultBlock
AnyBlock = UserBlock | AssistantBlock


class Message(Strict, frozen=True, kw_only=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[AnyBlock]


class ToolSchema(Strict, forbid_unknown_fields=False, frozen=True, kw_only=True):
    type: Literal["object"]
    properties: dict[str, Any] | None = None
    required: list[str] | None = None


class CustomTool(Strict, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}$", min_length=1, max_length=128)]
    input_schema: dict[str, Any]
    type: Literal["custom"] | None = None
    description: str | UnsetType = UNSET
    cache_control: CacheControl | None = None
    strict: bool | UnsetType = UNSET
    eager_input_streaming: bool | None = None
    allowed_callers: list[str] | UnsetType = UNSET
    defer_loading: bool | UnsetType = UNSET
    input_examples: list[dict[str, Any]] | UnsetType = UNSET


class ServerTool(Strict, forbid_unknown_fields=False, frozen=True, kw_only=True):
    type: str
    name: str | UnsetType = UNSET
    cache_control: CacheControl | None = None


class ChoiceAuto(Strict, tag_field="type", tag="auto", frozen=True, kw_only=True):
    disable_parallel_tool_use: bool | UnsetType = UNSET


class ChoiceAny(Strict, tag_field="type", tag="any", frozen=True, kw_only=True):
    disable_parallel_tool_use: bool | UnsetType = UNSET


class ChoiceTool(Strict, tag_field="type", tag="tool", frozen=True, kw_only=True):
    name: str
    disable_parallel_tool_use: bool | UnsetType = UNSET


class ChoiceNone(Strict, tag_field="type", tag="none", frozen=True, kw_only=True):
    pass


class ThinkingEnabled(Strict, tag_field="type", tag="enabled", frozen=True, kw_only=True):
    budget_tokens: Annotated[int, Meta(ge=1024)]
    display: Literal["summarized", "omitted"] | None = None


class ThinkingAdaptive(Strict, tag_field="type", tag="adaptive", frozen=True, kw_only=True):
    display: Literal["summarized", "omitted"] | None = None


class ThinkingDisabled(Strict, tag_field="type", tag="disabled", frozen=True, kw_only=True):
    pass


class JsonFormat(Strict, tag_field="type", tag="json_schema", frozen=True, kw_only=True):
    schema: dict[str, Any]


class OutputConfig(Strict, frozen=True, kw_only=True):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None
    task_budget: dict[str, Any] | None = None


class RequestMetadata(Strict, frozen=True, kw_only=True):
    user_id: Annotated[str, Meta(max_length=512)] | None = None


class CountRequest(Strict, frozen=True, kw_only=True):
    """What counting takes; `tools` are read one by one (`read_tool`)."""

    model: str
    messages: list[Message]
    system: str | list[TextBlock] | UnsetType = UNSET
    tools: list[Any] | UnsetType = UNSET
    tool_choice: ChoiceAuto | ChoiceAny | ChoiceTool | ChoiceNone | UnsetType = UNSET
    thinking: ThinkingEnabled | ThinkingAdaptive | ThinkingDisabled | UnsetType = UNSET
    output_config: OutputConfig | UnsetType = UNSET
    cache_control: CacheControl | None = None
    speed: Literal["standard", "fast"] | None = None
    user_profile_id: str | None = None
    workspace_id: str | None = None
    context_management: dict[str, Any] | None = None
    mcp_servers: Annotated[list[dict[str, Any]], Meta(max_length=20)] | UnsetType = UNSET
    output_format: JsonFormat | None = None


class MessagesRequest(CountRequest, frozen=True, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=0)]
    stream: bool | UnsetType = UNSET
    stop_sequences: list[str] | UnsetType = UNSET
    temperature: Fraction | UnsetType = UNSET
    top_p: Fraction | UnsetType = UNSET
    top_k: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    metadata: RequestMetadata | UnsetType = UNSET
    service_tier: Literal["auto", "standard_only"] | UnsetType = UNSET
    container: str | dict[str, Any] | None = None
    inference_geo: str | None = None
    diagnostics: dict[str, Any] | None = None
    fallbacks: list[dict[str, Any]] | None = None
    compaction: dict[str, Any] | None = None
    thread: dict[str, Any] | None = None


BETA_FIELDS = ("context_management", "mcp_servers", "output_format", "fallbacks", "compaction", "thread")

Tool = CustomTool | ServerTool


def read_tool(raw: Any, at: Path) -> Tool:
    kind = raw.get("type") if isinstance(raw, dict) else None
    if isinstance(kind, str) and _SERVER_TOOL.match(kind):
        server_tool: ServerTool = read_shape(raw, ServerTool, at)
        return server_tool
    if kind not in (None, "custom"):
        raise ShapeError("tag", (*at, "type"), value=kind)
    tool: CustomTool = read_shape(raw, CustomTool, at)
    read_shape(tool.input_schema, ToolSchema, (*at, "input_schema"))
    return tool
