"""The kinds of target that each SDK is certified at, and what `isthmus.toml` says to bring them to the simulator."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

LOCAL = "@cf/huggingface/smollm2-135m-instruct"
# The pair of AWS's own documentation is the one that the simulator knows.
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_REGION": "us-east-1",
}
KEYS = {
    "OPENAI_API_KEY": "sk-openai-of-the-sdk-tests",
    "ANTHROPIC_API_KEY": "sk-ant-of-the-sdk-tests",
    "GEMINI_API_KEY": "gemini-key-of-the-sdk-tests",
    "CO_API_KEY": "cohere-key-of-the-sdk-tests",
    "LAB_API_KEY": "lab-key-of-the-sdk-tests",
}
SECRETS = (*KEYS.values(), AWS["AWS_SECRET_ACCESS_KEY"])


@dataclass(frozen=True)
class Target:
    """`seeing` is the model that takes images there, `thinking` the one that reasons; None where there is none.
    `shows_thoughts`: it tells what it thought; `unknown`: how it answers to a model that it does not have."""

    id: str
    model: str
    seeing: str | None
    thinking: str | None
    shows_thoughts: bool = True
    unknown: int = 404

    @property
    def is_local(self) -> bool:
        return self.model == LOCAL


_CLAUDE = "aws-bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0"

HERE = Target("local", LOCAL, None, None)
PROVIDED = (
    Target("openai", "openai/gpt-4o", "openai/gpt-4o", "openai/gpt-5.5", shows_thoughts=False),
    Target("anthropic", "anthropic/claude-haiku-4.5", "anthropic/claude-haiku-4.5", "anthropic/claude-sonnet-4.5"),
    Target("claude-adaptive", "anthropic/claude-opus-4.8", "anthropic/claude-opus-4.8", "anthropic/claude-opus-4.8"),
    Target("gemini-2.5", "google/gemini-2.5-flash", "google/gemini-2.5-flash", "google/gemini-2.5-flash"),
    Target(
        "gemini-3", "google/gemini-3-flash-preview", "google/gemini-3-flash-preview", "google/gemini-3-flash-preview"
    ),
    Target("bedrock", _CLAUDE, _CLAUDE, _CLAUDE, unknown=400),
    Target(
        "cohere", "cohere/command-a-03-2025", "cohere/command-a-vision-07-2025", "cohere/command-a-reasoning-08-2025"
    ),
    Target("compatible", "lab/gpt-4o", "lab/gpt-4o", "lab/gpt-5.5", shows_thoughts=False),
)
TARGETS = (HERE, *PROVIDED)

each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.id)
each_provider = pytest.mark.parametrize("target", PROVIDED, ids=lambda target: target.id)
each_model = pytest.mark.parametrize("model", [target.model for target in TARGETS], ids=[each.id for each in TARGETS])
each_provided = pytest.mark.parametrize(
    "model", [target.model for target in PROVIDED], ids=[each.id for each in PROVIDED]
)
each_way = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def logged(model: str) -> str:
    """The name that a log row has for it: with the provider's own slug."""
    return model.replace("google/", "google-ai-studio/")


def configuration(simulator_url: str) -> str:
    bases = {
        "openai": "v1/",
        "anthropic": "",
        "google-ai-studio": "",
        "aws-bedrock": "",
        "cohere": "",
        "lab": "v1/",
    }
    more = {"lab": 'dialect = "openai_chat"\ncredential = "env:LAB_API_KEY"\n'}
    return "".join(
        f'[providers.{slug}]\nbase_url = "{simulator_url}/{base}"\nallow_private_address = true\n{more.get(slug, "")}'
        for slug, base in bases.items()
    )
