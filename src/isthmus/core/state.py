"""What is kept of answered Responses calls, so that a caller can go on from them: items, responses, conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from isthmus.core.account import Token

ItemKind = Literal["input", "output"]

RUNNING = ("queued", "in_progress")
"""Statuses of a response that is still being made."""


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Whose state is asked for, and how much of it is seen: what `token` could have made; None: all of the account."""

    account_id: str
    token: Token | None = None

    def sees(self, gateway_id: str, models: Sequence[str] | None = None) -> bool:
        """What came through this gateway, from a model of these names; None: from none, as a conversation."""
        token = self.token
        return token is None or (token.may_pass(gateway_id) and (models is None or token.may_call(*models)))


class StoredItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a turn. `body` is its JSON as the caller sent it, or was given it (with the thinking that it did not
    ask to see): where that has no `id` of its own, `id` is ours and shown only."""

    id: str
    body: bytes
    kind: ItemKind = "input"


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """`body` is the response object as the caller saw it, JSON. `gateway_id`: through which its call came. `models`:
    the names of its model, by each of which a token may be let to call it. `previous_id`: the response that it goes on
    from. `conversation_at`: how many positions of the conversation stood before it. Times in epoch seconds."""

    account_id: str
    id: str
    gateway_id: str
    models: tuple[str, ...]
    created_at: float
    expires_at: float
    status: str
    body: bytes
    previous_id: str | None = None
    conversation_id: str | None = None
    conversation_at: int = 0
    background: bool = False


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """`metadata` is a JSON object. `gateway_id`: whose it is, whatever gateways its turns come through. `expires_at` is
    put off whenever something is added."""

    account_id: str
    id: str
    gateway_id: str
    created_at: float
    expires_at: float
    metadata: bytes = b"{}"


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What was said before, oldest first. `conversation_at`: the position at which a conversation is gone on with.
    `statuses`: of the response that is gone on from."""

    items: tuple[StoredItem, ...]
    status: str = "completed"
    conversation_at: int = 0


class ItemQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an owner's items (a response's or a conversation's): those beyond `after`, up to `before`, item ids."""

    account_id: str
    owner_id: str
    kind: ItemKind | None = None
    limit: int = 20
    descending: bool = True
    after: str | None = None
    before: str | None = None


class ItemPage(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[StoredItem, ...]
    has_more: bool = False
