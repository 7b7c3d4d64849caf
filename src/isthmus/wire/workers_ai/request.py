"""A native text generation request to `Chat`, and `Chat` to one for Cloudflare's platform models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat, Message, Text, Tool, ToolCall, ToolResult, Written
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import schema as openai
from isthmus.wire.openai_chat.messages import read_messages, write_messages
from isthmus.wire.openai_chat.options import Options
from isthmus.wire.openai_chat.request import OURS, read_format
from isthmus.wire.openai_chat.tools import read_tool_choice, write_tools
from isthmus.wire.protocol import Relayed
from isthmus.wire.sealed import is_marked, without_sealed_ids
from isthmus.wire.workers_ai import schema

DEFAULT_MAX_TOKENS = 256

_REFUSED = {
    "functions": "code that the platform runs is not served: send `tools`, and run them yourself.",
    "image": "send the image as an `image_url` part of a message.",
}
_OPTIONS = Options(
    max_tokens_field="max_tokens",
    developer_role=False,
    lacks=frozenset({"messages.file_id", "messages.video", "tools.custom", "tools.web_search", "tool_choice.allowed"}),
)
_FIELDS = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "frequency_penalty",
    "presence_penalty",
)
# What asks for nothing is no loss.
_NOT_CARRIED: dict[str, tuple[Any, ...]] = {
    "parallel_tool_calls": (None,),
    "logit_bias": (None,),
    "logprobs": (False,),
    "verbosity": (None, "medium"),
    "effort": (None, "none"),
    "thinking_budget": (None, 0, -1),
    "summary": (None, "none"),
    "cache_key": (None,),
    "cache_retention": (None,),
    "service_tier": (None, "auto"),
    "metadata": (None,),
    "user": (None,),
}


def read_request(body: Body) -> Chat:
    """The model's name is in the path, so that `Chat.model` is usually empty."""
    asked, unknown = schema.REQUEST.read(body)
    for name, reason in _REFUSED.items():
        if getattr(asked, name) is not None:
            raise Unsupported(f"`{name}`: {reason}", param=name)
    receipt = Receipt()
    for name in unknown:
        receipt.lost(name, "no other dialect has it")
    tools = tuple(_read_tool(tool, f"tools.{index}") for index, tool in enumerate(asked.tools or ()))
    stop = (asked.stop,) if isinstance(asked.stop, str) else asked.stop or ()
    return Chat(
        model=asked.model or "",
        messages=_read_turns(asked, receipt),
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
        unplaced=receipt.notes(),
    )


def relay_request(body: Body) -> Relayed:
    """What this gateway sealed travels in ids alone here."""
    if is_marked(body.data):
        body = Body(without_sealed_ids(body.data))
    ours: dict[str, bytes | None] = {name: None for name in OURS if name in body}
    return Relayed(body=body.changed(ours) if ours else body.data)


def _read_turns(asked: schema.Request, receipt: Receipt) -> tuple[Message, ...]:
    if asked.messages is not None and asked.prompt is not None:
        raise InvalidRequest("Send `prompt` or `messages`, not both.", param="prompt")
    if asked.messages is not None:
        return read_messages(_as_openai(asked.messages), receipt)
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
        raise Unsupported(f"`{at}.type`: tools of type `{tool.type[:64]}` are not served.", param=f"{at}.type")
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


def write_request(chat: Chat, model: Model) -> Written:
    """The model's name goes into the path. Without `max_tokens` a platform model stops after DEFAULT_MAX_TOKENS."""
    receipt = Receipt()
    if chat.choices > 1:
        raise Unsupported("`choices` must be 1: this model gives one answer a request.", param="choices")
    for name, nothing in _NOT_CARRIED.items():
        if getattr(chat, name) not in nothing:
            receipt.lost(name, "platform models have no field for it")
    turns = write_messages(chat.messages, _OPTIONS, model, receipt)
    body: dict[str, Any] = {"messages": _native(chat, turns.messages, receipt)}
    for name in (*_FIELDS, "stop"):
        value = getattr(chat, name)
        if value is None or value == ():
            continue
        if name in model.refuses:
            receipt.lost(name, "this model refuses it")
        else:
            body[name] = value
    body |= _tools(chat, receipt)
    if chat.answer_format is not None:
        body["response_format"] = _write_format(chat, receipt)
    if chat.stream:
        body["stream"] = True
    if (
        chat.cache is not None
        or any(map(_is_marked, chat.messages))
        or any(getattr(t, "cache", None) for t in chat.tools)
    ):
        receipt.emulated("cache_control", "this provider caches prefixes by itself")
    return Written(body=msgspec.json.encode(body), notes=receipt.notes(), fetch=turns.fetch)


def _native(chat: Chat, written: list[dict[str, Any]], receipt: Receipt) -> list[dict[str, Any]]:
    """OpenAI's shape; but `content` is never null here, and a tool's result carries the tool's name."""
    names = {part.id: part.name for message in chat.messages for part in message.parts if isinstance(part, ToolCall)}
    for message in written:
        refusal = message.pop("refusal", "")
        if refusal:
            receipt.emulated("messages.refusal", "it is sent as text")
        if message["content"] is None:
            message["content"] = refusal
        elif refusal and isinstance(message["content"], str):
            message["content"] += f"\n{refusal}"
        elif refusal:
            message["content"].append({"type": "text", "text": refusal})
        name = names.get(message.get("tool_call_id", ""))
        if name is not None:
            message["name"] = name
    return written


def _is_marked(message: Message) -> bool:
    inner = (part for result in message.parts if isinstance(result, ToolResult) for part in result.parts)
    return any(getattr(part, "cache", None) for part in (*message.parts, *inner))


def _tools(chat: Chat, receipt: Receipt) -> dict[str, Any]:
    """There is no naming a tool in `tool_choice`: the one tool that is left must be called."""
    fields = write_tools(chat.tools, chat.tool_choice, _OPTIONS, receipt)
    choice = chat.tool_choice
    if "tools" in fields and choice is not None and choice.mode == "named":
        receipt.emulated("tool_choice", "only the tool of the choice is sent")
        fields["tools"] = [tool for tool in fields["tools"] if tool["function"]["name"] == choice.name]
        fields["tool_choice"] = "required"
    return {name: value for name, value in fields.items() if value is not None}


def _write_format(chat: Chat, receipt: Receipt) -> dict[str, Any]:
    wanted = chat.answer_format
    assert wanted is not None
    if wanted.description is not None:
        receipt.lost("answer_format.description", "platform models take the bare schema")
    if wanted.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": wanted.schema}
