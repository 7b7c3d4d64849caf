"""Every run of this installation: files below the data directory, and the tasks that make answers for nobody's
connection."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from isthmus.clock import Clock
from isthmus.data_plane.runs.ending import last_words, mend
from isthmus.data_plane.runs.file import RunFile, RunHead
from isthmus.data_plane.runs.run import Manner, Run
from isthmus.errors import Busy, GatewayError
from isthmus.wire.protocol import Dialect

SWEEP_SECONDS = 30.0
DIRECTORY_MODE = 0o700

_FILE_NAME = re.compile(r"([0-9a-f-]{36})\.run")

logger = logging.getLogger("isthmus")


class RunLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`max_runs`: kept at a time, running and ended; as many tasks may run without a connection. `life_seconds`: how
    long one is kept after its end. `away`: what becomes of a run that nobody reads."""

    max_bytes: int = 16 * 1024 * 1024
    max_runs: int = 1000
    life_seconds: float = 330.0
    away: Literal["continue", "stop"] = "continue"


class RunStore:
    """One a process, and one process a directory (the journal's lock sees to it). Nothing of a caller's becomes a
    file's name: ids are looked up among those that are known."""

    def __init__(self, directory: Path, limits: RunLimits, dialects: Mapping[str, Dialect], clock: Clock) -> None:
        self._directory = directory
        self._limits = limits
        self._dialects = dialects
        self._clock = clock
        self._known: dict[str, float | None] = {}  # id → when it expires; None while it runs
        self._running: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self._warned = False

    def start(self) -> None:
        """Finds what an earlier process left: answers that it could not end are ended, in-band."""
        if self._directory.is_dir():
            for path in self._directory.iterdir():
                self._recover(path)
            self.sweep()
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep_again())

    def begin(self, head: RunHead, background: bool = False) -> Run | None:
        """None where there can be no further one: there are too many, or the disk takes none. `background`: it goes on
        whether or not anybody reads it."""
        limits = self._limits
        if len(self._known) >= limits.max_runs:
            self.sweep()
        if len(self._known) >= limits.max_runs or len(self._tasks) >= limits.max_runs:
            return None
        try:
            self._directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            file = RunFile.create(self._path(head.id), head)
        except (OSError, ValueError) as error:
            if not self._warned:
                logger.warning("streams cannot be resumed: %s cannot be written: %s", self._directory, error)
            self._warned = True
            return None
        self._warned = False
        self._known[head.id] = None
        stops = limits.away == "stop" and not background
        run = Run(file, Manner(max_bytes=limits.max_bytes, stops=stops), self._clock, self._changed)
        self._running[head.id] = run
        return run

    def find(self, account_id: str, run_id: str) -> Run | None:
        """One of this account's, running or ended; None where it is unknown, expired or not kept."""
        run = self._running.get(run_id)
        if run is None:
            run = self._ended(run_id)
        return run if run is not None and run.head.account_id == account_id else None

    def discard(self, account_id: str, run_id: str) -> None:
        """It cannot be found any more. Who reads it already reads on."""
        if self.find(account_id, run_id) is not None:
            self._forget(run_id)

    def detach(self, coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Runs it without any connection: it outlives the caller, gets the drain's time at the gateway's end, and is
        cancelled then. Raises `Busy` where there are `max_runs` of them."""
        if len(self._tasks) >= self._limits.max_runs:
            coroutine.close()
            raise Busy("Capacity temporarily exceeded, please try again.", retry_after=1)
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def last_words(self, run: Run, error: GatewayError) -> bytes:
        """What the end of a run says that was broken off."""
        return last_words(self._dialects, run.head, error)

    def sweep(self) -> None:
        """Removes what has expired."""
        now = self._clock.now()
        for run_id in [run_id for run_id, at in self._known.items() if at is not None and at <= now]:
            self._forget(run_id)

    async def drain(self, seconds: float) -> None:
        """Until everything that was detached has ended, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        await asyncio.sleep(0)  # what was detached just now has begun then, and will clean up behind itself
        for run in list(self._running.values()):
            run.stop(left=False)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _changed(self, run: Run) -> None:
        if not run.kept:
            self._forget(run.head.id)
        elif run.ended and self._running.pop(run.head.id, None) is not None:
            self._known[run.head.id] = self._clock.now() + self._limits.life_seconds

    def _ended(self, run_id: str) -> Run | None:
        expires_at = self._known.get(run_id)
        if expires_at is None or expires_at <= self._clock.now():
            return None
        try:
            file = RunFile.open(self._path(run_id))
        except (OSError, ValueError) as error:
            logger.warning("run %s cannot be read: %s", run_id, error)
            self._forget(run_id)
            return None
        file.close()
        return Run(file, Manner(max_bytes=0, stops=False), self._clock, self._changed)

    def _forget(self, run_id: str) -> None:
        self._running.pop(run_id, None)
        if run_id in self._known:
            del self._known[run_id]
            self._remove(self._path(run_id))

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:  # it is found again at the next start
            logger.warning("the file of a run cannot be removed: %s", error)

    def _recover(self, path: Path) -> None:
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            return
        try:
            ended_at = mend(path, self._dialects, self._clock.now())
        except (OSError, ValueError) as error:
            logger.warning("the run in %s is lost: %s", path.name, error)
            ended_at = None
        if ended_at is None:
            self._remove(path)
        else:
            self._known[match[1]] = ended_at + self._limits.life_seconds

    async def _sweep_again(self) -> None:
        with suppress(asyncio.CancelledError):
            while True:
                await self._clock.sleep(SWEEP_SECONDS)
                self.sweep()

    def _path(self, run_id: str) -> Path:
        return self._directory / f"{run_id}.run"
