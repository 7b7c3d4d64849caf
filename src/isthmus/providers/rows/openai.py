"""OpenAI: chat completions and responses, both native; and text completions, which a few old models speak alone."""

from __future__ import annotations

import re

from isthmus.core.chat.model import Model
from isthmus.providers.provider import TRACING, Place, Provider

# Catalogue names may spell a version with a hyphen (`gpt-5-5`); OpenAI's own have a dot. A date (`gpt-4-0613`) has
# more than one digit there and stays.
_HYPHENATED = re.compile(r"^(gpt-\d)-(\d)(?=$|-)")

# https://developers.openai.com/api/docs/models: others answer `/completions` with 404, and these all but that.
_COMPLETES = re.compile(r"(?:ft:)?(?:gpt-3\.5-turbo-instruct|davinci-002|babbage-002)(?![a-z0-9])")
_COMPLETIONS = {"openai_completions": Place("completions")}
_OTHERS = {
    "openai_chat": Place("chat/completions"),
    "openai_responses": Place("responses", count="responses/input_tokens"),
}


def wire_name(model: str) -> str:
    if model.startswith("ft:"):
        return model  # a fine-tuned model's name ends in an id that minds the case
    return _HYPHENATED.sub(r"\1.\2", model.lower())


def preferred(model: Model) -> str:
    """Responses alone give a model's thinking back, which the next turn of a tool conversation goes on from; chat
    completions alone take stop sequences, a seed and penalties, which models that think refuse anyway."""
    if _COMPLETES.match(model.name):
        return "openai_completions"
    return "openai_chat" if model.thinking in (None, "none") else "openai_responses"


OPENAI = Provider(
    slug="openai",
    base_url="https://api.openai.com/v1/",
    paths=_OTHERS | _COMPLETIONS,
    paths_of=lambda model: _COMPLETIONS if _COMPLETES.match(model) else _OTHERS,
    preferred=preferred,
    credential_variable="OPENAI_API_KEY",
    forward=((b"openai-beta", None), *TRACING),
    wire_name=wire_name,
    catalogue_name=wire_name,
)
