"""A platform model's answer, streamed or whole, to events: made into OpenAI's shape first, then read as that."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.errors import Malformed
from isthmus.wire.openai_chat.answer import schema as openai
from isthmus.wire.workers_ai import schema
from isthmus.wire.workers_ai.errors import stated

_decode = msgspec.json.Decoder(schema.Answer).decode


def decode_chunk(data: bytes) -> openai.Answer:
    """A stream's event. Raises `Malformed`."""
    answer = _decoded(data)
    if answer.error or answer.choices is not None:
        return answer
    return _as_openai(answer, delta=_said(answer))


def decode_whole(data: bytes) -> openai.Answer:
    """Raises `Malformed`."""
    answer = _decoded(data)
    if answer.error or answer.choices is not None:
        return answer
    if answer.response is None and not answer.tool_calls:
        raise Malformed("The provider's answer has no `response`.")
    return _as_openai(answer, message=_said(answer))


def _decoded(data: bytes) -> schema.Answer:
    try:
        answer = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider's answer is not a text generation: {error}.") from None
    if answer.success is False or answer.errors:
        return schema.Answer(error=stated(answer.errors or []))
    return answer if answer.result is None else answer.result


def _said(answer: schema.Answer) -> openai.Said:
    calls = [_call(call) for call in answer.tool_calls or ()]
    return openai.Said(content=_text(answer.response), tool_calls=calls or None)


def _call(call: schema.AnsweredCall) -> openai.AnsweredCall:
    function = call.function
    if function is None and (call.name is not None or call.arguments is not None):
        function = openai.AnsweredFunction(name=call.name, arguments=call.arguments)
    return openai.AnsweredCall(index=call.index, id=call.id, function=function)


def _text(response: Any) -> str | None:
    """In JSON mode the answer is the object itself; a token that is a number has been seen as one."""
    if response is None or isinstance(response, str):
        return response
    return msgspec.json.encode(response).decode()


def _as_openai(
    answer: schema.Answer, *, delta: openai.Said | None = None, message: openai.Said | None = None
) -> openai.Answer:
    choice = openai.Choice(delta=delta, message=message, finish_reason=answer.finish_reason)
    return openai.Answer(id=answer.id, model=answer.model, created=answer.created, choices=[choice], usage=answer.usage)
