"""A native text generation request to `Chat`, and `Chat` to one for Cloudflare's platform models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from isthmus.core.request import Chat, Message, Text, Tool, ToolCall, Written
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import schema as openai
from isthmus.wire.openai_chat.messages import read_messages, write_messages
from isthmus.wire.openai_chat.request import OURS, read_format, read_tool_choice, write_tool
from isthmus.wire.protocol import Relayed
from isthmus.wire.workers_ai import schema

DEFAULT_MAX_TOKENS = 256

_REFUSED = {
    "functions": "code that the platform runs is not served: send `tools`, and run them yourself.",
    "image": "send the image as an `image_url` part of a message.",
}
_NOT_CARRIED = ("effort", "parallel_tool_calls", "thinking_budget", "user")


def read_request(body: Body) -> Chat:
    """The model's name is in the path, so that `Chat.model` is usually empty."""
    asked, unknown = schema.REQUEST.read(body)
    for name, reason in _REFUSED.items():
        if getattr(asked, name) is not None:
            raise Unsupported(f"`{name}`: {reason}", param=name)
    unplaced = set(unknown)
    tools = tuple(_read_tool(tool, f"tools.{index}") for index, tool in enumerate(asked.tools or ()))
    stop = (asked.stop,) if isinstance(asked.stop, str) else asked.stop or ()
    return Chat(
        model=asked.model or "",
        messages=_read_turns(asked, unplaced),
        tools=tools,
        tool_choice=read_tool_choice(asked.tool_choice, tools),
        max_tokens=asked.max_completion_tokens or asked.max_tokens or DEFAULT_MAX_TOKENS,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        stop=stop,
        seed=asked.seed,
        frequency_penalty=asked.frequency_penalty,
        presence_penalty=asked.presence_penalty,
        answer_format=read_format(asked.response_format),
        stream=asked.stream is True,
        unplaced=tuple(sorted(unplaced)),
    )


def relay_request(body: Body) -> Relayed:
    ours: dict[str, bytes | None] = {name: None for name in OURS if name in body}
    return Relayed(body=body.changed(ours) if ours else body.data)


def _read_turns(asked: schema.Request, unplaced: set[str]) -> tuple[Message, ...]:
    if asked.messages is not None and asked.prompt is not None:
        raise InvalidRequest("Send `prompt` or `messages`, not both.", param="prompt")
    if asked.messages is not None:
        return read_messages(_as_openai(asked.messages), unplaced)
    if asked.prompt is None:
        raise InvalidRequest("`prompt` or `messages` is required.", param="messages")
    return (Message(role="user", parts=(Text(text=asked.prompt),)),)


def _as_openai(messages: Sequence[schema.RequestMessage]) -> list[openai.RequestMessage]:
    """The same turns in OpenAI's shape. Calls without an id get one by their place; a result without one answers the
    first open call (of its name, where it has one)."""
    turns: list[openai.RequestMessage] = []
    calls: list[openai.MadeCall] = []
    for index, message in enumerate(messages):
        at = f"messages.{index}"
        made = tuple(_call(call, f"{at}.tool_calls.{place}") for place, call in enumerate(message.tool_calls or ()))
        calls += made
        call_id = message.tool_call_id
        if message.role == "tool":
            call_id = call_id or _answered(calls, message.name, at)
            calls = [call for call in calls if call.id != call_id]
        content = "" if message.content is None else message.content
        turns.append(
            openai.RequestMessage(
                role=message.role,
                content=content,
                name=None if message.role == "tool" else message.name,
                tool_calls=made or None,
                tool_call_id=call_id,
            )
        )
    return turns


def _call(call: schema.MadeCall, at: str) -> openai.MadeCall:
    name = call.function.name if call.function is not None else call.name
    arguments = call.function.arguments if call.function is not None else call.arguments
    if name is None:
        raise InvalidRequest(f"`{at}.name` is required.", param=f"{at}.name")
    if arguments is None:
        arguments = ""
    elif not isinstance(arguments, str):
        arguments = msgspec.json.encode(arguments).decode()
    call_id = call.id or "call_" + at.removeprefix("messages.").replace(".tool_calls.", "_")
    return openai.MadeCall(
        id=call_id,
        type=call.type or "function",
        function=openai.CalledFunction(name=name, arguments=arguments),
    )


def _answered(calls: list[openai.MadeCall], name: str | None, at: str) -> str:
    for call in calls:
        if name is None or (call.function is not None and call.function.name == name):
            return call.id
    raise InvalidRequest(
        f"`{at}.tool_call_id` is required: no tool call before it is without a result.", param=f"{at}.tool_call_id"
    )


def _read_tool(tool: schema.ToolDefinition, at: str) -> Tool:
    if tool.type not in (None, "function"):
        raise Unsupported(f"`{at}.type`: tools of type `{tool.type}` are not served.", param=f"{at}.type")
    if tool.function is not None:
        function = tool.function
    elif tool.name is not None:
        function = openai.Function(name=tool.name, description=tool.description, parameters=tool.parameters)
    else:
        raise InvalidRequest(f"`{at}.name` is required.", param=f"{at}.name")
    return Tool(
        name=function.name,
        description=function.description,
        parameters=function.parameters or {},
        strict=function.strict,
    )


def write_request(chat: Chat) -> Written:
    """The model's name goes into the path. Without `max_tokens` a platform model stops after DEFAULT_MAX_TOKENS."""
    lost = {name for name in _NOT_CARRIED if getattr(chat, name) is not None}
    tools, choice = _tools(chat)
    body: dict[str, Any] = {
        "messages": _write_turns(chat.messages, lost),
        "max_tokens": chat.max_tokens,
        "temperature": chat.temperature,
        "top_p": chat.top_p,
        "top_k": chat.top_k,
        "stop": list(chat.stop) or None,
        "seed": chat.seed,
        "frequency_penalty": chat.frequency_penalty,
        "presence_penalty": chat.presence_penalty,
        "response_format": _write_format(chat, lost),
        "tools": tools,
        "tool_choice": choice,
        "stream": True if chat.stream else None,
    }
    present = {name: value for name, value in body.items() if value is not None}
    return Written(body=msgspec.json.encode(present), lost=tuple(sorted(lost)))


def _write_turns(messages: Sequence[Message], lost: set[str]) -> list[dict[str, Any]]:
    """OpenAI's shape; but `content` is never null here, and a tool's result carries the tool's name."""
    names = {part.id: part.name for message in messages for part in message.parts if isinstance(part, ToolCall)}
    written = write_messages(messages, developer=False, lost=lost)
    for message in written:
        if message["content"] is None:
            message["content"] = message.pop("refusal", "")
        name = names.get(message.get("tool_call_id", ""))
        if name is not None:
            message["name"] = name
    return written


def _tools(chat: Chat) -> tuple[list[dict[str, Any]] | None, str | None]:
    """There is no naming a tool in `tool_choice`: the one tool that is left must be called."""
    if not chat.tools:
        return None, None
    choice = chat.tool_choice
    if choice is not None and choice.mode == "named":
        return [write_tool(tool) for tool in chat.tools if tool.name == choice.name], "required"
    return [write_tool(tool) for tool in chat.tools], None if choice is None else choice.mode


def _write_format(chat: Chat, lost: set[str]) -> dict[str, Any] | None:
    wanted = chat.answer_format
    if wanted is None:
        return None
    if wanted.description is not None:
        lost.add("answer_format.description")
    if wanted.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": wanted.schema}
