"""Answers that were given for other words are checked, some of them: the provider is asked after all, once the caller
has its answer, and what it says is compared. Such a call is one like any other: it counts for the limits, has its own
row, and costs what it costs.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

import msgspec

from isthmus.core.caching.answer import CachedAnswer, CacheScope
from isthmus.core.call import Answer, Call
from isthmus.core.chat.event import Event, TextDelta
from isthmus.core.ids import uuid7
from isthmus.core.reply import Frame, Headers, Reply
from isthmus.core.stage import Handler
from isthmus.data_plane.caching.semantic.embedder import Embedder
from isthmus.data_plane.caching.semantic.figures import Figures
from isthmus.data_plane.send import Caller
from isthmus.errors import GatewayError
from isthmus.wire.protocol import Dialect

logger = logging.getLogger("isthmus")

CHECKS_AT_ONCE = 4
"""Further ones are not made up for: a sample is a sample."""

SAME_ANSWER = 0.92
"""The cosine from which on two answers are taken to say the same, where their figures do."""

COMPARED_CHARACTERS = 4000
"""Of each answer, from its beginning."""

SHADOW_OF = "isthmus-shadow-of"
"""In such a row's metadata: the row whose answer it checks."""

Deliver = Callable[[Call, Reply, Caller], Awaitable[None]]


class Check(msgspec.Struct, frozen=True):
    """`call` was given `answer` for a likeness of `score`."""

    call: Call
    scope: CacheScope
    answer: CachedAnswer
    score: float


class Shadows:
    """One a process. `deliver` gives an answer to its caller (`Egress.deliver`), who is nobody here. Nothing of it
    outlives `aclose`."""

    def __init__(self, deliver: Deliver, dialects: Mapping[str, Dialect], embedder: Embedder, figures: Figures) -> None:
        self._deliver = deliver
        self._dialects = dialects
        self._embedder = embedder
        self._figures = figures
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def begin(self, check: Check, ask: Handler) -> None:
        """`ask` asks the provider, as every call does."""
        if len(self._tasks) < CHECKS_AT_ONCE and not self._closed:
            task = asyncio.get_running_loop().create_task(self._check(check, ask))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _check(self, check: Check, ask: Handler) -> None:
        own = asked_again(check.call)
        try:
            given = self._text_of(check.answer)
            real = await self._real(own, ask)
            if given and real is not None:
                agreed = await self._agree(given, real)
                if agreed is not None:
                    self._figures.checked(check.scope, check.score, agreed)
        except GatewayError as error:
            logger.info("the check %s of a cached answer came to nothing: %s", own.id, error.message)
        except Exception:
            logger.exception("the check %s of a cached answer failed", own.id)

    async def _real(self, own: Call, ask: Handler) -> str | None:
        """What the provider says; None where it gives no answer."""
        reply = await ask(own)
        heard: list[str] = []
        if reply.frames is not None:
            reply.frames = _Heard(reply.frames, heard)
        await self._deliver(own, reply, _Nobody())
        return "".join(heard) if own.end == "completed" else None

    def _text_of(self, answer: CachedAnswer) -> str:
        if answer.kind != "frames":
            return ""
        reader = self._dialects[answer.dialect].reader(answer.whole)
        return "".join(_said([*reader.feed(answer.data), *reader.close()]))

    async def _agree(self, given: str, real: str) -> bool | None:
        """None where it cannot be told now."""
        from isthmus.data_plane.caching.semantic.guard import figures_agree  # late, as in `answers.py`

        given, real = (" ".join(text.casefold().split())[:COMPARED_CHARACTERS] for text in (given, real))
        if given == real:
            return True
        if not figures_agree(given, real):
            return False
        vectors = await self._embedder.embed((given, real))
        return None if vectors is None else cosine(*vectors) >= SAME_ANSWER


def asked_again(call: Call) -> Call:
    """The same question as a call of its own, of which nothing is known yet but that."""
    own = copy.copy(call)
    own.id = own.event_id = uuid7()
    own.started_at, own.started_monotonic = time.time(), time.monotonic()
    own.cache = own.ticket = own.held = own.content_type = own.first_byte_at = None
    own.usage = own.finish_reason = own.end = own.error = None
    own.told, own.notes, own.receipt, own.failures = {}, (), (), ()
    own.step = own.status = 0
    own.answer = Answer(0)
    own.caller_left = False
    metadata = {**call.options.metadata_values, SHADOW_OF: call.id}
    own.options = msgspec.structs.replace(
        call.options, metadata=msgspec.json.encode(metadata).decode(), resumable=False
    )
    return own


def cosine(one: bytes, other: bytes) -> float:
    """Of two vectors of length one."""
    return sum(a * b for a, b in zip(array("f", one), array("f", other), strict=True))


def _said(events: Iterable[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextDelta) and event.choice == 0]


class _Heard:
    """Frames on their way, and what they say."""

    def __init__(self, frames: AsyncIterator[Frame], heard: list[str]) -> None:
        self._frames = frames
        self._heard = heard

    def __aiter__(self) -> _Heard:
        return self

    async def __anext__(self) -> Frame:
        frame = await self._frames.__anext__()
        self._heard.extend(_said(frame.events))
        return frame


class _Nobody:
    """A `Caller` that wants nothing."""

    async def respond(self, status: int, headers: Headers, body: bytes, more_body: bool = False) -> None:
        pass

    async def pass_on(self, body: bytes, more_body: bool = True) -> None:
        pass
