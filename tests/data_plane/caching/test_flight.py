"""One call to a provider and all who wait for the same answer: who is given what, and who goes on when others leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.core.call import Call, Endpoint
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane.caching.flight import Flight, Head
from isthmus.data_plane.caching.shared import SMALL_BYTES, Pieces, Room
from isthmus.errors import GatewayError, Interrupted, PolicyError, Unavailable
from isthmus.wire.registry import DIALECTS

HEAD = Head(kind="frames", status=200, content_type=b"text/event-stream", dialect="openai_chat", whole=False)


LATE = b"nobody may join any more"


class Source:
    """A provider that says what the test wants, when it wants it."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[bytes | GatewayError | None] = asyncio.Queue()
        self.waiting = 0

    def say(self, *pieces: bytes | GatewayError | None) -> None:
        for piece in pieces:
            self._said.put_nowait(piece)

    def __aiter__(self) -> Source:
        return self

    async def __anext__(self) -> bytes:
        self.waiting += 1
        assert self.waiting == 1, "two at once"
        try:
            piece = await self._said.get()
        finally:
            self.waiting -= 1
        if piece is None:
            raise StopAsyncIteration
        if isinstance(piece, GatewayError):
            raise piece
        return piece


class Stand:
    """A flight, its provider, and what became of the door."""

    def __init__(self, max_bytes: int = 1000, room: int = 10_000) -> None:
        self.room = Room(room)
        self.closed = 0
        self.flight = Flight(max_bytes, self.room, self._close)
        self.source = Source()
        self.tasks: list[asyncio.Task[Any]] = []

    def _close(self) -> None:
        self.closed += 1

    def run(self, work: Awaitable[Any]) -> asyncio.Task[Any]:
        self.tasks.append(asyncio.ensure_future(work))
        return self.tasks[-1]

    def lead(self, call: Call, answered: asyncio.Event | None = None) -> asyncio.Task[Any]:
        """A leader that waits for its provider's head until `answered`, and reads to the end."""

        async def work() -> bytes:
            self.flight.lead(call)
            try:
                if answered is not None:
                    await answered.wait()
            except BaseException as error:
                self.flight.failed(error)
                raise
            reader = self.flight.begin(HEAD, self.source, None)
            return await self._read(reader, leads=True)

        return self.run(work())

    def follow(self, call: Call) -> asyncio.Task[Any]:
        async def work() -> bytes | None:
            if self.closed:
                return LATE
            reader = await self.flight.join(call)
            return None if reader is None else await self._read(reader, leads=False)

        return self.run(work())

    async def _read(self, reader: Pieces, leads: bool) -> bytes:
        error: GatewayError | None = Interrupted("cancelled")
        try:
            data = b"".join([piece async for piece in reader])
            error = None
            return data
        except GatewayError as raised:
            error = raised
            raise
        finally:
            if leads:
                self.flight.ended(error)
            await reader.aclose()


def call() -> Call:
    endpoint = Endpoint(request_type="chat.completions", dialect="openai_chat", errors=DIALECTS["openai_chat"])
    snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=None)  # type: ignore[arg-type]  # unused
    return Call("1", endpoint, "a", "/", {}, snapshot)


async def turns(count: int = 5) -> None:
    """Lets every task go as far as it can."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_all_are_given_the_same_whenever_they_come() -> None:
    stand = Stand()
    answered = asyncio.Event()
    tasks = [stand.lead(call(), answered), stand.follow(call())]
    await turns()
    answered.set()
    stand.source.say(b"one ", b"two ")
    await turns()
    tasks.append(stand.follow(call()))
    stand.source.say(b"three", None)
    assert await asyncio.gather(*tasks) == [b"one two three"] * 3
    assert (stand.closed, stand.room.used) == (1, 0)


async def test_a_body_that_is_here_is_everybodys() -> None:
    stand = Stand()
    first, second = call(), call()
    stand.flight.lead(first)
    waiting = stand.follow(second)
    await turns()
    reader = stand.flight.begin(HEAD, None, b"all")
    assert [piece async for piece in reader] == [b"all"] and await waiting == b"all"


@pytest.mark.parametrize("error", [Unavailable("down"), Interrupted("cut")])
async def test_what_the_provider_did_is_told_to_all(error: GatewayError) -> None:
    stand = Stand()
    leader = call()
    stand.flight.lead(leader)
    waiting = [stand.follow(call()) for _ in range(3)]
    await turns()
    stand.flight.failed(error)
    raised = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in raised] == [type(error)] * 3
    assert len({id(each) for each in (error, *raised)}) == 4, "each says its own words of it"
    assert stand.closed == 1 and leader.held is None


async def test_what_is_the_leaders_own_is_not_the_others() -> None:
    stand = Stand()
    stand.flight.lead(call())
    waiting = [stand.follow(call()) for _ in range(3)]
    await turns()
    for turn in range(3):
        assert stand.closed == 0
        stand.flight.failed(PolicyError("limit"))
        await turns()
        assert [task.done() for task in waiting] == [True] * (turn + 1) + [False] * (2 - turn)
        assert waiting[turn].result() is None, "its turn to lead"
        stand.flight.lead(call())
    stand.flight.failed(PolicyError("limit"))
    assert stand.closed == 1


async def test_an_error_in_the_middle_is_everybodys() -> None:
    stand = Stand()
    tasks = [stand.lead(call()), stand.follow(call())]
    await turns()
    stand.source.say(b"one", Interrupted("cut"))
    raised = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in raised] == [Interrupted] * 2 and raised[0] is not raised[1]


async def test_the_leader_goes_on_for_others() -> None:
    stand = Stand()
    leader, answered = call(), asyncio.Event()
    leading = stand.lead(leader, answered)
    await turns()
    follower = call()
    following = stand.follow(follower)
    await turns()
    assert not leader.leave()
    answered.set()
    stand.source.say(b"one")
    await turns()
    assert not leader.leave()
    stand.source.say(None)
    assert await following == b"one" and await leading == b"one"
    assert leader.held is None


async def test_a_leader_that_leaves_alone_is_joined_by_nobody_any_more() -> None:
    stand = Stand()
    leader = call()
    stand.lead(leader)
    await turns()
    assert leader.leave() and stand.closed == 1


async def test_a_leader_that_left_ends_with_the_last_of_the_others() -> None:
    stand = Stand()
    leader, answered = call(), asyncio.Event()
    leading = stand.lead(leader, answered)
    following = [stand.follow(call()) for _ in range(2)]
    await turns()
    assert not leader.leave()
    following[0].cancel()
    await turns()
    assert not leading.done()
    following[1].cancel()
    await turns()
    assert leading.cancelled() and stand.closed == 1


async def test_who_takes_a_piece_for_others_stays_until_it_is_here() -> None:
    """The leader's caller reads slowly; a follower goes on by itself, and leaves in the midst of it."""
    stand = Stand()
    leader, follower, third = call(), call(), call()
    stand.flight.lead(leader)
    waiting = [stand.flight.join(follower), stand.flight.join(third)]
    joined = asyncio.gather(*waiting)
    await turns()
    slow = stand.flight.begin(HEAD, stand.source, None)
    quick, other = await joined
    assert quick is not None and other is not None
    reading = stand.run(anext(quick))
    also = stand.run(anext(other))
    await turns()
    assert follower.leave() is False, "it holds the provider's connection"
    assert third.leave() is True, "it only waits"
    stand.source.say(b"one")
    await asyncio.wait((reading, also))
    assert reading.cancelled() and also.result() == b"one"
    assert await anext(slow) == b"one"


async def test_a_follower_that_was_given_its_turn_and_left_hands_it_on() -> None:
    stand = Stand()
    stand.flight.lead(call())
    first, second = stand.follow(call()), stand.follow(call())
    await turns()
    stand.flight.failed(PolicyError("limit"))
    first.cancel()  # before it has seen that it is its turn
    assert await second is None


async def test_a_follower_that_was_given_the_answer_and_left() -> None:
    stand = Stand()
    leader = call()
    stand.flight.lead(leader)
    following = stand.follow(call())
    await turns()
    stand.flight.begin(HEAD, stand.source, None)
    assert leader.held is not None and leader.held()
    following.cancel()
    await asyncio.wait((following,))
    assert leader.leave(), "nobody waits any more"


async def test_a_long_answer_is_not_kept_and_goes_at_the_pace_of_the_slowest() -> None:
    stand = Stand(max_bytes=10)
    leader, follower = call(), call()
    stand.flight.lead(leader)
    joining = stand.run(stand.flight.join(follower))
    await turns()
    slow = stand.flight.begin(HEAD, stand.source, None)
    quick = await joining
    stand.source.say(*[b"12345678"] * 5, None)
    for _ in range(2):
        await anext(quick)
    assert stand.closed == 1 and stand.room.used == 0
    waits = stand.run(anext(quick))
    await turns()
    assert not waits.done(), "the other one has not had what is here"
    await anext(slow)
    await turns()
    assert not waits.done()
    await anext(slow)
    await waits
    for reader in (slow, quick, quick, slow, slow):
        reading = stand.run(anext(reader, None))
        await turns()
        assert len(stand.flight.answer.pieces) <= 1
    assert not reading.done() or reading.result() is not None


async def test_what_is_kept_for_joining_is_bounded_over_all() -> None:
    """But for so much of each as long answers of others must not push out."""
    piece = b"x" * SMALL_BYTES
    stand = Stand(max_bytes=10 * SMALL_BYTES, room=10)
    leading = stand.lead(call())
    stand.source.say(piece)
    await turns()
    assert stand.flight.answer.kept
    stand.source.say(b"!", None)
    assert await leading == piece + b"!"
    assert stand.closed == 1 and stand.room.used == 0 and not stand.flight.answer.kept


async def test_trailing_bytes_after_the_end_are_nobodys_error() -> None:
    stand = Stand()
    leader = call()
    stand.flight.lead(leader)
    reader = stand.flight.begin(HEAD, stand.source, None)
    follower = await stand.flight.join(call())
    assert follower is not None
    stand.source.say(b"all")
    assert await anext(reader) == b"all"
    assert await anext(follower) == b"all"
    more = stand.run(anext(follower, None))
    await turns()
    stand.flight.ended(None)  # the leader saw the answer's last event; its connection closes
    stand.source.say(Interrupted("left unread"))
    assert await more is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whoever_stays_has_everything(data: st.DataObject) -> None:
    """Any order of joining, reading, leaving and saying."""
    pieces = data.draw(st.lists(st.binary(min_size=1, max_size=9), max_size=8))
    max_bytes = data.draw(st.sampled_from([5, 30, 1000]))
    steps = data.draw(st.lists(st.sampled_from(["say", "join", "leave", "leader leaves", "turn"]), max_size=30))
    choices = data.draw(st.randoms(use_true_random=False))

    async def play() -> None:
        stand = Stand(max_bytes)
        leader = call()
        leading = stand.lead(leader)
        await turns(1)
        followers: list[tuple[Call, asyncio.Task[Any]]] = []
        left: set[asyncio.Task[Any]] = set()
        unsaid = [*pieces, None]
        for step in steps:
            if step == "say" and unsaid:
                stand.source.say(unsaid.pop(0))
            elif step == "join":
                follower = call()
                followers.append((follower, stand.follow(follower)))
            elif step == "leave" and followers:
                follower, task = choices.choice(followers)
                left.add(task)
                if follower.leave():
                    task.cancel()
            elif step == "leader leaves" and leader.leave():
                left.add(leading)
                leading.cancel()
            await turns(choices.randrange(3))
        stand.source.say(*unsaid)
        done = await asyncio.gather(leading, *(task for _, task in followers), return_exceptions=True)
        for task, result in zip((leading, *(task for _, task in followers)), done, strict=True):
            alone = leader.caller_left and all(task in left or task.result() == LATE for _, task in followers)
            if task not in left and result != LATE and not (task is leading and alone):
                assert result == b"".join(pieces)
        assert stand.room.used == 0 and stand.closed == 1

    asyncio.run(play())
