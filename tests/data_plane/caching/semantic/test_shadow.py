"""What is made of the checks, and how they end; and the vectors that a caller does not wait for."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from data_plane.caching.keyed import call_for
from isthmus.clock import SystemClock
from isthmus.core.attempt import Located
from isthmus.core.caching.answer import FORMAT, CachedAnswer, CacheScope
from isthmus.core.call import Call
from isthmus.core.reply import Reply
from isthmus.data_plane.caching.semantic.embedder import AT_ONCE, DIMENSIONS, LocalEmbedder
from isthmus.data_plane.caching.semantic.figures import SAMPLES_LEAST, Figures, threshold_for
from isthmus.data_plane.caching.semantic.shadow import CHECKS_AT_ONCE, Check, Shadows, cosine
from isthmus.data_plane.egress import Egress
from isthmus.data_plane.outbound.frames import Frames, LateReader
from isthmus.data_plane.send import EgressLimits
from isthmus.errors import Throttled, Unavailable
from isthmus.transport.protocol import UpstreamRequest
from isthmus.wire.registry import DIALECTS

SCOPE = CacheScope("account", "gateway")
ASKED = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "How long do I have?"}]}


def answered(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return msgspec.json.encode(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )


def vector(place: int, other: float = 0.0) -> bytes:
    numbers = [0.0] * DIMENSIONS
    numbers[place], numbers[-1] = (1 - other**2) ** 0.5, other
    return struct.pack(f"<{DIMENSIONS}f", *numbers)


class Vectors:
    """An `Embedder` that knows some texts."""

    def __init__(self, known: dict[str, bytes] | None) -> None:
        self._known = known

    async def embed(self, texts: Sequence[str]) -> list[bytes] | None:
        return None if self._known is None else [self._known[text] for text in texts]


class Stand:
    def __init__(self, vectors: Vectors) -> None:
        self.figures = Figures()
        egress = Egress(DIALECTS, EgressLimits())
        self.shadows = Shadows(egress.deliver, DIALECTS, vectors, self.figures)
        self.made: list[Call] = []

    def begin(self, given: str, real: Any) -> None:
        answer = CachedAnswer(
            format=FORMAT,
            kind="frames",
            dialect="openai_chat",
            whole=True,
            content_type=b"application/json",
            data=answered(given),
            stored_at=0.0,
            provider="openai",
            models=("openai/gpt-4o",),
        )

        async def ask(own: Call) -> Reply:
            self.made.append(own)
            if isinstance(real, asyncio.Event):
                await real.wait()
            if isinstance(real, Exception):
                raise real
            reply = Reply(200, content_type=b"application/json", dialect="openai_chat", whole=True)
            reply.frames = Frames(None, _pieces(answered(str(real))), LateReader(DIALECTS["openai_chat"], True))
            return reply

        self.shadows.begin(Check(call_for(ASKED), SCOPE, answer, 0.95), ask)

    async def checked(self, given: str, real: Any) -> tuple[int, int]:
        self.begin(given, real)
        for _ in range(50):
            await asyncio.sleep(0)
        figures = self.figures.of(SCOPE, 0)
        return figures.checked, figures.wrong


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_answers_that_say_the_same_agree() -> None:
    near = {"30 days.": vector(0), "you have 30 days.": vector(0, 0.3), "no idea.": vector(1)}
    stand = Stand(Vectors(near))
    assert await stand.checked("30 days.", "30  DAYS.") == (1, 0)
    assert await stand.checked("30 days.", "You have 30 days.") == (2, 0)
    assert await stand.checked("30 days.", "You have 60 days.") == (3, 1)  # no vectors are asked for
    assert await stand.checked("No idea.", "30 days.") == (4, 2)
    assert cosine(near["30 days."], near["no idea."]) == 0


async def test_what_cannot_be_told_is_no_sample() -> None:
    stand = Stand(Vectors(None))
    assert await stand.checked("a dog", "a cat") == (0, 0)
    assert await stand.checked("a dog", Throttled("Too many.", status=429)) == (0, 0)
    assert await stand.checked("a dog", ValueError("a mistake")) == (0, 0)
    assert await stand.checked("", "a dog") == (0, 0)
    own, first = stand.made[0], call_for(ASKED)
    assert own.id != first.id and own.event_id == own.id
    assert msgspec.json.decode(own.options.metadata or "") == {"isthmus-shadow-of": first.id}


async def test_few_at_a_time_and_none_when_all_ends() -> None:
    stand = Stand(Vectors({}))
    never = asyncio.Event()
    for _ in range(CHECKS_AT_ONCE + 3):
        stand.begin("a", never)
    await asyncio.sleep(0)
    assert len(stand.made) == CHECKS_AT_ONCE
    await stand.shadows.aclose()
    stand.begin("a", "a")
    await asyncio.sleep(0)
    assert len(stand.made) == CHECKS_AT_ONCE and stand.figures.of(SCOPE, 0).checked == 0


def test_the_threshold_that_would_do() -> None:
    right, wrong = True, False
    assert threshold_for(deque([(0.95, right)] * (SAMPLES_LEAST - 1))) is None
    assert threshold_for(deque([(0.95, right)] * SAMPLES_LEAST)) == 0.95
    mixed = [(0.98, right)] * 100 + [(0.96, right)] * 99 + [(0.96, wrong)] + [(0.94, wrong)] * 2
    assert threshold_for(deque(mixed)) == 0.96
    assert threshold_for(deque([*mixed, *[(0.90, right)] * 200])) == 0.90  # 3 of 402
    assert threshold_for(deque([(0.95, wrong)] * 300)) is None
    # those of one score stand and fall together
    assert threshold_for(deque([(0.95, right)] * 150 + [(0.95, wrong)] * 3)) is None


class Answer:
    complete = True

    def __init__(self, body: bytes) -> None:
        self.status = 200
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self._body = body
        self.closed = False

    def header(self, name: bytes) -> bytes | None:
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body

    async def aclose(self) -> None:
        self.closed = True


class Worker:
    """A `Transport` to a model that says what the test wants."""

    def __init__(self, *says: bytes | Exception | None) -> None:
        self._says = list(says)
        self.asked: list[Any] = []

    async def send(self, request: UpstreamRequest) -> Answer:
        assert isinstance(request.body, bytes)
        self.asked.append(msgspec.json.decode(request.body))
        said = self._says.pop(0)
        if isinstance(said, Exception):
            raise said
        return Answer(said or b"")

    async def aclose(self) -> None:
        pass


class Clock(SystemClock):
    def __init__(self) -> None:
        self.moment = 100.0

    def monotonic(self) -> float:
        return self.moment


async def locate() -> Located:
    return Located(url="http://127.0.0.1:1/v1/embeddings", headers=())


GOOD = msgspec.json.encode({"data": [{"embedding": base64.b64encode(vector(0)).decode()}]})


@pytest.mark.parametrize(
    "bad", [Unavailable("It died."), b"", b"{}", b'{"data":[]}', b'{"data":[{"embedding":"AAAA"}]}']
)
async def test_a_failing_model_is_left_alone_for_a_while(bad: bytes | Exception) -> None:
    clock, worker = Clock(), Worker(GOOD, bad, GOOD)
    embedder = LocalEmbedder(worker, locate, clock)
    assert await embedder.embed(["a"]) == [vector(0)]
    assert worker.asked[0] == {"input": ["a"], "encoding_format": "base64", "input_type": "query"}
    assert await embedder.embed(["a"]) is None
    assert await embedder.embed(["a"]) is None and len(worker.asked) == 2
    clock.moment += 11
    assert await embedder.embed(["a"]) == [vector(0)]


async def test_who_would_only_wait_goes_on_without() -> None:
    answers = asyncio.Event()

    async def start() -> Located:
        await answers.wait()
        return await locate()

    worker = Worker(*[GOOD] * AT_ONCE)
    embedder = LocalEmbedder(worker, start, Clock())
    waiting = [asyncio.ensure_future(embedder.embed(["a"])) for _ in range(AT_ONCE)]
    await asyncio.sleep(0)
    assert await embedder.embed(["a"]) is None
    answers.set()
    assert await asyncio.gather(*waiting) == [[vector(0)]] * AT_ONCE
