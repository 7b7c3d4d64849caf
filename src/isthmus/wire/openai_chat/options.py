"""How a provider's Chat Completions differ from the others'."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

NEW_NAME = "max_completion_tokens"
OPENAI_REASONING = re.compile(r"(?:\A|/)(?:o\d|gpt-[5-9])", re.IGNORECASE)
"""OpenAI's reasoning models refuse the old name, `max_tokens`, and whoever serves them knows the new one."""

OPENAI_LACKS = frozenset({"top_k", "summary", "metadata", "messages.video"})
"""`metadata` is there, but OpenAI takes it only with `store`, which keeps the conversation."""

COMPATIBLE_LACKS = frozenset(
    {
        "top_k",
        "metadata",
        "verbosity",
        "cache_key",
        "cache_retention",
        "service_tier",
        "messages.file_id",
        "tools.custom",
        "tools.web_search",
        "tool_choice.allowed",
    }
)
"""Of what OpenAI's later years brought, most servers know little, and some refuse what they do not know."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """OpenAI refuses `max_tokens` for its reasoning models and tells developers from systems; other servers often know
    neither. `asks_usage` False is for a server that refuses `stream_options`.

    `lacks` names what the server has no field for: names of `Chat` ("top_k"), and "messages.file_id", "messages.video",
    "tools.custom", "tools.web_search", "tool_choice.allowed", "answer_format.schema" (JSON of any form is still there).
    `stop_max` is how many stop sequences it takes. `thinking_field` is where an assistant's earlier thinking goes
    ("reasoning_content"), None where it is not taken; `thinking_needed`: a turn with tool calls is refused without it.
    `signatures` says whose signatures are taken, in that vendor's own place. `cache_control`: Anthropic's marks are
    taken in content parts. `media_by_value`: images are taken as data only, not by their address.
    `refuses_thinking`: a message with a field for earlier thinking is answered with an error.
    """

    max_tokens_field: str = NEW_NAME
    developer_role: bool = True
    asks_usage: bool = True
    lacks: frozenset[str] = OPENAI_LACKS
    stop_max: int | None = 4
    thinking_field: str | None = None
    thinking_needed: bool = False
    signatures: Literal["openrouter", "google"] | None = None
    cache_control: bool = False
    media_by_value: bool = False
    refuses_thinking: bool = False


OPENAI = Options(refuses_thinking=True)
COMPATIBLE = Options(max_tokens_field="max_tokens", developer_role=False, lacks=COMPATIBLE_LACKS, stop_max=None)
OPENROUTER = msgspec.structs.replace(
    COMPATIBLE,
    lacks=COMPATIBLE_LACKS - {"top_k", "verbosity", "tools.web_search"},
    thinking_field="reasoning",
    signatures="openrouter",
    cache_control=True,
)
"""https://openrouter.ai/docs/api-reference/chat-completion"""

MISTRAL = msgspec.structs.replace(COMPATIBLE, asks_usage=False)
"""Usage comes unasked, and `stream_options` is refused with 422."""

DEEPSEEK = msgspec.structs.replace(
    COMPATIBLE,
    lacks=COMPATIBLE_LACKS | {"messages.video", "answer_format.schema"},
    stop_max=16,
    thinking_field="reasoning_content",
    thinking_needed=True,
)
"""https://api-docs.deepseek.com/guides/thinking_mode"""
