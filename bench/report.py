"""The figures as Markdown: the rows, memory and start, the goals; and the page that carries them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from bench.goals import GOALS, Findings, Goal, added, alone_p50_ms, alone_p99_ms, cpu_ratio, cpu_us, first_word_ms
from bench.measure import BUSY_CONNECTIONS, Result
from bench.rows import Kind
from bench.stages import Work
from bench.systems.server import BenchError
from bench.systems.stack import find_program

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_NO_FIGURE = "-"
_COMPARED_WITH = ("nginx", "direct")
_ADDED = {"p50": alone_p50_ms, "p99": alone_p99_ms, "first word": first_word_ms}
_COLUMNS = (
    "",
    "CPU µs",
    "CPU ÷ nginx",
    *(f"{count}: {figure}" for count in (BUSY_CONNECTIONS, 1) for figure in ("req/s", "p50 ms", "p99 ms")),
    "1: first word ms",
    *(f"over {system}: {figure}" for system in _COMPARED_WITH for figure in _ADDED),
    "errors",
)


def render(findings: Findings) -> str:
    parts = [_describe_machine(findings), _table(_COLUMNS, (_row(findings, r) for r in findings.results))]
    faults = [f"{result.row.name}: {fault}" for result in findings.results for fault in result.faults]
    parts += ["\n".join(f"- {_one_line(note)}" for note in (*faults, *findings.notes))]
    parts += [_table(("alone, in process", *(f"{kind}: µs" for kind in Kind)), _stage_rows(findings))]
    parts += [_table(("", "idle MB", "after MB"), _memory_rows(findings))]
    if findings.startup:
        times = (findings.startup.first, findings.startup.again, findings.startup.help)
        heads = ("isthmus, seconds", "ready, new data directory", "ready again", "`--help`")
        parts += [_table(heads, [["median", *(f"{seconds:.3f}" for seconds in times)]])]
    parts += [_table(("goal", "measured", "must", "aim", ""), (_goal_row(findings, goal) for goal in GOALS))]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_into(page: Path, block: str) -> None:
    """Replaces what stands between the page's two markers."""
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise BenchError(f"{page.name} lacks the markers {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n{block}{END}{after}")


def _describe_machine(findings: Findings) -> str:
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    facts = [
        date.today().isoformat(),
        cpu[1].strip() if cpu else platform.machine(),
        f"{os.cpu_count()} cores",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
        _version_of("nginx", "-v"),
        f"other work took {findings.others_share:.0%} of the machine meanwhile",
    ]
    return ", ".join(facts) + "."


def _version_of(program: str, option: str) -> str:
    command = [find_program(program) or program, option]
    asked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False)
    found = re.search(rf"{program}/[\d.]+", (asked.stdout + asked.stderr).decode(errors="replace"))
    return found[0].replace("/", " ") if found else program


def _row(findings: Findings, result: Result) -> list[str]:
    name = f"{result.row.name} **(invalid)**" if result.faults else result.row.name
    own = (
        _shown(result.median(cpu_us), ".1f"),
        _shown(cpu_ratio(findings, result), ".1f"),
        _shown(result.median(lambda turn: turn.busy.requests_per_second), ",.0f"),
        _shown(result.median(lambda turn: turn.busy.p50_us / 1e3), ".2f"),
        _shown(result.median(lambda turn: turn.busy.p99_us / 1e3), ".2f"),
        _shown(result.median(lambda turn: turn.alone.requests_per_second), ",.0f"),
        _shown(result.median(alone_p50_ms), ".3f"),
        _shown(result.median(alone_p99_ms), ".3f"),
        _shown(result.median(first_word_ms), ".3f"),
    )
    beyond = (
        None if result.row.baseline else added(findings, result, system, figure)
        for system in _COMPARED_WITH
        for figure in _ADDED.values()
    )
    return [name, *own, *(_shown(figure, "+.3f") for figure in beyond), str(result.errors)]


def _memory_rows(findings: Findings) -> Iterable[list[str]]:
    for memory in findings.memory:
        yield [memory.name, f"{memory.idle_bytes / 1e6:.1f}", f"{memory.after_bytes / 1e6:.1f}"]


def _stage_rows(findings: Findings) -> Iterable[list[str]]:
    for work in Work:
        yield [work, *(_shown(findings.stage_us(work, kind), ".1f") for kind in Kind)]


def _goal_row(findings: Findings, goal: Goal) -> list[str]:
    measured = goal.figure(findings)
    bounds = [f"≤ {bound:g}" if bound is not None else _NO_FIGURE for bound in (goal.must, goal.aim)]
    shown = f"{measured:.2f} {goal.unit}" if measured is not None else "not measured"
    return [goal.what, shown, *bounds, _judge(goal, measured)]


def _judge(goal: Goal, measured: float | None) -> str:
    if measured is None:
        return _NO_FIGURE
    if goal.must is not None and measured > goal.must:
        return "**missed**"
    return "met" if goal.aim is None or measured <= goal.aim else "short of the aim"


def _shown(value: float | None, form: str) -> str:
    return _NO_FIGURE if value is None else format(value, form)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, rule, *rows))
