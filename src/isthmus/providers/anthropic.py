"""Anthropic: messages, native. https://docs.anthropic.com/en/api/versioning"""

from __future__ import annotations

from isthmus.providers.provider import TRACING, Provider


def wire_name(model: str) -> str:
    """Anthropic spells versions with hyphens (`claude-haiku-4-5`); catalogue names have dots."""
    return model.lower().replace(".", "-")


ANTHROPIC = Provider(
    slug="anthropic",
    base_url="https://api.anthropic.com/",
    paths={"anthropic_messages": "v1/messages"},
    credential_header="x-api-key",
    credential_variable="ANTHROPIC_API_KEY",
    forward=((b"anthropic-version", b"2023-06-01"), (b"anthropic-beta", None), *TRACING),
    wire_name=wire_name,
)
