"""`reply.when_ending`: what has to be kept is kept before the caller can have seen the end, and harms nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from data_plane import spoken
from data_plane.callers import CALLERS, GEMINI
from isthmus.clock import SystemClock
from isthmus.core.attempt import Target
from isthmus.core.call import Call, CallOptions
from isthmus.core.chat.request import Chat
from isthmus.core.ids import uuid7
from isthmus.core.reply import Frame, Reply
from isthmus.core.snapshot import Snapshot
from isthmus.data_plane import send
from isthmus.data_plane.egress import Egress
from isthmus.data_plane.routes import GENERATE, POST
from isthmus.data_plane.runs.store import RunLimits, RunStore
from isthmus.data_plane.send import EgressLimits
from isthmus.providers.models import ModelTable
from isthmus.wire.body import Body
from isthmus.wire.registry import DIALECTS

PATHS = {"openai_chat": "v1/chat/completions", "openai_responses": "v1/responses", "anthropic_messages": "v1/messages"}


class Watched:
    """A call, and in which order things happen to it."""

    def __init__(self, dialect: str, stream: bool, *, relay: bool = True, cut: int | None = None) -> None:
        snapshot = Snapshot(version=1, accounts={}, tokens={}, gateways={}, models=ModelTable({}, {}))
        endpoint = GENERATE["generateContent"] if dialect == GEMINI else POST[PATHS[dialect]]
        self.call = call = Call(uuid7(), endpoint, "a", "/ai/x", {}, snapshot)
        call.target = Target(provider="p", model="m", name="p/m", dialect=dialect, relay=relay)
        call.chat, call.stream = Chat(model="p/m", messages=()), stream
        self.order: list[str] = []
        self.status = 0
        self.given = b""
        self.expected = spoken.stream(dialect, "One ", "two.") if stream else [spoken.whole(dialect, "One two.")]
        self.reply = Reply(
            200,
            content_type=spoken.content_type(dialect, stream).encode(),
            dialect=dialect,
            whole=not stream,
            frames=self._frames(dialect, stream, cut),
        )
        self.reply.when_done(lambda: self.order.append(f"row {call.end}"))

    async def _frames(self, dialect: str, stream: bool, cut: int | None) -> AsyncIterator[Frame]:
        reader = DIALECTS[dialect].reader(not stream)
        for event in self.expected[:cut]:
            yield Frame(event, reader)
        if cut is None:
            yield Frame(b"", reader, last=True)

    async def kept(self) -> None:
        known = self.call.answer.known()  # a whole answer of chat has metadata of ours behind its own
        assert known.startswith(b"".join(self.expected)[:-1]) and self.call.usage is not None
        self.order.append(f"kept {self.call.end}")

    async def respond(self, status: int, headers: Any, body: bytes, more_body: bool = False) -> None:
        self.status = status
        await self.pass_on(body, more_body)

    async def pass_on(self, body: bytes, more_body: bool = True) -> None:
        self.given += body
        if more_body and self.given == b"".join(self.expected):
            self.order.append("all")
        if not more_body:
            self.order.append("end")


async def deliver(watched: Watched) -> None:
    await Egress(DIALECTS, EgressLimits()).deliver(watched.call, watched.reply, watched)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", CALLERS)
async def test_before_the_row_and_before_the_last_byte(dialect: str, stream: bool) -> None:
    watched = Watched(dialect, stream)
    watched.reply.when_ending(watched.kept)
    await deliver(watched)
    kept = ["kept completed", "row completed"]
    if not stream:
        assert watched.order == [*kept, "end"]
    elif dialect == GEMINI:  # whose streams have no last event
        assert watched.order == ["all", *kept, "end"]
    else:
        assert watched.order == [*kept, "all", "end"]


@pytest.mark.parametrize("dialect", CALLERS)
async def test_only_where_the_answer_ended_well(dialect: str) -> None:
    watched = Watched(dialect, True, cut=2)
    watched.reply.when_ending(watched.kept)
    await deliver(watched)
    assert "kept completed" not in watched.order and watched.call.end == "interrupted"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("hangs", [False, True])
async def test_what_goes_wrong_in_it_harms_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, stream: bool, hangs: bool
) -> None:
    monkeypatch.setattr(send, "ENDING_SECONDS", 0.01)
    watched = Watched("openai_chat", stream)

    async def fail() -> None:
        if hangs:
            await asyncio.Event().wait()
        raise ZeroDivisionError

    watched.reply.when_ending(fail)
    await deliver(watched)
    assert [each for each in watched.order if each != "all"] == ["row completed", "end"]
    (record,) = [record for record in caplog.records if record.name == "isthmus"]
    assert "was not" in record.getMessage()


async def test_a_request_that_cannot_be_read_again_is_no_silence(tmp_path: Path) -> None:
    """A mistake of ours on the way to a run is answered, not waited for."""
    watched = Watched("openai_chat", True, relay=False)
    watched.call.chat, watched.call.body = None, Body(b'{"model": "m", "messages": 5}')
    watched.call.options = CallOptions(resumable=True)
    runs = RunStore(tmp_path / "runs", RunLimits(), DIALECTS, SystemClock())
    await Egress(DIALECTS, EgressLimits(), runs, "asked").deliver(watched.call, watched.reply, watched)
    assert watched.status == 400 and watched.order[-1] == "end"
    assert list((tmp_path / "runs").iterdir()) == []
