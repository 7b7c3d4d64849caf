"""A provider's text completion, streamed or whole, to events: made into a chat completion first, then read as that."""

from __future__ import annotations

import msgspec

from isthmus.errors import Malformed
from isthmus.wire.openai_chat.answer import schema as chat
from isthmus.wire.openai_completions import schema
from isthmus.wire.openai_completions.logprobs import in_chats_form

_decode = msgspec.json.Decoder(schema.Answer).decode


def decode_chunk(data: bytes) -> chat.Answer:
    """A stream's event. Raises `Malformed`."""
    answer = _decoded(data)
    return _as_chat(answer, [_choice(choice, delta=chat.Said(content=choice.text)) for choice in answer.choices or ()])


def decode_whole(data: bytes) -> chat.Answer:
    """Raises `Malformed`."""
    answer = _decoded(data)
    return _as_chat(
        answer, [_choice(choice, message=chat.Said(content=choice.text)) for choice in answer.choices or ()]
    )


def _decoded(data: bytes) -> schema.Answer:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"The provider's answer is not a text completion: {error}.") from None


def _choice(choice: schema.Choice, *, delta: chat.Said | None = None, message: chat.Said | None = None) -> chat.Choice:
    return chat.Choice(
        index=choice.index,
        delta=delta,
        message=message,
        finish_reason=choice.finish_reason,
        logprobs=in_chats_form(choice.logprobs),
    )


def _as_chat(answer: schema.Answer, choices: list[chat.Choice]) -> chat.Answer:
    return chat.Answer(
        id=answer.id,
        model=answer.model,
        created=answer.created,
        choices=None if answer.choices is None else choices,
        usage=answer.usage,
        service_tier=answer.service_tier,
        x_groq=answer.x_groq,
        error=answer.error,
    )
