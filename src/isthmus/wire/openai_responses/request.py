"""A caller's Responses request to a `Chat` (data-plane 16.4). Its items are read in `items`, its tools in `tools`;
`upstream` writes one."""

from __future__ import annotations

from isthmus.core.chat.fidelity import Receipt
from isthmus.core.chat.request import AnswerFormat, Chat, Message, Text
from isthmus.errors import InvalidRequest, Unsupported
from isthmus.wire.body import Body
from isthmus.wire.conversation import check_tool_ids
from isthmus.wire.openai_responses import schema
from isthmus.wire.openai_responses.items import ItemsReading
from isthmus.wire.openai_responses.tools import read_choice, read_tools

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
_NOWHERE = "no other dialect has it"
# What they ask for is in an answer anyhow where there is any.
_GIVEN = frozenset((ENCRYPTED, LOGPROBS, "web_search_call.action.sources"))


def read_request(body: Body) -> Chat:
    """Raises `InvalidRequest`, or `Unsupported` for what needs state."""
    request, unplaced = schema.REQUEST.read(body)
    _refuse_state(request)
    if not request.model:
        raise InvalidRequest("`model` must not be empty.", param="model")
    receipt = Receipt()
    for name in unplaced:
        receipt.lost(name, _NOWHERE)
    messages = _instructions(request) + _messages(request, receipt)
    _check_tool_ids(messages)
    include = request.include or ()
    for name in include:
        if name not in _GIVEN:
            receipt.lost(f"include.{name}", _NOWHERE)
    if request.safety_identifier is not None and request.user not in (None, request.safety_identifier):
        receipt.lost("safety_identifier", "there is a `user` already")
    text, reasoning = request.text or schema.TextWish(), request.reasoning or schema.ReasoningWish()
    return Chat(
        model=request.model,
        messages=messages,
        tools=read_tools(request.tools or (), request.max_tool_calls, receipt),
        tool_choice=read_choice(request.tool_choice, receipt),
        parallel_tool_calls=request.parallel_tool_calls,
        max_tokens=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        logprobs=LOGPROBS in include or bool(request.top_logprobs),
        top_logprobs=request.top_logprobs or None,
        answer_format=_answer_format(text.format),
        verbosity=text.verbosity,
        effort=reasoning.effort,
        summary=reasoning.summary or reasoning.generate_summary,
        keep_reasoning=ENCRYPTED in include,
        cache_key=request.prompt_cache_key or None,
        cache_retention=request.prompt_cache_retention,
        service_tier=None if request.service_tier == "auto" else request.service_tier,
        metadata=request.metadata or None,
        user=request.user or request.safety_identifier,
        stream=bool(request.stream),
        unplaced=receipt.notes(),
    )


def _refuse_state(request: schema.Request) -> None:
    """What is kept here is put into the request before it is read (`data_plane.state`): state that is still asked for
    is asked for where we keep none (`/ai/run`). Answering as if there were none would answer another question."""
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
                f"`{name}` needs state, which is kept for POST …/ai/v1/responses alone. Call that, or send the whole "
                "conversation in `input`, with `store` false."
                if name != "prompt"
                else "`prompt` names what only OpenAI keeps. Send its text in `instructions` and `input`.",
                param=name,
            )


def _instructions(request: schema.Request) -> tuple[Message, ...]:
    if not request.instructions:
        return ()
    return (Message(role="system", parts=(Text(text=request.instructions),)),)


def _messages(request: schema.Request, receipt: Receipt) -> tuple[Message, ...]:
    if request.input is None:
        raise InvalidRequest("`input` is required.", param="input")
    if isinstance(request.input, str):
        return (Message(role="user", parts=(Text(text=request.input),)),)
    return ItemsReading(receipt).read(request.input)


def _check_tool_ids(messages: tuple[Message, ...]) -> None:
    try:
        check_tool_ids(messages)
    except InvalidRequest as error:
        raise InvalidRequest(error.message, param="input") from None


def _answer_format(stated: schema.Format | None) -> AnswerFormat | None:
    if stated is None or stated.type == "text":
        return None
    if stated.type == "json_object":
        return AnswerFormat()
    if stated.schema is None:
        raise InvalidRequest("`text.format.schema` is required.", param="text.format.schema")
    if not stated.name:
        raise InvalidRequest("`text.format.name` is required.", param="text.format.name")
    return AnswerFormat(name=stated.name, schema=stated.schema, strict=stated.strict, description=stated.description)
