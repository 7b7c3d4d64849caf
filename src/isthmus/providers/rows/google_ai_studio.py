"""Google AI Studio: Gemini's own API. https://ai.google.dev/api/generate-content"""

from __future__ import annotations

import re

from isthmus.providers.provider import Auth, Place, Provider

# Catalogue names may spell a version with a hyphen (`gemini-2-5-pro`); Google's own have a dot. What follows the
# version begins with a letter, or is a build of three digits (`gemini-2.0-flash-001`).
_HYPHENATED = re.compile(r"^(gemini-\d)-(\d)(?=$|-)")


def wire_name(model: str) -> str:
    return _HYPHENATED.sub(r"\1.\2", model.lower().removeprefix("models/"))


GOOGLE_AI_STUDIO = Provider(
    slug="google-ai-studio",
    base_url="https://generativelanguage.googleapis.com/",
    paths={
        "gemini": Place(
            "v1beta/models/{model}:generateContent",
            stream="v1beta/models/{model}:streamGenerateContent?alt=sse",
            count="v1beta/models/{model}:countTokens",
        )
    },
    auth=Auth("x-goog-api-key", ""),
    credential_variable="GEMINI_API_KEY",
    wire_name=wire_name,
    catalogue_name=wire_name,
)
