"""How much a gateway lets through: requests and tokens in a window, calls in flight (data-plane 9.2).

Two stages. `take` claims what the call needs of every limit that holds for it, or refuses it. `hold`, around all that
may fail, gives back what is claimed for a while, and says what was used in the end, however the call ends.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Sequence
from functools import partial

import msgspec

from isthmus.clock import Clock
from isthmus.core.call import Call
from isthmus.core.gateway import Gateway, GatewaySettings
from isthmus.core.rates.claim import LEASE_SECONDS, Claim, Standing, Taken, Ticket
from isthmus.core.rates.rules import Rule, SlugOf, rules_of
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, Stage
from isthmus.errors import RateLimited
from isthmus.storage.protocols import Counters, StorageError

logger = logging.getLogger("isthmus")

LIMIT = b"x-ratelimit-limit"
REMAINING = b"x-ratelimit-remaining"
RESET = b"x-ratelimit-reset"
TOLD = (LIMIT, REMAINING, RESET)

RENEW_SECONDS = LEASE_SECONDS / 3
GATEWAYS_MAX = 10_000
"""Whose limits are kept ready."""

TOKENS_MAX = 2**53
"""What a provider says beyond it is no count."""


class _Limits(msgspec.Struct, frozen=True):
    """Of one gateway. `claims`: where every call claims the same, else None. `leases`: whether any is in flight."""

    settings: GatewaySettings
    rules: tuple[Rule, ...]
    claims: tuple[Claim, ...] | None
    leases: bool


def limit_rate(counters: Counters, clock: Clock, slug_of: SlugOf) -> tuple[Stage, Stage]:
    """`hold`, and `take` behind it. `clock` is one that does not step."""
    limiter = _Limiter(counters, clock, slug_of)

    async def hold(call: Call, call_next: Handler) -> Reply:
        try:
            reply = await call_next(call)
        except BaseException:
            limiter.give_back(call)
            raise
        if _is_limited(call.gateway):  # not whether it has a ticket: in the background that comes after this
            reply.when_done(partial(limiter.give_back, call))
        return reply

    def take(call: Call, call_next: Handler) -> Awaitable[Reply]:
        return limiter.admitted(call, call_next) if _is_limited(call.gateway) else call_next(call)

    return hold, take


class _Limiter:
    """One a process. `_leased`: the tickets of calls in flight that count as such."""

    def __init__(self, counters: Counters, clock: Clock, slug_of: SlugOf) -> None:
        self._counters = counters
        self._clock = clock
        self._slug_of = slug_of
        self._limits: dict[tuple[str, str], _Limits] = {}
        self._leased: dict[str, Ticket] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def admitted(self, call: Call, call_next: Handler) -> Reply:
        assert call.gateway is not None
        limits = self._limits_of(call.gateway)
        claims = limits.claims
        if claims is None:
            claims = tuple([claim for rule in limits.rules if (claim := rule.claimed(call)) is not None])
        if call.ticket is not None:
            claims = self._carried(call, call.ticket, claims, limits.leases)
        elif LIMIT in call.told:  # a step before this one was refused, and its limit may be none of this one's
            call.told = {name: value for name, value in call.told.items() if name not in TOLD}
        if claims:
            taken = await self._counters.take(call.id, claims, self._clock.now())
            if taken.ticket is None:
                raise _refusal(call, limits, taken)
            held = call.ticket
            self._hold(
                call,
                taken.ticket if held is None else Ticket(id=held.id, claims=held.claims + taken.ticket.claims),
                limits.leases,
            )
            if taken.tightest is not None:
                _tell(call, taken.tightest)
        reply = await call_next(call)
        if reply.headers:  # a provider may have such too, and two of a name would be understood in two ways
            reply.headers = [line for line in reply.headers if line[0] not in TOLD]
        return reply

    def give_back(self, call: Call) -> None:
        ticket = call.ticket
        if ticket is None:
            return
        call.ticket = None
        if all([claim.measure == "requests" for claim in ticket.claims]):
            return  # these stay counted, whatever becomes of them
        self._leased.pop(ticket.id, None)
        usage = None if call.cached else call.usage
        tokens = None if usage is None or not 0 <= usage.total_tokens <= TOKENS_MAX else usage.total_tokens
        self._counters.settle(ticket, tokens, self._clock.now())

    def _limits_of(self, gateway: Gateway) -> _Limits:
        place = gateway.account_id, gateway.id
        limits = self._limits.get(place)
        if limits is None or limits.settings is not gateway.settings:
            rules = rules_of(gateway, self._slug_of)
            plain = tuple(rule.claim for rule in rules) if all(rule.is_plain for rule in rules) else None
            leases = any(rule.claim.measure == "in_flight" for rule in rules)
            limits = _Limits(gateway.settings, rules, plain, leases)
            if len(self._limits) >= GATEWAYS_MAX:
                self._limits.clear()
            self._limits[place] = limits
        return limits

    def _carried(self, call: Call, ticket: Ticket, claims: Sequence[Claim], leases: bool) -> tuple[Claim, ...]:
        """Of a call's further attempt what it does not hold yet: it counts once, whatever the number of its steps. What
        was for another model alone is given back."""
        wanted = {claim.key for claim in claims}
        held = {claim.key for claim in ticket.claims}
        over = tuple(claim for claim in ticket.claims if claim.key not in wanted)
        if over:
            self._counters.settle(Ticket(id=ticket.id, claims=over), None, self._clock.now())
            kept = tuple(claim for claim in ticket.claims if claim.key in wanted)
            self._hold(call, Ticket(id=ticket.id, claims=kept), leases)
        return tuple(claim for claim in claims if claim.key not in held)

    def _hold(self, call: Call, ticket: Ticket, leases: bool) -> None:
        call.ticket = ticket
        if not leases:
            return
        if any(claim.measure == "in_flight" for claim in ticket.claims):
            self._leased[ticket.id] = ticket
            if self._renewing is None:
                self._renewing = asyncio.get_running_loop().create_task(self._renew())
        else:
            self._leased.pop(ticket.id, None)

    async def _renew(self) -> None:
        """While any is held; it ends by itself a little after the last one."""
        try:
            while self._leased:
                await self._clock.sleep(RENEW_SECONDS)
                try:
                    await self._counters.renew(tuple(self._leased.values()), self._clock.now())
                except StorageError:
                    logger.exception("calls in flight were not said to go on")
        finally:
            self._renewing = None


def _is_limited(gateway: Gateway | None) -> bool:
    """Whether it may be."""
    return gateway is not None and bool(gateway.settings.rate_limiting_limit or gateway.settings.rate_limits)


def _refusal(call: Call, limits: _Limits, taken: Taken) -> RateLimited:
    refused = taken.refused
    assert refused is not None
    claim = refused.claim
    if taken.full:
        message = "Rate limited: more different values are being counted than there may be at a time."
        return RateLimited(message, retry_after=refused.reset_seconds)
    _tell(call, refused)
    scope = next(rule.scope for rule in limits.rules if claim.key.startswith(rule.claim.key))
    lets = f"this gateway lets through at most {_in_words(claim)}{scope}"
    if claim.amount > claim.limit:
        return RateLimited(f"Rate limited: {lets}, and this request alone has about {claim.amount} tokens.")
    return RateLimited(f"Rate limited: {lets}.", retry_after=refused.reset_seconds)


def _in_words(claim: Claim) -> str:
    if claim.measure == "in_flight":
        return f"{claim.limit} requests at a time"
    return f"{claim.limit} {claim.measure} in {claim.window_seconds} seconds"


def _tell(call: Call, standing: Standing) -> None:
    told = call.told
    told[LIMIT] = b"%d" % standing.claim.limit
    told[REMAINING] = b"%d" % standing.remaining
    told[RESET] = b"%d" % max(1, math.ceil(standing.reset_seconds))
