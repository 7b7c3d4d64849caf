"""How providers and models are spelled (data-plane 4.1): one map of slugs and authors, and the spellings of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator

PRICED_AS = {
    "anthropic": "anthropic",
    "aws-bedrock": "aws",
    "azure-openai": "azure",
    "baseten": "baseten",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "databricks": "databricks",
    "deepseek": "deepseek",
    "elevenlabs": "elevenlabs",
    "fireworks": "fireworks",
    "google-ai-studio": "google",
    "google-vertex-ai": "google",
    "grok": "x-ai",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshotai": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity-ai": "perplexity",
    "together": "together",
    "workers-ai": "cloudflare",
    "z-ai": "zai",
}
"""Our provider slugs, and the ids that genai-prices has for them."""

AUTHORS = {"google-ai-studio": "google", "grok": "xai"}
"""Where a provider's models are named after somebody else."""

# Spelled as `slug_of` folds names: lower case, hyphens for dots, underscores and spaces.
_SLUGS = {
    "google": "google-ai-studio",
    "gemini": "google-ai-studio",
    "vertex": "google-vertex-ai",
    "vertex-ai": "google-vertex-ai",
    "vertexai": "google-vertex-ai",
    "google-vertex": "google-vertex-ai",
    "xai": "grok",
    "x-ai": "grok",
    "mistralai": "mistral",
    "perplexity": "perplexity-ai",
    "bedrock": "aws-bedrock",
    "amazon-bedrock": "aws-bedrock",
    "azure": "azure-openai",
    "fireworks-ai": "fireworks",
    "parallel-ai": "parallel",
    "hf": "huggingface",
    "hugging-face": "huggingface",
    "together-ai": "together",
    "togetherai": "together",
    "nvidia": "nvidia-nim",
    "nim": "nvidia-nim",
    "moonshot": "moonshotai",
    "moonshot-ai": "moonshotai",
    "kimi": "moonshotai",
    "dashscope": "alibaba",
    "qwen": "alibaba",
    "zai": "z-ai",
    "zhipuai": "z-ai",
    "github": "github-models",
    "llamacpp": "llama-cpp",
    "lmstudio": "lm-studio",
    "fal-ai": "fal",
    "ideogram-ai": "ideogram",
}
_FOLDED = str.maketrans("._ ", "---")

_DATE = re.compile(r"[-@](?:20\d{2}-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])|latest|default)(?=$|[-:])")
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])([0-2]\d|3[01])(?=$|[-:])")
# `4-5` in `claude-haiku-4-5`, nothing in `gpt-5-2025-11-13` and `preview-05-20`.
_HYPHENATED = re.compile(r"(?<!\d{4}-)(?<![\d.])([1-9]\d?)-(\d)(?=$|[-:@])")
_REGION = re.compile(r"^(?:global|regional|us-gov|us|eu|apac|au|jp|in|ca)\.(?=[a-z0-9]+\.)")
_VERSION = re.compile(r"-v\d+(?::\d+)?$")


def slug_of(provider: str) -> str:
    """The canonical slug, whatever the spelling; a name that is in no map is its own slug."""
    lower = provider.lower().translate(_FOLDED)
    return _SLUGS.get(lower, lower)


def author_of(slug: str) -> str:
    return AUTHORS.get(slug, slug)


def folded(name: str) -> str:
    """One spelling for all of them: lower case, dots and colons as hyphens."""
    return name.lower().replace(".", "-").replace(":", "-")


def dotted(name: str) -> str:
    """Versions with dots, as catalogue names have them: `claude-haiku-4.5`."""
    return _HYPHENATED.sub(r"\1.\2", name.lower())


def undated(name: str) -> str:
    return _DATE.sub("", name)


def spellings(name: str) -> Iterator[str]:
    """Of a name in lower case, the nearest first; without a date it is a family's, not a release's."""
    yield name
    yield dotted(name)
    yield name.replace(".", "-")
    yield _COMPACT_DATE.sub(r"-\1-\2-\3", name)
    bare = undated(name)
    if bare != name:
        yield bare
        yield dotted(bare)
        yield bare.replace(".", "-")


def bare(name: str) -> str:
    """The model by itself, folded, without what its host wraps around it: `anthropic/…`, Bedrock's
    `global.anthropic.…-v1:0`."""
    name = name.lower().rpartition("/")[2]
    if _REGION.match(name) or re.match(r"(?:anthropic|amazon|openai|meta|mistral|moonshotai|xai|zai)\.", name):
        name = _VERSION.sub("", _REGION.sub("", name).partition(".")[2])
    return folded(name)
