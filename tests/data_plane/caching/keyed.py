"""The keys of calls that are never made; and requests that hold whatever a dialect has a place for."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from isthmus.core.account import Token
from isthmus.core.attempt import Target
from isthmus.core.call import Call, CallOptions, Endpoint
from isthmus.core.chat.request import Chat
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.caching.key import key_of
from isthmus.data_plane.outbound.prepare import Preparation
from isthmus.wire.body import Body
from isthmus.wire.registry import DIALECTS

TOKEN = Token(id="t", account_id="account", name="t", digest="", permissions=(), created_at=0)
TARGET = Target(provider="openai", model="gpt-4o", name="openai/gpt-4o", dialect="openai_chat")


async def _no_media(chat: Chat, addresses: Sequence[str]) -> Chat:
    raise AssertionError("a key needs no media")


_PREPARATION = Preparation(DIALECTS, _no_media)


def call_for(body: Any, dialect: str = "openai_chat", **more: Any) -> Call:
    """`more`: fields of the call."""
    endpoint = Endpoint(request_type="chat", dialect=dialect, errors=DIALECTS["openai_chat"])
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=None)  # type: ignore[arg-type]  # unused
    call = Call("1", endpoint, "account", "/", {}, snapshot)
    call.body = Body(body if isinstance(body, bytes) else msgspec.json.encode(body))
    call.model, call.target, call.options = "openai/gpt-4o", TARGET, CallOptions()
    for name, value in more.items():
        setattr(call, name, value)
    return call


def key(body: Any, dialect: str = "openai_chat", **more: Any) -> bytes | None:
    return key_of(call_for(body, dialect, **more), _PREPARATION.chat)


def changed_anywhere(value: Any) -> Iterator[tuple[str, Any]]:
    """The same with one leaf another, with one element or one name more; and where that is."""
    for path in _paths(value):
        for name, change in (("other", _other), ("more", _more)):
            other = copy.deepcopy(value)
            holder: Any = {"": other}
            place: Any = ""
            for step in path:
                holder, place = holder[place], step
            made = change(holder[place])
            if made is not None:
                holder[place] = made
                yield ".".join(map(str, (*path, name))), {"": other}[""] if path else holder[""]


def _paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from _paths(inner, (*at, name))


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    return value + 1 if isinstance(value, int | float) else None


def _more(value: Any) -> Any:
    if isinstance(value, dict):
        return {**value, "unknown_to_us": 1}
    return [*value, copy.deepcopy(value[-1])] if isinstance(value, list) and value else None
