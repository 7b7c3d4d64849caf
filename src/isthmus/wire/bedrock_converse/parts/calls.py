"""Ids and names of tool calls, as Converse takes them."""

from __future__ import annotations

import hashlib
import re

NAME_MAX_CHARS = 64
ID_MAX_CHARS = 64

_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}\Z")
_CLAUDE_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")  # Anthropic's own rule
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")
_HASH_CHARS = 16


def tool_use_id(given: str, *, claude: bool) -> str:
    """An id that AWS would refuse becomes one that only this id becomes, alike in call and result."""
    if (_CLAUDE_ID if claude else _ID).match(given):
        return given
    digest = hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{_UNSAFE.sub('', given)[: ID_MAX_CHARS - _HASH_CHARS - 1]}_{digest}"


def is_tool_name(name: str) -> bool:
    return _NAME.match(name) is not None


def tool_name(given: str) -> str:
    """Of a call in the conversation so far, whose tool need not be offered any more."""
    return given if is_tool_name(given) else _UNSAFE.sub("_", given)[:NAME_MAX_CHARS] or "_"
