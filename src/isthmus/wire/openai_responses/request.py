"""A caller's Responses request to a `Chat` (data-plane 16.4). Its items are in `items`; `upstream` writes one."""

from __future__ import annotations

from typing import Literal

from isthmus.core.request import AnswerFormat, Chat, Message, Text, Tool, ToolChoice
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_responses import schema
from isthmus.wire.openai_responses.items import read_items

_MODES: dict[str, Literal["auto", "required", "none"]] = {"auto": "auto", "required": "required", "none": "none"}


def read_request(body: Body) -> Chat:
    """Raises `InvalidRequest`, or `Unsupported` for what needs state, or a tool that only OpenAI runs."""
    request, unplaced = schema.REQUEST.read(body)
    _refuse_state(request)
    if not request.model:
        raise InvalidRequest("`model` must not be empty.", param="model")
    if request.safety_identifier is not None and request.user is not None:
        unplaced.append("safety_identifier")
    return Chat(
        model=request.model,
        messages=_instructions(request) + _messages(request),
        tools=tuple(_tool(tool, f"tools.{index}") for index, tool in enumerate(request.tools or ())),
        tool_choice=_choice(request.tool_choice),
        parallel_tool_calls=request.parallel_tool_calls,
        max_tokens=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        answer_format=_answer_format(request),
        effort=request.reasoning.effort if request.reasoning else None,
        user=request.user or request.safety_identifier,
        stream=bool(request.stream),
        unplaced=tuple(unplaced),
    )


def _refuse_state(request: schema.Request) -> None:
    """We keep no conversations: answering as if there were none would answer another question. `store` absent is read
    as false, though OpenAI's default is true: nearly nobody who leaves it out comes back for the answer."""
    stated = {
        "store": request.store,
        "background": request.background,
        "previous_response_id": request.previous_response_id,
        "conversation": request.conversation,
        "prompt": request.prompt,
    }
    for name, value in stated.items():
        if value:
            raise Unsupported(
                f"`{name}` needs state kept at the provider, and this model's provider keeps none for Responses. "
                "Send the whole conversation in `input`, with `store` false.",
                param=name,
            )


def _instructions(request: schema.Request) -> tuple[Message, ...]:
    if not request.instructions:
        return ()
    return (Message(role="system", parts=(Text(text=request.instructions),)),)


def _messages(request: schema.Request) -> tuple[Message, ...]:
    if request.input is None:
        raise InvalidRequest("`input` is required.", param="input")
    if isinstance(request.input, str):
        return (Message(role="user", parts=(Text(text=request.input),)),)
    return read_items(request.input)


def _tool(tool: schema.RequestTool, at: str) -> Tool:
    if tool.type != "function":
        raise Unsupported(
            f"`{at}.type`: this model has no tools of type `{tool.type}`, only functions.", param=f"{at}.type"
        )
    if not tool.name:
        raise InvalidRequest(f"`{at}.name` is required.", param=f"{at}.name")
    return Tool(name=tool.name, description=tool.description, parameters=tool.parameters or {}, strict=tool.strict)


def _choice(choice: str | schema.RequestToolChoice | None) -> ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, str):
        mode = _MODES.get(choice)
        if mode is None:
            raise InvalidRequest("`tool_choice` must be auto, required, none, or a function.", param="tool_choice")
        return ToolChoice(mode=mode)
    if choice.type != "function":
        raise Unsupported(
            f"`tool_choice.type`: this model cannot choose by `{choice.type}`, only by function.",
            param="tool_choice.type",
        )
    if not choice.name:
        raise InvalidRequest("`tool_choice.name` is required.", param="tool_choice.name")
    return ToolChoice(mode="named", name=choice.name)


def _answer_format(request: schema.Request) -> AnswerFormat | None:
    stated = request.text.format if request.text else None
    if stated is None or stated.type == "text":
        return None
    if stated.type == "json_object":
        return AnswerFormat()
    if stated.schema is None:
        raise InvalidRequest("`text.format.schema` is required.", param="text.format.schema")
    if not stated.name:
        raise InvalidRequest("`text.format.name` is required.", param="text.format.name")
    return AnswerFormat(name=stated.name, schema=stated.schema, strict=stated.strict, description=stated.description)
