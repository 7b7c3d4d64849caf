"""The calls on a gateway's cache: what it holds, and purging it. They are ours: the vendor has none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from isthmus.clock import Clock, SystemClock
from isthmus.control_plane.api_request import ApiRequest
from isthmus.control_plane.envelope import Answer, success
from isthmus.control_plane.publish import Publisher
from isthmus.core.caching.answer import CacheScope
from isthmus.core.gateway import Gateway
from isthmus.storage.protocols import Cache, Purge
from isthmus.validation.fields import InvalidFields, one_problem, problems, type_of, unknown_key

PURGED_MAX = 1000
"""Keys, or models, of one call."""

NAME_MAX_CHARACTERS = 1024
"""Of each of them."""

SHOWN_CHARACTERS = 64

EVERYTHING = "purge_everything"
WAYS = (EVERYTHING, "keys", "models")

_Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX_CHARACTERS)]
_NAMES = type_of(Annotated[list[_Name], Meta(max_length=PURGED_MAX)])


class CacheParts(msgspec.Struct, frozen=True, kw_only=True):
    """What the addresses of the cache stand on. `keys_of`: a caller's own key, or one that it was told, to all that it
    may be kept under. `more`: what else is shown of a gateway's cache, by the field's name."""

    store: Cache
    max_bytes: int
    keys_of: Callable[[str], tuple[bytes, ...]]
    more: Mapping[str, Callable[[Gateway], Awaitable[object]]] = {}
    clock: Clock = SystemClock()


class CacheCalls:
    def __init__(self, publisher: Publisher[Any], parts: CacheParts) -> None:
        self._publisher = publisher
        self._parts = parts

    async def get(self, request: ApiRequest) -> Answer:
        parts = self._parts
        gateway = self._publisher.gateway(request.account_id, request.gateway_id)
        held = await parts.store.holdings(CacheScope(gateway.account_id, gateway.id), parts.clock.now())
        more = {name: await show(gateway) for name, show in parts.more.items()}
        return success({"entries": held.entries, "bytes": held.bytes, "max_bytes": parts.max_bytes, **more})

    async def purge(self, request: ApiRequest) -> Answer:
        """A missing gateway is told before a wrong body is."""
        gateway = self._publisher.gateway(request.account_id, request.gateway_id)
        way, names = _read(await request.json_object())
        purge = Purge(
            account_id=gateway.account_id,
            gateway_id=gateway.id,
            keys=tuple(key for name in names for key in self._parts.keys_of(name)) if way == "keys" else None,
            models=names if way == "models" else None,
        )
        return success({"purged": await self._parts.store.purge(purge)})


def _read(body: dict[str, object]) -> tuple[str, tuple[str, ...]]:
    """What is to go, and its names. Raises `InvalidFields`."""
    for key in body:
        if key not in WAYS:
            shown = key[:SHOWN_CHARACTERS]
            raise one_problem(unknown_key(shown, WAYS), "body", shown)
    if len(body) != 1:
        raise one_problem(f"Expected exactly one of {', '.join(WAYS)}", "body")
    ((way, value),) = body.items()
    if way == EVERYTHING:
        if value is not True:
            raise one_problem("Expected true", "body", way)
        return way, ()
    if value == []:
        raise one_problem("Array must contain at least 1 element(s)", "body", way)
    found = [*problems(value, _NAMES, ("body", way))]
    if found:
        raise InvalidFields(found)
    return way, msgspec.convert(value, tuple[str, ...])
