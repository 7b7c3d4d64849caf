"""Every embeddings dialect by its name: those that callers speak, and those that providers do, with their variants."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from isthmus.wire.embeddings import openai
from isthmus.wire.embeddings.cohere import BEDROCK_COHERE, COHERE
from isthmus.wire.embeddings.gemini import GEMINI
from isthmus.wire.embeddings.protocol import CallersEmbeddings, ProvidersEmbeddings
from isthmus.wire.embeddings.titan import TITAN
from isthmus.wire.embeddings.workers_ai import WORKERS_AI

CALLERS: Mapping[str, CallersEmbeddings] = MappingProxyType(
    {"openai_embeddings": openai.OPENAI, "workers_ai_embeddings": WORKERS_AI}
)

PROVIDERS: Mapping[str, ProvidersEmbeddings] = MappingProxyType(
    {
        "openai_embeddings": openai.OPENAI,
        "openai_embeddings_compatible": openai.COMPATIBLE,
        "openai_embeddings_full_size": openai.FULL_SIZE,
        "openai_embeddings_local": openai.LOCAL,
        "openai_embeddings_mistral": openai.MISTRAL,
        "openai_embeddings_fireworks": openai.FIREWORKS,
        "openai_embeddings_plain": openai.PLAIN,
        "openai_embeddings_texts": openai.TEXTS,
        "openai_embeddings_github": openai.GITHUB,
        "openai_embeddings_alibaba": openai.ALIBABA,
        "gemini_embeddings": GEMINI,
        "cohere_embeddings": COHERE,
        "bedrock_cohere_embeddings": BEDROCK_COHERE,
        "titan_embeddings": TITAN,
    }
)
