"""Limits at their stages: what a call claims, what it is refused with, and that all it holds is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from isthmus.core.attempt import Target
from isthmus.core.call import Call
from isthmus.core.chat.usage import Usage
from isthmus.core.gateway import DEFAULT_SETTINGS, RateLimits, RateRule, Selector
from isthmus.core.rates.claim import Ticket
from isthmus.core.reply import Reply
from isthmus.core.stage import Handler, compose
from isthmus.errors import InternalError, RateLimited, Unavailable
from isthmus.policies.limit_rate import RENEW_SECONDS, limit_rate
from isthmus.storage.memory.counters import CounterLimits, MemoryCounters
from isthmus.wire.body import Body

NOW = 1_800_000_000.0
PARTITION = Selector(mode="partition")
GPT = Target(provider="openai", model="gpt-5.5", name="openai/gpt-5.5", author_name="openai/gpt-5.5", dialect="x")
GROK = Target(provider="grok", model="grok-4", name="grok/grok-4", author_name="xai/grok-4", dialect="x")
LIMIT, REMAINING, RESET = b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"


def slug_of(provider: str) -> str:
    return {"xai": "grok"}.get(provider.lower(), provider.lower())


def only(*values: str) -> Selector:
    return Selector(mode="filter", values=values)


def rules(*given: RateRule) -> Any:
    return msgspec.structs.replace(DEFAULT_SETTINGS, rate_limits=RateLimits(enabled=True, rules=given))


def of_gateway(limit: int | None, interval: int | None, technique: Any = msgspec.UNSET) -> Any:
    return msgspec.structs.replace(
        DEFAULT_SETTINGS,
        rate_limiting_limit=limit,
        rate_limiting_interval=interval,
        rate_limiting_technique=technique,
    )


def rule(limit: int, kind: Any = "requests", window: int | None = 60, **more: Any) -> RateRule:
    if window is not None and kind != "in_flight":
        more["window"] = window
    return RateRule(limit=limit, limitType=kind, **more)


class WokenClock:
    """Time passes when a test says so, and for who sleeps when they are woken."""

    def __init__(self) -> None:
        self.time = NOW
        self.slept: list[float] = []
        self.sleepers: list[asyncio.Future[None]] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        woken = asyncio.get_running_loop().create_future()
        self.sleepers.append(woken)
        await woken
        self.time += seconds

    async def wake(self) -> None:
        await asyncio.sleep(0)
        sleepers, self.sleepers = self.sleepers, []
        for woken in sleepers:
            woken.set_result(None)
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> WokenClock:
    return WokenClock()


class Limited:
    """The two stages of one gateway, and calls through it."""

    def __init__(self, made: Any, clock: WokenClock, settings: Any, counters: MemoryCounters | None = None) -> None:
        self.made = made
        self.clock = clock
        self.gateway = made.gateway(settings=settings)
        self.hold, self.take = limit_rate(counters or MemoryCounters(), clock, slug_of)

    def call(self, target: Target = GPT, token: str | None = "t1", body: bytes = b"{}", **metadata: Any) -> Call:
        call: Call = self.made.call()
        call.gateway = self.gateway
        call.target, call.model = target, target.name
        call.token = None if token is None else self.made.token(id=token)
        call.body = Body(body)
        call.options = msgspec.structs.replace(call.options, metadata_values=metadata)
        return call

    async def through(self, call: Call, handler: Handler | None = None) -> Reply:
        return await compose((self.hold, self.take), handler or answered)(call)

    async def passes(self, call: Call, handler: Handler | None = None) -> bool:
        try:
            reply = await self.through(call, handler)
        except RateLimited:
            return False
        await reply.aclose()
        return True

    async def pass_of(self, count: int, make: Callable[[], Call]) -> int:
        return sum([await self.passes(make()) for _ in range(count)])


async def answered(call: Call) -> Reply:
    return Reply(200, content_type=b"application/json", dialect="openai_chat", whole=True, body=b"{}")


def used(tokens: int) -> Handler:
    async def handler(call: Call) -> Reply:
        call.usage = Usage(input_tokens=tokens, output_tokens=0)
        return await answered(call)

    return handler


def told(call: Call) -> list[int]:
    return [int(call.told[name]) for name in (LIMIT, REMAINING, RESET)]


@pytest.mark.parametrize("pair", [(0, 60), (None, None), (5, 0), (0, 0), (5, None)])
async def test_limit_0_and_window_0_are_no_limit(
    made: Any, clock: WokenClock, pair: tuple[int | None, int | None]
) -> None:
    limited = Limited(made, clock, of_gateway(*pair))
    assert await limited.pass_of(20, limited.call) == 20
    off = RateLimits(enabled=False, rules=(rule(1),))
    limited = Limited(made, clock, msgspec.structs.replace(DEFAULT_SETTINGS, rate_limits=off))
    assert await limited.pass_of(3, limited.call) == 3
    limited = Limited(made, clock, rules(rule(1, enabled=False)))
    assert await limited.pass_of(3, limited.call) == 3


@pytest.mark.parametrize("technique", ["fixed", "sliding", None, msgspec.UNSET])
async def test_30_31_the_gateways_own_limit(made: Any, clock: WokenClock, technique: Any) -> None:
    """`NOW` is a multiple of 60: the fixed window ends in 50 seconds, the first call leaves the sliding one in 60."""
    clock.time += 10
    limited = Limited(made, clock, of_gateway(2, 60, technique))
    reset = 60 if technique == "sliding" else 50
    first, second, third = limited.call(), limited.call(), limited.call()
    await limited.through(first)
    await limited.through(second)
    assert (told(first), told(second)) == ([2, 1, reset], [2, 0, reset])
    with pytest.raises(RateLimited) as caught:
        await limited.through(third)
    error = caught.value
    assert (error.status, error.code, error.retry_after) == (429, 2003, reset)
    assert error.message == "Rate limited: this gateway lets through at most 2 requests in 60 seconds."
    assert told(third) == [2, 0, reset]
    clock.time += reset - 0.25
    assert not await limited.passes(limited.call())
    clock.time += 0.25
    assert await limited.passes(limited.call())


@pytest.mark.parametrize("setting", ["fixed", "sliding", "tokens", "in_flight", "partition"])
async def test_1000_callers_at_once_exactly_the_limit_is_admitted(made: Any, clock: WokenClock, setting: str) -> None:
    settings = {
        "fixed": of_gateway(100, 60, "fixed"),
        "sliding": of_gateway(100, 60, "sliding"),
        "tokens": rules(rule(500, "tokens", technique="sliding")),
        "in_flight": rules(rule(100, "in_flight")),
        "partition": rules(rule(10, metadata={"user": PARTITION}), rule(5000)),
    }[setting]
    limited = Limited(made, clock, settings)
    go = asyncio.Event()

    async def slow(call: Call) -> Reply:
        await go.wait()
        return await answered(call)

    async def caller(number: int) -> bool:
        call = limited.call(body=b'{"x": "0123456789ab"}', user=number % 10)  # 21 bytes: 5 tokens
        return await limited.passes(call, slow)

    callers = [asyncio.create_task(caller(number)) for number in range(1000)]
    await asyncio.wait(callers, return_when=asyncio.FIRST_COMPLETED)
    go.set()
    assert sum(await asyncio.gather(*callers)) == 100


# What is counted.


async def test_each_token_has_its_own_and_strangers_one(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(2, token=PARTITION)))
    for token in ("t1", "t2", None):
        assert await limited.pass_of(3, lambda token=token: limited.call(token=token)) == 2  # type: ignore[misc]
    limited = Limited(made, clock, rules(rule(1, token=only("t1", "anonymous"))))
    assert await limited.pass_of(3, lambda: limited.call(token="t2")) == 3
    assert [await limited.passes(limited.call(token=token)) for token in ("t1", None)] == [True, False]  # one counter
    with pytest.raises(RateLimited, match="at most 1 requests in 60 seconds for this token\\."):
        await limited.through(limited.call())


async def test_each_value_of_metadata_has_its_own(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(1, metadata={"user": PARTITION, "plan": only("7", "true")})))
    ways: list[dict[str, Any]] = [{"user": "a"}, {"user": 5}, {"user": True}, {"user": 1.5}, {"user": "x" * 9000}]
    for way in ways:
        assert await limited.pass_of(2, lambda way=way: limited.call(plan=7, **way)) == 1, way  # type: ignore[misc]
    assert not await limited.passes(limited.call(plan="7", user="5"))  # text and number are one value
    assert not await limited.passes(limited.call(plan=True, user="true"))
    for outside in ({"user": "a"}, {"plan": 7}, {"plan": 7, "user": None}, {"plan": "no", "user": "a"}, {}):
        assert await limited.pass_of(3, lambda outside=outside: limited.call(**outside)) == 3, outside  # type: ignore[misc]
    with pytest.raises(RateLimited, match="for each metadata `user` and this metadata `plan`"):
        await limited.through(limited.call(plan=7, user="a"))


async def test_values_that_could_be_taken_for_one_another(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(1, metadata={"a": PARTITION, "b": PARTITION})))
    pairs = [("x", "yz"), ("xy", "z"), ("x/y", "z"), ("x", "y/z"), ('x","y', "z"), ("x", 'y","z')]
    assert [await limited.passes(limited.call(a=a, b=b)) for a, b in pairs] == [True] * len(pairs)


@pytest.mark.parametrize(
    ("selector", "counts_gpt", "counts_grok"),
    [
        ({"model": only("OpenAI/gpt-5.5")}, True, False),
        ({"model": only("openai/gpt-5-5")}, True, False),
        ({"model": only("OpenAI/GPT-5-*")}, True, False),
        ({"model": only("xai/grok-4")}, False, True),
        ({"model": only("grok/*", "x")}, False, True),
        ({"provider": only("xai", "elsewhere")}, False, True),
        ({"provider": only("openai"), "model": only("openai/o*")}, False, False),
    ],
)
async def test_models_and_providers(
    made: Any, clock: WokenClock, selector: Any, counts_gpt: bool, counts_grok: bool
) -> None:
    for target, counts in ((GPT, counts_gpt), (GROK, counts_grok)):
        limited = Limited(made, clock, rules(rule(1, **selector)))
        assert await limited.pass_of(2, lambda target=target, limited=limited: limited.call(target)) == 2 - counts  # type: ignore[misc]


async def test_each_model_has_its_own_and_a_path_that_names_none_is_not_counted(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(1, model=PARTITION)))
    unnamed = msgspec.structs.replace(GPT, name="")
    assert [await limited.pass_of(2, lambda t=t: limited.call(t)) for t in (GPT, GROK, unnamed)] == [1, 1, 2]  # type: ignore[misc]


async def test_all_limits_hold_and_what_one_refuses_the_others_do_not_count(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(4), rule(1, token=PARTITION), rule(9, window=3600)))
    assert [await limited.passes(limited.call(token=token)) for token in "aaabbbcdef"] == [
        *(True, False, False, True, False, False, True, True, False, False)
    ]
    call = limited.call(token="a")
    clock.time += 60
    await limited.through(call)
    assert told(call)[:2] == [1, 0]  # the smallest share left


async def test_the_same_rules_written_anew_go_on_counting(made: Any, clock: WokenClock) -> None:
    """As they are after each `PUT`, and each time isthmus.toml is read, with ids made anew; a limit may change."""
    limited = Limited(made, clock, rules(rule(2, token=PARTITION, id="one")))
    assert await limited.pass_of(2, limited.call) == 2
    limited.gateway = made.gateway(settings=rules(rule(3, token=PARTITION, id="two"), rule(7, token=PARTITION, id="x")))
    assert await limited.pass_of(3, limited.call) == 1
    limited.gateway = made.gateway("another", settings=rules(rule(3, token=PARTITION, id="two")))
    assert await limited.pass_of(4, limited.call) == 3


# Tokens.


@pytest.mark.parametrize("technique", ["fixed", "sliding"])
async def test_tokens_are_estimated_and_then_what_was_used(made: Any, clock: WokenClock, technique: Any) -> None:
    limited = Limited(made, clock, rules(rule(100, "tokens", technique=technique)))
    body = b'{"input": "%s"}' % (b"a b " * 40)  # 43 tokens
    first = limited.call(body=body)
    reply = await limited.through(first, used(90))
    assert told(first)[:2] == [100, 57]
    second = limited.call(body=body)
    await limited.through(second, used(0))  # beside it: what the first used is not known yet
    await reply.aclose()
    assert not await limited.passes(limited.call())
    third = limited.call()
    with pytest.raises(RateLimited, match="at most 100 tokens in 60 seconds\\."):
        await limited.through(third)
    assert told(third)[:2] == [100, 0]


async def test_usage_that_is_not_known_or_no_count_leaves_the_estimate(made: Any, clock: WokenClock) -> None:
    for usage in (None, Usage(input_tokens=-5, output_tokens=1), Usage(input_tokens=2**60, output_tokens=0)):
        limited = Limited(made, clock, rules(rule(100, "tokens")))

        async def handler(call: Call, usage: Usage | None = usage) -> Reply:
            call.usage = usage
            return await answered(call)

        assert await limited.passes(limited.call(body=b'{"a": "%s"}' % (b"a b " * 10)), handler)
        after = limited.call()
        await limited.through(after)
        assert told(after)[:2] == [100, 87]  # 12, and at least 1


async def test_a_prompt_above_the_whole_limit_is_told_so_and_files_are_no_text(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(100, "tokens")))
    with pytest.raises(RateLimited) as caught:
        await limited.through(limited.call(body=b'{"a": "%s"}' % (b"word " * 200)))
    assert "and this request alone has about 252 tokens" in caught.value.message
    assert caught.value.retry_after is None  # waiting does not help
    picture = b'{"text": "What is it?", "image_url": "data:image/png;base64,%s"}' % (b"QUJD" * 5000)
    call = limited.call(body=picture)
    await limited.through(call)
    assert told(call)[:2] == [100, 90]


async def test_a_body_that_is_not_read_passes_when_nothing_else_does(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(100, "tokens")))

    def upload(size: int) -> Call:
        call = limited.call()
        call.body, call.request_size = None, size
        return call

    assert [await limited.passes(upload(size)) for size in (0, 4_000_000)] == [True, False]
    clock.time += 60
    assert [await limited.passes(upload(size)) for size in (4_000_000, 0)] == [True, False]


# In flight, and the end of calls.


async def test_a_call_in_flight_is_over_before_its_callers_last_byte(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(1, "in_flight")))
    for _ in range(3):
        call = limited.call()
        reply = await limited.through(call)
        assert call.told == {}  # it is in no window
        refused = limited.call()
        with pytest.raises(RateLimited, match="at most 1 requests at a time") as caught:
            await limited.through(refused)
        assert caught.value.retry_after == 1 and told(refused) == [1, 0, 1]
        reply.done()
        await reply.aclose()


@pytest.mark.parametrize("error", [Unavailable("No."), InternalError("No."), ValueError(), asyncio.CancelledError()])
async def test_a_call_that_fails_is_over(made: Any, clock: WokenClock, error: BaseException) -> None:
    limited = Limited(made, clock, rules(rule(1, "in_flight")))

    async def failing(call: Call) -> Reply:
        raise error

    for _ in range(3):
        with pytest.raises(type(error)):
            await limited.through(limited.call(), failing)


async def test_an_answer_that_is_never_sent_is_over_when_it_is_closed(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(1, "in_flight")))
    reply = await limited.through(limited.call())
    assert not await limited.passes(limited.call())
    await reply.aclose()
    assert await limited.passes(limited.call())


async def test_what_takes_its_ticket_after_the_answer_gives_it_back(made: Any, clock: WokenClock) -> None:
    """As a background call does: the rest of its way comes after its caller was answered."""
    limited = Limited(made, clock, rules(rule(1, "in_flight")))
    call = limited.call()
    front = await limited.hold(call, answered)
    await limited.take(call, answered)
    assert not await limited.passes(limited.call())
    front.done()
    assert await limited.passes(limited.call())


class Attempts:
    """Steps of one call: each asks for a target, and fails but for the last one."""

    def __init__(self, limited: Limited, *targets: Target) -> None:
        self._limited = limited
        self._targets = targets

    async def __call__(self, call: Call) -> Reply:
        for target in self._targets:
            call.target, call.model = target, target.name
            reply = await self._limited.take(call, answered)
        return reply

    async def made(self) -> Call:
        call = self._limited.call()
        reply = await self._limited.hold(call, self)
        await reply.aclose()
        return call


async def test_steps_count_once(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(3), rule(2, "in_flight"), rule(90, "tokens")))
    call = await Attempts(limited, GPT, GROK, GROK, GPT).made()
    assert told(call)[:2] == [3, 2]
    assert await limited.pass_of(3, limited.call) == 2


async def test_a_step_that_no_limit_holds_for_tells_nothing_of_the_refused_one_before_it(
    made: Any, clock: WokenClock
) -> None:
    limited = Limited(made, clock, rules(rule(1, "in_flight", model=only("openai/*"))))
    await limited.take(limited.call(), answered)
    call = limited.call()
    with pytest.raises(RateLimited):
        await limited.take(call, answered)
    assert REMAINING in call.told
    call.target, call.model = GROK, GROK.name
    await limited.take(call, answered)
    assert not call.told


async def test_a_step_for_a_model_with_a_limit_of_its_own_takes_of_that_too(made: Any, clock: WokenClock) -> None:
    """Else a first step that fails would be a way around it. What the step before held alone is given back."""
    of_grok, of_gpt = rule(1, model=only("xai/grok-4")), rule(1, "in_flight", model=only("openai/*"))
    limited = Limited(made, clock, rules(rule(9), of_grok, of_gpt))
    first = Attempts(limited, GPT, GROK)

    async def both(call: Call) -> Reply:
        reply = await first(call)
        assert await limited.passes(limited.call(GPT))  # the failed step is not in flight any more
        return reply

    assert await limited.passes(limited.call(), lambda call: limited.hold(call, both))
    with pytest.raises(RateLimited, match="1 requests in 60 seconds for this model"):
        await first.made()
    assert await limited.passes(limited.call(GPT))  # what the refused call held is given back


async def test_leases_are_renewed_while_any_is_held_and_no_longer(made: Any, clock: WokenClock) -> None:
    counters = Renewed()
    limited = Limited(made, clock, rules(rule(3, "in_flight")), counters)
    first, second = limited.call(), limited.call()
    replies = [await limited.through(call) for call in (first, second)]
    for _ in range(5):  # far beyond a lease
        await clock.wake()
    assert [sorted(ticket.id for ticket in each) for each in counters.renewed] == [sorted((first.id, second.id))] * 5
    assert [await limited.passes(limited.call()), clock.slept] == [True, [RENEW_SECONDS] * 6]
    await replies[0].aclose()
    await clock.wake()
    assert [ticket.id for ticket in counters.renewed[-1]] == [second.id]
    await replies[1].aclose()
    await clock.wake()
    assert clock.sleepers == []  # nobody is waiting for the next time
    reply = await limited.through(limited.call())
    await clock.wake()
    assert len(clock.sleepers) == 1
    await reply.aclose()
    await clock.wake()


class Renewed(MemoryCounters):
    """Notes whose leases are renewed."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed: list[Sequence[Ticket]] = []

    async def renew(self, tickets: Sequence[Ticket], now: float) -> None:
        if tickets:
            self.renewed.append(tickets)
        await super().renew(tickets, now)


# Answers.


async def test_a_providers_own_headers_of_these_names_are_not_given(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, of_gateway(5, 60))

    async def handler(call: Call) -> Reply:
        reply = await answered(call)
        reply.headers = [(REMAINING, b"999"), (b"x-request-id", b"theirs")]
        return reply

    reply = await limited.through(limited.call(), handler)
    assert reply.headers == [(b"x-request-id", b"theirs")]


async def test_more_values_than_can_be_counted(made: Any, clock: WokenClock) -> None:
    limited = Limited(
        made, clock, rules(rule(9, metadata={"user": PARTITION})), MemoryCounters(CounterLimits(counters=6))
    )
    assert [await limited.passes(limited.call(user=user)) for user in "aabbcab"] == [
        *(True, True, True, True, False, True, True)
    ]
    with pytest.raises(RateLimited, match="more different values are being counted") as caught:
        await limited.through(limited.call(user="d"))
    assert caught.value.retry_after == 60


async def test_no_key_holds_what_a_caller_said(made: Any, clock: WokenClock) -> None:
    limited = Limited(made, clock, rules(rule(9, metadata={"user": PARTITION}, token=PARTITION)))
    call = limited.call(token="token-id", user="ada@example.com" * 100)
    await limited.through(call)
    assert call.ticket is not None
    (claim,) = call.ticket.claims
    assert len(claim.key) < 200 and "ada" not in claim.key and "token-id" not in claim.key
