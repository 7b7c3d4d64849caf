"""Cohere: chat, version 2. Its compatible address leaves fields out in silence, so it is not used.
https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

from isthmus.providers.provider import Place, Provider

COHERE = Provider(
    slug="cohere",
    base_url="https://api.cohere.com/",
    paths={"cohere_chat": Place("v2/chat")},
    credential_variable="CO_API_KEY",
)
