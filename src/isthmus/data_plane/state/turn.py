"""One call of a conversation that is kept here, from what stands before it to what is kept of it."""

from __future__ import annotations

import secrets

import msgspec

from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.core.state import Context, StoredItem, StoredResponse
from isthmus.data_plane.state.keeper import Keeper
from isthmus.wire.openai_responses.state import items
from isthmus.wire.openai_responses.state.view import ResponseView, status_of
from isthmus.wire.openai_responses.state.wish import StateWish

_encode = msgspec.json.encode
_UUID_DIGITS = 32


class Turn:
    """One call that goes on from something kept, or will be kept, or both. `kept`: the latter is
    wanted; `was_kept`: it was done."""

    def __init__(self, keeper: Keeper, call: Call, wish: StateWish, new: list[bytes], kept: bool) -> None:
        self._keeper = keeper
        self._call = call
        self._new = new
        self.wish = wish
        self.kept = kept
        self.was_kept = False
        self.context = Context(items=())
        self.account_id = call.account_id
        self.response_id = new_response_id(call.id)
        self.view = ResponseView(self._changes(), hides_thinking=kept and not wish.wants_thinking)

    def watch(self, reply: Reply) -> None:
        if self.view.changes:
            reply.view = self.view
        if self.kept:
            reply.when_ending(self._keep)

    def stored(self, response: bytes) -> tuple[StoredResponse, list[StoredItem]]:
        """As it is kept, with the items of its turn. `response`: the whole object."""
        keeper, call, wish = self._keeper, self._call, self.wish
        assert call.gateway is not None
        stored = StoredResponse(
            account_id=self.account_id,
            id=self.response_id,
            gateway_id=call.gateway.id,
            models=call.model_names,
            created_at=keeper.clock.now(),
            expires_at=keeper.expiry(),
            status=status_of(response) or "completed",
            body=self.view.visible(response),
            previous_id=wish.previous_response_id,
            conversation_id=wish.conversation_id,
            conversation_at=self.context.conversation_at,
            background=wish.background,
        )
        said = items.kept_items(items.output_items(response), "output")
        return stored, [*items.kept_items(self._new, "input"), *said]

    async def _keep(self) -> None:
        if self.view.response is not None:
            self.was_kept = await self._keeper.keep(self._call, *self.stored(self.view.response))

    def _changes(self) -> dict[str, bytes]:
        wish = self.wish
        changes: dict[str, bytes] = {}
        if self.kept:
            changes |= {"id": _encode(self.response_id), "store": b"true"}
        if wish.previous_response_id is not None:
            changes["previous_response_id"] = _encode(wish.previous_response_id)
        if wish.conversation_id is not None:
            changes["conversation"] = _encode({"id": wish.conversation_id})
        return changes | ({"background": b"true"} if wish.background else {})


def new_response_id(call_id: str) -> str:
    """The call's own id, by which its run is found, and 64 random bits more: whoever knows the id may read the
    response, within its account."""
    return f"resp_{call_id.replace('-', '')}{secrets.token_hex(8)}"


def run_id_of(response_id: str) -> str:
    """The reverse, of a response that is known to be ours."""
    digits = response_id.removeprefix("resp_")[:_UUID_DIGITS]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
