"""The stage that makes of a Responses call with state one without: what was said before stands in its input, and what
comes of it is kept (`turn`), in the background too (`background`)."""

from __future__ import annotations

from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, Stage
from isthmus.core.state import Context
from isthmus.data_plane.state.background import Backgrounds
from isthmus.data_plane.state.keeper import Keeper, no_room, reach_of
from isthmus.data_plane.state.turn import Turn
from isthmus.errors import InvalidRequest, NotFound
from isthmus.wire.body import Body
from isthmus.wire.openai_responses.state import items
from isthmus.wire.openai_responses.state.wish import StateWish, is_stateless, read_wish, stateless


def restore(keeper: Keeper, backgrounds: Backgrounds) -> Stage:
    async def stage(call: Call, call_next: Handler) -> Reply:
        assert isinstance(call.body, Body)
        if is_stateless(call.body):
            return await call_next(call)
        turn = await begin(keeper, call)
        if turn.wish.background and _answers(call):
            return await backgrounds.begin(call, turn, call_next)
        reply = await call_next(call)
        if reply.frames is not None and _answers(call):
            turn.watch(reply)
        return reply

    return stage


async def begin(keeper: Keeper, call: Call) -> Turn:
    """Changes the call's body into one without state. Raises `InvalidRequest`, `NotFound` where what it goes on from
    is not there, `InternalError` where the store does not say."""
    assert isinstance(call.body, Body)
    body = call.body
    wish = read_wish(body)
    if wish.named is not None:
        keeper.must_be_on(wish.named)
    new = _new_items(body, wish)
    kept = await _is_kept(keeper, call, wish)
    turn = Turn(keeper, call, wish, new, kept)
    found = await _found(keeper, call, wish)
    if found is not None:
        turn.context = found
    named = await _resolved(keeper, call, new)
    if named is not None:
        new[:] = named
    changed = found is not None or named is not None
    call.body = stateless(body, items.sent_again(turn.context.items, new) if changed else None)
    if not _answers(call):
        call.body = Body(call.body.changed({"store": None}))
    call.keeps_thinking = kept
    return turn


def _new_items(body: Body, wish: StateWish) -> list[bytes]:
    """Raises `InvalidRequest` for an input that nothing can be put before; else a bad one is its reader's matter."""
    raw = body.fields.get("input")
    try:
        return items.read_input(None if raw is None else bytes(raw))
    except InvalidRequest:
        if wish.previous_response_id is not None or wish.conversation_id is not None:
            raise
        return []


def _answers(call: Call) -> bool:
    """Whether the input is to be answered, and not only counted or summed up: no other address knows of `store`."""
    return call.endpoint.request_type == "responses"


async def _is_kept(keeper: Keeper, call: Call, wish: StateWish) -> bool:
    """A call that says nothing of `store` is answered even where there is no more room, and not kept then."""
    if not keeper.on or wish.store is False or not _answers(call):
        return False
    if await keeper.has_room(call.account_id):
        return True
    if wish.store or wish.background or wish.conversation_id is not None:
        raise no_room(keeper.limits)
    return False


async def _found(keeper: Keeper, call: Call, wish: StateWish) -> Context | None:
    """What stands before the call's own input. None: nothing is to. Raises `NotFound`: unknown, deleted, expired,
    another account's and beyond the token's gateways or models are all the same."""
    if wish.previous_response_id is not None:
        context = await keeper.response_context(reach_of(call), wish.previous_response_id)
        if context is None:
            message = f"Previous response with id '{wish.previous_response_id}' not found."
            raise NotFound(message, param="previous_response_id")
        if context.status not in ("completed", "incomplete"):
            raise InvalidRequest(
                f"The response '{wish.previous_response_id}' is {context.status}: only one that has been answered can "
                "be gone on from.",
                param="previous_response_id",
            )
        return context
    if wish.conversation_id is not None:
        context = await keeper.conversation_context(reach_of(call), wish.conversation_id)
        if context is None:
            raise NotFound(f"Conversation with id '{wish.conversation_id}' not found.", param="conversation")
        return context
    return None


async def _resolved(keeper: Keeper, call: Call, new: list[bytes]) -> list[bytes] | None:
    """The input with what it only names of earlier answers; None where it names nothing."""
    named = items.references(new)
    if not named or not keeper.on:
        return None
    asked = keeper.states.responses.find_items(reach_of(call), named, keeper.clock.now())
    return items.resolved(new, await keeper.waited(asked, "input"))
