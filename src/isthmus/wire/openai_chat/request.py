"""A Chat Completions request to `Chat`, and `Chat` to a request for an OpenAI-compatible provider."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.request import AnswerFormat, Chat, Effort, Tool, ToolChoice, Written
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import schema
from isthmus.wire.openai_chat.messages import read_messages, write_messages

# Of the gateway, never of a provider (data-plane 4.2): taken out, and nothing to tell the caller about.
OURS = ("options", "gateway")

# `thinking_budget` has no field here. The widest budget that is still of an effort; above the last it is "high".
_EFFORT_BUDGETS: tuple[tuple[int, Effort], ...] = ((0, "none"), (1024, "low"), (8192, "medium"))


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider's Chat Completions differ from the others'. OpenAI refuses `max_tokens` for its reasoning models
    and tells developers from systems; other servers often know neither. `asks_usage` False is for a server that
    refuses `stream_options`."""

    max_tokens_field: str = "max_completion_tokens"
    developer_role: bool = True
    asks_usage: bool = True


def read_request(body: Body) -> Chat:
    """Raises `InvalidRequest`, or `Unsupported` for what has no place in a conversation with just any model."""
    asked, unknown = schema.REQUEST.read(body)
    unplaced = set(unknown)
    _refuse_unserved(asked)
    messages = read_messages(asked.messages, unplaced)
    tools = tuple(_read_tool(tool, f"tools.{index}") for index, tool in enumerate(asked.tools or ()))
    if asked.safety_identifier is not None and asked.user is not None:
        unplaced.add("safety_identifier")
    stop = (asked.stop,) if isinstance(asked.stop, str) else asked.stop or ()
    return Chat(
        model=asked.model or "",
        messages=messages,
        tools=tools,
        tool_choice=read_tool_choice(asked.tool_choice, tools),
        parallel_tool_calls=asked.parallel_tool_calls,
        max_tokens=asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        stop=stop,
        seed=asked.seed,
        frequency_penalty=asked.frequency_penalty,
        presence_penalty=asked.presence_penalty,
        answer_format=read_format(asked.response_format),
        effort=asked.reasoning_effort,
        user=asked.user if asked.user is not None else asked.safety_identifier,
        stream=asked.stream is True,
        include_usage=asked.stream_options is not None and asked.stream_options.include_usage is True,
        unplaced=tuple(sorted(unplaced)),
    )


def _refuse_unserved(asked: schema.Request) -> None:
    if asked.n is not None and asked.n > 1:
        raise Unsupported("`n` must be 1: this model gives one answer a request.", param="n")
    if asked.functions is not None or asked.function_call is not None:
        name = "functions" if asked.functions is not None else "function_call"
        raise Unsupported(f"`{name}` is not served: send `tools` and `tool_choice`.", param=name)


def _read_tool(tool: schema.ToolDefinition, at: str) -> Tool:
    if tool.type != "function":
        raise Unsupported(f"`{at}.type`: tools of type `{tool.type}` are not served.", param=f"{at}.type")
    if tool.function is None:
        raise InvalidRequest(f"`{at}.function` is required.", param=f"{at}.function")
    function = tool.function
    return Tool(
        name=function.name,
        description=function.description,
        parameters=function.parameters or {},
        strict=function.strict,
    )


def read_tool_choice(choice: str | schema.ChosenTool | None, tools: tuple[Tool, ...]) -> ToolChoice | None:
    """Raises `InvalidRequest` where the choice cannot be met by `tools`."""
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice in ("auto", "none"):
            return ToolChoice(mode="none" if choice == "none" else "auto")
        if choice != "required":
            raise InvalidRequest(
                f"`tool_choice` may not be '{choice}': it is 'auto', 'required', 'none' or a tool.", param="tool_choice"
            )
        if not tools:
            raise InvalidRequest("`tool_choice` is 'required', but `tools` is empty.", param="tool_choice")
        return ToolChoice(mode="required")
    if choice.type != "function":
        raise Unsupported(
            f"`tool_choice.type`: choices of type `{choice.type}` are not served.", param="tool_choice.type"
        )
    if choice.function is None:
        raise InvalidRequest("`tool_choice.function` is required.", param="tool_choice.function")
    name = choice.function.name
    if all(tool.name != name for tool in tools):
        raise InvalidRequest(
            f"`tool_choice.function.name`: `tools` has no '{name}'.", param="tool_choice.function.name"
        )
    return ToolChoice(mode="named", name=name)


def read_format(asked: schema.ResponseFormat | None) -> AnswerFormat | None:
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return AnswerFormat()
    if asked.type != "json_schema":
        raise InvalidRequest(
            f"`response_format.type` may not be '{asked.type}': it is 'text', 'json_object' or 'json_schema'.",
            param="response_format.type",
        )
    return _read_schema_format(asked.json_schema)


def _read_schema_format(given: dict[str, Any] | None) -> AnswerFormat:
    """`response_format.json_schema`, either OpenAI's wrapper around a schema, or a bare schema as Cloudflare takes it
    (data-plane 4.3)."""
    at = "response_format.json_schema"
    if given is None:
        raise InvalidRequest(f"`{at}` is required.", param=at)
    if "schema" not in given and "name" not in given:
        return AnswerFormat(schema=given)
    try:
        wrapped = msgspec.convert(given, schema.NamedSchema)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"`{at}`: {error}.", param=at) from None
    return AnswerFormat(
        name=wrapped.name or "answer",
        schema=wrapped.schema or {},
        strict=wrapped.strict,
        description=wrapped.description,
    )


def write_request(chat: Chat, model: str, options: Options) -> Written:
    lost: set[str] = set()
    body: dict[str, Any] = {
        "model": model,
        "messages": write_messages(chat.messages, developer=options.developer_role, lost=lost),
        options.max_tokens_field: chat.max_tokens,
        "temperature": chat.temperature,
        "top_p": chat.top_p,
        "stop": list(chat.stop) or None,
        "seed": chat.seed,
        "frequency_penalty": chat.frequency_penalty,
        "presence_penalty": chat.presence_penalty,
        "response_format": _write_format(chat.answer_format),
        "reasoning_effort": _effort(chat),
        "user": chat.user,
    }
    if chat.tools:
        body["tools"] = [write_tool(tool) for tool in chat.tools]
        body["tool_choice"] = _write_tool_choice(chat.tool_choice)
        body["parallel_tool_calls"] = chat.parallel_tool_calls
    if chat.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True} if options.asks_usage else None
    if chat.top_k is not None:
        lost.add("top_k")
    present = {name: value for name, value in body.items() if value is not None}
    return Written(body=msgspec.json.encode(present), lost=tuple(sorted(lost)))


def write_tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _write_tool_choice(choice: ToolChoice | None) -> str | dict[str, Any] | None:
    if choice is None:
        return None
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _write_format(wanted: AnswerFormat | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    if wanted.schema is None:
        return {"type": "json_object"}
    named: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
    if wanted.strict is not None:
        named["strict"] = wanted.strict
    if wanted.description is not None:
        named["description"] = wanted.description
    return {"type": "json_schema", "json_schema": named}


def _effort(chat: Chat) -> str | None:
    if chat.effort is not None:
        return "xhigh" if chat.effort == "max" else chat.effort
    if chat.thinking_budget is None:
        return None
    for budget, effort in _EFFORT_BUDGETS:
        if chat.thinking_budget <= budget:
            return effort
    return "high"
