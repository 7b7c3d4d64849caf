"""What Isthmus must reach and what it aims at, as figures of the run: ratios to nginx, latency over none at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from bench.measure import Figure, Result, Startup, Turn
from bench.rows import ISTHMUS_ROWS, Kind, Row
from bench.stages import LIMITS, StageCost, Work


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """A system's memory before its first request and after its last."""

    name: str
    idle_bytes: int
    after_bytes: int


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run found. `others_share`: how much of the machine's CPU time other work took meanwhile."""

    results: Sequence[Result]
    memory: Sequence[Memory]
    stages: Sequence[StageCost]
    startup: Startup | None
    notes: Sequence[str]
    others_share: float

    @property
    def are_sound(self) -> bool:
        return not self.notes and not any(result.faults for result in self.results)

    def sound(self, name: str) -> Result | None:
        """A row by its name, unless it has faults."""
        return next((result for result in self.results if result.row.name == name and not result.faults), None)

    def stage_us(self, work: Work, kind: Kind) -> float | None:
        return next((cost.us for cost in self.stages if (cost.work, cost.kind) == (work, kind)), None)

    def baseline(self, system: str, row: Row) -> Result | None:
        """What `system`, nginx or direct, does with answers of the same kind."""
        return self.sound(f"{system}, {row.kind}")


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with the most it may be and the most it should be."""

    what: str
    unit: str
    must: float | None = None
    aim: float | None = None
    figure: Callable[[Findings], float | None]


def cpu_ratio(findings: Findings, result: Result) -> float | None:
    base = findings.baseline("nginx", result.row)
    mine, theirs = result.median(cpu_us), base.median(cpu_us) if base else None
    return mine / theirs if mine is not None and theirs else None


def added(findings: Findings, result: Result, system: str, figure: Figure) -> float | None:
    """How much more than `system` with answers of the same kind."""
    base = findings.baseline(system, result.row)
    mine, theirs = result.median(figure), base.median(figure) if base else None
    return mine - theirs if mine is not None and theirs is not None else None


def cpu_us(turn: Turn) -> float:
    return turn.cpu_us


def alone_p50_ms(turn: Turn) -> float:
    return turn.alone.p50_us / 1e3


def alone_p99_ms(turn: Turn) -> float:
    return turn.alone.p99_us / 1e3


def first_word_ms(turn: Turn) -> float | None:
    return turn.first_word_seconds * 1e3 if turn.first_word_seconds is not None else None


def _ratio_of(key: str) -> Callable[[Findings], float | None]:
    def figure(findings: Findings) -> float | None:
        result = findings.sound(ISTHMUS_ROWS[key])
        return cpu_ratio(findings, result) if result else None

    return figure


def _added_of(key: str, turn_figure: Figure) -> Callable[[Findings], float | None]:
    def figure(findings: Findings) -> float | None:
        result = findings.sound(ISTHMUS_ROWS[key])
        return added(findings, result, "direct", turn_figure) if result else None

    return figure


def _beyond_plain(key: str) -> Callable[[Findings], float | None]:
    """CPU beyond the row that differs in this alone."""

    def figure(findings: Findings) -> float | None:
        own, plain = (findings.sound(ISTHMUS_ROWS[name]) for name in (key, "json-plain"))
        mine, theirs = (result.median(cpu_us) if result else None for result in (own, plain))
        return mine - theirs if mine is not None and theirs is not None else None

    return figure


def _stage_of(work: Work) -> Callable[[Findings], float | None]:
    return lambda findings: findings.stage_us(work, Kind.JSON)


def _idle_megabytes(findings: Findings) -> float | None:
    return next((memory.idle_bytes / 1e6 for memory in findings.memory if memory.name == "isthmus"), None)


def _startup_of(figure: Callable[[Startup], float]) -> Callable[[Findings], float | None]:
    return lambda findings: figure(findings.startup) if findings.startup else None


_X = "x nginx"
GOALS = (
    Goal(what="CPU, JSON relayed", unit=_X, must=5, figure=_ratio_of("json")),
    Goal(what="CPU, JSON translated: messages at openai", unit=_X, must=7, figure=_ratio_of("json-messages")),
    Goal(what="CPU, JSON translated: chat at anthropic", unit=_X, must=7, figure=_ratio_of("json-anthropic")),
    Goal(what="CPU, SSE relayed", unit=_X, must=3, figure=_ratio_of("sse")),
    Goal(what="CPU, SSE translated: messages at openai", unit=_X, must=8, figure=_ratio_of("messages")),
    Goal(what="CPU, SSE translated: chat at anthropic", unit=_X, must=8, figure=_ratio_of("anthropic")),
    Goal(what="CPU, JSON cached", unit=_X, must=4, figure=_ratio_of("json-cached")),
    Goal(what="CPU, SSE cached", unit=_X, must=4, figure=_ratio_of("sse-cached")),
    Goal(what="added by a miss, alone", unit="µs", must=10, figure=_stage_of(Work.MISS)),
    Goal(what="added by a miss, JSON on the wire", unit="µs", aim=10, figure=_beyond_plain("json-missed")),
    *(Goal(what=f"added by a {work}, alone", unit="µs", must=5, figure=_stage_of(work)) for work in LIMITS),
    *(
        Goal(what=f"added by a limit, {technique}, JSON on the wire", unit="µs", aim=5, figure=_beyond_plain(key))
        for technique, key in (("fixed", "json-limited-fixed"), ("sliding", "json-limited-sliding"))
    ),
    Goal(what="added p50, JSON, one connection", unit="ms", must=0.3, aim=0.2, figure=_added_of("json", alone_p50_ms)),
    Goal(what="added p99, JSON, one connection", unit="ms", aim=1, figure=_added_of("json", alone_p99_ms)),
    Goal(what="added to the first word, SSE", unit="ms", aim=0.3, figure=_added_of("sse", first_word_ms)),
    Goal(what="ready, new data directory", unit="s", must=0.4, figure=_startup_of(lambda times: times.first)),
    Goal(what="`isthmus --help`", unit="s", must=0.15, figure=_startup_of(lambda times: times.help)),
    Goal(what="idle memory", unit="MB", must=60, figure=_idle_megabytes),
)
