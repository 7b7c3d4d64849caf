"""Keeps the processes of the local models: started on first use, watched, started anew, stopped.

A worker that dies is not brought back until somebody asks for it, and one that keeps dying is left alone for a while
that doubles each time: those who ask meanwhile are told so at once.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence

from isthmus.clock import Clock, SystemClock
from isthmus.errors import NotFound, Unavailable
from isthmus.local.model import LocalAddress, LocalLimits, LocalModel
from isthmus.local.process import ModelProcess, StartFailed

PYTHON = (sys.executable, "-P", "-m")
UNAVAILABLE_STATUS = 503
LARGEST_DOUBLING = 16  # keeps the power small; the ceiling is met long before
STOPPING = "the gateway is stopping"

log = logging.getLogger(__name__)


class Seat:
    """The place of one model: its process, where there is one, and what became of those before it."""

    def __init__(self) -> None:
        self.process: ModelProcess | None = None
        self.starting: asyncio.Task[LocalAddress | str] | None = None
        self.watching: asyncio.Task[None] | None = None
        self.strikes = 0
        self.not_before = 0.0
        self.last_failure = ""


class LocalModels:
    """Belongs to one event loop. `aclose` must be awaited before that loop ends."""

    def __init__(
        self,
        models: Mapping[str, LocalModel],
        limits: LocalLimits | None = None,
        *,
        clock: Clock | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """`command` starts any worker, where it is not to be the model's own module."""
        self._models = dict(models)
        self._limits = limits or LocalLimits()
        self._clock = clock or SystemClock()
        self._command = command
        self._seats = {name: Seat() for name in self._models}
        self._closed = False

    async def address(self, name: str) -> LocalAddress:
        """Where `name` answers, started first where need be. Raises `NotFound` or `Unavailable`.

        Any number of callers share one start, and those who give up do not end it for the others.
        """
        seat = self._seats.get(name)
        if seat is None:
            raise NotFound(f"There is no local model {name}.")
        process = seat.process
        if process is not None and process.alive and process.address is not None:
            return process.address
        if self._closed:
            raise unavailable(name, STOPPING)
        if seat.starting is None:
            seat.starting = asyncio.create_task(self._start(name, seat))
        starting = seat.starting
        try:
            outcome = await asyncio.shield(starting)
        except asyncio.CancelledError:
            if starting.cancelled():  # by aclose: not we ourselves were cancelled
                raise unavailable(name, STOPPING) from None
            raise
        if isinstance(outcome, str):
            raise unavailable(name, outcome, self._retry_after(seat))
        return outcome

    async def aclose(self) -> None:
        """Stops every process. Idempotent."""
        self._closed = True
        await asyncio.gather(*(self._stop(seat) for seat in self._seats.values()))

    def _retry_after(self, seat: Seat) -> float | None:
        wait = seat.not_before - self._clock.monotonic()
        return wait if wait > 0 else None

    async def _start(self, name: str, seat: Seat) -> LocalAddress | str:
        """The address, or why there is none: a value and not an exception, since many may be waiting, or nobody."""
        try:
            if seat.watching is not None:
                await seat.watching  # the death of the one before counts, before we judge whether to try again
            if self._retry_after(seat) is not None:
                return (
                    f"it failed {seat.strikes} times in a row and rests until it is tried again ({seat.last_failure})"
                )
            model = self._models[name]
            if not await asyncio.to_thread(model.file.is_file):
                return missing_file(model)  # no strike: nothing was tried, and an operator can mend it at any moment
            return await self._launch(name, model, seat)
        except (StartFailed, OSError) as error:
            self._strike(seat, str(error), self._limits.backoff_seconds)
            log.warning("local model %s did not start: %s", name, error)
            return f"its process did not start ({error})"
        finally:
            seat.starting = None

    async def _launch(self, name: str, model: LocalModel, seat: Seat) -> LocalAddress:
        started = self._clock.monotonic()
        command = self._command or (*PYTHON, model.worker)
        process = await ModelProcess.spawn(command, self._limits.stop_grace_seconds)
        try:
            address = await process.ready(name, model, self._limits)
        except BaseException:
            await process.stop()
            raise
        ready = self._clock.monotonic()
        log.info("local model %s ready in %.1f s, process %d", name, ready - started, address.pid)
        seat.process = process
        seat.watching = asyncio.create_task(self._watch(name, seat, process, ready))
        return address

    async def _watch(self, name: str, seat: Seat, process: ModelProcess, ready: float) -> None:
        reason = await process.ended()
        seat.process = None
        if self._closed:
            return
        log.warning("local model %s: its process ended (%s)", name, reason)
        if self._clock.monotonic() - ready >= self._limits.steady_seconds:
            seat.strikes = 0
        # One death alone is mended at once.
        self._strike(seat, reason, self._limits.backoff_seconds if seat.strikes else 0.0)

    def _strike(self, seat: Seat, reason: str, first_wait_seconds: float) -> None:
        wait = first_wait_seconds * 2 ** min(seat.strikes, LARGEST_DOUBLING)
        seat.strikes += 1
        seat.last_failure = reason
        seat.not_before = self._clock.monotonic() + min(wait, self._limits.backoff_ceiling_seconds)

    async def _stop(self, seat: Seat) -> None:
        if seat.starting is not None:
            seat.starting.cancel()
            await asyncio.wait([seat.starting])
        if seat.process is not None:
            await seat.process.stop()
        if seat.watching is not None:
            await seat.watching


def missing_file(model: LocalModel) -> str:
    remedy = model.remedy
    if remedy is None:
        remedy = "name a GGUF file that exists" if model.fetch_name is None else f"isthmus model get {model.fetch_name}"
    return f"its weights {model.file} are missing: {remedy}"


def unavailable(name: str, reason: str, retry_after: float | None = None) -> Unavailable:
    return Unavailable(
        f"The local model {name} is not available: {reason}.", status=UNAVAILABLE_STATUS, retry_after=retry_after
    )
