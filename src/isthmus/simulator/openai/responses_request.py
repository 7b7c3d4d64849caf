"""What Responses takes: the shape of a request and of its input items, as OpenAI's published schema has it. Items of
hosted tools are passed over: this simulator runs none.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from isthmus.simulator.openai.chat_request import (
    Fraction,
    Metadata,
    SafetyIdentifier,
    ServiceTier,
    Temperature,
    TopLogprobs,
    Verbosity,
)
from isthmus.simulator.shape import Path, ShapeError, Strict, read_shape

Status = Literal["in_progress", "completed", "incomplete"]
Summary = Literal["auto", "concise", "detailed"]
CallId = Annotated[str, Meta(min_length=1, max_length=64)]
ToolName = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$", min_length=1, max_length=128)]

HOSTED_TOOLS = frozenset(
    "file_search computer computer_use_preview web_search web_search_2025_08_26 web_search_preview "
    "web_search_preview_2025_03_11 mcp code_interpreter image_generation local_shell shell namespace tool_search "
    "apply_patch programmatic_tool_calling".split()
)
HOSTED_ITEMS = frozenset(
    "file_search_call computer_call computer_call_output web_search_call tool_search_call tool_search_output "
    "compaction compaction_trigger image_generation_call code_interpreter_call local_shell_call "
    "local_shell_call_output shell_call shell_call_output apply_patch_call apply_patch_call_output mcp_list_tools "
    "mcp_approval_request mcp_approval_response mcp_call additional_tools configuration_update program "
    "program_output".split()
)


class InputText(Strict, tag_field="type", tag="input_text", frozen=True, kw_only=True):
    text: str


class InputImage(Strict, tag_field="type", tag="input_image", frozen=True, kw_only=True):
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None


class InputFile(Strict, tag_field="type", tag="input_file", frozen=True, kw_only=True):
    file_id: str | None = None
    filename: str | UnsetType = UNSET
    file_data: str | UnsetType = UNSET
    file_url: str | UnsetType = UNSET
    detail: Literal["low", "high", "auto"] | UnsetType = UNSET


class OutputText(Strict, tag_field="type", tag="output_text", frozen=True, kw_only=True):
    text: str
    annotations: list[dict[str, Any]] | UnsetType = UNSET
    logprobs: list[dict[str, Any]] | None = None


class OutputRefusal(Strict, tag_field="type", tag="refusal", frozen=True, kw_only=True):
    refusal: str


InputPart = InputText | InputImage | InputFile


class InputMessage(Strict, frozen=True, kw_only=True):
    role: Literal["user", "system", "developer"]
    content: str | list[InputPart]
    type: Literal["message"] | UnsetType = UNSET
    id: str | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class OutputMessage(Strict, frozen=True, kw_only=True):
    """An earlier answer sent back. Callers may leave out what only the service knows."""

    role: Literal["assistant"]
    content: str | list[OutputText | OutputRefusal]
    type: Literal["message"] | UnsetType = UNSET
    id: str | None = None
    status: Status | None = None
    phase: Literal["commentary", "final_answer"] | None = None


class FunctionCall(Strict, frozen=True, kw_only=True):
    type: Literal["function_call"]
    call_id: CallId
    name: str
    arguments: str
    id: str | None = None
    namespace: str | UnsetType = UNSET
    status: Status | None = None


class FunctionCallOutput(Strict, frozen=True, kw_only=True):
    type: Literal["function_call_output"]
    call_id: CallId
    output: Annotated[str, Meta(max_length=10_485_760)] | list[InputPart]
    id: str | None = None
    status: Status | None = None


class CustomCall(Strict, frozen=True, kw_only=True):
    type: Literal["custom_tool_call"]
    call_id: CallId
    name: str
    input: str
    id: str | None = None
    namespace: str | UnsetType = UNSET
    status: Status | None = None


class CustomCallOutput(Strict, frozen=True, kw_only=True):
    type: Literal["custom_tool_call_output"]
    call_id: CallId
    output: str | list[InputPart]
    id: str | None = None
    status: Status | None = None


class SummaryText(Strict, frozen=True, kw_only=True):
    type: Literal["summary_text"]
    text: str


class ReasoningText(Strict, frozen=True, kw_only=True):
    type: Literal["reasoning_text"]
    text: str


class ReasoningItem(Strict, frozen=True, kw_only=True):
    """`id` is required on paper; the service takes an item without one if it carries its encrypted content."""

    type: Literal["reasoning"]
    summary: list[SummaryText]
    id: str | None = None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None


class ItemReference(Strict, frozen=True, kw_only=True):
    id: str
    type: Literal["item_reference"] | None = None


class HostedItem(Strict, forbid_unknown_fields=False, frozen=True, kw_only=True):
    type: str


Item = (
    InputMessage
    | OutputMessage
    | FunctionCall
    | FunctionCallOutput
    | CustomCall
    | CustomCallOutput
    | ReasoningItem
    | ItemReference
    | HostedItem
)
_ITEMS: dict[str, type[Any]] = {
    "function_call": FunctionCall,
    "function_call_output": FunctionCallOutput,
    "custom_tool_call": CustomCall,
    "custom_tool_call_output": CustomCallOutput,
    "reasoning": ReasoningItem,
    "item_reference": ItemReference,
}


class FunctionTool(Strict, frozen=True, kw_only=True):
    """`strict` is required on paper; the service takes a tool without it, as its own examples do."""

    type: Literal["function"]
    name: ToolName
    parameters: dict[str, Any] | None
    description: str | None = None
    strict: bool | None = None
    defer_loading: bool | UnsetType = UNSET


class TextFormat(Strict, tag_field="type", tag="text", frozen=True, kw_only=True):
    pass


class GrammarFormat(Strict, tag_field="type", tag="grammar", frozen=True, kw_only=True):
    definition: str
    syntax: Literal["lark", "regex"]


class CustomTool(Strict, frozen=True, kw_only=True):
    type: Literal["custom"]
    name: ToolName
    description: str | UnsetType = UNSET
    format: TextFormat | GrammarFormat | UnsetType = UNSET
    defer_loading: bool | UnsetType = UNSET


class HostedTool(Strict, forbid_unknown_fields=False, frozen=True, kw_only=True):
    type: str


class ImageMask(Strict, frozen=True, kw_only=True):
    image_url: str | UnsetType = UNSET
    file_id: str | UnsetType = UNSET


class ImageTool(HostedTool, forbid_unknown_fields=True, frozen=True, kw_only=True):
    model: str | UnsetType = UNSET
    quality: Literal["low", "medium", "high", "auto"] | UnsetType = UNSET
    size: str | UnsetType = UNSET
    output_format: Literal["png", "webp", "jpeg"] | UnsetType = UNSET
    output_compression: Annotated[int, Meta(ge=0, le=100)] | UnsetType = UNSET
    moderation: Literal["auto", "low"] | UnsetType = UNSET
    background: Literal["transparent", "opaque", "auto"] | UnsetType = UNSET
    input_fidelity: Literal["high", "low"] | UnsetType | None = UNSET
    input_image_mask: ImageMask | UnsetType = UNSET
    partial_images: Annotated[int, Meta(ge=0, le=3)] | UnsetType = UNSET
    action: Literal["generate", "edit", "auto"] | UnsetType = UNSET


Tool = FunctionTool | CustomTool | HostedTool


class JsonSchemaFormat(Strict, tag_field="type", tag="json_schema", frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$", max_length=64)]
    schema: dict[str, Any]
    description: str | UnsetType = UNSET
    strict: bool | None = None


class JsonObjectFormat(Strict, tag_field="type", tag="json_object", frozen=True, kw_only=True):
    pass


class Text(Strict, frozen=True, kw_only=True):
    format: TextFormat | JsonSchemaFormat | JsonObjectFormat | UnsetType = UNSET
    verbosity: Verbosity | None = None


class Reasoning(Strict, frozen=True, kw_only=True):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Summary | None = None
    generate_summary: Summary | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: str | UnsetType = UNSET


class StreamOptions(Strict, frozen=True, kw_only=True):
    include_obfuscation: bool | UnsetType = UNSET


class NamedChoice(Strict, frozen=True, kw_only=True):
    type: Literal["function", "custom"]
    name: str


class AllowedChoice(Strict, frozen=True, kw_only=True):
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


Choice = NamedChoice | AllowedChoice


Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]


class ResponsesRequest(Strict, frozen=True, kw_only=True):
    """`input`, `tools` and `tool_choice` are read apart (`read_item`, `read_tool`, `read_choice`). `client_metadata` is
    Codex's own."""

    model: str
    input: str | list[Any] | UnsetType = UNSET
    instructions: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: Annotated[int, Meta(ge=16)] | None = None
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None
    temperature: Temperature | None = None
    top_p: Fraction | None = None
    top_logprobs: TopLogprobs | None = None
    tools: list[Any] | UnsetType = UNSET
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | UnsetType = UNSET
    parallel_tool_calls: bool | None = None
    text: Text | UnsetType = UNSET
    reasoning: Reasoning | None = None
    include: list[Include] | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None
    background: bool | None = None
    prompt: dict[str, Any] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    context_management: Annotated[list[dict[str, Any]], Meta(min_length=1)] | None = None
    service_tier: ServiceTier | None = None
    metadata: Metadata | None = None
    user: str | UnsetType = UNSET
    safety_identifier: SafetyIdentifier | UnsetType = UNSET
    prompt_cache_key: str | UnsetType = UNSET
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: dict[str, Any] | None = None
    moderation: dict[str, Any] | None = None
    client_metadata: dict[str, Any] | None = None
    access_programs: Any = None
    background_options: dict[str, Any] | None = None
    image: dict[str, Any] | None = None


def read_item(raw: Any, at: Path) -> Item:
    kind = _type_of(raw)
    shape: Any = _ITEMS.get(kind or "")
    if kind in HOSTED_ITEMS:
        shape = HostedItem
    elif shape is None and isinstance(raw, dict) and "role" in raw:
        shape = OutputMessage if raw["role"] == "assistant" else InputMessage
    elif shape is None and kind is None and isinstance(raw, dict) and "id" in raw:
        shape = ItemReference
    elif shape is None and kind not in (None, "message"):
        raise ShapeError("tag", (*at, "type"), value=kind)
    item: Item = read_shape(raw, shape or InputMessage, at)
    return item


def read_tool(raw: Any, at: Path) -> Tool:
    kind = _type_of(raw)
    shapes: dict[str, Any] = {"function": FunctionTool, "custom": CustomTool, "image_generation": ImageTool}
    if kind is not None and kind not in shapes and kind not in HOSTED_TOOLS:
        raise ShapeError("tag", (*at, "type"), value=kind)
    tool: Tool = read_shape(raw, shapes.get(kind or "", HostedTool), at)
    return tool


def read_choice(raw: dict[str, Any], at: Path) -> Choice:
    kind = _type_of(raw)
    if kind not in (None, "function", "custom", "allowed_tools"):
        raise ShapeError("tag", (*at, "type"), value=kind)
    shape: Any = AllowedChoice if kind == "allowed_tools" else NamedChoice
    choice: Choice = read_shape(raw, shape, at)
    return choice


def _type_of(raw: Any) -> str | None:
    """None where there is none, or none that is text: the shape tells."""
    kind = raw.get("type") if isinstance(raw, dict) else None
    return kind if isinstance(kind, str) else None
