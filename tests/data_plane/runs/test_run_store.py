"""Runs without a gateway around them: their files, their bounds, their readers, and time as the test makes it."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_plane import spoken
from data_plane.callers import CALLERS, GEMINI, complete, in_band
from isthmus.core.ids import uuid7
from isthmus.data_plane.runs.file import RunFile, RunHead
from isthmus.data_plane.runs.run import READ_BYTES, Run
from isthmus.data_plane.runs.store import RunLimits, RunStore
from isthmus.errors import Busy
from isthmus.wire.framing.sse import event_ends
from isthmus.wire.registry import DIALECTS

LIFE_SECONDS = 330.0
TEXTS = ("One ", "two ", "three.")


class FakeClock:
    """`sleep` waits until `pass_by` has let so much time go."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._moved = asyncio.Event()

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        until = self.time + seconds
        while self.time < until:
            await self._moved.wait()

    def pass_by(self, seconds: float) -> None:
        self.time += seconds
        self._moved.set()
        self._moved = asyncio.Event()


class House:
    """A directory, and the stores that open it one after the other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "runs"
        self.clock = FakeClock()

    def store(self, **limits: Any) -> RunStore:
        return RunStore(self.directory, RunLimits(life_seconds=LIFE_SECONDS, **limits), DIALECTS, self.clock)

    def files(self) -> list[Path]:
        return sorted(self.directory.iterdir()) if self.directory.exists() else []


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def head_of(dialect: str = "openai_chat", account_id: str = "a") -> RunHead:
    return RunHead(
        id=uuid7(),
        account_id=account_id,
        gateway_id="default",
        dialect=dialect,
        model="m",
        content_type="text/event-stream",
        created_at=1.0,
    )


async def filled(store: RunStore, *events: bytes, ended: bool = True, head: RunHead | None = None) -> Run:
    run = store.begin(head or head_of())
    assert run is not None
    await run.respond(200, [], b"", True)
    for event in events:
        await run.pass_on(event)
    if ended:
        await run.pass_on(b"", False)
    return run


async def all_of(run: Run | None, blocks: int = 0) -> bytes | None:
    if run is None:
        return None
    async with aclosing(run.pieces()) as pieces:
        if not await pieces.skip(blocks):
            return None
        return b"".join([piece async for piece in pieces])


async def test_a_run_lives_so_long_after_its_end(house: House) -> None:
    store = house.store()
    store.start()
    running = await filled(store, b"data: 1\n\n", ended=False)
    ended = await filled(store, b"data: 1\n\n")
    house.clock.pass_by(LIFE_SECONDS - 1)
    assert await all_of(store.find("a", ended.head.id)) == b"data: 1\n\n"
    assert store.find("b", ended.head.id) is None
    await running.pass_on(b"data: 2\n\n", False)
    house.clock.pass_by(1)
    assert store.find("a", ended.head.id) is None
    await asyncio.sleep(0)
    store.sweep()
    assert [path.stem for path in house.files()] == [running.head.id]
    house.clock.pass_by(LIFE_SECONDS - 1)
    for _ in range(3):  # the store's own sweep
        await asyncio.sleep(0)
    assert house.files() == [] and store.find("a", running.head.id) is None
    await store.aclose()


async def test_one_who_reads_what_expires_reads_on(house: House) -> None:
    store = house.store()
    ended = await filled(store, *[b"data: %060000d\n\n" % number for number in range(4)])
    found = store.find("a", ended.head.id)
    assert found is not None
    async with aclosing(found.pieces()) as pieces:
        first = await anext(pieces)
        house.clock.pass_by(LIFE_SECONDS)
        store.sweep()
        rest = [piece async for piece in pieces]
    assert house.files() == [] and len(first + b"".join(rest)) == 4 * 60_008


async def test_time_goes_on_over_a_restart(house: House) -> None:
    ended = await filled(house.store(), b"data: 1\n\n")
    house.clock.pass_by(LIFE_SECONDS - 1)
    store = house.store()
    store.start()
    assert await all_of(store.find("a", ended.head.id)) == b"data: 1\n\n"
    assert store.find("b", ended.head.id) is None
    house.clock.pass_by(1)
    assert store.find("a", ended.head.id) is None
    await store.aclose()
    again = house.store()
    again.start()
    assert house.files() == []
    await again.aclose()


@pytest.mark.parametrize("torn", [0, 1, 7])
@pytest.mark.parametrize("dialect", CALLERS)
async def test_what_a_dead_process_left(house: House, dialect: str, torn: int) -> None:
    events = spoken.stream(dialect, *TEXTS)
    for count in range(1, len(events) + 1):
        whole = b"".join(events[:count])
        run = await filled(house.store(), whole, events[0][:torn], ended=False, head=head_of(dialect))
        store = house.store()
        store.start()
        found = await all_of(store.find("a", run.head.id))
        await store.aclose()
        assert found is not None and found.startswith(whole)
        if count == len(events) and dialect != GEMINI:  # whose streams have no last event
            assert found == whole and complete(dialect, found.decode())
        else:
            assert "stopped" in in_band(dialect, found.decode())
            assert await all_of(house_found(house, run.head.id)) == found  # and stays so
            assert await all_of(house_found(house, run.head.id), count) == found[len(whole) :]


def house_found(house: House, run_id: str) -> Run | None:
    store = house.store()
    store.start()
    store._sweeping.cancel()
    return store.find("a", run_id)


@pytest.mark.parametrize("content", [b"", b"{", b"{}\n", b'{"seal":"xx","head":{}}\n', b"\x00" * 5000, b"half"])
async def test_files_that_are_no_runs(house: House, content: bytes) -> None:
    house.directory.mkdir()
    name = uuid7()
    (house.directory / f"{name}.run").write_bytes(content)
    (house.directory / "notes.txt").write_bytes(b"an operator's own")
    store = house.store()
    store.start()
    assert store.find("a", name) is None
    assert [path.name for path in house.files()] == ["notes.txt"]
    await store.aclose()


async def test_a_head_cut_anywhere(house: House) -> None:
    run = await filled(house.store(), b"data: 1\n\n", ended=False)
    (path,) = house.files()
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        store = house.store()
        store.start()
        assert store.find("a", run.head.id) is None and house.files() == []
        await store.aclose()


async def test_a_seal_cut_anywhere(house: House) -> None:
    run = await filled(house.store(), b"data: 1\n\n", b"data: [DONE]\n\n")
    (path,) = house.files()
    content = path.read_bytes()
    end = content.index(b"data: [DONE]\n\n") + len(b"data: [DONE]\n\n")
    for size in range(end, len(content) + 1):
        path.write_bytes(content[:size])
        store = house.store()
        store.start()
        assert await all_of(store.find("a", run.head.id)) == b"data: 1\n\ndata: [DONE]\n\n"
        await store.aclose()


async def test_no_more_than_there_may_be(house: House) -> None:
    store = house.store(max_runs=2)
    await filled(store, b"data: 1\n\n")
    await filled(store, b"data: 1\n\n", ended=False)
    assert store.begin(head_of()) is None
    house.clock.pass_by(LIFE_SECONDS)
    assert store.begin(head_of()) is not None  # what has expired makes room
    assert store.begin(head_of()) is None
    assert len(house.files()) == 2


async def test_tasks_without_a_connection(house: House) -> None:
    store = house.store(max_runs=1)
    begun, cancelled = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    task = store.detach(work())
    with pytest.raises(Busy):
        store.detach(work())
    assert store.begin(head_of()) is None
    await store.drain(0.0)
    await store.aclose()
    assert task.cancelled() and cancelled == [True] and begun.is_set()


async def test_a_disk_that_fills_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    store = house.store()
    run = await filled(store, b"data: 1\n\n", ended=False)
    async with aclosing(run.pieces()) as pieces:
        write = os.write
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:3]))  # it takes the beginning
        passing = asyncio.ensure_future(_pass(run, b"data: 2\n\n", b"data: 3\n\n"))
        await asyncio.sleep(0)
        assert not run.kept and store.find("a", run.head.id) is None and house.files() == []
        assert b"".join([piece async for piece in pieces]) == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
        await passing


async def _pass(run: Run, *pieces: bytes) -> None:
    for piece in pieces:
        await run.pass_on(piece)
    await run.pass_on(b"", False)


async def test_background_runs_are_not_stopped_by_who_leaves(house: House) -> None:
    store = house.store(away="stop")
    run = store.begin(head_of(), background=True)
    assert run is not None
    caller = type("Caller", (), {"caller_left": False})()
    task = store.detach(asyncio.Event().wait())  # type: ignore[arg-type]
    run.driven(task, caller)
    async with aclosing(run.pieces()):
        pass
    assert not task.cancelling()
    await store.aclose()
    assert task.cancelled() and caller.caller_left is False


BLOCK = st.sampled_from(
    [b"data: a\n\n", b"data: b\r\n\r\n", b": c\n\n", b"\n\n", b"data: d\ndata: e\n\n", b"data: f\r\r"]
)


@settings(deadline=None, max_examples=60)
@given(blocks=st.lists(BLOCK, max_size=12), long=st.integers(0, 3), kept=st.integers(0, 6))
async def test_readers_get_every_byte_once(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes], long: int, kept: int
) -> None:
    """Whenever they begin, however long events are, and wherever a run stops being kept."""
    house = House(tmp_path_factory.mktemp("runs"))
    blocks = [*blocks, *[b"data: " + b"x" * READ_BYTES * number + b"\n\n" for number in range(long)]]
    whole = b"".join(blocks)
    run = house.store(max_bytes=len(b"".join(blocks[:kept])) or 1).begin(head_of())
    assert run is not None
    await run.respond(200, [], b"", True)

    async def read(pieces: Any) -> bytes:
        async with aclosing(pieces):
            return b"".join([piece async for piece in pieces])

    readers = [asyncio.ensure_future(read(run.pieces()))]
    offset = 0
    for block in blocks:
        if run.kept:
            readers.append(asyncio.ensure_future(read(run.pieces(offset))))
        await run.pass_on(block)
        offset += len(block)
    await run.pass_on(b"", False)
    read_by = [await reader for reader in readers]
    assert read_by[0] == whole
    assert all(whole.endswith(each) for each in read_by)


@given(blocks=st.lists(BLOCK, max_size=30), data=st.data())
def test_where_events_end(blocks: list[bytes], data: st.DataObject) -> None:
    """What stands behind a whole number of events begins with one, and all of them are found."""
    whole = b"".join(blocks)
    ends = list(event_ends(whole))
    assert ends == sorted(set(ends)) and all(0 < end <= len(whole) for end in ends)
    if blocks and b"\r" not in whole:
        assert len(ends) == whole.count(b"\n\n") and ends[-1] == len(whole)
    if ends:
        cut = data.draw(st.sampled_from(ends))
        assert [end - cut for end in ends if end > cut] == list(event_ends(whole[cut:]))


def test_a_file_is_not_made_twice(tmp_path: Path) -> None:
    head = head_of()
    RunFile.create(tmp_path / "x.run", head).close()
    with pytest.raises(FileExistsError):
        RunFile.create(tmp_path / "x.run", head)
    with pytest.raises(ValueError, match="head"):
        RunFile.create(tmp_path / "y.run", RunHead(**{**head_fields(head), "model": "m" * 20_000}))
    assert not (tmp_path / "y.run").exists()


def head_fields(head: RunHead) -> dict[str, Any]:
    return {name: getattr(head, name) for name in head.__struct_fields__}
