"""The rules of Responses that no shape can say: what goes together, ids, how calls and their outputs pair up, what was
stored. And what remains to be answered, as an `Ask`.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, NoReturn

import msgspec
from msgspec import UNSET

from isthmus.simulator.exchange import Exchange, Rejection
from isthmus.simulator.models import Model
from isthmus.simulator.openai import responses_request as responses
from isthmus.simulator.openai import rules
from isthmus.simulator.openai.responses_request import ResponsesRequest, read_item, read_tool
from isthmus.simulator.script import Ask, Tool, heard

_MOVED = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
}
_ID_PREFIXES: dict[type[Any], str] = {
    responses.OutputMessage: "msg",
    responses.FunctionCall: "fc",
    responses.CustomCall: "ctc",
    responses.ReasoningItem: "rs",
}
_JSON_UNNAMED = (
    "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'."
)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A request understood: `raw_items` are earlier stored turns and this one, `items` the same with their shape."""

    request: ResponsesRequest
    model: Model
    effort: str
    items: list[responses.Item]
    raw_items: list[Any]
    tools: list[responses.Tool]
    choice: responses.Choice | None


def check_moved(raw: Any) -> None:
    """Chat's names for what Responses calls otherwise get an answer of their own."""
    for old, new in _MOVED.items():
        if isinstance(raw, dict) and old in raw:
            raise Rejection(
                f"Unsupported parameter: '{old}'. In the Responses API, this parameter has moved to '{new}'. Try again "
                "with the new parameter.",
                param=old,
                code="unsupported_parameter",
            )


def check(exchange: Exchange, request: ResponsesRequest, model: Model) -> Reading:
    _check_together(request)
    effort = _effort(request, model)
    earlier, given = _earlier(exchange, request), _given(request)
    new_items = [read_item(raw, ("input", index)) for index, raw in enumerate(given)]
    for index, item in enumerate(new_items):
        _check_item(exchange, item, index)
    items = [*(read_item(raw, ("input",)) for raw in earlier), *new_items]
    _check_pairs(items)
    _check_reasoning_is_followed(items)
    tools = [read_tool(raw, ("tools", index)) for index, raw in enumerate(request.tools or ())]
    choice = _check_tools(request, tools)
    _check_format(request, items)
    return Reading(
        request=request,
        model=model,
        effort=effort,
        items=items,
        raw_items=earlier + given,
        tools=tools,
        choice=choice,
    )


def _check_together(request: ResponsesRequest) -> None:
    if request.stream_options is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Rejection(message, param="stream_options")
    if request.input is UNSET and not (request.prompt or request.previous_response_id or request.conversation):
        raise Rejection("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    if request.previous_response_id and request.conversation:
        _reject_combination("previous_response_id", "conversation")
    for name in ("prompt", "conversation"):
        if given := getattr(request, name):
            ident = given if isinstance(given, str) else given.get("id")
            raise Rejection(f"{name.capitalize()} with id '{ident}' not found.", status=404, param=name)
    if request.background:
        raise Rejection("This simulator runs nothing in the background.", param="background")


def _reject_combination(one: str, other: str) -> NoReturn:
    message = f"Mutually exclusive parameters: '{one}' and '{other}'. Ensure you are only providing one of them."
    raise Rejection(message, param=one, code="mutually_exclusive_parameters")


def _effort(request: ResponsesRequest, model: Model) -> str:
    reasoning = request.reasoning or responses.Reasoning()
    effort = rules.effort_of(model, reasoning.effort, "reasoning.effort")
    given = {"temperature": request.temperature, "top_p": request.top_p, "top_logprobs": request.top_logprobs}
    rules.check_sampling(model, effort, given)
    if not model.efforts and reasoning.summary is not None:
        message = "Unsupported parameter: 'reasoning.summary' is not supported with this model."
        raise Rejection(message, param="reasoning.summary", code="unsupported_parameter")
    if not model.efforts and "reasoning.encrypted_content" in (request.include or ()):
        raise Rejection("Encrypted content is not supported with this model.", param="include")
    return effort


def _earlier(exchange: Exchange, request: ResponsesRequest) -> list[Any]:
    if request.previous_response_id is None:
        return []
    stored: list[Any] | None = exchange.world.responses.get(request.previous_response_id)
    if stored is None:
        raise Rejection(
            f"Previous response with id '{request.previous_response_id}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return stored


def _given(request: ResponsesRequest) -> list[Any]:
    if isinstance(request.input, str):
        return [{"role": "user", "content": request.input}]
    return request.input if isinstance(request.input, list) else []


def _check_item(exchange: Exchange, item: responses.Item, index: int) -> None:
    prefix = _ID_PREFIXES.get(type(item))
    ident: str | None = getattr(item, "id", None)
    if prefix and ident is not None and not ident.startswith(prefix):
        raise Rejection(
            f"Invalid 'input[{index}].id': '{ident}'. Expected an ID that begins with '{prefix}'.",
            param=f"input[{index}].id",
            code="invalid_value",
        )
    if isinstance(item, responses.ReasoningItem):
        _check_reasoning(exchange, item)
    elif isinstance(item, responses.ItemReference) and exchange.world.responses.get(item.id) is None:
        raise _not_found(item.id)
    elif isinstance(item, responses.InputMessage):
        _check_parts(item.content, f"input[{index}].content")
    elif isinstance(item, responses.FunctionCallOutput | responses.CustomCallOutput):
        _check_parts(item.output, f"input[{index}].output")


def _check_reasoning(exchange: Exchange, item: responses.ReasoningItem) -> None:
    if item.encrypted_content is not None:
        if exchange.world.seed.unseal(item.encrypted_content) is None:
            raise Rejection(
                f"The encrypted content {item.encrypted_content[:4]}... could not be verified. Reason: Encrypted "
                "content could not be decrypted or parsed.",
                code="invalid_encrypted_content",
            )
    elif item.id is None or exchange.world.responses.get(item.id) is None:
        raise _not_found(item.id)


def _not_found(ident: str | None) -> Rejection:
    message = (
        f"Item with id '{ident}' not found. Items are not persisted when `store` is set to false. Try again with "
        "`store` set to true, or remove this item from your input."
    )
    return Rejection(message, status=404, param="input")


def _check_parts(content: str | list[responses.InputPart], where: str) -> None:
    if isinstance(content, str):
        return
    for index, part in enumerate(content):
        if isinstance(part, responses.InputImage):
            param = f"{where}[{index}].image_url"
            if part.image_url is not None:
                rules.check_image(part.image_url, param)
            elif part.file_id is None:
                message = f"Missing required parameter: '{param}'."
                raise Rejection(message, param=param, code="missing_required_parameter")


def _check_pairs(items: list[responses.Item]) -> None:
    open_calls: dict[str, str] = {}
    known: set[tuple[str, str]] = set()
    for item in items:
        if isinstance(item, responses.FunctionCall):
            known.add(("function", item.call_id))
            open_calls[item.call_id] = "function"
        elif isinstance(item, responses.CustomCall):
            known.add(("custom tool", item.call_id))
            open_calls[item.call_id] = "custom tool"
        elif isinstance(item, responses.FunctionCallOutput | responses.CustomCallOutput):
            kind = "function" if isinstance(item, responses.FunctionCallOutput) else "custom tool"
            if (kind, item.call_id) not in known:
                message = f"No tool call found for {kind} call output with call_id {item.call_id}."
                raise Rejection(message, param="input")
            open_calls.pop(item.call_id, None)
    for call_id, kind in open_calls.items():
        raise Rejection(f"No tool output found for {kind} call {call_id}.", param="input")


def _check_reasoning_is_followed(items: list[responses.Item]) -> None:
    answers = (
        responses.OutputMessage,
        responses.FunctionCall,
        responses.CustomCall,
        responses.ReasoningItem,
        responses.HostedItem,
        responses.ItemReference,
    )
    for item, following in zip_longest(items, items[1:]):
        if isinstance(item, responses.ReasoningItem) and not isinstance(following, answers):
            message = f"Item '{item.id}' of type 'reasoning' was provided without its required following item."
            raise Rejection(message, param="input")


def _check_tools(request: ResponsesRequest, tools: list[responses.Tool]) -> responses.Choice | None:
    """The choice of tools, where it is more than a word."""
    for index, tool in enumerate(tools):
        if isinstance(tool, responses.FunctionTool):
            rules.check_function(tool.name, tool.parameters, bool(tool.strict), f"tools[{index}].parameters")
    if request.tool_choice is UNSET or request.tool_choice in ("none", "auto"):
        return None
    if not tools:
        message = "Tool choice 'required' must be specified with 'tools' parameter."
        raise Rejection(message, param="tool_choice")
    return _read_choice(request.tool_choice, tools) if isinstance(request.tool_choice, dict) else None


def _read_choice(raw: dict[str, Any], tools: list[responses.Tool]) -> responses.Choice:
    if raw.get("type") in [tool.type for tool in tools if isinstance(tool, responses.HostedTool)]:
        raise Rejection(f"This simulator runs no '{raw['type']}'.", param="tool_choice")
    choice = responses.read_choice(raw, ("tool_choice",))
    if isinstance(choice, responses.NamedChoice):
        wanted: list[tuple[Any, Any]] = [(choice.type, choice.name)]
    else:
        wanted = [(tool.get("type"), tool.get("name")) for tool in choice.tools]
    known = [(tool.type, name_of(tool)) for tool in tools]
    for kind, name in wanted:
        if (kind, name) not in known:
            raise Rejection(f"Tool choice '{name or kind}' not found in 'tools' parameter.", param="tool_choice")
    return choice


def name_of(tool: responses.Tool) -> str | None:
    return None if isinstance(tool, responses.HostedTool) else tool.name


def _check_format(request: ResponsesRequest, items: list[responses.Item]) -> None:
    wanted = request.text.format if request.text else UNSET
    if isinstance(wanted, responses.JsonSchemaFormat):
        rules.check_format(wanted.name, wanted.schema, bool(wanted.strict), "text.format.schema")
    if isinstance(wanted, responses.JsonObjectFormat):
        texts = [_text_of(item.content) for item in items if isinstance(item, responses.InputMessage)]
        rules.check_json_is_named([*texts, request.instructions or ""], _JSON_UNNAMED, "input")


def _text_of(content: str | list[responses.InputPart]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, responses.InputText))


def _said(item: responses.Item) -> tuple[str, str]:
    """Whose an item is, and the text of it where it is the user's."""
    if isinstance(item, responses.InputMessage):
        return item.role, _text_of(item.content)
    outputs = responses.FunctionCallOutput | responses.CustomCallOutput
    return ("tool" if isinstance(item, outputs) else "model"), ""


def ask(exchange: Exchange, reading: Reading) -> Ask:
    request = reading.request
    text, answers = heard(map(_said, reading.items))
    text = exchange.settle(text)
    results: list[str] = []
    for item in reversed(reading.items):
        if isinstance(item, responses.FunctionCallOutput | responses.CustomCallOutput):
            results.insert(0, _text_of(item.output))
        elif not isinstance(item, responses.InputMessage) or item.role == "user":
            break
    choice, forced, names = _choice(reading)
    wanted = request.text.format if request.text else UNSET
    callable_tools = [tool for tool in reading.tools if not isinstance(tool, responses.HostedTool)]
    return Ask(
        text=text,
        answers=answers,
        results=tuple(results),
        tools=tuple(_tool(tool) for tool in callable_tools if not names or tool.name in names),
        choice=choice,
        forced=forced,
        parallel=request.parallel_tool_calls is not False,
        json_schema=wanted.schema if isinstance(wanted, responses.JsonSchemaFormat) else None,
        json_object=isinstance(wanted, responses.JsonObjectFormat),
        max_tokens=request.max_output_tokens,
        reasoning_tokens=rules.EFFORT_TOKENS[reading.effort],
        fault=exchange.fault,
    )


def _choice(reading: Reading) -> tuple[str, str | None, list[str]]:
    choice, word = reading.choice, reading.request.tool_choice
    if isinstance(choice, responses.NamedChoice):
        return "required", choice.name, []
    if isinstance(choice, responses.AllowedChoice):
        return choice.mode, None, [str(tool.get("name")) for tool in choice.tools]
    return word if isinstance(word, str) else "auto", None, []


def _tool(tool: responses.FunctionTool | responses.CustomTool) -> Tool:
    if isinstance(tool, responses.CustomTool):
        return Tool(name=tool.name, schema=None)
    return Tool(name=tool.name, schema=tool.parameters or {"type": "object"})
