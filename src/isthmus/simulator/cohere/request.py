"""What Chat v2 takes: the shape of a request, field by field, as Cohere's published schema has it; null counts as not
given.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from isthmus.simulator.shape import Strict

_Penalty = Annotated[float, Meta(ge=0, le=1)]
_MAX_INT32 = 2**31 - 1


class TextContent(Strict, tag_field="type", tag="text", frozen=True, kw_only=True):
    text: str


class ImageUrl(Strict, frozen=True, kw_only=True):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImageContent(Strict, tag_field="type", tag="image_url", frozen=True, kw_only=True):
    image_url: ImageUrl


class ThinkingContent(Strict, tag_field="type", tag="thinking", frozen=True, kw_only=True):
    thinking: str


class Document(Strict, frozen=True, kw_only=True):
    data: dict[str, Any]
    id: str | None = None


class DocumentContent(Strict, tag_field="type", tag="document", frozen=True, kw_only=True):
    document: Document


class CalledFunction(Strict, frozen=True, kw_only=True):
    name: str | None = None
    arguments: str | None = None


class ToolCall(Strict, frozen=True, kw_only=True):
    id: str
    type: Literal["function"]
    function: CalledFunction | None = None


class ToolSource(Strict, tag_field="type", tag="tool", frozen=True, kw_only=True):
    id: str | None = None
    tool_output: dict[str, Any] | None = None


class DocumentSource(Strict, tag_field="type", tag="document", frozen=True, kw_only=True):
    id: str | None = None
    document: dict[str, Any] | None = None


class Citation(Strict, frozen=True, kw_only=True):
    start: int | None = None
    end: int | None = None
    text: str | None = None
    sources: list[ToolSource | DocumentSource] | None = None
    content_index: int | None = None
    type: Literal["TEXT_CONTENT", "THINKING_CONTENT", "PLAN"] | None = None


class UserMessage(Strict, tag_field="role", tag="user", frozen=True, kw_only=True):
    content: str | list[TextContent | ImageContent]


class AssistantMessage(Strict, tag_field="role", tag="assistant", frozen=True, kw_only=True):
    content: str | list[TextContent | ThinkingContent] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_plan: str | None = None
    citations: list[Citation] | None = None


class SystemMessage(Strict, tag_field="role", tag="system", frozen=True, kw_only=True):
    content: str | list[TextContent]


class ToolMessage(Strict, tag_field="role", tag="tool", frozen=True, kw_only=True):
    tool_call_id: str
    content: str | list[TextContent | DocumentContent]


ChatMessage = UserMessage | AssistantMessage | SystemMessage | ToolMessage


class Function(Strict, frozen=True, kw_only=True):
    name: str
    parameters: dict[str, Any]
    description: str | None = None


class Tool(Strict, frozen=True, kw_only=True):
    type: Literal["function"]
    function: Function | None = None


class CitationOptions(Strict, frozen=True, kw_only=True):
    mode: Literal["ENABLED", "DISABLED", "FAST", "ACCURATE", "OFF"] | None = None


class TextFormat(Strict, tag_field="type", tag="text", frozen=True, kw_only=True):
    pass


class JsonFormat(Strict, tag_field="type", tag="json_object", frozen=True, kw_only=True):
    json_schema: dict[str, Any] | None = None


class Thinking(Strict, frozen=True, kw_only=True):
    type: Literal["enabled", "disabled"]
    token_budget: Annotated[int, Meta(ge=1, le=_MAX_INT32)] | None = None


class ChatRequest(Strict, frozen=True, kw_only=True):
    """A `p` of 0 counts as not given, as it does to Cohere, whatever its schema says of the least."""

    model: str
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    stream: bool | None = None
    tools: list[Tool] | None = None
    strict_tools: bool | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    documents: list[str | Document] | None = None
    citation_options: CitationOptions | None = None
    response_format: TextFormat | JsonFormat | None = None
    safety_mode: Literal["CONTEXTUAL", "STRICT", "OFF"] | None = None
    max_tokens: Annotated[int, Meta(ge=0, le=_MAX_INT32)] | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=5)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: Annotated[int, Meta(ge=0)] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    k: Annotated[int, Meta(ge=0, le=500)] | None = None
    p: Annotated[float, Meta(ge=0, le=0.99)] | None = None
    logprobs: bool | None = None
    thinking: Thinking | None = None
    priority: Annotated[int, Meta(ge=0, le=999)] | None = None
