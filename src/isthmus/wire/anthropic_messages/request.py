"""A caller's Messages request to a `Chat` (data-plane 16.2). Its turns are in `turns`; writing one is in `upstream`."""

from __future__ import annotations

from typing import Literal

from isthmus.core.request import AnswerFormat, Chat, Effort, Message, Text, Tool, ToolChoice
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.anthropic_messages import schema
from isthmus.wire.anthropic_messages.turns import Turns
from isthmus.wire.body import Body

_CHOICES: dict[str, Literal["auto", "required", "none"]] = {"auto": "auto", "any": "required", "none": "none"}


def read_request(body: Body) -> Chat:
    """Raises `InvalidRequest`, or `Unsupported` for what only Anthropic's own servers can do."""
    request, unplaced = schema.REQUEST.read(body)
    turns = Turns()
    turns.cached |= request.cache_control is not None
    instructions = _instructions(request, turns)
    messages = turns.read(request.messages)
    tools = tuple(_tool(tool, f"tools.{index}", turns) for index, tool in enumerate(request.tools or ()))
    choice = request.tool_choice
    unplaced += turns.unplaced()
    chat = Chat(
        model=request.model,
        messages=instructions + messages,
        tools=tools,
        tool_choice=None if choice is None else _choice(choice),
        parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=request.stop_sequences or (),
        answer_format=_answer_format(request),
        user=request.metadata.user_id if request.metadata else None,
        stream=bool(request.stream),
        effort=_effort(request, unplaced),
        thinking_budget=_budget(request),
        unplaced=tuple(unplaced),
    )
    if not chat.model:
        raise InvalidRequest("`model` must not be empty.", param="model")
    return chat


def _instructions(request: schema.Request, turns: Turns) -> tuple[Message, ...]:
    system = request.system
    if not system:
        return ()
    parts = (Text(text=system),) if isinstance(system, str) else turns.texts(system, "system")
    return (Message(role="system", parts=parts),) if parts else ()


def _tool(tool: schema.RequestTool, at: str, turns: Turns) -> Tool:
    if tool.type not in (None, "custom"):
        raise Unsupported(
            f"`{at}.type`: tools of type `{tool.type}` run at Anthropic only; this model has none of them.",
            param=f"{at}.type",
        )
    turns.cached |= tool.cache_control is not None
    if not tool.name:
        raise InvalidRequest(f"`{at}.name` is required.", param=f"{at}.name")
    if tool.input_schema is None:
        raise InvalidRequest(f"`{at}.input_schema` is required.", param=f"{at}.input_schema")
    return Tool(name=tool.name, description=tool.description, parameters=tool.input_schema, strict=tool.strict)


def _choice(choice: schema.RequestToolChoice) -> ToolChoice:
    if choice.type != "tool":
        return ToolChoice(mode=_CHOICES[choice.type])
    if not choice.name:
        raise InvalidRequest("`tool_choice.name` is required.", param="tool_choice.name")
    return ToolChoice(mode="named", name=choice.name)


def _answer_format(request: schema.Request) -> AnswerFormat | None:
    stated = request.output_format
    if request.output_config is not None and request.output_config.format is not None:
        stated = request.output_config.format
    # Anthropic enforces a schema always: there is no other way to say it.
    return None if stated is None else AnswerFormat(schema=stated.schema, strict=True)


def _effort(request: schema.Request, unplaced: list[str]) -> Effort | None:
    """`thinking` speaks first. "adaptive" leaves the amount to `output_config.effort`, or else to the model: then there
    is nothing to say to another, and the receipt names it."""
    stated = request.output_config.effort if request.output_config else None
    thinking = request.thinking.type if request.thinking else None
    if thinking == "adaptive" and stated is None:
        unplaced.append("thinking")
    if thinking in ("enabled", "disabled") and stated is not None:
        unplaced.append("output_config.effort")
        stated = None
    return "none" if thinking == "disabled" else stated


def _budget(request: schema.Request) -> int | None:
    thinking = request.thinking
    if thinking is None or thinking.type != "enabled":
        return None
    if thinking.budget_tokens is None:
        raise InvalidRequest("`thinking.budget_tokens` is required.", param="thinking.budget_tokens")
    return thinking.budget_tokens
