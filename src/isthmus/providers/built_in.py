"""The providers that are built in. One that speaks OpenAI's chat completions and needs no function is a row here."""

from __future__ import annotations

from isthmus.providers.anthropic import ANTHROPIC
from isthmus.providers.openai import OPENAI
from isthmus.providers.provider import Provider

BUILT_IN: tuple[Provider, ...] = (OPENAI, ANTHROPIC)
