"""Converse, answered: a whole answer, or its frames of events; and the count of a prompt's tokens."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.simulator.anthropic.counting import PromptUsage, count_prompt
from isthmus.simulator.bedrock import families, rules
from isthmus.simulator.bedrock import request as shapes
from isthmus.simulator.bedrock.answer import Converse
from isthmus.simulator.bedrock.eventstream import cut_json, exception
from isthmus.simulator.bedrock.native import native_body
from isthmus.simulator.bedrock.request import ConverseRequest, ConverseStreamRequest, CountTokensRequest
from isthmus.simulator.bedrock.turns import read_messages
from isthmus.simulator.bedrock.vendor import BEDROCK, bare_name, error_body, known_model, refused
from isthmus.simulator.exchange import Answer, Exchange, Rejection, spoiled, whole
from isthmus.simulator.models import Model
from isthmus.simulator.script import Ask, Tool, heard, write
from isthmus.simulator.shape import read_shape

_EVENTS = "application/vnd.amazon.eventstream"
_NATIVE_VERSION = "bedrock-2023-05-31"
_UNCOUNTED = "The provided model doesn't support counting tokens."
_STREAM_TROUBLES = {
    400: "validationException",
    429: "throttlingException",
    500: "internalServerException",
    503: "serviceUnavailableException",
}


def respond(exchange: Exchange) -> Answer:
    converse = _answer(exchange, ConverseRequest, streamed=False)
    return whole(BEDROCK, exchange, converse.whole())


def respond_streamed(exchange: Exchange) -> Answer:
    converse = _answer(exchange, ConverseStreamRequest, streamed=True)
    if exchange.fault.kind == "not_streamed":
        return whole(BEDROCK, exchange, converse.whole())
    events = spoiled(converse.events(), exchange.fault, lambda _: [_exception(exchange)])
    headers = (("content-type", _EVENTS), *BEDROCK.headers(exchange))
    return Answer(headers=headers, events=tuple(events), cut_json=cut_json)


def count(exchange: Exchange) -> Answer:
    asked: CountTokensRequest = read_shape(exchange.raw, CountTokensRequest)
    name = exchange.path_values["model"]
    model = known_model(exchange, name)
    if bare_name(name) != model.name or not model.name.startswith("anthropic."):
        raise refused(_UNCOUNTED)  # a profile's name is not taken here
    if (asked.input.converse is None) == (asked.input.invokeModel is None):
        raise refused("CountTokensInput object can only set one of the following keys: invokeModel, converse.")
    request = asked.input.converse
    if request is not None:
        rules.check(request, model)
        read_messages(request)
        native = native_body(request, model)
    else:
        assert asked.input.invokeModel is not None
        request, native = shapes.CountedRequest(), _invoked(asked.input.invokeModel.body, model)
    families.read(exchange, request, native, model)
    exchange.settle(_heard(request.messages or [])[0], streamed=False)
    return whole(BEDROCK, exchange, {"inputTokens": _count_prompt(exchange, native, model).total})


def _invoked(body: str, model: Model) -> dict[str, Any]:
    """The body of Messages as Bedrock's InvokeModel has it."""
    try:
        native = msgspec.json.decode(rules.decoded("input.invokeModel.body", body))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise refused(f"Malformed input request: {error}, please reformat your input and try again.") from error
    if not isinstance(native, dict) or native.pop("anthropic_version", None) != _NATIVE_VERSION:
        raise refused("Malformed input request: #: required key [anthropic_version] not found")
    return {**native, "model": model.name}


def _exception(exchange: Exchange) -> bytes:
    rejection = BEDROCK.trouble(exchange)
    status = exchange.fault.status or 503
    if name := _STREAM_TROUBLES.get(status):
        return exception(name, error_body(rejection))
    said = {"message": rejection.message, "originalStatusCode": status, "originalMessage": rejection.message}
    return exception("modelStreamErrorException", said)


def _answer(exchange: Exchange, shape: type[ConverseRequest], *, streamed: bool) -> Converse:
    request: ConverseRequest = read_shape(exchange.raw, shape)
    model = _invocable(exchange)
    rules.check(request, model)
    rules.check_answerable(request, model)
    messages = read_messages(request)
    native = native_body(request, model)
    reading = families.read(exchange, request, native, model)
    text = exchange.settle(_heard(messages)[0], streamed=streamed)
    prompt = _count_prompt(exchange, native, model)
    config = request.inferenceConfig
    most = (config.maxTokens if config is not None else None) or model.max_output_tokens
    room = model.context_tokens - prompt.total
    ask = msgspec.structs.replace(
        _ask(exchange, request, messages, text),
        parallel=reading.parallel,
        max_tokens=min(most, room),
        reasoning_tokens=reading.reasoning_tokens,
    )
    draft = write(ask, exchange.world.seed)
    redacts = families.REDACT in text
    overflows = draft.ending == "length" and room < most
    return Converse(exchange, request, prompt, draft, signs=reading.signs, redacts=redacts, overflows=overflows)


def _invocable(exchange: Exchange) -> Model:
    name = exchange.path_values["model"]
    model = known_model(exchange, name)
    if bare_name(name) == model.name and not model.on_demand:
        raise refused(
            f"Invocation of model ID {model.name} with on-demand throughput isn\N{RIGHT SINGLE QUOTATION MARK}t "
            "supported. Retry your request with the ID or ARN of an inference profile that contains this model."
        )
    return model


def _count_prompt(exchange: Exchange, native: dict[str, Any], model: Model) -> PromptUsage:
    try:
        return count_prompt(exchange.world, native, model)
    except Rejection as error:
        raise refused("Input is too long for requested model.") from error


def _ask(exchange: Exchange, request: ConverseRequest, messages: list[shapes.Message], text: str) -> Ask:
    tools = request.toolConfig.tools if request.toolConfig is not None else []
    choice = request.toolConfig.toolChoice if request.toolConfig is not None else None
    config = request.inferenceConfig
    results = [block.toolResult for block in messages[-1].content if block.toolResult is not None]
    return Ask(
        text=text,
        answers=_heard(messages)[1],
        results=tuple(_result_text(result) for result in results),
        tools=tuple(Tool(name=t.toolSpec.name, schema=t.toolSpec.inputSchema.json) for t in tools if t.toolSpec),
        choice="required" if choice is not None and choice.auto is None else "auto",
        forced=choice.tool.name if choice is not None and choice.tool is not None else None,
        json_schema=rules.output_schema(request),
        stops=tuple(config.stopSequences or ()) if config is not None else (),
        fault=exchange.fault,
    )


def _heard(messages: list[shapes.Message]) -> tuple[str, int]:
    return heard(("user" if message.role == "user" else "model", _text(message)) for message in messages)


def _text(message: shapes.Message) -> str:
    said = [block.text for block in message.content if block.text is not None]
    said += [
        block.guardContent.text.text
        for block in message.content
        if block.guardContent is not None and block.guardContent.text is not None
    ]
    return "\n".join(said)


def _result_text(result: shapes.ToolResultBlock) -> str:
    parts = [
        msgspec.json.encode(part.json).decode() if part.json is not None else part.text
        for part in result.content
        if part.json is not None or part.text is not None
    ]
    return "\n".join(part for part in parts if part is not None)
