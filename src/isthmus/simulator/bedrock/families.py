"""What each family of models makes of a request that Converse takes: Claude's rules are Anthropic's own, Nova's
are few. `Reading` is what an answer needs of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from isthmus.simulator.anthropic import request as claude
from isthmus.simulator.anthropic import rules as claude_rules
from isthmus.simulator.anthropic.turns import read_turns
from isthmus.simulator.anthropic.vendor import ANTHROPIC, tagged
from isthmus.simulator.bedrock.request import ConverseRequest, CountedRequest
from isthmus.simulator.bedrock.vendor import refused
from isthmus.simulator.exchange import Exchange, Rejection
from isthmus.simulator.models import Model
from isthmus.simulator.shape import ShapeError, Strict, read_shape

# Anthropic's test string: a prompt with it is answered with redacted thinking.
REDACT = (
    "ANTHROPIC_MAGIC_STRING_TRIGGER_REDACTED_THINKING_46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB"
)
_EFFORT_TOKENS = {"low": 32, "medium": 64, "high": 128, "xhigh": 256, "max": 512}
_MOST_THINKING_TOKENS = 128
_MOST_NOVA_STOPS = 4
_MODEL_SAYS = "The model returned the following errors: "


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """`signs` is whether its reasoning is shown, and signed."""

    reasoning_tokens: int
    signs: bool
    parallel: bool = True


class NovaInference(Strict, frozen=True, kw_only=True):
    topK: Annotated[int, Meta(ge=1, le=128)] | None = None


class NovaReasoning(Strict, frozen=True, kw_only=True):
    type: Literal["enabled", "disabled"]
    maxReasoningEffort: Literal["low", "medium", "high"] | None = None


class NovaFields(Strict, frozen=True, kw_only=True):
    inferenceConfig: NovaInference | None = None
    reasoningConfig: NovaReasoning | None = None


def read(exchange: Exchange, request: CountedRequest, native: dict[str, Any], model: Model) -> Reading:
    """Raises `Rejection`. `native` is the request in Anthropic's form."""
    if not model.name.startswith("anthropic."):
        return _read_nova(request, model)
    try:
        return _read_claude(exchange, native, model, answers=isinstance(request, ConverseRequest))
    except ShapeError as error:
        raise refused(_MODEL_SAYS + ANTHROPIC.rephrase(error).message) from error
    except Rejection as error:
        raise refused(_MODEL_SAYS + error.message) from error


def _read_claude(exchange: Exchange, native: dict[str, Any], model: Model, *, answers: bool) -> Reading:
    try:
        request: claude.MessagesRequest = read_shape(native, claude.MessagesRequest)
        tools = [claude.read_tool(raw, ("tools", index)) for index, raw in enumerate(request.tools or ())]
    except ShapeError as error:
        raise tagged(error, native) from error
    claude_rules.check(exchange, request, model, tools)
    if answers:
        claude_rules.check_answerable(request, model)
    read_turns(request, model, exchange.world.seed)
    return Reading(
        reasoning_tokens=_claude_tokens(request, model),
        signs=True,
        parallel=getattr(request.tool_choice, "disable_parallel_tool_use", False) is not True,
    )


def _claude_tokens(request: claude.MessagesRequest, model: Model) -> int:
    if isinstance(request.thinking, claude.ThinkingEnabled):
        return min(request.thinking.budget_tokens, _MOST_THINKING_TOKENS)
    if isinstance(request.thinking, claude.ThinkingAdaptive):
        effort = request.output_config.effort if request.output_config else None
        return _EFFORT_TOKENS[effort or model.efforts[0]]
    return 0


def _read_nova(request: CountedRequest, model: Model) -> Reading:
    try:
        fields: NovaFields = read_shape(request.additionalModelRequestFields or {}, NovaFields)
    except ShapeError as error:
        where = "/".join(("#", *map(str, error.path[:-1] if error.problem == "unknown" else error.path)))
        what = f"extraneous key [{error.path[-1]}] is not permitted" if error.problem == "unknown" else "not valid"
        said = f"Malformed input request: {where}: {what}, please reformat your input and try again."
        raise refused(said) from error
    for place, message in enumerate(request.messages or ()):
        thoughts = [block.reasoningContent for block in message.content if block.reasoningContent is not None]
        if any(t.reasoningText is None or t.reasoningText.signature is not None for t in thoughts):
            raise refused(f"This model doesn't support the reasoningContent.reasoningText.signature field at {place}.")
        if place == len(request.messages or ()) - 1 and message.role == "assistant":
            raise refused(
                "A conversation must end with a user message. Try again with a conversation that ends with a user "
                "message."
            )
    reasoning = fields.reasoningConfig
    if reasoning is not None and not model.efforts:
        raise refused("This model doesn't support the reasoningConfig field. Remove reasoningConfig and try again.")
    thinks = reasoning is not None and reasoning.type == "enabled"
    effort = (reasoning.maxReasoningEffort if reasoning is not None else None) or "low"
    if isinstance(request, ConverseRequest):
        _check_nova_answerable(request, thinks and effort == "high")
    return Reading(reasoning_tokens=_EFFORT_TOKENS[effort] if thinks else 0, signs=False)


def _check_nova_answerable(request: ConverseRequest, thinks_hard: bool) -> None:
    config, output = request.inferenceConfig, request.outputConfig
    for name in ("textFormat", "effort"):
        if output is not None and getattr(output, name) is not None:
            raise refused(f"This model doesn't support the outputConfig.{name} field. Remove it and try again.")
    if config is None:
        return
    if len(config.stopSequences or ()) > _MOST_NOVA_STOPS:
        raise refused(
            f"Malformed input request: #/inferenceConfig/stopSequences: expected maximum item count: "
            f"{_MOST_NOVA_STOPS}, found: {len(config.stopSequences or ())}, please reformat your input and try again."
        )
    if thinks_hard and any(value is not None for value in (config.maxTokens, config.temperature, config.topP)):
        raise refused(
            "The maxTokens, temperature and topP fields can't be used when maxReasoningEffort is high. Remove them and "
            "try again."
        )
