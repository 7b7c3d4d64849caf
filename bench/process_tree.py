"""What a process and all its descendants have cost, read from /proc: CPU time and memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_SETTLE_STEP_SECONDS = 0.05
_SETTLE_SECONDS = 1.0
# Positions in /proc/PID/stat counted from the field after the command's closing parenthesis.
_PARENT = 1
_USER, _CHILDREN_SYSTEM = 11, 14


def cpu_seconds(root: int) -> float:
    """User and system time of the tree, children that have ended and been waited for included."""
    stats = _stats()
    members = _members(root, stats)
    ticks = sum(int(field) for pid in members for field in stats[pid][_USER : _CHILDREN_SYSTEM + 1])
    return ticks * TICK_SECONDS


def memory_bytes(root: int) -> int:
    """Resident memory of the tree. A page that two of its processes share counts twice: the strict reading, and
    the one that does not change with who else runs the same interpreter."""
    return sum(_resident_bytes(pid) for pid in _members(root, _stats()))


def settled_cpu_seconds(root: int) -> float:
    """`cpu_seconds` once the tree has come to rest, so that work put off until after the answer counts too."""
    give_up = time.monotonic() + _SETTLE_SECONDS
    before = cpu_seconds(root)
    while time.monotonic() < give_up:
        time.sleep(_SETTLE_STEP_SECONDS)
        after = cpu_seconds(root)
        if after - before <= TICK_SECONDS:
            return after
        before = after
    return before


def machine_busy_seconds() -> float:
    """What all processes on the machine have used, and what its host took away (steal)."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _wait, interrupt, soft_interrupt, steal = stat.readline().split()[1:9]
    busy = (user, nice, system, interrupt, soft_interrupt, steal)
    return sum(int(field) for field in busy) * TICK_SECONDS


def _stats() -> dict[int, list[str]]:
    stats = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = Path("/proc", entry, "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):  # ended since the listing
            continue
        stats[int(entry)] = text.rpartition(")")[2].split()
    return stats


def _members(root: int, stats: dict[int, list[str]]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, fields in stats.items():
        children.setdefault(int(fields[_PARENT]), []).append(pid)
    members = [root] if root in stats else []
    for pid in members:  # grows while it is walked: breadth first
        members.extend(children.get(pid, []))
    return members


def _resident_bytes(pid: int) -> int:
    try:
        resident_pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(resident_pages) * os.sysconf("SC_PAGE_SIZE")
