"""`python -m bench`: starts the systems, measures them in turns, prints one report, and stops all it started."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from bench import process_tree
from bench.goals import Findings, Memory
from bench.measure import FULL, QUICK, Plan, Startup, measure_rows, measure_startup
from bench.profiling import profile_row
from bench.report import render, write_into
from bench.rows import ISTHMUS_ROWS, Row, isthmus_rows, peer_rows, plain_rows
from bench.stages import measure_stages
from bench.systems.peers import installed_peers, start_peer
from bench.systems.server import BenchError, Server
from bench.systems.stack import isthmus_launch, require_tools, start_nginx, start_upstream

_LIMIT_SECONDS = 540
_QUICK_LIMIT_SECONDS = 60


class _OutOfTime(Exception):
    """Not a BenchError: no row may take it for a fault of its own."""


def main() -> int:
    options = _parse_options()
    try:
        require_tools()
        with _ending_on_signals(_QUICK_LIMIT_SECONDS if options.quick else _LIMIT_SECONDS):
            return _run(options)
    except (BenchError, _OutOfTime) as error:
        _tell(str(error))
        return 1
    except KeyboardInterrupt:
        _tell("stopped")
        return 130


def _run(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as home, ExitStack() as running:
        bench = _Bench(Path(home), running)
        if options.profile:
            print(profile_row(options.profile, Path(home), bench.upstream.port))
            return 0
        findings = bench.measure(QUICK if options.quick else FULL, peers=not options.quick)
    block = render(findings)
    print(block)
    if not findings.are_sound:
        _tell("not every row is sound" + (f": {options.write.name} is left as it was" if options.write else ""))
        return 1
    if options.write:
        write_into(options.write, block)
    return 0


class _Bench:
    """The systems of one run, and what is found about them."""

    def __init__(self, home: Path, running: ExitStack) -> None:
        self._home = home
        self._running = running
        self._notes: list[str] = []
        self.upstream = self._keep(start_upstream(home))

    def measure(self, plan: Plan, *, peers: bool) -> Findings:
        own, busy, started = (
            process_tree.cpu_seconds(os.getpid()),
            process_tree.machine_busy_seconds(),
            time.monotonic(),
        )
        _tell("stages")
        stages = measure_stages(plan.stage_rounds)
        startup = self._measure_startup(plan)
        nginx = self._keep(start_nginx(self._home, self.upstream.port))
        rows = plain_rows("nginx", nginx) + plain_rows("direct", self.upstream)
        rows += self._start_isthmus()
        if peers:
            rows += self._start_peers()
        servers = list({row.server.name: row.server for row in rows}.values())
        idle = [_resting_memory_bytes(server) for server in servers]
        results = measure_rows(rows, plan, self._home, _tell)
        memory = [
            Memory(name=server.name, idle_bytes=before, after_bytes=_resting_memory_bytes(server))
            for server, before in zip(servers, idle, strict=True)
        ]
        others = process_tree.machine_busy_seconds() - busy - (process_tree.cpu_seconds(os.getpid()) - own)
        capacity = (time.monotonic() - started) * (os.cpu_count() or 1)
        return Findings(
            results=results,
            memory=memory,
            stages=stages,
            startup=startup,
            notes=self._notes,
            others_share=max(others, 0.0) / capacity,
        )

    def _keep(self, server: Server) -> Server:
        self._running.callback(server.stop)
        return server

    def _measure_startup(self, plan: Plan) -> Startup | None:
        _tell("start")
        try:
            return measure_startup(self._home, self.upstream.port, plan.starts)
        except (BenchError, OSError) as error:
            self._notes.append(f"start: {error}")
            return None

    def _start_isthmus(self) -> list[Row]:
        """Without it the other rows are measured all the same."""
        home = self._home / "isthmus"
        try:
            server = self._keep(Server(isthmus_launch(home, self.upstream.port)))
        except (BenchError, OSError) as error:
            self._notes.append(f"isthmus: {error}")
            return []
        return list(isthmus_rows(server).values())

    def _start_peers(self) -> list[Row]:
        rows = []
        for peer in installed_peers():
            _tell(f"starting {peer.name}")
            try:
                server = self._keep(start_peer(peer, self._home, self.upstream.port))
            except BenchError as error:
                _tell(f"left out: {error}")
            else:
                rows += peer_rows(peer, server)
        return rows


def _resting_memory_bytes(server: Server) -> int:
    process_tree.settled_cpu_seconds(server.pid)
    return process_tree.memory_bytes(server.pid)


@contextmanager
def _ending_on_signals(limit_seconds: int) -> Iterator[None]:
    """Ctrl-C, SIGTERM, a closed terminal and the time limit all unwind through what stops the servers, once."""
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)

    def end(number: int, _: FrameType | None) -> None:
        for each in ending:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGALRM:
            raise _OutOfTime(f"not done in {limit_seconds} s, stopped")
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in ending}
    signal.alarm(limit_seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--quick", action="store_true", help="ten seconds, to see that it works; figures are rough")
    choice.add_argument("--write", type=Path, metavar="PAGE", help="also put the report between the page's markers")
    choice.add_argument("--profile", choices=list(ISTHMUS_ROWS), help="profile the server under this load instead")
    return parser.parse_args()


def _tell(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
