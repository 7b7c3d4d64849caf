"""Conversations, as their owners make, fill, read and delete them."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from isthmus.core.call import Call
from isthmus.core.gateway import DEFAULT_ID
from isthmus.core.reply import Reply
from isthmus.core.state import Conversation, StoredItem
from isthmus.data_plane.state.answers import answer, body_of, item_list, listed
from isthmus.data_plane.state.keeper import Keeper, no_room, reach_of
from isthmus.errors import InvalidRequest, NotFound
from isthmus.policies.choose_gateway import gateway_id_of, no_gateway, only_gateway
from isthmus.wire.body import Body
from isthmus.wire.openai_responses.state.items import kept_items, read_input, shown_item

# OpenAI's own bounds (its OpenAPI's CreateConversationBody).
ITEMS_MAX = 20
METADATA_MAX_PAIRS = 16
KEY_MAX_CHARACTERS = 64
VALUE_MAX_CHARACTERS = 512


class ConversationResources:
    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def create(self, call: Call) -> Reply:
        keeper, body = self._keeper, await body_of(call)
        conversation = Conversation(
            account_id=call.account_id,
            id="conv_" + secrets.token_hex(24),
            gateway_id=_gateway_id(call),
            created_at=float(int(keeper.clock.now())),
            expires_at=keeper.expiry(),
            metadata=msgspec.json.encode(_metadata(body) or {}),
        )
        items = _items(body)
        await self._must_have_room(call)
        await keeper.waited(keeper.states.conversations.add(conversation, items))
        keeper.forget_size(call.account_id)
        return answer(call, shown(conversation))

    async def show(self, call: Call) -> Reply:
        return answer(call, shown(await self._conversation(call)))

    async def change(self, call: Call) -> Reply:
        body = await body_of(call)
        metadata = _metadata(body)
        if metadata is None:
            raise InvalidRequest("`metadata` is required.", param="metadata")
        stored = await self._conversation(call)
        changed = msgspec.structs.replace(
            stored, metadata=msgspec.json.encode(metadata), expires_at=self._keeper.expiry()
        )
        if not await self._keeper.waited(self._keeper.states.conversations.change(changed)):
            raise _not_found(stored.id)
        self._keeper.forget_size(call.account_id)
        return answer(call, shown(changed))

    async def delete(self, call: Call) -> Reply:
        (conversation_id,) = call.address.parameters
        keeper = self._keeper
        removed = keeper.states.conversations.remove(reach_of(call), conversation_id, keeper.clock.now())
        if not await keeper.waited(removed):
            raise _not_found(conversation_id)
        keeper.forget_size(call.account_id)
        return answer(call, {"id": conversation_id, "object": "conversation.deleted", "deleted": True})

    async def items(self, call: Call) -> Reply:
        stored = await self._conversation(call)
        return await item_list(self._keeper, call, stored.id)

    async def add_items(self, call: Call) -> Reply:
        body = await body_of(call)
        items = _items(body)
        if not items:
            raise InvalidRequest("`items` must hold at least one item.", param="items")
        stored = await self._conversation(call)
        await self._must_have_room(call)
        renewed = msgspec.structs.replace(stored, expires_at=self._keeper.expiry())
        if await self._keeper.waited(self._keeper.states.conversations.add_items(renewed, items)) is None:
            raise _not_found(stored.id)
        self._keeper.forget_size(call.account_id)
        return answer(call, listed(items, has_more=False))

    async def item(self, call: Call) -> Reply:
        stored = await self._conversation(call)
        item_id = call.address.parameters[1]
        found = await self._keeper.waited(self._keeper.states.conversations.item(call.account_id, stored.id, item_id))
        if found is None:
            raise _item_not_found(item_id)
        return answer(call, shown_item(found))

    async def delete_item(self, call: Call) -> Reply:
        stored = await self._conversation(call)
        item_id = call.address.parameters[1]
        removed = self._keeper.states.conversations.remove_item(call.account_id, stored.id, item_id)
        if not await self._keeper.waited(removed):
            raise _item_not_found(item_id)
        self._keeper.forget_size(call.account_id)
        return answer(call, shown(stored))

    async def _conversation(self, call: Call) -> Conversation:
        """Raises `NotFound`."""
        conversation_id = call.address.parameters[0]
        keeper = self._keeper
        found = keeper.states.conversations.get(reach_of(call), conversation_id, keeper.clock.now())
        stored = await keeper.waited(found)
        if stored is None:
            raise _not_found(conversation_id)
        return stored

    async def _must_have_room(self, call: Call) -> None:
        if not await self._keeper.has_room(call.account_id):
            raise no_room(self._keeper.limits)


def shown(conversation: Conversation) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "object": "conversation",
        "created_at": int(conversation.created_at),
        "metadata": msgspec.Raw(conversation.metadata),
    }


def _gateway_id(call: Call) -> str:
    """Of the one that the call names or its token is bound to, else `default`, which need not have come to be. Raises
    `Unauthenticated`, `InvalidRequest` where there is no such gateway."""
    gateway_id = gateway_id_of(call, only_gateway(call.token))
    if gateway_id != DEFAULT_ID and (call.account_id, gateway_id) not in call.snapshot.gateways:
        raise no_gateway(gateway_id)
    return gateway_id


def _items(body: Body) -> list[StoredItem]:
    raw = body.fields.get("items")
    if raw is not None and bytes(raw)[:1] not in (b"[", b"n"):
        raise InvalidRequest("`items` must be an array of items.", param="items")
    items = read_input(None if raw is None else bytes(raw), "items")
    if len(items) > ITEMS_MAX:
        raise InvalidRequest(f"`items` may hold {ITEMS_MAX} items at a time.", param="items")
    return kept_items(items, "input")


def _metadata(body: Body) -> dict[str, str] | None:
    value = body.value("metadata")
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidRequest("`metadata` must be an object of strings.", param="metadata")
    fits = len(value) <= METADATA_MAX_PAIRS and all(
        len(key) <= KEY_MAX_CHARACTERS and len(text) <= VALUE_MAX_CHARACTERS for key, text in value.items()
    )
    if not fits:
        raise InvalidRequest(
            f"`metadata` may hold {METADATA_MAX_PAIRS} pairs, of {KEY_MAX_CHARACTERS} characters and "
            f"{VALUE_MAX_CHARACTERS}.",
            param="metadata",
        )
    return value


def _not_found(conversation_id: str) -> NotFound:
    return NotFound(f"Conversation with id '{conversation_id[:256]}' not found.", param="conversation_id")


def _item_not_found(item_id: str) -> NotFound:
    return NotFound(f"Item with id '{item_id[:256]}' not found.", param="item_id")
