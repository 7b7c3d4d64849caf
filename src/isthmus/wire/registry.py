"""Every dialect by the name that configuration, providers and routes call it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from isthmus.wire.anthropic_messages import DIALECT as ANTHROPIC_MESSAGES
from isthmus.wire.bedrock_converse import DIALECT as BEDROCK_CONVERSE
from isthmus.wire.cohere_chat import DIALECT as COHERE_CHAT
from isthmus.wire.gemini import DIALECT as GEMINI
from isthmus.wire.openai_chat import (
    DEEPSEEK_CHAT,
    MISTRAL_CHAT,
    OPENAI_CHAT,
    OPENAI_CHAT_COMPATIBLE,
    OPENROUTER_CHAT,
)
from isthmus.wire.openai_completions import DIALECT as OPENAI_COMPLETIONS
from isthmus.wire.openai_responses import DIALECT as OPENAI_RESPONSES
from isthmus.wire.protocol import Dialect
from isthmus.wire.workers_ai import WORKERS_AI

# Two names may be one dialect (`name`): a request in it is then relayed, not translated.
DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "openai_chat": OPENAI_CHAT,
        "openai_chat_compatible": OPENAI_CHAT_COMPATIBLE,
        "openai_chat_openrouter": OPENROUTER_CHAT,
        "openai_chat_deepseek": DEEPSEEK_CHAT,
        "openai_chat_mistral": MISTRAL_CHAT,
        "openai_responses": OPENAI_RESPONSES,
        "openai_completions": OPENAI_COMPLETIONS,
        "anthropic_messages": ANTHROPIC_MESSAGES,
        "gemini": GEMINI,
        "bedrock_converse": BEDROCK_CONVERSE,
        "cohere_chat": COHERE_CHAT,
        "workers_ai": WORKERS_AI,
    }
)
