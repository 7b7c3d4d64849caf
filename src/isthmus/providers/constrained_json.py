"""Follows a JSON text while it arrives, and gives out what of its one interesting value is certain already."""

from __future__ import annotations

import json
import re

# The two beginnings that the constraint allows, up to the value that is to be given out.
HEAD = re.compile(r'\s*\{\s*"(?:name"\s*:\s*(?P<name>"(?:[^"\\]|\\.)*")\s*,\s*"arguments|reply)"\s*:\s*')
HEAD_MAX_CHARACTERS = 4096

# Up to where the text of a string means the same whatever follows. Half of a surrogate pair may find its other half.
CERTAIN = re.compile(
    r"""(?: [^"\\]+ | \\["\\/bfnrt] | \\u(?![dD][89abAB])[0-9a-fA-F]{4}
        | \\u[dD][89abAB][0-9a-fA-F]{2} (?: \\u[0-9a-fA-F]{4} | (?=[^\\]|\\[^u]) ) )*""",
    re.VERBOSE,
)


class CompactValue:
    """A JSON value, given out as JSON text without its white space. `ended`: it is whole, and the rest is not its."""

    def __init__(self) -> None:
        self.ended = False
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> str:
        kept: list[str] = []
        for character in text:
            if self.ended:
                break
            if self._in_string:
                self._inside(character)
            elif character.isspace():
                continue
            elif not self._outside(character):
                break
            kept.append(character)
        return "".join(kept)

    def _inside(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self._in_string = False
            self.ended = self._depth == 0

    def _outside(self, character: str) -> bool:
        """Whether the character is still a part of the value."""
        if character in "}],":
            if self._depth == 0:  # of what is around the value: a number, say, has no end of its own
                self.ended = True
                return False
            if character != ",":
                self._depth -= 1
                self.ended = self._depth == 0
        elif character in "{[":
            self._depth += 1
        elif character == '"':
            self._in_string = True
        return True


class StringValue:
    """A JSON string, given out as the text that it means. Half an escape is kept back until its other half is there."""

    def __init__(self) -> None:
        self._raw = CompactValue()
        self._pending = ""
        self._opened = False

    def feed(self, text: str) -> str:
        raw = self._raw.feed(text)
        if raw and not self._opened:
            self._opened, raw = True, raw[1:]
        self._pending += raw
        certain = CERTAIN.match(self._pending)
        assert certain is not None  # it matches nothing, too
        self._pending = self._pending[certain.end() :]
        said: str = json.loads(f'"{certain[0]}"', strict=False)
        return said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
