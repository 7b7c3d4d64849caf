"""What each family of models behind Converse takes beyond what all of them do: known by the model's name, since AWS
answers a field that a model lacks with an error."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat
from isthmus.wire.anthropic_messages.thinking import plan_thinking
from isthmus.wire.thinking import effort_of

Json = dict[str, Any]

STOPS_MAX_NOVA = 4
TOP_K_MAX_NOVA = 128
TOP_P_MIN_THINKING = 0.95

# https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html names the models that take a schema; these
# are the ones before and beside them. What is not known is asked.
_WITHOUT_SCHEMAS = re.compile(
    r"amazon\.|ai21\.|cohere\.|meta\.|claude-(?:3|v2|instant)|claude-(?:opus|sonnet)-4-(?:20250514|0|1)(?:\D|\Z)"
)


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """`caches`: takes cache points; `caches_tools`: among its tools too. `schemas`: takes a schema for its answer, and
    holds strict tools to theirs."""

    kind: Literal["claude", "nova", "gpt_oss", "other"]
    schemas: bool

    @property
    def claude(self) -> bool:
        return self.kind == "claude"

    @property
    def caches(self) -> bool:
        return self.kind in ("claude", "nova")

    @property
    def caches_tools(self) -> bool:
        return self.claude


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How much a model may write and think, and how freely: `config` goes to `inferenceConfig`, `effort` to
    `outputConfig`, `extra` to `additionalModelRequestFields`."""

    config: Json
    extra: Json
    effort: str | None = None


def family_of(name: str) -> Family:
    """Names are `us.anthropic.claude-…`, or addresses that end in one; what an address of one's own profile hides is
    asked for only what all models take."""
    kind: Literal["claude", "nova", "gpt_oss", "other"] = "other"
    if "claude" in name or "anthropic." in name:
        kind = "claude"
    elif "amazon.nova" in name:
        kind = "nova"
    elif "openai.gpt-oss" in name:
        kind = "gpt_oss"
    return Family(kind=kind, schemas=_WITHOUT_SCHEMAS.search(name) is None)


def ask(chat: Chat, model: Model, family: Family, receipt: Receipt) -> Asked:
    if family.kind == "claude":
        return _ask_claude(chat, model, receipt)
    if family.kind == "nova":
        return _ask_nova(chat, model, receipt)
    extra: Json = {}
    wish = _effort(chat, model)
    if family.kind == "gpt_oss" and wish is not None:
        # It always thinks; https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
        extra["reasoning_effort"] = _clamped(wish)
    elif wish not in (None, "none"):
        receipt.lost(_thinking_field(chat), "this provider has no such field for this model")
    if chat.top_k is not None:
        receipt.lost("top_k", "this provider has no such field for this model")
    return Asked(config=_config(chat, model, receipt), extra=extra)


def _config(chat: Chat, model: Model, receipt: Receipt) -> Json:
    """What all models take."""
    stated = {"temperature": chat.temperature, "topP": chat.top_p}
    config: Json = {}
    if chat.max_tokens is not None:
        most = model.max_output_tokens
        config["maxTokens"] = min(chat.max_tokens, most) if most else chat.max_tokens
    for name, value in stated.items():
        if value is None:
            continue
        config[name] = min(1.0, max(0.0, value))
        if config[name] != value:
            field = "temperature" if name == "temperature" else "top_p"
            receipt.emulated(field, "the nearest is sent of what this provider takes, 0 to 1")
    # Claude refuses sequences of nothing but white space; nobody takes empty ones.
    stop = [sequence for sequence in chat.stop if sequence.strip()]
    if len(stop) < len(chat.stop):
        receipt.lost("stop", "this provider takes no white space as a stop sequence")
    if stop:
        config["stopSequences"] = stop
    return config


def _ask_claude(chat: Chat, model: Model, receipt: Receipt) -> Asked:
    if not model.forces_tools:  # it is told to call in words, which do not keep it from thinking
        chat = msgspec.structs.replace(chat, tool_choice=None)
    plan = plan_thinking(chat, model, receipt)
    config, extra = _claude_sampling(chat, model, plan.enabled, receipt)
    if plan.thinking is not None:
        extra["thinking"] = plan.thinking
        if plan.thinking["type"] == "enabled":
            config["maxTokens"] = plan.max_tokens  # a budget must be less, and the default is not told
    return Asked(config=config, extra=extra, effort=plan.effort)


def _claude_sampling(chat: Chat, model: Model, thinks: bool, receipt: Receipt) -> tuple[Json, Json]:
    """Newer models refuse `temperature` and `topP` together, so that 1, the default of both, is left out where it says
    nothing. While it thinks, Claude takes no other temperature, no top_k and no low topP."""
    config = _config(chat, model, receipt)
    if config.get("topP") == 1:
        del config["topP"]
    if config.get("temperature") == 1 and "topP" in config:
        del config["temperature"]
    if not thinks:
        return config, {} if chat.top_k is None else {"top_k": chat.top_k}
    why = "this provider does not take it while the model thinks"
    if config.get("temperature", 1) != 1:
        del config["temperature"]
        receipt.lost("temperature", why)
    if config.get("topP", 1) < TOP_P_MIN_THINKING:
        del config["topP"]
        receipt.lost("top_p", why)
    if chat.top_k is not None:
        receipt.lost("top_k", why)
    return config, {}


def _ask_nova(chat: Chat, model: Model, receipt: Receipt) -> Asked:
    """https://docs.aws.amazon.com/nova/latest/nova2-userguide/request-response-schema.html"""
    config = _config(chat, model, receipt)
    extra: Json = {}
    stop = config.get("stopSequences", [])
    if len(stop) > STOPS_MAX_NOVA:
        config["stopSequences"] = stop[:STOPS_MAX_NOVA]
        receipt.lost("stop", f"this model takes {STOPS_MAX_NOVA} sequences")
    if chat.top_k is not None:
        top_k = min(max(1, chat.top_k), TOP_K_MAX_NOVA)
        extra["inferenceConfig"] = {"topK": top_k}
        if top_k != chat.top_k:
            receipt.emulated("top_k", f"the nearest is sent of what this model takes, 1 to {TOP_K_MAX_NOVA}")
    wish = _effort(chat, model)
    if wish is not None and "nova-2" not in model.name:
        if wish != "none":
            receipt.lost(_thinking_field(chat), "this model does not think")
    elif wish == "none":
        extra["reasoningConfig"] = {"type": "disabled"}
    elif wish is not None:
        effort = _clamped(wish)
        if effort == "high" and config.keys() & {"maxTokens", "temperature", "topP"}:
            effort = "medium"
            receipt.emulated(_thinking_field(chat), "this model cannot be bounded while it thinks its most")
        extra["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": effort}
    if chat.summary not in (None, "none"):
        receipt.lost("summary", "this model does not show its thinking")
    return Asked(config=config, extra=extra)


def _effort(chat: Chat, model: Model) -> str | None:
    """The wish in words; "minimal" turns off what can be turned off."""
    if chat.thinking_budget is not None:
        return effort_of(chat.thinking_budget) if chat.thinking_budget >= 0 else "medium"
    if chat.effort == "minimal" and not model.always_thinks:
        return "none" if "nova" in model.name else "low"
    return chat.effort


def _clamped(effort: str) -> str:
    """Of three levels."""
    if effort in ("none", "minimal"):
        return "low"
    return "high" if effort in ("xhigh", "max") else effort


def _thinking_field(chat: Chat) -> str:
    return "effort" if chat.thinking_budget is None else "thinking_budget"
