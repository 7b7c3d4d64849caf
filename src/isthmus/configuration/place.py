"""Finds the line of isthmus.toml on which a key stands: `tomllib` does not tell."""

from __future__ import annotations

import re
import tomllib

_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_TABLE = re.compile(r"\s*\[")


def line_of(text: str, path: tuple[str, ...]) -> int:
    """Of the key at `path`, or of the nearest table around it; 1 where nothing of it is found."""
    lines = _lines(text)
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """A line inside a long text may look like a key: the first place counts, and being wrong costs only a number."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if _TABLE.match(line):
            path = table = _path(line) or table
        elif match := _KEY.match(line):
            path = (*table, *_path(f"{match[1]} = 0"))
        else:
            continue
        for length in range(1, len(path) + 1):
            found.setdefault(path[:length], number)
    return found


def _path(line: str) -> tuple[str, ...]:
    """The keys that one line opens, one inside the other; empty where it is no TOML by itself."""
    try:
        inner: object = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(inner, dict | list) and inner:
        if isinstance(inner, list):
            inner = inner[0]
        else:
            key, inner = next(iter(inner.items()))
            path.append(key)
    return tuple(path)
