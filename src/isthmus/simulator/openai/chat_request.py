"""What Chat Completions takes: the shape of a request, field by field, as OpenAI's published schema has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from isthmus.simulator.shape import Strict

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]
ToolName = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$", max_length=64)]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority"]
Verbosity = Literal["low", "medium", "high"]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
TopLogprobs = Annotated[int, Meta(ge=0, le=20)]
SafetyIdentifier = Annotated[str, Meta(max_length=64)]
_Name = Annotated[str, Meta(pattern=r"^[^\s<|\\/>]+$", max_length=64)]


class TextPart(Strict, tag_field="type", tag="text", frozen=True, kw_only=True):
    text: str


class RefusalPart(Strict, tag_field="type", tag="refusal", frozen=True, kw_only=True):
    refusal: str


class ImageUrl(Strict, frozen=True, kw_only=True):
    url: str
    detail: Literal["auto", "low", "high"] | UnsetType = UNSET


class ImagePart(Strict, tag_field="type", tag="image_url", frozen=True, kw_only=True):
    image_url: ImageUrl


class InputAudio(Strict, frozen=True, kw_only=True):
    data: str
    format: Literal["wav", "mp3"]


class AudioPart(Strict, tag_field="type", tag="input_audio", frozen=True, kw_only=True):
    input_audio: InputAudio


class File(Strict, frozen=True, kw_only=True):
    filename: str | UnsetType = UNSET
    file_data: str | UnsetType = UNSET
    file_id: str | UnsetType = UNSET


class FilePart(Strict, tag_field="type", tag="file", frozen=True, kw_only=True):
    file: File


class FunctionCall(Strict, frozen=True, kw_only=True):
    name: str
    arguments: str


class FunctionToolCall(Strict, tag_field="type", tag="function", frozen=True, kw_only=True):
    id: str
    function: FunctionCall


class CustomCall(Strict, frozen=True, kw_only=True):
    name: str
    input: str


class CustomToolCall(Strict, tag_field="type", tag="custom", frozen=True, kw_only=True):
    id: str
    custom: CustomCall


Texts = Annotated[list[TextPart], Meta(min_length=1)]
UserPart = TextPart | ImagePart | AudioPart | FilePart


class SystemMessage(Strict, tag_field="role", tag="system", frozen=True, kw_only=True):
    content: str | Texts
    name: _Name | UnsetType = UNSET


class DeveloperMessage(Strict, tag_field="role", tag="developer", frozen=True, kw_only=True):
    content: str | Texts
    name: _Name | UnsetType = UNSET


class UserMessage(Strict, tag_field="role", tag="user", frozen=True, kw_only=True):
    content: str | Annotated[list[UserPart], Meta(min_length=1)]
    name: _Name | UnsetType = UNSET


class AudioReference(Strict, frozen=True, kw_only=True):
    id: str


class AssistantMessage(Strict, tag_field="role", tag="assistant", frozen=True, kw_only=True):
    """`annotations` is what an answer carries and a caller may send back."""

    content: str | Annotated[list[TextPart | RefusalPart], Meta(min_length=1)] | None = None
    refusal: str | None = None
    name: _Name | UnsetType = UNSET
    audio: AudioReference | None = None
    tool_calls: Annotated[list[FunctionToolCall | CustomToolCall], Meta(min_length=1, max_length=128)] | UnsetType = (
        UNSET
    )
    function_call: FunctionCall | None = None
    annotations: list[dict[str, Any]] | UnsetType = UNSET


class ToolMessage(Strict, tag_field="role", tag="tool", frozen=True, kw_only=True):
    content: str | Texts
    tool_call_id: str


class FunctionMessage(Strict, tag_field="role", tag="function", frozen=True, kw_only=True):
    content: str | None
    name: str


ChatMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage


class Function(Strict, frozen=True, kw_only=True):
    name: ToolName
    description: str | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET
    strict: bool | None = None


class FunctionTool(Strict, tag_field="type", tag="function", frozen=True, kw_only=True):
    function: Function


class TextFormat(Strict, tag_field="type", tag="text", frozen=True, kw_only=True):
    pass


class Grammar(Strict, frozen=True, kw_only=True):
    definition: str
    syntax: Literal["lark", "regex"]


class GrammarFormat(Strict, tag_field="type", tag="grammar", frozen=True, kw_only=True):
    grammar: Grammar


class Custom(Strict, frozen=True, kw_only=True):
    name: ToolName
    description: str | UnsetType = UNSET
    format: TextFormat | GrammarFormat | UnsetType = UNSET


class CustomTool(Strict, tag_field="type", tag="custom", frozen=True, kw_only=True):
    custom: Custom


class NameOnly(Strict, frozen=True, kw_only=True):
    name: str


class NamedFunction(Strict, tag_field="type", tag="function", frozen=True, kw_only=True):
    function: NameOnly


class NamedCustom(Strict, tag_field="type", tag="custom", frozen=True, kw_only=True):
    custom: NameOnly


class AllowedTools(Strict, frozen=True, kw_only=True):
    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedFunction | NamedCustom], Meta(min_length=1)]


class AllowedToolsChoice(Strict, tag_field="type", tag="allowed_tools", frozen=True, kw_only=True):
    allowed_tools: AllowedTools


class JsonSchema(Strict, frozen=True, kw_only=True):
    name: ToolName
    description: str | UnsetType = UNSET
    schema: dict[str, Any] | UnsetType = UNSET
    strict: bool | None = None


class JsonSchemaFormat(Strict, tag_field="type", tag="json_schema", frozen=True, kw_only=True):
    json_schema: JsonSchema


class JsonObjectFormat(Strict, tag_field="type", tag="json_object", frozen=True, kw_only=True):
    pass


class StreamOptions(Strict, frozen=True, kw_only=True):
    include_usage: bool | UnsetType = UNSET
    include_obfuscation: bool | UnsetType = UNSET


class Prediction(Strict, frozen=True, kw_only=True):
    type: Literal["content"]
    content: str | Texts


class ChatRequest(Strict, frozen=True, kw_only=True):
    """`modalities` other than text, `audio`, `functions` and `web_search_options` are understood and refused: no model
    here takes them."""

    model: str
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    temperature: Temperature | None = None
    top_p: Fraction | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    stop: str | Annotated[list[str], Meta(min_length=1, max_length=4)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[int, Meta(ge=-100, le=100)]] | None = None
    logprobs: bool | None = None
    top_logprobs: TopLogprobs | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    tools: Annotated[list[FunctionTool | CustomTool], Meta(min_length=1, max_length=128)] | UnsetType = UNSET
    tool_choice: Literal["none", "auto", "required"] | NamedFunction | NamedCustom | AllowedToolsChoice | UnsetType = (
        UNSET
    )
    parallel_tool_calls: bool | UnsetType = UNSET
    response_format: TextFormat | JsonSchemaFormat | JsonObjectFormat | UnsetType = UNSET
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    verbosity: Verbosity | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: dict[str, Any] | None = None
    prediction: Prediction | None = None
    web_search_options: dict[str, Any] | UnsetType = UNSET
    functions: list[dict[str, Any]] | UnsetType = UNSET
    function_call: str | dict[str, Any] | UnsetType = UNSET
    service_tier: ServiceTier | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    user: str | UnsetType = UNSET
    safety_identifier: SafetyIdentifier | UnsetType = UNSET
    prompt_cache_key: str | UnsetType = UNSET
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: dict[str, Any] | None = None
    moderation: dict[str, Any] | None = None
