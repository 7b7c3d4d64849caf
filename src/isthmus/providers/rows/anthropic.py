"""Anthropic: messages, native. https://docs.anthropic.com/en/api/messages"""

from __future__ import annotations

import re

from isthmus.providers.provider import X_API_KEY, Place, Provider

# `claude-haiku-4-5`, `claude-3-5-sonnet-20241022`: a date has more digits.
_HYPHENATED = re.compile(r"(?<=-)(\d{1,2})-(\d{1,2})(?=$|-)")


def wire_name(model: str) -> str:
    """Anthropic spells versions with hyphens (`claude-haiku-4-5`); catalogue names have dots."""
    return model.lower().replace(".", "-")


def catalogue_name(model: str) -> str:
    return _HYPHENATED.sub(r"\1.\2", model.lower())


ANTHROPIC = Provider(
    slug="anthropic",
    base_url="https://api.anthropic.com/",
    paths={"anthropic_messages": Place("v1/messages", count="v1/messages/count_tokens")},
    auth=X_API_KEY,
    credential_variable="ANTHROPIC_API_KEY",
    wire_name=wire_name,
    catalogue_name=catalogue_name,
)
