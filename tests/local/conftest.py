"""A worker that only pretends, and the way in which a process is seen to end."""

import asyncio
import os
import select
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FAKE_WORKER = Path(__file__).parent / "fake_worker.py"
END_SECONDS = 10.0


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    """A file for the fake worker, which never opens it."""
    file = tmp_path / "model.gguf"
    file.touch()
    return file


class FakeWorker:
    """`command(mode)` starts it; `starts` counts how often that happened."""

    def __init__(self, record: Path) -> None:
        self._record = record
        record.touch()

    def command(self, mode: str) -> tuple[str, ...]:
        return (sys.executable, "-S", str(FAKE_WORKER), mode, str(self._record))

    @property
    def starts(self) -> int:
        return len(self.pids)

    @property
    def pids(self) -> list[int]:
        return [int(line) for line in self._record.read_text().splitlines()]


@pytest.fixture
def fake_worker(tmp_path: Path) -> FakeWorker:
    return FakeWorker(tmp_path / "starts")


class Alarm:
    """Waits for the end of processes that are not our children, without polling."""

    def __init__(self) -> None:
        self._descriptors: dict[int, int] = {}

    def watch(self, pid: int) -> None:
        self._descriptors[pid] = os.pidfd_open(pid)

    def rings(self, pid: int, timeout_seconds: float = END_SECONDS) -> bool:
        return bool(select.select([self._descriptors[pid]], [], [], timeout_seconds)[0])

    async def awaits(self, pid: int) -> bool:
        return await asyncio.to_thread(self.rings, pid)

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)


@pytest.fixture
def alarm(request: pytest.FixtureRequest) -> Alarm:
    alarm = Alarm()
    close: Callable[[], None] = alarm.close
    request.addfinalizer(close)
    return alarm
