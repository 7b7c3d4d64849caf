"""What a call asks, in two parts: its words, which may be others, and all the rest, which may not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isthmus.core.call import Call
from isthmus.core.chat.request import Chat, Message, Text
from isthmus.data_plane.caching.key import ReadChat, canonical_chat, digest, is_costly, is_read_whole, place_parts
from isthmus.errors import GatewayError
from isthmus.wire.body import Body
from isthmus.wire.embeddings.registry import CALLERS as EMBEDDINGS

TEXT_MAX_CHARACTERS = 2000
"""The longest text that is looked up. Of a long one, a vector tells the subject and no more."""

_NOT_ASKED = frozenset({*EMBEDDINGS, "openai_completions"})
"""Other words have another vector, and another text goes on from them."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Question(msgspec.Struct, frozen=True):
    """`text`: the last user message's. `rest`: 32 bytes that stand for all else that the answer depends on."""

    text: str
    rest: bytes


def question_of(call: Call, read_chat: ReadChat, metadata: Sequence[str]) -> Question | None:
    """None where an answer to other words is not to be given. `metadata`: the keys whose values must be equal."""
    target = call.target
    if call.fingerprint is not None or target is None or not isinstance(call.body, Body):
        return None
    if call.options.cache_key is not None or call.dialect in _NOT_ASKED or is_costly(call.body.data):
        return None
    try:
        chat = read_chat(call)
        parted = _parted(chat) if is_read_whole(chat, call.body) else None
        if parted is None:
            return None
        bare, text = parted
        values = [(name, call.options.metadata_values.get(name)) for name in metadata]
        rest = digest(
            b"semantic",
            *place_parts(call, target),
            target.dialect.encode(),
            _encode(values),
            *canonical_chat(call, bare),
        )
    except (GatewayError, RecursionError):  # the provider's to judge
        return None
    return Question(text, rest)


def _parted(chat: Chat) -> tuple[Chat, str] | None:
    """The chat with the last message's words taken out, and these."""
    last = chat.messages[-1] if chat.messages else None
    if last is None or last.role != "user":
        return None
    text = "\n".join(part.text for part in last.parts if isinstance(part, Text))
    if not text.strip() or len(text) > TEXT_MAX_CHARACTERS:
        return None
    parts = tuple(msgspec.structs.replace(part, text="") if isinstance(part, Text) else part for part in last.parts)
    without = Message(role=last.role, parts=parts, name=last.name)
    return msgspec.structs.replace(chat, messages=(*chat.messages[:-1], without)), text
