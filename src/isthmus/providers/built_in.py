"""The providers that are built in. One that speaks OpenAI's chat completions and needs no function is a row in
`rows/compatible.py`."""

from __future__ import annotations

from isthmus.providers.cloud.aws_bedrock import AWS_BEDROCK
from isthmus.providers.cloud.azure_openai import AZURE_OPENAI
from isthmus.providers.cloud.google_vertex_ai import GOOGLE_VERTEX_AI
from isthmus.providers.provider import Provider
from isthmus.providers.rows.anthropic import ANTHROPIC
from isthmus.providers.rows.cohere import COHERE
from isthmus.providers.rows.compatible import COMPATIBLE_PROVIDERS
from isthmus.providers.rows.google_ai_studio import GOOGLE_AI_STUDIO
from isthmus.providers.rows.media import MEDIA
from isthmus.providers.rows.native import with_native
from isthmus.providers.rows.openai import OPENAI
from isthmus.providers.rows.vectors import with_embeddings

BUILT_IN: tuple[Provider, ...] = tuple(
    with_native(with_embeddings(row))
    for row in (
        OPENAI,
        ANTHROPIC,
        GOOGLE_AI_STUDIO,
        GOOGLE_VERTEX_AI,
        AWS_BEDROCK,
        AZURE_OPENAI,
        COHERE,
        *COMPATIBLE_PROVIDERS,
        *MEDIA,
    )
)
