"""What of a Responses request asks for state, read apart from the rest of it. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from isthmus.errors import InvalidRequest
from isthmus.wire.body import Body
from isthmus.wire.openai_responses.request import ENCRYPTED

STATEFUL = frozenset(("previous_response_id", "conversation", "background"))
ID_MAX_CHARS = 256


class StateWish(msgspec.Struct, frozen=True, kw_only=True):
    """`store` None: the caller says nothing, which means that it may be kept (OpenAI's default)."""

    store: bool | None = None
    background: bool = False
    previous_response_id: str | None = None
    conversation_id: str | None = None
    wants_thinking: bool = False

    @property
    def named(self) -> str | None:
        """A field that asks for state in so many words."""
        stated = {
            "previous_response_id": self.previous_response_id,
            "conversation": self.conversation_id,
            "background": self.background,
            "store": self.store,
        }
        return next((name for name, value in stated.items() if value), None)


def is_stateless(body: Body) -> bool:
    """Whether nothing is to be kept and nothing was: asked of every request, so that it costs next to nothing."""
    return bytes(body.fields.get("store", b"")) == b"false" and STATEFUL.isdisjoint(body.fields)


def read_wish(body: Body) -> StateWish:
    """Raises `InvalidRequest`."""
    previous = body.value("previous_response_id")
    if previous is not None and not _is_id(previous):
        raise InvalidRequest("`previous_response_id` must be the id of a response.", param="previous_response_id")
    conversation = body.value("conversation")
    if isinstance(conversation, dict):
        conversation = conversation.get("id", "")
    if conversation is not None and not _is_id(conversation):
        raise InvalidRequest("`conversation` must be the id of a conversation, or {id}.", param="conversation")
    if previous is not None and conversation is not None:
        raise InvalidRequest(
            "`previous_response_id` and `conversation` cannot go together: send the one or the other.",
            param="previous_response_id",
        )
    wish = StateWish(
        store=_flag(body, "store"),
        background=bool(_flag(body, "background")),
        previous_response_id=previous,
        conversation_id=conversation,
        wants_thinking="include" in body and ENCRYPTED in (body.value("include") or ()),
    )
    if wish.background and wish.store is False:
        raise InvalidRequest("`background` needs `store`: leave `store` out, or send true.", param="background")
    return wish


def stateless(body: Body, input_items: bytes | None) -> Body:
    """The request as a provider that keeps nothing is to have it; `input_items` None: its input stays as it is."""
    changes: dict[str, bytes | None] = {name: None for name in STATEFUL if name in body}
    changes["store"] = b"false"
    if input_items is not None:
        changes["input"] = input_items
    return Body(body.changed(changes))


def with_thinking(body: Body) -> Body:
    """The same request, which asks for thinking in the form that can be sent again. A list of `include` that is none
    stays as it is, and will be refused."""
    raw = bytes(body.fields.get("include", b"[]"))
    held = body.value("include")
    if held is not None and (not isinstance(held, list) or ENCRYPTED in held):
        return body
    wanted = b'["%b"]' % ENCRYPTED.encode() if not held else b'%b,"%b"]' % (raw.rstrip()[:-1], ENCRYPTED.encode())
    return Body(body.changed({"include": wanted}))


def _flag(body: Body, name: str) -> bool | None:
    value = body.value(name) if name in body else None
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(f"`{name}` must be true or false.", param=name)
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= ID_MAX_CHARS
