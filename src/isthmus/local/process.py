"""One worker process, from its start to its end. When to start one, and when to try again, is `supervisor.py`'s."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Sequence

import msgspec

from isthmus.local.model import LocalAddress, LocalLimits, LocalModel, WorkerOrder, WorkerReport

REPORT_BYTES = 16 * 1024
STDERR_TAIL_BYTES = 4 * 1024
STDERR_TOLD_LINES = 5
# All that a worker needs of our environment. The rest holds the providers' keys.
PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG", "TMPDIR")


class StartFailed(Exception):
    """The worker could not be made ready. The message says why."""


class ModelProcess:
    """A started worker. `address` may be used once `ready` has returned, and for as long as `alive`."""

    def __init__(self, process: asyncio.subprocess.Process, stop_grace_seconds: float) -> None:
        self._process = process
        self._stop_grace_seconds = stop_grace_seconds
        self._stderr_tail = b""
        self._drained = asyncio.create_task(self._drain_stderr())
        self.address: LocalAddress | None = None

    @classmethod
    async def spawn(cls, command: Sequence[str], stop_grace_seconds: float) -> ModelProcess:
        """Raises OSError where the command cannot be run."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # ggml would start a debugger on itself when it aborts.
            env=environment | {"GGML_NO_BACKTRACE": "1"},
            start_new_session=True,  # a terminal's Ctrl-C is for us alone
            limit=REPORT_BYTES,
        )
        return cls(process, stop_grace_seconds)

    @property
    def alive(self) -> bool:
        """Asks the kernel: the event loop hears of a death only some turns later, and a call could fall in between."""
        if self._process.returncode is not None:
            return False
        if sys.platform == "darwin":  # it has no waitid; there such a call fails to connect
            return True
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # the loop's own watcher was faster
            return False

    async def ready(self, name: str, model: LocalModel, limits: LocalLimits) -> LocalAddress:
        """Gives the worker its orders and waits until it can answer. Raises `StartFailed`."""
        api_key = secrets.token_urlsafe(32)
        report = await self._ask(order(name, model, limits, api_key), limits.start_timeout_seconds)
        if report.port is None:
            await self._hear_out()  # its last words may be behind its report still
            raise StartFailed(self._with_stderr(report.error or "no reason given"))
        self.address = LocalAddress(
            base_url=f"http://127.0.0.1:{report.port}/v1/", api_key=api_key, pid=self._process.pid
        )
        return self.address

    async def ended(self) -> str:
        """Waits for the end and tells of it in a few words."""
        code = await self._process.wait()
        await self._hear_out()
        return self._with_stderr(f"killed by signal {-code}" if code < 0 else f"exit code {code}")

    async def stop(self) -> None:
        """SIGTERM, grace, SIGKILL. Whoever cancels this only cuts the grace short."""
        try:
            self._signal(self._process.terminate)
            async with asyncio.timeout(self._stop_grace_seconds):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self._signal(self._process.kill)
            if self._process.stdin is not None:
                self._process.stdin.close()
        await self.ended()

    async def _hear_out(self) -> None:
        """What a process that is at its end has written."""
        with contextlib.suppress(TimeoutError):  # should anybody else hold the pipe open
            await asyncio.wait_for(asyncio.shield(self._drained), self._stop_grace_seconds)

    def _signal(self, send: Callable[[], None]) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                send()

    async def _ask(self, message: WorkerOrder, timeout_seconds: float) -> WorkerReport:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(timeout_seconds):
                with contextlib.suppress(OSError):  # it has died already: why, is told below
                    self._process.stdin.write(msgspec.json.encode(message) + b"\n")
                    await self._process.stdin.drain()
                line = await self._process.stdout.readline()
                if not line:
                    raise StartFailed(await self.ended())
            return msgspec.json.decode(line, type=WorkerReport)
        except TimeoutError:
            raise StartFailed(self._with_stderr(f"not ready within {timeout_seconds:g} seconds")) from None
        except (ValueError, msgspec.DecodeError):
            raise StartFailed(self._with_stderr("its report makes no sense")) from None

    async def _drain_stderr(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(STDERR_TAIL_BYTES):
            self._stderr_tail = (self._stderr_tail + chunk)[-STDERR_TAIL_BYTES:]

    def _with_stderr(self, reason: str) -> str:
        lines = self._stderr_tail.decode("utf-8", "replace").split("\n")
        told = [line.strip() for line in lines if line.strip()][-STDERR_TOLD_LINES:]
        return f"{reason}: {' | '.join(told)}" if told else reason


def order(name: str, model: LocalModel, limits: LocalLimits, api_key: str) -> WorkerOrder:
    return WorkerOrder(
        name=name,
        file=str(model.file),
        api_key=api_key,
        context_tokens=model.context_tokens,
        parallel=model.parallel,
        threads=model.thread_count,
        answer_tokens=model.answer_tokens,
        cache_mib=model.cache_mib,
        idle_seconds=limits.idle_seconds,
    )
