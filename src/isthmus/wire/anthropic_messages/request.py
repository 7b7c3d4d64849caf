"""A caller's Messages request to a `Chat` (data-plane 16.2). Its turns are in `turns`; writing one is in `upstream`."""

from __future__ import annotations

from typing import Literal

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import AnswerFormat, Chat, Effort, Message, Text
from isthmus.errors import InvalidRequest
from isthmus.wire.anthropic_messages import schema
from isthmus.wire.anthropic_messages.parts.caching import read_mark
from isthmus.wire.anthropic_messages.parts.tools import read_choice, read_tool
from isthmus.wire.anthropic_messages.turns import Turns
from isthmus.wire.body import Body
from isthmus.wire.conversation import check_tool_ids

# "adaptive" leaves the amount of thinking to the model, as Google's budget of -1 does.
AS_IT_SEES_FIT = -1

_TIERS = {"auto": "auto", "standard_only": "default"}


def read_request(body: Body) -> Chat:
    """Raises `InvalidRequest`, or `Unsupported` for content that is Anthropic's own."""
    request, unknown = schema.REQUEST.read(body)
    if not request.model:
        raise InvalidRequest("`model` must not be empty.", param="model")
    receipt = Receipt()
    for name in unknown:
        receipt.lost(name, "no other dialect has it")
    turns = Turns(receipt)
    messages = _instructions(request, turns) + turns.read(request.messages)
    check_tool_ids(messages)
    tools = tuple(read_tool(tool, f"tools.{index}", receipt) for index, tool in enumerate(request.tools or ()))
    choice = request.tool_choice
    effort = _effort(request, receipt)
    return Chat(
        model=request.model,
        messages=messages,
        tools=tools,
        tool_choice=None if choice is None else read_choice(choice, tools),
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=request.stop_sequences or (),
        answer_format=_answer_format(request),
        user=request.metadata.user_id if request.metadata else None,
        stream=bool(request.stream),
        effort=effort,
        thinking_budget=_budget(request, effort, receipt),
        summary=_summary(request),
        cache=read_mark(request.cache_control),
        service_tier=None if request.service_tier is None else _TIERS[request.service_tier],
        unplaced=receipt.notes(),
    )


def _instructions(request: schema.Request, turns: Turns) -> tuple[Message, ...]:
    system = request.system
    if not system:
        return ()
    parts = (Text(text=system),) if isinstance(system, str) else turns.texts(system, "system")
    return (Message(role="system", parts=parts),) if parts else ()


def _answer_format(request: schema.Request) -> AnswerFormat | None:
    stated = request.output_format
    if request.output_config is not None and request.output_config.format is not None:
        stated = request.output_config.format
    # Anthropic enforces a schema always: there is no other way to say it.
    return None if stated is None else AnswerFormat(schema=stated.schema, strict=True)


def _effort(request: schema.Request, receipt: Receipt) -> Effort | None:
    """`thinking` speaks first: a budget, or that there be none. "adaptive" leaves the amount to the effort."""
    stated = request.output_config.effort if request.output_config else None
    thinking = request.thinking.type if request.thinking else None
    if thinking in ("enabled", "disabled") and stated is not None:
        receipt.lost("output_config.effort", "`thinking` says how much to think")
        stated = None
    return "none" if thinking == "disabled" else stated


def _budget(request: schema.Request, effort: Effort | None, receipt: Receipt) -> int | None:
    thinking = request.thinking
    if thinking is None or thinking.type == "disabled":
        return None
    if thinking.type == "enabled":
        if thinking.budget_tokens is None:
            raise InvalidRequest("`thinking.budget_tokens` is required.", param="thinking.budget_tokens")
        return thinking.budget_tokens
    if thinking.type == "between_tools":
        receipt.emulated("thinking", "the model may think before its first word too")
    return AS_IT_SEES_FIT if effort is None else None


def _summary(request: schema.Request) -> Literal["none", "auto"] | None:
    """Who turns thinking on wants to see it, unless it says that it does not."""
    thinking = request.thinking
    if thinking is None or thinking.type == "disabled":
        return None
    return "none" if thinking.display == "omitted" else "auto"
