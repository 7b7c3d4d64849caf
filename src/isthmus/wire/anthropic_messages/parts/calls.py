"""Ids and arguments of tool calls, as Anthropic takes them."""

from __future__ import annotations

import re

import msgspec

# Where a model wrote arguments that are no JSON object, they are kept in one: Anthropic's `input` can be nothing else,
# and an empty object would be a call that nobody made.
UNPARSED = "unparsed_arguments"

_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def tool_id(given: str) -> str:
    """Anthropic refuses ids with other characters: they are spelled in hexadecimal, alike in call and result."""
    return _UNSAFE.sub(lambda found: f"_{ord(found.group()):x}", given)


def tool_input(arguments: str) -> tuple[msgspec.Raw | dict[str, str], bool]:
    """The arguments as an object, and whether they were one."""
    if not arguments.strip():
        return {}, True
    data = arguments.encode()
    try:
        _decode_object(data)
    except (msgspec.DecodeError, RecursionError):
        return {UNPARSED: arguments}, False
    return msgspec.Raw(data), True
