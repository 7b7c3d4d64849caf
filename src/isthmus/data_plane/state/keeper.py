"""The store of responses as calls use it: bounded in bytes and in how long it is waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import msgspec

from isthmus.clock import Clock
from isthmus.core.call import Call
from isthmus.core.state import Context, Reach, StoredItem, StoredResponse
from isthmus.errors import InternalError, InvalidRequest
from isthmus.storage.encryption import BodyUnreadable
from isthmus.storage.protocols import ContextTooLarge, States, StorageError

logger = logging.getLogger("isthmus")

T = TypeVar("T")

DAY_SECONDS = 86_400.0
WAIT_WHILE_SLOW_SECONDS = 0.02


class StateLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`retention_days` 0: nothing is kept. `account_max_bytes`: of all that one account has in store. `wait_seconds`:
    for the store, each time that a call needs something of it; `keep_seconds`: for an answer to be in it."""

    retention_days: float = 30.0
    account_max_bytes: int = 1024 * 1024 * 1024
    wait_seconds: float = 4.0
    keep_seconds: float = 1.0


class Keeper:
    def __init__(self, states: States, clock: Clock, limits: StateLimits) -> None:
        self.states = states
        self.clock = clock
        self.limits = limits
        self._slow = False
        self._keeping: set[asyncio.Task[bool]] = set()  # as many as calls may wait for the database
        self._used: dict[str, int] = {}  # by account, as of the last write; accounts are configured, and few

    @property
    def on(self) -> bool:
        return self.limits.retention_days > 0

    def expiry(self) -> float:
        return self.clock.now() + self.limits.retention_days * DAY_SECONDS

    def must_be_on(self, asked: str) -> None:
        """Raises `InvalidRequest`."""
        if not self.on:
            raise InvalidRequest(
                f"`{asked}` needs state, which is switched off at this gateway (--state-retention-days 0). Send the "
                "whole conversation in `input`, with `store` false.",
                param=asked,
            )

    async def waited(self, work: Awaitable[T], param: str = "previous_response_id") -> T:
        """Raises `InternalError` where the store does not answer, `InvalidRequest` for too long a context."""
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                return await work
        except ContextTooLarge as error:
            raise InvalidRequest(
                f"The conversation has {error}, more than can be sent again. Start anew from a summary "
                "(POST responses/compact), or send `input` without what went before.",
                param=param,
            ) from None
        except BodyUnreadable as error:
            logger.error("%s", error)
            raise InternalError(
                "What is stored cannot be read: this gateway's key is not the one it was written with."
            ) from None
        except (StorageError, TimeoutError) as error:
            logger.error("the store of responses does not answer: %s", error)
            raise InternalError(
                "The store of responses does not answer. Try again, or send all of `input`.", status=503
            ) from None

    async def response_context(self, reach: Reach, response_id: str) -> Context | None:
        return await self.waited(self.states.responses.context(reach, response_id, self.clock.now()))

    async def conversation_context(self, reach: Reach, conversation_id: str) -> Context | None:
        found = self.states.conversations.context(reach, conversation_id, self.clock.now())
        return await self.waited(found, "conversation")

    async def has_room(self, account_id: str) -> bool:
        """Where the store does not say, yes: an answer is not to wait for it."""
        used = self._used.get(account_id)
        if used is None or used >= self.limits.account_max_bytes:
            try:
                used = self._used[account_id] = await self.waited(self.states.used(account_id))
            except InternalError:
                return True
        return used < self.limits.account_max_bytes

    def forget_size(self, account_id: str) -> None:
        """Something was added or removed by other ways than `keep`: it is asked for anew."""
        self._used.pop(account_id, None)

    async def keep(self, call: Call, response: StoredResponse, items: Sequence[StoredItem]) -> bool:
        """Whether it is in store. The answer does not wait long for it, and hardly at all while the store is known to
        be slow: it is kept later then, or it is logged why not."""
        keeping = asyncio.create_task(self._keep(call, response, items))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        wait = WAIT_WHILE_SLOW_SECONDS if self._slow else self.limits.keep_seconds
        done, _ = await asyncio.wait((keeping,), timeout=wait)
        self._slow = not done
        return bool(done) and keeping.result()

    async def aclose(self) -> None:
        """What is being kept is kept."""
        await asyncio.gather(*self._keeping, return_exceptions=True)

    async def _keep(self, call: Call, response: StoredResponse, items: Sequence[StoredItem]) -> bool:
        try:
            self._used[response.account_id] = await self.states.responses.put(response, items)
            return True
        except StorageError as error:
            logger.error("the response of call %s was not kept: %s", call.id, error)
            return False


def reach_of(call: Call) -> Reach:
    return Reach(account_id=call.account_id, token=call.token)


def no_room(limits: StateLimits) -> InvalidRequest:
    return InvalidRequest(
        f"The account has {limits.account_max_bytes} bytes of responses and conversations in store, the most "
        "that it may have (--state-max-bytes). Delete some, or send `store` false.",
        param="store",
    )
