"""Custom tools (free text in, OpenAI's) as functions with one string, for models that know functions only; and the way
back from such a function's arguments to the text."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from isthmus.core.chat.request import CustomTool, Tool

INPUT = "input"
_INPUT_SAID = "The whole input, as plain text."
# What comes before the text. Longer beginnings are kept until the end, and read there.
_HEAD = re.compile(r'\s{0,32}\{\s{0,32}"input"\s{0,32}:\s{0,32}"')
_HEAD_MAX_CHARS = 160
_PLAIN = re.compile(r'[^"\\]+')
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_CODE_CHARS = 6
_UNKNOWN = "\ufffd"  # for half of a surrogate pair


def as_function(tool: CustomTool) -> Tool:
    """The grammar is told in words: what holds a model to it is its provider, and only OpenAI does."""
    said = [tool.description] if tool.description else []
    if tool.grammar is not None:
        said.append(f"The input must match this {tool.grammar.syntax} grammar:\n{tool.grammar.definition}")
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": _INPUT_SAID}},
        "required": [INPUT],
        "additionalProperties": False,
    }
    return Tool(name=tool.name, description="\n\n".join(said) or None, parameters=schema)


def wrapped(text: str) -> str:
    """Free text as the arguments of the function."""
    return msgspec.json.encode({INPUT: text}).decode()


class Unwrapping:
    """The function's arguments, piece by piece, to the text in them. Arguments of another form (another property before
    the text) are given at `close`: the text, or all of them where there is none."""

    __slots__ = ("_ended", "_held", "_inside", "_size")

    def __init__(self) -> None:
        self._held: list[str] = []  # inside the text: the beginning of an escape, in one piece
        self._size = 0
        self._inside = False
        self._ended = False

    def feed(self, json_text: str) -> str:
        if self._ended:
            return ""
        if self._inside:
            return self._text("".join((*self._held, json_text)))
        self._held.append(json_text)
        self._size += len(json_text)
        if self._size - len(json_text) > _HEAD_MAX_CHARS:
            return ""
        said = "".join(self._held)
        head = _HEAD.match(said)
        if head is None:
            return ""
        self._inside = True
        return self._text(said[head.end() :])

    def close(self) -> str:
        """What was held back. A text without an end has been given as far as it went."""
        if self._inside or self._ended:
            return ""
        self._ended = True
        said = "".join(self._held)
        try:
            arguments = msgspec.json.decode(said)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return said
        text = arguments.get(INPUT) if isinstance(arguments, dict) else None
        if isinstance(text, str):
            return text
        return "" if arguments == {} else said

    def _text(self, said: str) -> str:
        found: list[str] = []
        at = 0
        self._held = []
        while at < len(said):
            plain = _PLAIN.match(said, at)
            if plain is not None:
                found.append(plain[0])
                at = plain.end()
                continue
            if said[at] == '"':
                self._ended = True
                break
            read = _escape(said, at)
            if read is None:
                self._held = [said[at:]]
                break
            found.append(read[0])
            at = read[1]
        return "".join(found)


def _escape(said: str, at: int) -> tuple[str, int] | None:
    """What the escape at `at` stands for and where it ends; None where more of it is to come."""
    rest = len(said) - at
    if rest < 2:
        return None
    kind = said[at + 1]
    if kind != "u":
        return _ESCAPES.get(kind, kind), at + 2
    if rest < _CODE_CHARS:
        return None
    first = _CODE.match(said, at)
    if first is None:
        return said[at : at + 2], at + 2
    code, end = int(first[1], 16), first.end()
    if not 0xD800 <= code < 0xE000:
        return chr(code), end
    second = _CODE.match(said, end)
    if second is not None and code < 0xDC00 and 0xDC00 <= (low := int(second[1], 16)) < 0xE000:
        return chr(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), second.end()
    if code < 0xDC00 and second is None and len(said) - end < _CODE_CHARS and _may_be_code(said[end:]):
        return None
    return _UNKNOWN, end


def _may_be_code(text: str) -> bool:
    return text.startswith("\\u") if len(text) > 1 else text in ("", "\\")
