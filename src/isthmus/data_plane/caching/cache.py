"""The stage that gives answers again (data-plane 9.1): kept ones, and those that somebody is just being given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from isthmus.clock import Clock
from isthmus.core.caching.answer import FORMAT, CachedAnswer, CacheScope, pack, unpack
from isthmus.core.caching.use import AGE, KEY, SCORE, STATUS, CacheStatus, CacheUse
from isthmus.core.call import Call
from isthmus.core.chat.fidelity import Note
from isthmus.core.gateway import GatewaySettings
from isthmus.core.refusal import note
from isthmus.core.reply import Reply
from isthmus.core.snapshot import Snapshot
from isthmus.core.stage import Handler, Stage
from isthmus.data_plane.caching.flight import Flight, Head
from isthmus.data_plane.caching.key import ReadChat, key_of
from isthmus.data_plane.caching.replay import Replay
from isthmus.data_plane.caching.shared import Pieces, Room
from isthmus.data_plane.caching.sound import KEPT_REASONS, is_sound
from isthmus.data_plane.outbound.frames import Frames
from isthmus.errors import CallerLeft, InternalError, Interrupted
from isthmus.storage.protocols import Cache, CacheEntry

KEYED_TTL_SECONDS = 300
"""Of a call that brings its own key to a gateway whose cache is off (data-plane 6.2)."""

_KEPT_TYPES = ("application/json", "text/", "image/")
_PAGE = "text/html"
"""No provider answers so, but what stands in front of one."""


Place = tuple[CacheScope, bytes, int]


class CacheLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`entry_max_bytes`: the longest request and the longest answer that are kept. `joining_max_bytes`: answers on
    their way that others may join, together. `ttl_enables`: a call's own `cf-aig-cache-ttl` turns the cache on."""

    entry_max_bytes: int = 25 * 1024 * 1024
    joining_max_bytes: int = 64 * 1024 * 1024
    ttl_enables: bool = False


class AnswerCacheParts(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache needs of the rest of the house. `current`: the configuration that new calls are given."""

    store: Cache
    replay: Replay
    read_chat: ReadChat
    clock: Clock
    current: Callable[[], Snapshot]


class AnswerCache:
    """One a process. Answers that are on their way are this process's own; those that are kept may be everybody's."""

    def __init__(self, parts: AnswerCacheParts, limits: CacheLimits) -> None:
        self._store = parts.store
        self._replay = parts.replay
        self.read_chat = parts.read_chat
        self._clock = parts.clock
        self._current = parts.current
        self._limits = limits
        self._room = Room(limits.joining_max_bytes)
        self._flights: dict[Place, Flight] = {}

    def stage(self, *, skips_checks: bool) -> Stage:
        """It stands in the list twice, before the checks and behind them; each gateway has it at one of the two."""

        def stage(call: Call, call_next: Handler) -> Awaitable[Reply]:  # costs no frame where there is nothing to do
            gateway = call.gateway
            if gateway is None or (gateway.settings.cache_skips_checks is True) != skips_checks:
                return call_next(call)
            use = self._use(call, gateway.settings)
            return call_next(call) if use is None else self._answered(call, use, call_next)

        return stage

    async def _answered(self, call: Call, use: CacheUse, call_next: Handler) -> Reply:
        call.cache = use
        call.told[STATUS] = b"MISS"
        call.told[KEY] = use.key.hex().encode()
        packed, use.generation = await self._store.get(use.scope, use.key, self._clock.now())
        use.keeps = call.snapshot is self._current()  # else it may have begun before a purge that it did not see
        if packed is not None and use.reads:
            reply = self.given(call, packed, "HIT")
            if reply is not None:
                return reply
        place = (use.scope, use.key, use.generation)  # an answer begun before a purge is nobody's who comes after it
        flight = self._flights.get(place) if use.reads else None
        if flight is not None:
            return await self._joined(call, use, flight, call_next)
        joinable = use.reads and not call.in_run  # what runs in the background may be cancelled, others or not
        flight = self._flight(partial(self._forget, place) if joinable else _nobody)
        if joinable:
            self._flights[place] = flight
        return await self._led(call, use, flight, call_next)

    def given(self, call: Call, packed: bytes, status: CacheStatus) -> Reply | None:
        """A kept answer; None where it is of no use to this call."""
        use = call.cache
        answer = unpack(packed)
        assert use is not None
        if answer is None or not _may_have(call, answer.models):
            return None
        reply = self._replay.stored(call, answer)
        if reply is None:
            return None
        _tell(call, use, status, self._clock.now() - answer.stored_at)
        return reply

    def _use(self, call: Call, settings: GatewaySettings) -> CacheUse | None:
        ttl = self._ttl(call, settings)
        if not ttl or call.endpoint.counts or call.endpoint.handler == "compact":
            return None
        if call.request_size > self._limits.entry_max_bytes:
            return None
        if call.stream and settings.cache_streams is False:
            return None
        key = key_of(call, self.read_chat)
        assert call.gateway is not None
        scope = CacheScope(call.gateway.account_id, call.gateway.id)
        return None if key is None else CacheUse(scope, key, ttl, not call.options.skip_cache)

    def _ttl(self, call: Call, settings: GatewaySettings) -> int | None:
        """None, 0: this call has nothing to do with the cache."""
        own, gateways = call.options.cache_ttl, settings.cache_ttl
        if call.options.cache_key is not None:
            return (gateways or KEYED_TTL_SECONDS) if own is None else own
        if gateways or self._limits.ttl_enables:
            return gateways if own is None else own
        if own:
            _tell_idle_ttl(call)
        return None

    async def _joined(self, call: Call, use: CacheUse, flight: Flight, call_next: Handler) -> Reply:
        pieces = await flight.join(call)
        if pieces is None:
            return await self._led(call, use, flight, call_next)
        reply = await self._followed(call, use, flight, pieces)
        return await self._led(call, use, self._flight(_nobody), call_next) if reply is None else reply

    def _flight(self, no_more: Callable[[], None]) -> Flight:
        return Flight(self._limits.entry_max_bytes, self._room, no_more)

    def _forget(self, place: Place) -> None:
        del self._flights[place]

    async def _followed(self, call: Call, use: CacheUse, flight: Flight, pieces: Pieces) -> Reply | None:
        """What the leader is given, given to this call too."""
        head = flight.head
        assert head is not None
        try:
            reply = None
            if _may_have(call, head.models):
                reply = self._replay.reply(call, head, pieces, flight.answer.pieces[0] if head.kind == "body" else None)
        except BaseException:
            await pieces.aclose()
            raise
        if reply is None:
            await pieces.aclose()
            return None
        if head.error is None:
            _tell(call, use, "SEMANTIC" if head.cache_status == "SEMANTIC" else "HIT", 0)
            call.told.update(head.told)
        reply.when_closed(pieces.aclose)
        return reply

    async def _led(self, call: Call, use: CacheUse, flight: Flight, call_next: Handler) -> Reply:
        flight.lead(call)
        try:
            reply = await call_next(call)
        except BaseException as error:
            flight.failed(error)
            raise
        try:
            pieces = _begun(call, use, flight, reply)
        except BaseException:
            flight.failed(InternalError("The gateway failed to share this answer."))
            await reply.aclose()
            raise
        reply.when_done(partial(self._done, call, use, flight))
        reply.when_closed(pieces.aclose)
        return reply

    def _done(self, call: Call, use: CacheUse, flight: Flight) -> None:
        """The leader's answer is all here, or there will be no more of it."""
        head = flight.head
        assert head is not None
        completed = call.end == "completed"
        if completed and flight.answer.kept and _is_kept(call, use, head):
            self._keep(call, use, flight, head)
        if completed or (head.error is not None and call.error is head.error):
            flight.ended(None)
        else:
            flight.ended(call.error or Interrupted("The call that this answer came by was ended."))
        if completed and call.caller_left:
            note(call, CallerLeft("The caller hung up before the end of the answer, which others were waiting for."))

    def _keep(self, call: Call, use: CacheUse, flight: Flight, head: Head) -> None:
        target, data = call.target, b"".join(flight.answer.pieces)
        assert target is not None
        if not is_sound(call, head, data):
            return
        now = self._clock.now()
        answer = CachedAnswer(
            format=FORMAT,
            kind="frames" if head.kind == "frames" else "body",
            dialect=head.dialect,
            whole=head.whole,
            content_type=head.content_type,
            data=data,
            stored_at=now,
            provider=target.provider,
            models=call.model_names,
            usage=call.usage,
            finish_reason=call.finish_reason,
            notes=call.receipt,
            constrained=head.constrained,
        )
        entry = CacheEntry(
            answer=pack(answer), models=answer.models, provider=answer.provider, expires_at=now + use.ttl_seconds
        )
        self._store.put(use.scope, use.key, entry, use.generation)


def _begun(call: Call, use: CacheUse, flight: Flight, reply: Reply) -> Pieces:
    """Puts the flight between the provider's bytes and the leader's reply."""
    target = call.target
    assert target is not None
    head = Head(
        kind="frames" if reply.frames is not None else "pieces" if reply.pieces is not None else "body",
        status=reply.status,
        content_type=reply.content_type,
        dialect=target.dialect if reply.frames is not None else reply.dialect,
        whole=reply.whole,
        headers=reply.headers,
        length=reply.length,
        cache_status=use.status,
        told={name: call.told[name] for name in (SCORE, KEY)} if use.status == "SEMANTIC" else {},
        models=call.model_names,
        notes=call.receipt,
        constrained=target.constrain_tools,
        usage=call.usage,
        finish_reason=call.finish_reason,
        error=call.error,
    )
    frames = reply.frames
    if frames is not None:
        assert isinstance(frames, Frames)
        opening = frames.opening
        pieces = flight.begin(head, frames.chunks, None if opening is None else opening.data)
        pieces.number = len(flight.answer.pieces)
        frames.chunks = pieces
    elif reply.pieces is not None:
        pieces = reply.pieces = flight.begin(head, reply.pieces, None)
    else:
        pieces = flight.begin(head, None, reply.body or b"")
    return pieces


def _may_have(call: Call, models: tuple[str, ...]) -> bool:
    """Whoever names a key of its own may name one of a model that it may not call."""
    return call.token is None or call.token.may_call(*models)


def _is_kept(call: Call, use: CacheUse, head: Head) -> bool:
    """Whether it is an answer, a whole one, and the provider's own."""
    return (
        use.status == "MISS"
        and use.keeps
        and head.status == 200  # any other says that something was done, or what this is a part of
        and all(name != b"content-encoding" or value == b"identity" for name, value in head.headers)
        and call.finish_reason in KEPT_REASONS
        and (head.kind == "frames" or _is_kept_type(head.content_type.decode("latin-1").lower()))
    )


def _is_kept_type(content_type: str) -> bool:
    return content_type.startswith(_KEPT_TYPES) and not content_type.startswith(_PAGE)


def _tell(call: Call, use: CacheUse, status: CacheStatus, age_seconds: float) -> None:
    use.status = status
    call.told[STATUS] = status.encode()
    call.told[AGE] = b"%d" % max(0, int(age_seconds))


def _tell_idle_ttl(call: Call) -> None:
    idle = Note(field="cache-ttl", fate="ignored", why="this gateway's cache is off")
    call.options = msgspec.structs.replace(call.options, notices=(*call.options.notices, idle))


def _nobody() -> None:
    """Nobody could join this one."""
