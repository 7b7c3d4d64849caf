"""The addresses of what is kept: responses and conversations, read and deleted. They leave no log row: nothing is
asked of a model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler
from isthmus.core.state import RUNNING, StoredResponse
from isthmus.data_plane.state.answers import answer, item_list, query_of
from isthmus.data_plane.state.background import Backgrounds
from isthmus.data_plane.state.conversations import ConversationResources
from isthmus.data_plane.state.events import EventsAfter, after_of
from isthmus.data_plane.state.keeper import Keeper, reach_of
from isthmus.data_plane.state.turn import run_id_of
from isthmus.errors import InvalidRequest, NotFound

Handle = Callable[[Call], Awaitable[Reply]]


def state_resources(keeper: Keeper, backgrounds: Backgrounds) -> Handler:
    """By the shape of the address, which is the endpoint's `request_type`, and the method."""
    responses, conversations = ResponseResources(keeper, backgrounds), ConversationResources(keeper)
    handlers: Mapping[tuple[str, str], Handle] = {
        ("responses/*", "GET"): responses.show,
        ("responses/*", "DELETE"): responses.delete,
        ("responses/*/input_items", "GET"): responses.input_items,
        ("responses/*/cancel", "POST"): responses.cancel,
        ("conversations", "POST"): conversations.create,
        ("conversations/*", "GET"): conversations.show,
        ("conversations/*", "POST"): conversations.change,
        ("conversations/*", "DELETE"): conversations.delete,
        ("conversations/*/items", "GET"): conversations.items,
        ("conversations/*/items", "POST"): conversations.add_items,
        ("conversations/*/items/*", "GET"): conversations.item,
        ("conversations/*/items/*", "DELETE"): conversations.delete_item,
    }

    async def handle(call: Call) -> Reply:
        if not keeper.on:
            raise InvalidRequest("State is switched off at this gateway (--state-retention-days 0): nothing is kept.")
        return await handlers[call.endpoint.request_type, call.method](call)

    return handle


class ResponseResources:
    def __init__(self, keeper: Keeper, backgrounds: Backgrounds) -> None:
        self._keeper = keeper
        self._backgrounds = backgrounds

    async def show(self, call: Call) -> Reply:
        stored = await self._stored(call)
        work = await self._backgrounds.current(call.account_id, stored.id)
        if work is None and stored.status in RUNNING:
            stored = await self._stored(call)  # it has ended since
        asked = query_of(call)
        if asked.get("stream") == "true":
            return self._streamed(call, stored, after_of(asked))
        return answer(call, stored.body if work is None else work.shown())

    async def delete(self, call: Call) -> Reply:
        response_id, keeper = (await self._stored(call)).id, self._keeper
        work = self._backgrounds.find(call.account_id, response_id)
        if work is not None:
            await self._backgrounds.cancel(work)
        removed = keeper.states.responses.remove(reach_of(call), response_id, keeper.clock.now())
        if not await keeper.waited(removed):
            raise not_found(response_id)
        self._backgrounds.forget_run(call.account_id, run_id_of(response_id))
        keeper.forget_size(call.account_id)
        return answer(call, {"id": response_id, "object": "response", "deleted": True})

    async def input_items(self, call: Call) -> Reply:
        stored = await self._stored(call)
        return await item_list(self._keeper, call, stored.id, "input")

    async def cancel(self, call: Call) -> Reply:
        stored = await self._stored(call)
        if not stored.background:
            raise InvalidRequest("Only a response made with `background` can be cancelled.", param="response_id")
        work = self._backgrounds.find(call.account_id, stored.id)
        if work is not None:
            await self._backgrounds.cancel(work)
            stored = await self._stored(call)
        return answer(call, stored.body)

    def _streamed(self, call: Call, stored: StoredResponse, after: int) -> Reply:
        """Its events from the first that the caller has not, live until the end."""
        if not stored.background:
            raise InvalidRequest("Only a response made with `background` can be streamed again.", param="stream")
        run = self._backgrounds.run_of(call.account_id, run_id_of(stored.id))
        if run is None:
            raise InvalidRequest(
                "The events of this response are not kept any more. Read it without `stream`.", param="stream"
            )
        pieces = EventsAfter(run.pieces(), after)
        reply = Reply(200, content_type=run.head.content_type.encode(), dialect=run.head.dialect, whole=False)
        reply.when_closed(pieces.aclose)
        reply.pieces = pieces
        return reply

    async def _stored(self, call: Call) -> StoredResponse:
        """Raises `NotFound`."""
        response_id = call.address.parameters[0]
        keeper = self._keeper
        found = keeper.states.responses.get(reach_of(call), response_id, keeper.clock.now())
        stored = await keeper.waited(found)
        if stored is None:
            raise not_found(response_id)
        return stored


def not_found(response_id: str) -> NotFound:
    return NotFound(f"Response with id '{response_id[:256]}' not found.", param="response_id")
