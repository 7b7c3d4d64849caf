"""The rules of Chat Completions that no shape can say: which fields go together, how tool calls and their results pair
up, what each model takes. And what remains to be answered, as an `Ask`.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from isthmus.simulator.exchange import Exchange, Rejection
from isthmus.simulator.models import Model
from isthmus.simulator.openai import chat_request as chat
from isthmus.simulator.openai import rules
from isthmus.simulator.openai.chat_request import ChatRequest
from isthmus.simulator.script import Ask, Tool, heard

_JSON_UNNAMED = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."


def check(request: ChatRequest, model: Model) -> str:
    """Raises `Rejection`. Returns the reasoning effort in force."""
    _check_together(request)
    _check_unsupported(request, model)
    effort = rules.effort_of(model, request.reasoning_effort, "reasoning_effort")
    given = {
        name: getattr(request, name) for name in ("temperature", "top_p", "logprobs", "top_logprobs", "logit_bias")
    }
    given |= {name: getattr(request, name) for name in ("presence_penalty", "frequency_penalty")}
    rules.check_sampling(model, effort, given)
    _check_tools(request)
    _check_format(request)
    _check_pairs(request.messages)
    for index, message in enumerate(request.messages):
        _check_parts(message, f"messages[{index}]")
    return effort


def _check_together(request: ChatRequest) -> None:
    if request.stream_options is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Rejection(message, param="stream_options")
    if request.max_tokens is not None and request.max_completion_tokens is not None:
        raise Rejection(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            code="invalid_parameter_combination",
        )
    if request.top_logprobs is not None and not request.logprobs:
        raise Rejection("'top_logprobs' is only allowed when 'logprobs' is enabled.", param="top_logprobs")
    if request.tools is UNSET:
        for name in ("tool_choice", "parallel_tool_calls"):
            if getattr(request, name) not in (UNSET, "none"):
                message = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
                raise Rejection(message, param=name)


def _check_unsupported(request: ChatRequest, model: Model) -> None:
    if request.max_tokens is not None and model.efforts:
        raise Rejection(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
            "instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    unsupported = [
        name for name in ("web_search_options", "functions", "function_call") if getattr(request, name) is not UNSET
    ]
    unsupported += ["stop"] * (request.stop is not None and not model.takes_stop)
    unsupported += ["modalities"] * ("audio" in (request.modalities or ())) + ["audio"] * (request.audio is not None)
    if unsupported:
        name = unsupported[0]
        message = f"Unsupported parameter: '{name}' is not supported with this model."
        raise Rejection(message, param=name, code="unsupported_parameter")


def _check_tools(request: ChatRequest) -> None:
    tools = request.tools or []
    for index, tool in enumerate(tools):
        if isinstance(tool, chat.FunctionTool):
            function = tool.function
            param = f"tools[{index}].function.parameters"
            rules.check_function(function.name, function.parameters, bool(function.strict), param)
    known = {_name_of(tool) for tool in tools}
    wanted = _chosen(request)
    for name in wanted:
        if name not in known:
            message = f"Invalid value for 'tool_choice': tool '{name}' was not found in the 'tools' parameter."
            raise Rejection(message, param="tool_choice", code="invalid_value")


def _chosen(request: ChatRequest) -> list[str]:
    choice = request.tool_choice
    if isinstance(choice, chat.NamedFunction):
        return [choice.function.name]
    if isinstance(choice, chat.NamedCustom):
        return [choice.custom.name]
    if isinstance(choice, chat.AllowedToolsChoice):
        return [
            (entry.function if isinstance(entry, chat.NamedFunction) else entry.custom).name
            for entry in choice.allowed_tools.tools
        ]
    return []


def _name_of(tool: chat.FunctionTool | chat.CustomTool) -> str:
    return tool.function.name if isinstance(tool, chat.FunctionTool) else tool.custom.name


def _check_format(request: ChatRequest) -> None:
    wanted = request.response_format
    if isinstance(wanted, chat.JsonSchemaFormat):
        schema = wanted.json_schema
        if schema.schema is not UNSET:
            rules.check_format(schema.name, schema.schema, bool(schema.strict), "response_format")
    if isinstance(wanted, chat.JsonObjectFormat):
        texts = [text_of(message) for message in request.messages]
        rules.check_json_is_named(texts, _JSON_UNNAMED, "messages")


def _check_pairs(messages: list[chat.ChatMessage]) -> None:
    """Each tool call is answered right after it, and nothing else is."""
    open_calls: dict[str, int] = {}
    may_answer: set[str] = set()
    for index, message in enumerate(messages):
        if isinstance(message, chat.ToolMessage):
            if not may_answer:
                raise Rejection(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            if message.tool_call_id not in may_answer:
                raise Rejection(
                    f"Invalid parameter: 'tool_call_id' of '{message.tool_call_id}' not found in 'tool_calls' of "
                    "previous message.",
                    param=f"messages.[{index}].tool_call_id",
                )
            open_calls.pop(message.tool_call_id, None)
            continue
        _check_answered(open_calls)
        may_answer = set()
        if isinstance(message, chat.AssistantMessage):
            _check_said_something(message, index)
            may_answer = {call.id for call in message.tool_calls or ()}
            open_calls = dict.fromkeys(may_answer, index)
            if len(may_answer) != len(message.tool_calls or ()):
                raise Rejection("Duplicate value for 'tool_call_id'.", param=f"messages.[{index}].tool_calls")
    _check_answered(open_calls)


def _check_answered(open_calls: dict[str, int]) -> None:
    if open_calls:
        raise Rejection(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: " + ", ".join(open_calls),
            param=f"messages.[{next(iter(open_calls.values()))}].role",
        )


def _check_said_something(message: chat.AssistantMessage, index: int) -> None:
    if message.content is None and not (message.tool_calls or message.function_call or message.refusal):
        raise Rejection(
            "Invalid value for 'content': expected a string, got null.", param=f"messages.[{index}].content"
        )


def _check_parts(message: chat.ChatMessage, where: str) -> None:
    if not isinstance(message, chat.UserMessage) or isinstance(message.content, str):
        return
    for index, part in enumerate(message.content):
        if isinstance(part, chat.ImagePart):
            rules.check_image(part.image_url.url, f"{where}.content[{index}].image_url.url")
        elif isinstance(part, chat.AudioPart):
            param = f"{where}.content[{index}]"
            raise Rejection("This model does not support audio input.", param=param, code="unsupported_content")
        elif isinstance(part, chat.FilePart):
            if part.file.file_id is UNSET and part.file.file_data is UNSET:
                param = f"{where}.content[{index}].file.file_id"
                message_text = f"Missing required parameter: '{param}'."
                raise Rejection(message_text, param=param, code="missing_required_parameter")


def text_of(message: chat.ChatMessage) -> str:
    content: Any = message.content
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.text for part in content if isinstance(part, chat.TextPart))


def _role(message: chat.ChatMessage) -> str:
    return "model" if isinstance(message, chat.AssistantMessage) else str(message.__struct_config__.tag)


def ask(exchange: Exchange, request: ChatRequest, effort: str) -> Ask:
    text, answers = heard((_role(m), text_of(m)) for m in request.messages)
    text = exchange.settle(text)
    results: list[str] = []
    for message in reversed(request.messages):
        if isinstance(message, chat.ToolMessage):
            results.insert(0, text_of(message))
        elif not isinstance(message, chat.SystemMessage | chat.DeveloperMessage):
            break
    choice, forced, names = _choice(request)
    wanted = request.response_format
    schema = wanted.json_schema.schema if isinstance(wanted, chat.JsonSchemaFormat) else None
    most = request.max_completion_tokens
    return Ask(
        text=text,
        answers=answers,
        results=tuple(results),
        tools=tuple(_tool(tool) for tool in request.tools or () if not names or _name_of(tool) in names),
        choice=choice,
        forced=forced,
        parallel=request.parallel_tool_calls is not False,
        json_schema={} if schema is UNSET else schema,
        json_object=isinstance(wanted, chat.JsonObjectFormat),
        max_tokens=most if most is not None else request.max_tokens,
        stops=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
        reasoning_tokens=rules.EFFORT_TOKENS[effort],
        fault=exchange.fault,
    )


def _choice(request: ChatRequest) -> tuple[str, str | None, list[str]]:
    choice, names = request.tool_choice, _chosen(request)
    if isinstance(choice, chat.AllowedToolsChoice):
        return choice.allowed_tools.mode, None, names
    if names:
        return "required", names[0], []
    return choice if isinstance(choice, str) else "auto", None, []


def _tool(tool: chat.FunctionTool | chat.CustomTool) -> Tool:
    if isinstance(tool, chat.CustomTool):
        return Tool(name=tool.custom.name, schema=None)
    return Tool(name=tool.function.name, schema=tool.function.parameters or {"type": "object"})
