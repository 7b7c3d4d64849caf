"""A `Chat` to a Messages request for Anthropic (data-plane 16.1). What it cannot carry is named, never dropped."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.request import Chat, Text, Tool, Written
from isthmus.wire.anthropic_messages.blocks import written_turns
from isthmus.wire.anthropic_messages.thinking import ThinkingPlan, plan_thinking

USER_ID_MAX_CHARS = 512
TOP_P_MIN_THINKING = 0.95
JSON_INSTRUCTION = "Answer with one valid JSON object and nothing else: no prose around it, no code fence."

_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


class Lost:
    """The names of what could not be carried, each once, in the order met."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, *names: str) -> None:
        self._names.update(dict.fromkeys(names))

    def names(self) -> tuple[str, ...]:
        return tuple(self._names)


def write_request(chat: Chat, model: str) -> Written:
    lost = Lost()
    plan = plan_thinking(chat)
    lost.add(*plan.lost)
    asked: dict[str, Any] = {"model": model, "max_tokens": plan.max_tokens}
    if system := _system(chat, lost):
        asked["system"] = system
    asked["messages"] = written_turns(chat.messages, lost.add)
    if plan.thinking is not None:
        asked["thinking"] = plan.thinking
    asked |= _sampling(chat, plan, lost) | _tools(chat) | _rest(chat, lost)
    if chat.stream:
        asked["stream"] = True
    return Written(body=msgspec.json.encode(asked), lost=lost.names())


def _system(chat: Chat, lost: Lost) -> str:
    """Instructions from anywhere in the conversation, joined in their order: one in the middle loses its place."""
    texts: list[str] = []
    talking = False
    for message in chat.messages:
        if message.role in ("system", "developer"):
            texts += [part.text for part in message.parts if isinstance(part, Text) and part.text]
            if talking:
                lost.add("messages.system")
        else:
            talking = True
    if chat.answer_format is not None and chat.answer_format.schema is None:
        texts.append(JSON_INSTRUCTION)
        lost.add("answer_format")
    return "\n\n".join(texts)


def _sampling(chat: Chat, plan: ThinkingPlan, lost: Lost) -> dict[str, Any]:
    """Newer models refuse `temperature` and `top_p` together, so that 1, the default of both, is left out where it
    says nothing. While it thinks, Claude takes no other temperature, no `top_k` and no low `top_p`."""
    temperature, top_p, top_k = chat.temperature, chat.top_p, chat.top_k
    if temperature is not None and temperature > 1:
        temperature = 1.0
        lost.add("temperature")
    if top_p == 1:
        top_p = None
    if temperature == 1 and top_p is not None:
        temperature = None
    if plan.enabled:
        if temperature is not None and temperature != 1:
            temperature = None
            lost.add("temperature")
        if top_p is not None and top_p < TOP_P_MIN_THINKING:
            top_p = None
            lost.add("top_p")
        if top_k is not None:
            top_k = None
            lost.add("top_k")
    stated = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
    return {name: value for name, value in stated.items() if value is not None}


def _tools(chat: Chat) -> dict[str, Any]:
    """Without tools Anthropic takes no `tool_choice`: and there is nothing to choose."""
    if not chat.tools:
        return {}
    written: dict[str, Any] = {"tools": [_tool(tool) for tool in chat.tools]}
    choice: dict[str, Any] | None = None
    if chat.tool_choice is not None:
        if chat.tool_choice.mode == "named":
            choice = {"type": "tool", "name": chat.tool_choice.name}
        else:
            choice = {"type": _CHOICES[chat.tool_choice.mode]}
    if chat.parallel_tool_calls is False and (choice is None or choice["type"] != "none"):
        choice = (choice or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return written if choice is None else written | {"tool_choice": choice}


def _tool(tool: Tool) -> dict[str, Any]:
    schema = tool.parameters if "type" in tool.parameters else {"type": "object", **tool.parameters}
    written: dict[str, Any] = {"name": tool.name, "input_schema": schema}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.strict:
        written["strict"] = True
    return written


def _rest(chat: Chat, lost: Lost) -> dict[str, Any]:
    written: dict[str, Any] = {}
    # Anthropic refuses sequences of nothing but white space.
    stop = [sequence for sequence in chat.stop if sequence.strip()]
    if stop:
        written["stop_sequences"] = stop
    if len(stop) < len(chat.stop):
        lost.add("stop")
    if chat.user and len(chat.user) <= USER_ID_MAX_CHARS:
        written["metadata"] = {"user_id": chat.user}
    elif chat.user:
        lost.add("user")
    if chat.answer_format is not None and chat.answer_format.schema is not None:
        written["output_config"] = {"format": {"type": "json_schema", "schema": chat.answer_format.schema}}
    for name in ("seed", "frequency_penalty", "presence_penalty"):
        if getattr(chat, name):
            lost.add(name)
    return written
