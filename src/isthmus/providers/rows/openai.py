"""OpenAI: chat completions and responses, both native."""

from __future__ import annotations

import re

from isthmus.core.chat.model import Model
from isthmus.providers.provider import TRACING, Place, Provider

# Catalogue names may spell a version with a hyphen (`gpt-5-5`); OpenAI's own have a dot. A date (`gpt-4-0613`) has
# more than one digit there and stays.
_HYPHENATED = re.compile(r"^(gpt-\d)-(\d)(?=$|-)")


def wire_name(model: str) -> str:
    if model.startswith("ft:"):
        return model  # a fine-tuned model's name ends in an id that minds the case
    return _HYPHENATED.sub(r"\1.\2", model.lower())


def preferred(model: Model) -> str:
    """Responses alone give a model's thinking back, which the next turn of a tool conversation goes on from; chat
    completions alone take stop sequences, a seed and penalties, which models that think refuse anyway."""
    return "openai_chat" if model.thinking in (None, "none") else "openai_responses"


OPENAI = Provider(
    slug="openai",
    base_url="https://api.openai.com/v1/",
    paths={
        "openai_chat": Place("chat/completions"),
        "openai_responses": Place("responses", count="responses/input_tokens"),
    },
    preferred=preferred,
    credential_variable="OPENAI_API_KEY",
    forward=((b"openai-beta", None), *TRACING),
    wire_name=wire_name,
    catalogue_name=wire_name,
)
