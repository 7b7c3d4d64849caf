"""What the addresses of kept things have in common: their queries, their bodies, their answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.core.state import ItemKind, ItemQuery, StoredItem
from isthmus.data_plane.state.keeper import Keeper
from isthmus.errors import InvalidRequest, NotFound
from isthmus.wire.body import Body
from isthmus.wire.openai_responses.state.items import shown_item

PAGE_MAX = 100
PAGE = 20


def answer(call: Call, value: Any) -> Reply:
    """`value`: JSON already where it is bytes."""
    call.end = "completed"
    reply = Reply(200, content_type=b"application/json", dialect=call.endpoint.errors.name, whole=True)
    reply.body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return reply


def query_of(call: Call) -> dict[str, str]:
    return dict(parse_qsl(call.query.decode("latin-1"), keep_blank_values=True))


async def body_of(call: Call) -> Body:
    """No body at all is an empty object. Raises `InvalidRequest` and what reading a body raises."""
    assert call.incoming is not None
    return Body(await call.incoming.whole() or b"{}")


async def item_list(keeper: Keeper, call: Call, owner_id: str, kind: ItemKind | None = None) -> Reply:
    """A page of an owner's items. Raises `InvalidRequest`, or `NotFound` for an item that it has not."""
    query = item_query(query_of(call), call.account_id, owner_id, kind)
    page = await keeper.waited(keeper.states.items(query))
    if page is None:
        raise NotFound("The item named in `after` or `before` is not among these.", param="after")
    return answer(call, listed(page.items, page.has_more))


def listed(items: Iterable[StoredItem], has_more: bool) -> dict[str, Any]:
    found = list(items)
    return {
        "object": "list",
        "data": [shown_item(item) for item in found],
        "first_id": found[0].id if found else "",
        "last_id": found[-1].id if found else "",
        "has_more": has_more,
    }


def item_query(asked: Mapping[str, str], account_id: str, owner_id: str, kind: ItemKind | None) -> ItemQuery:
    """Raises `InvalidRequest`."""
    limit = asked.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= PAGE_MAX):
        raise InvalidRequest(f"`limit` must be a number from 1 to {PAGE_MAX}.", param="limit")
    order = asked.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest("`order` must be asc or desc.", param="order")
    return ItemQuery(
        account_id=account_id,
        owner_id=owner_id,
        kind=kind,
        limit=int(limit),
        descending=order == "desc",
        after=asked.get("after") or None,
        before=asked.get("before") or None,
    )
