"""What is measured, and in what order: every row once a round, so that whatever else the machine does meets them
all alike; then the median over the rounds.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from bench import probe, process_tree, stages, wrk
from bench.rows import Kind, Row
from bench.systems.server import BenchError, Server, clean_environment
from bench.systems.stack import isthmus_launch, isthmus_program

BUSY_CONNECTIONS = 32
_HELP_SECONDS = 10
# An error written into a stream leaves the status at 200, but not the length of the answer. Chunk sizes vary a little.
_LENGTH_TOLERANCE = 0.05


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long to look at everything."""

    rounds: int
    busy_seconds: float
    alone_seconds: float
    warm_seconds: float
    first_words: int
    starts: int
    stage_rounds: int


FULL = Plan(
    rounds=5,
    busy_seconds=1.6,
    alone_seconds=0.9,
    warm_seconds=0.4,
    first_words=100,
    starts=5,
    stage_rounds=stages.ROUNDS,
)
QUICK = Plan(rounds=1, busy_seconds=0.3, alone_seconds=0.2, warm_seconds=0.0, first_words=10, starts=1, stage_rounds=3)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One round of one row."""

    cpu_us: float
    busy: wrk.Load
    alone: wrk.Load
    first_word_seconds: float | None


Figure = Callable[[Turn], float | None]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A row's rounds. `faults`: why its figures are not to be used; none for a sound row."""

    row: Row
    turns: Sequence[Turn]
    faults: Sequence[str]

    def median(self, figure: Figure) -> float | None:
        figures = [value for turn in self.turns if (value := figure(turn)) is not None]
        return statistics.median(figures) if figures else None

    @property
    def errors(self) -> int:
        return sum(turn.busy.errors + turn.alone.errors for turn in self.turns)


class Startup(msgspec.Struct, frozen=True, kw_only=True):
    """Medians, in seconds: ready with a new data directory, ready with one it left before, and `--help` printed."""

    first: float
    again: float
    help: float


def measure_startup(directory: Path, upstream_port: int, starts: int) -> Startup:
    first: list[float] = []
    again: list[float] = []
    helps: list[float] = []
    # One start that does not count: it writes the compiled modules that an installed package brings along.
    Server(isthmus_launch(directory / "start-uncounted", upstream_port)).stop()
    for number in range(starts):
        home = directory / f"start-{number}"
        for times in (first, again):
            server = Server(isthmus_launch(home, upstream_port))
            server.stop()
            times.append(server.ready_after_seconds)
        helps.append(_help_seconds(directory))
    return Startup(first=statistics.median(first), again=statistics.median(again), help=statistics.median(helps))


def measure_rows(rows: Sequence[Row], plan: Plan, directory: Path, tell: Callable[[str], None]) -> list[Result]:
    sizes: dict[str, int] = {}
    faults: dict[str, list[str]] = {row.name: [] for row in rows}
    turns: dict[str, list[Turn]] = {row.name: [] for row in rows}
    for row in rows:
        with _noting(faults[row.name]):
            sizes[row.name] = probe.check(row)
            if plan.warm_seconds:
                wrk.run(row, BUSY_CONNECTIONS, plan.warm_seconds, directory)
    for number in range(plan.rounds):
        tell(f"round {number + 1} of {plan.rounds}")
        for row in rows:
            if row.name not in sizes:
                continue
            with _noting(faults[row.name]):
                turn = _take_turn(row, plan, directory)
                turns[row.name].append(turn)
                faults[row.name].extend(_find_faults(turn, sizes[row.name]))
    return [Result(row=row, turns=turns[row.name], faults=_once_each(faults[row.name])) for row in rows]


class _noting:
    """A row that fails is noted and left out; the others go on."""

    def __init__(self, faults: list[str]) -> None:
        self._faults = faults

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if isinstance(error, BenchError | OSError):
            self._faults.append(str(error))
            return True
        return False


def _take_turn(row: Row, plan: Plan, directory: Path) -> Turn:
    before = process_tree.settled_cpu_seconds(row.server.pid)
    busy = wrk.run(row, BUSY_CONNECTIONS, plan.busy_seconds * row.stretch, directory)
    cpu_seconds = process_tree.settled_cpu_seconds(row.server.pid) - before
    alone = wrk.run(row, 1, plan.alone_seconds * row.stretch, directory)
    probe.check_again(row)
    streamed = row.kind is Kind.SSE
    return Turn(
        cpu_us=cpu_seconds / max(busy.requests, 1) * 1e6,
        busy=busy,
        alone=alone,
        first_word_seconds=probe.first_word_seconds(row, plan.first_words) if streamed else None,
    )


def _find_faults(turn: Turn, answer_bytes: int) -> Iterable[str]:
    for load, connections in ((turn.busy, BUSY_CONNECTIONS), (turn.alone, 1)):
        if load.errors or not load.requests:
            yield "not every request was answered well"
        unfinished = connections * answer_bytes
        surplus = abs(load.received_bytes - load.requests * answer_bytes)
        if surplus > _LENGTH_TOLERANCE * load.received_bytes + unfinished:
            yield "the answers under load had another length than the one that was checked"


def _once_each(notes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(notes))


def _help_seconds(directory: Path) -> float:
    started = time.perf_counter()
    subprocess.run(
        [isthmus_program(), "--help"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment({}),
        cwd=directory,
        timeout=_HELP_SECONDS,
        check=True,
    )
    return time.perf_counter() - started
