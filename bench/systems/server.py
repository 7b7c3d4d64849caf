"""A server under measurement: started in a session of its own, waited for until it answers, and stopped for sure."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLL_SECONDS = 0.002
_STOP_SECONDS = 5.0
_LOG_LINES_SHOWN = 15
_BODY_LIMIT_BYTES = 4096


Command = Sequence[str | Path]


class BenchError(Exception):
    """The benchmark cannot go on; the message says what to do about it."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How to start one server. `ready_path` None: ready when its port accepts."""

    name: str
    command: Command
    port: int
    directory: Path
    environment: Mapping[str, str] = {}
    ready_path: str | None = None
    ready_seconds: float = 15.0


class Server:
    """A running server. `ready_after_seconds` counts from just before exec to the first answer."""

    def __init__(self, launch: Launch) -> None:
        self.name = launch.name
        self.port = launch.port
        self._log = launch.directory / f"{launch.name}.log"
        started = time.perf_counter()
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                launch.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(launch.environment),
                cwd=launch.directory,
                start_new_session=True,  # Ctrl-C reaches us alone, and we stop the whole group
                preexec_fn=die_with_parent(),  # and were we killed, it is told
            )
        try:
            self._wait_until_ready(launch)
        except BaseException:
            self.stop()
            raise
        self.ready_after_seconds = time.perf_counter() - started

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        stop_group(self._process)

    def log_tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
        return "\n".join(f"    {line}" for line in lines)

    def _wait_until_ready(self, launch: Launch) -> None:
        give_up = time.monotonic() + launch.ready_seconds
        while time.monotonic() < give_up:
            if _answers(launch.port, launch.ready_path):
                return
            if has_ended(self._process):
                raise BenchError(f"{self.name} ended before it was ready:\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)
        raise BenchError(f"{self.name} was not ready in {launch.ready_seconds:g} s:\n{self.log_tail()}")


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Ours without what would change the figures: proxies, Python's switches (one of them forbids writing
    compiled modules), settings of another Isthmus."""
    unwanted = ("PYTHON", "ISTHMUS_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(unwanted) and not name.lower().endswith("_proxy")
    }
    return {**kept, **extra}


def die_with_parent() -> Callable[[], object]:
    """What a child is to run before exec: SIGTERM to it when we end. Safe because the benchmark has one thread."""
    return functools.partial(ctypes.CDLL(None).prctl, _PR_SET_PDEATHSIG, signal.SIGTERM)


def free_port() -> int:
    """A port nobody has now. Another process may take it before we do; the start then fails with its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the leader, who ends its own children; what is left of the group is killed.

    The leader is waited for last: until then nobody else can be given its number.
    """
    if process.returncode is not None:
        return
    try:
        os.kill(process.pid, signal.SIGTERM)  # Popen's own terminate() would wait for a leader that has ended
        give_up = time.monotonic() + _STOP_SECONDS
        while not has_ended(process) and time.monotonic() < give_up:
            time.sleep(_POLL_SECONDS)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, without taking its place in the process table away."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _answers(port: int, path: str | None) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            if path is None:
                return True
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in connection.recv(_BODY_LIMIT_BYTES).split(b"\r\n")[0]
    except OSError:
        return False
