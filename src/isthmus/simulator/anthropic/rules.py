"""The rules of Messages that no shape can say, but for the pairing of tool calls and results (`turns`): what goes
together, what each model takes, tools, thinking, caching, pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from isthmus.simulator.anthropic import request as shapes
from isthmus.simulator.anthropic.request import CountRequest, MessagesRequest
from isthmus.simulator.anthropic.vendor import NEWEST_VERSION
from isthmus.simulator.exchange import Exchange, Rejection
from isthmus.simulator.models import Model
from isthmus.simulator.shape import flaw_in_schema, is_base64, looseness_in_schema

_MOST_BREAKPOINTS = 4
_LEAST_TOP_P = 0.99
_BAD_SCHEMA = (
    "JSON schema is invalid. It must match JSON Schema draft 2020-12 (https://json-schema.org/draft/2020-12). Learn "
    "more about tool use at https://docs.claude.com/en/docs/tool-use."
)


def check(exchange: Exchange, request: CountRequest, model: Model, tools: list[shapes.Tool]) -> None:
    """What counting and answering have in common."""
    beta = exchange.request.header("anthropic-beta") is not None
    for name in shapes.BETA_FIELDS:
        if not beta and getattr(request, name, UNSET) not in (UNSET, None):
            raise Rejection(f"{name}: Extra inputs are not permitted")
    for where, block in blocks_of(request):
        _check_source(where, block, beta)
    if exchange.request.header("anthropic-version") == NEWEST_VERSION:
        _check_newest_version(request)
    _check_tools(request, tools)
    _check_breakpoints(request, tools)
    _check_thinking_mode(request, model)
    config = request.output_config or None
    if config is not None and config.effort is not None and config.effort not in model.efforts:
        raise Rejection("This model does not support the effort parameter.")
    if wanted := format_of(request):
        flaw = flaw_in_schema(wanted.schema) or looseness_in_schema(wanted.schema, every_property=False)
        if flaw is not None:
            raise Rejection(f"output_config.format.schema: {flaw}")


def _check_newest_version(request: CountRequest) -> None:
    """What version 2026-10-21 took away: sampling, documents from the assistant, citations from the user."""
    for name in ("temperature", "top_p", "top_k"):
        if getattr(request, name, UNSET) is not UNSET:
            raise Rejection(f"{name}: Extra inputs are not permitted")
    roles = [message.role for message in request.messages]
    for where, block in blocks_of(request):
        role = roles[int(where.split(".")[1])]
        if role == "assistant" and isinstance(block, shapes.DocumentBlock):
            raise Rejection(f"{where}: `document` blocks can only be in `user` messages")
        texts = block.content if isinstance(block, shapes.SearchResultBlock) else [block]
        if role == "user" and any(isinstance(text, shapes.TextBlock) and text.citations for text in texts):
            raise Rejection(f"{where}.text.citations: citations are not permitted in `user` messages")


def check_answerable(request: MessagesRequest, model: Model) -> None:
    """What only answering asks for."""
    if request.max_tokens > model.max_output_tokens:
        raise Rejection(
            f"max_tokens: {request.max_tokens} > {model.max_output_tokens}, which is the maximum allowed number of "
            f"output tokens for {model.answers_as}"
        )
    for stop in request.stop_sequences or ():
        if not stop.strip():
            raise Rejection("stop_sequences: each stop sequence must contain non-whitespace")
    _check_sampling(request, model)
    _check_thinking(request)


def _check_sampling(request: MessagesRequest, model: Model) -> None:
    both = request.temperature is not UNSET and request.top_p is not UNSET
    if both and not model.takes_both_samplings:
        message = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        raise Rejection(message)
    if model.takes_sampling:
        return
    refused = [
        ("temperature", request.temperature not in (UNSET, 1)),
        ("top_p", request.top_p is not UNSET and request.top_p < _LEAST_TOP_P),
        ("top_k", request.top_k is not UNSET),
    ]
    for name, is_refused in refused:
        if is_refused:
            raise Rejection(f"`{name}` is deprecated for this model.")


def _check_thinking_mode(request: CountRequest, model: Model) -> None:
    thinking = request.thinking
    if isinstance(thinking, shapes.ThinkingEnabled) and "enabled" not in model.thinking:
        message = '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
        raise Rejection(f'{message}"output_config.effort" to control thinking behavior.')
    if isinstance(thinking, shapes.ThinkingAdaptive) and "adaptive" not in model.thinking:
        raise Rejection("adaptive thinking is not supported on this model")
    forced = isinstance(request.tool_choice, shapes.ChoiceAny | shapes.ChoiceTool)
    if isinstance(thinking, shapes.ThinkingEnabled | shapes.ThinkingAdaptive) and forced:
        raise Rejection("Thinking may not be enabled when tool_choice forces tool use.")


def _check_thinking(request: MessagesRequest) -> None:
    thinking = request.thinking
    if not isinstance(thinking, shapes.ThinkingEnabled | shapes.ThinkingAdaptive):
        return
    more = "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
    if isinstance(thinking, shapes.ThinkingEnabled) and thinking.budget_tokens >= request.max_tokens:
        raise Rejection(f"`max_tokens` must be greater than `thinking.budget_tokens`. {more}")
    if request.temperature not in (UNSET, 1):
        raise Rejection(f"`temperature` may only be set to 1 when thinking is enabled. {more}")
    if request.top_k is not UNSET:
        raise Rejection(f"`top_k` must be unset when thinking is enabled. {more}")
    if request.top_p is not UNSET and request.top_p < 0.95:
        raise Rejection(f"`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled. {more}")


def _check_tools(request: CountRequest, tools: list[shapes.Tool]) -> None:
    names = [tool.name for tool in tools if tool.name is not UNSET]
    if len(set(names)) != len(names):
        raise Rejection("tools: Tool names must be unique.")
    for index, tool in enumerate(tools):
        if not isinstance(tool, shapes.CustomTool):
            continue
        if flaw_in_schema(tool.input_schema):
            raise Rejection(f"tools.{index}.custom.input_schema: {_BAD_SCHEMA}")
        if tool.strict is True and (flaw := looseness_in_schema(tool.input_schema, every_property=False)):
            raise Rejection(f"tools.{index}.custom: {flaw}")
    choice = request.tool_choice
    if choice is not UNSET and not tools and not isinstance(choice, shapes.ChoiceNone):
        raise Rejection("tool_choice: `tool_choice` may only be specified while providing `tools`.")
    if isinstance(choice, shapes.ChoiceTool) and choice.name not in names:
        raise Rejection(f"Tool '{choice.name}' not found in provided tools")


def _check_breakpoints(request: CountRequest, tools: list[shapes.Tool]) -> None:
    marks = [tool.cache_control for tool in tools]
    marks += [block.cache_control for block in request.system or () if isinstance(block, shapes.TextBlock)]
    marks += [block.cache_control for _, block in blocks_of(request) if isinstance(block, shapes.Block)]
    marks.append(request.cache_control)
    lifetimes = [mark.ttl or "5m" for mark in marks if mark is not None]
    if len(lifetimes) > _MOST_BREAKPOINTS:
        raise Rejection(
            f"A maximum of {_MOST_BREAKPOINTS} blocks with cache_control may be provided. Found {len(lifetimes)}."
        )
    if sorted(lifetimes) != lifetimes:
        raise Rejection("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.")


def blocks_of(request: CountRequest) -> Iterator[tuple[str, Any]]:
    """Each block of the messages, those inside tool results too, and where it is."""
    for place, message in enumerate(request.messages):
        for index, block in enumerate(message.content if isinstance(message.content, list) else ()):
            where = f"messages.{place}.content.{index}"
            if isinstance(block, shapes.ToolResultBlock) and isinstance(block.content, list):
                for inner, part in enumerate(block.content):
                    yield f"{where}.tool_result.content.{inner}", part
            yield where, block


def _check_source(where: str, block: Any, beta: bool) -> None:
    if not isinstance(block, shapes.ImageBlock | shapes.DocumentBlock):
        return
    kind = "image" if isinstance(block, shapes.ImageBlock) else "document"
    source = block.source
    where = f"{where}.{kind}.source"
    if isinstance(source, shapes.Base64Image | shapes.Base64Pdf) and not is_base64(source.data):
        raise Rejection(f"{where}.base64.data: invalid base64 data")
    if isinstance(source, shapes.UrlSource) and not source.url.startswith("https://"):
        raise Rejection(f"{where}.url.url: Only HTTPS URLs are supported.")
    if isinstance(source, shapes.FileSource) and not beta:
        expected = "'base64', 'url'" if kind == "image" else "'base64', 'content', 'text', 'url'"
        message = f"Input tag 'file' found using 'type' does not match any of the expected tags: {expected}"
        raise Rejection(f"{where}: {message}")


def format_of(request: CountRequest) -> shapes.JsonFormat | None:
    config = request.output_config or None
    return (config.format if config is not None else None) or request.output_format
