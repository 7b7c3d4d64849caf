"""Where the server's time goes: `isthmus serve` under cProfile and under load, its costliest functions printed.

The profile sees the event loop's thread and not the others, such as the database's writer. Run as a module, this is
the server being profiled.
"""

from __future__ import annotations

import cProfile
import io
import pstats
import runpy
import signal
import sys
from pathlib import Path

import msgspec

from bench import probe, wrk
from bench.measure import BUSY_CONNECTIONS
from bench.rows import isthmus_rows
from bench.systems.server import BenchError, Command, Server
from bench.systems.stack import isthmus_launch

LOAD_SECONDS = 5.0
_FUNCTIONS_SHOWN = 40


def profile_row(name: str, directory: Path, upstream_port: int) -> str:
    """Runs the row called `name` of `isthmus_rows` for five seconds and returns the report."""
    output = directory / "profile"
    program: Command = [sys.executable, "-m", "bench.profiling", output]
    launch = isthmus_launch(directory / "isthmus", upstream_port, program)
    here = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    server = Server(msgspec.structs.replace(launch, environment={**launch.environment, **here}))
    try:
        row = isthmus_rows(server)[name]
        probe.check(row)
        load = wrk.run(row, BUSY_CONNECTIONS, LOAD_SECONDS, directory)
    finally:
        server.stop()
    if not output.exists():
        raise BenchError(f"the server left no profile when it was asked to stop:\n{server.log_tail()}")
    report = io.StringIO()
    pstats.Stats(str(output), stream=report).sort_stats("tottime").print_stats(_FUNCTIONS_SHOWN)
    head = f"{row.name}: {load.requests} requests, {load.errors} errors, {load.requests_per_second:.0f}/s under profile"
    return f"{head}\n{report.getvalue()}"


def _serve_profiled(output: str, arguments: list[str]) -> None:
    # A server that ends by raising the signal it got would take the profile with it; as an exit it does not.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    sys.argv = ["isthmus", *arguments]
    profile = cProfile.Profile()
    try:
        profile.runcall(runpy.run_module, "isthmus", run_name="__main__")
    finally:
        profile.dump_stats(output)


if __name__ == "__main__":
    _serve_profiled(sys.argv[1], sys.argv[2:])
