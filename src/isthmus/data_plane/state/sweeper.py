"""Removes what has expired, a little at a time, for as long as the server runs."""

from __future__ import annotations

import asyncio
import logging

from isthmus.clock import Clock
from isthmus.storage.protocols import States, StorageError

logger = logging.getLogger("isthmus")

SWEEP_SECONDS = 600.0
SWEPT_AT_ONCE = 100


class Sweeper:
    """What has expired is not found any more from that moment on; this gives its space back."""

    def __init__(self, states: States, clock: Clock, every_seconds: float = SWEEP_SECONDS) -> None:
        self._states = states
        self._clock = clock
        self._every = every_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def sweep(self) -> None:
        """All that has expired by now, in transactions that are short."""
        while await self._states.sweep(self._clock.now(), SWEPT_AT_ONCE):
            pass

    async def _run(self) -> None:
        while True:
            try:
                await self.sweep()
            except StorageError as error:
                logger.error("expired responses could not be removed: %s", error)
            await self._clock.sleep(self._every)
