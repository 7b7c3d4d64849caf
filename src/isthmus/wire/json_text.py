"""Small pure bits every dialect needs around JSON: typed reading whose errors name the field, and ids."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import TypeVar

import msgspec

from isthmus.errors import InvalidRequest

T = TypeVar("T")

_AT = re.compile(r" - at `\$(.*)`\Z")
_STEP = re.compile(r"\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(.*)`\Z")
_UNKNOWN = re.compile(r"Invalid (?:enum )?value ('.*'|\S+)\Z")
_BOUND = re.compile(r"Expected `(?:int|float)` ([<>]=? \S+)\Z")
_EXPECTED = re.compile(r"Expected `(.*)`, got `(.*)`\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def read_typed(decode: Callable[[bytes], T], data: bytes) -> T:
    """What `decode` (a msgspec decoder's) makes of `data`; a refusal names the field as OpenAI and others do, with
    `param` its path: "messages.0.content". Raises `InvalidRequest`."""
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(str(error)) from None


def on_one_line(json_text: str) -> str:
    """JSON text that may stand in a line of an event stream: line breaks in it are white space between values, since
    strings cannot hold any."""
    return json_text.replace("\r", " ").replace("\n", " ")


def prefixed_id(prefix: str, given: str) -> str:
    """An id of a dialect's own form: the given one where it has the prefix, else its safe characters behind it."""
    return given if given.startswith(prefix) else prefix + _UNSAFE.sub("", given)


def made_up_id(prefix: str) -> str:
    """For what a provider left without an id. Random, since an id must not come again in the same conversation."""
    return prefix + secrets.token_hex(12)


def _refusal(said: str) -> InvalidRequest:
    at = _AT.search(said)
    path = _STEP.sub(r".\1", at.group(1)).strip(".") if at else ""
    said = said[: at.start()] if at else said
    missing = _MISSING.match(said)
    if missing:
        path = f"{path}.{missing.group(1)}" if path else missing.group(1)
        return InvalidRequest(f"`{path}` is required.", param=path)
    expected = _EXPECTED.match(said)
    if expected:
        wanted = " or ".join(_WORDS.get(word, word) for word in expected.group(1).split(" | "))
        got = _WORDS.get(expected.group(2), expected.group(2))
        return InvalidRequest(f"`{path or 'body'}` must be {wanted}, not {got}.", param=path or None)
    bound = _BOUND.match(said)
    if bound and path:
        return InvalidRequest(f"`{path}` must be {bound.group(1)}.", param=path)
    unknown = _UNKNOWN.match(said)
    if unknown and path:
        return InvalidRequest(f"`{path}` may not be {unknown.group(1)}.", param=path)
    if not path:
        return InvalidRequest(f"The body is not valid JSON: {said}.")
    return InvalidRequest(f"`{path}`: {said[:1].lower()}{said[1:]}.", param=path)
