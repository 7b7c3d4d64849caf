"""A Chat Completions request to `Chat`."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import AnswerFormat, AnyTool, Chat, Tool, ToolChoice
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.openai_chat import schema
from isthmus.wire.openai_chat.messages import read_messages
from isthmus.wire.openai_chat.messages.read import read_mark
from isthmus.wire.openai_chat.tools import read_function_choice, read_tool, read_tool_choice, read_web_search

# Of the gateway, never of a provider (data-plane 4.2): taken out, and nothing to tell the caller about.
OURS = ("options", "gateway")

FUNCTIONS = "functions"
"""The note that says that the caller asked in the old words; the writer of the answer answers in them."""


def read_request(body: Body) -> Chat:
    """Raises `InvalidRequest`, or `Unsupported` for what has no place in a conversation with just any model."""
    asked, unknown = schema.REQUEST.read(body)
    receipt = Receipt()
    for name in unknown:
        receipt.lost(name, "no other dialect has it")
    if asked.modalities is not None and any(kind != "text" for kind in asked.modalities):
        raise Unsupported("`modalities`: answers are text only.", param="modalities")
    tools, choice = _read_tools(asked, receipt)
    if asked.safety_identifier is not None and asked.user is not None:
        receipt.lost("safety_identifier", "a request has one user, and `user` is sent")
    return Chat(
        model=asked.model or "",
        messages=read_messages(asked.messages, receipt),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=False if asked.functions else asked.parallel_tool_calls,
        max_tokens=asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        stop=(asked.stop,) if isinstance(asked.stop, str) else asked.stop or (),
        seed=asked.seed,
        frequency_penalty=asked.frequency_penalty,
        presence_penalty=asked.presence_penalty,
        logit_bias=asked.logit_bias or None,
        choices=asked.n or 1,
        logprobs=asked.logprobs is True,
        top_logprobs=asked.top_logprobs,
        answer_format=read_format(asked.response_format),
        verbosity=asked.verbosity,
        effort=asked.reasoning_effort,
        cache=read_mark(asked.cache_control),
        cache_key=asked.prompt_cache_key,
        cache_retention=asked.prompt_cache_retention,
        service_tier=asked.service_tier,
        metadata=asked.metadata or None,
        user=asked.user if asked.user is not None else asked.safety_identifier,
        stream=asked.stream is True,
        include_usage=asked.stream_options is not None and asked.stream_options.include_usage is True,
        unplaced=receipt.notes(),
    )


def _read_tools(asked: schema.Request, receipt: Receipt) -> tuple[tuple[AnyTool, ...], ToolChoice | None]:
    tools: list[AnyTool] = [read_tool(tool, f"tools.{index}") for index, tool in enumerate(asked.tools or ())]
    if asked.functions:
        if tools:
            raise InvalidRequest("Send `tools` or `functions`, not both.", param=FUNCTIONS)
        receipt.emulated(FUNCTIONS, "they are asked for as tools, one call at a time")
        tools += [_read_function(function) for function in asked.functions]
    elif asked.function_call is not None:
        raise InvalidRequest("`function_call` needs `functions`.", param="function_call")
    if asked.web_search_options is not None:
        tools.append(read_web_search(asked.web_search_options))
    placed = tuple(tools)
    if asked.functions:
        return placed, read_function_choice(asked.function_call, placed)
    return placed, read_tool_choice(asked.tool_choice, placed)


def _read_function(function: schema.Function) -> Tool:
    return Tool(name=function.name, description=function.description, parameters=function.parameters or {})


def read_format(asked: schema.ResponseFormat | None) -> AnswerFormat | None:
    if asked is None or asked.type == "text":
        return None
    if asked.type == "json_object":
        return AnswerFormat()
    if asked.type != "json_schema":
        raise InvalidRequest(
            f"`response_format.type` may not be '{asked.type[:64]}': it is 'text', 'json_object' or 'json_schema'.",
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
