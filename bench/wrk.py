"""One run of wrk: so many connections, each asking again as soon as it is answered, for so long."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import msgspec

from bench import answers
from bench.rows import Row
from bench.systems.server import BenchError, clean_environment, die_with_parent, stop_group
from bench.systems.stack import find_program

_SCRIPT = Path(__file__).with_name("load.lua")
_RESULT = b"RESULT "
# wrk takes whole seconds only: it is told more than we want, and interrupted.
_MARGIN_SECONDS = 5
_REPORT_SECONDS = 10.0
_TIMEOUT = "10s"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What wrk reports. `errors` counts sockets' errors, timeouts and statuses of 400 and more."""

    requests: int
    microseconds: int
    received_bytes: int
    p50_us: int
    p99_us: int
    errors: int

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.microseconds * 1e6


def run(row: Row, connections: int, seconds: float, directory: Path) -> Load:
    body = directory / "body.json"
    body.write_bytes(row.body)
    headers = [part for name, value in row.headers.items() for part in ("-H", f"{name}: {value}")]
    command = [find_program("wrk") or "wrk", "-t", "1", "-c", str(connections), "--timeout", _TIMEOUT]
    command += ["-d", f"{int(seconds) + _MARGIN_SECONDS}s"]
    process = subprocess.Popen(
        [*command, "-s", _SCRIPT, *headers, f"http://127.0.0.1:{row.server.port}{row.path}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean_environment({"BENCH_BODY": str(body), **(_counting() if row.differs else {})}),
        start_new_session=True,
        preexec_fn=die_with_parent(),
    )
    try:
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGINT)
        output = process.communicate(timeout=_REPORT_SECONDS)[0]
    finally:
        stop_group(process)
    result = next((line for line in output.splitlines() if line.startswith(_RESULT)), None)
    if result is None:
        raise BenchError(f"wrk gave no result for {row.name}:\n{output.decode(errors='replace')}")
    return msgspec.json.decode(result.removeprefix(_RESULT), type=Load)


def _counting() -> dict[str, str]:
    """Numbers that no run before this one has asked by: none asks a million times a second."""
    return {"BENCH_FIRST": str(time.time_ns() // 1000), "BENCH_NUMBER": answers.NUMBER}
