"""What facts.toml says of the models that callers use, and that it says nothing of fields and names that are not."""

from __future__ import annotations

import re

import pytest

from isthmus.catalogue.catalogue import load
from isthmus.catalogue.facts import read_facts
from isthmus.catalogue.names import PRICED_AS
from isthmus.core.chat.model import Model
from isthmus.core.chat.request import Chat

CATALOGUE = load()
FACTS = read_facts()
SAMPLING = {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs"}


def traits(name: str) -> Model:
    author, _, model = name.partition("/")
    return CATALOGUE.traits(author, model)


def test_refused_fields_are_fields_of_a_request() -> None:
    for family in FACTS.family:
        assert family.refuses | family.refuses_thinking <= set(Chat.__struct_fields__), family.names
        assert family.hosts <= PRICED_AS.keys(), family.names
        assert "none" not in family.efforts, family.names


def test_every_family_has_a_model() -> None:
    """A rule that nothing fits is a slip; models that genai-prices does not have are named here."""
    beyond = {"gpt-5-chat", "gpt-5-[123]-chat", "command-a-reasoning", "command-a-vision"}  # their prices are others'
    for family in FACTS.family:
        fitting = [
            card for slug in family.hosts for card in CATALOGUE.cards(slug) if FACTS.of(slug, card.wire_name) is family
        ]
        assert fitting or family.names in beyond, family.names


def test_rules_are_regular_expressions() -> None:
    for names in (*(family.names for family in FACTS.family), *(rule.names for rule in FACTS.task)):
        re.compile(names)


def test_wire_names_are_of_models_in_the_price_list() -> None:
    for slug, names in FACTS.wire_names.items():
        ids = {row.id for row in CATALOGUE._snapshot.models(PRICED_AS[slug])}
        assert names.keys() <= ids


@pytest.mark.parametrize(
    ("names", "thinking", "most"),
    [
        (["claude-opus-5-5", "claude-sonnet-5.5", "claude-fable-5-2", "claude-mythos-5-2"], "adaptive", 128_000),
        (["claude-opus-4-7", "claude-opus-4.8", "claude-opus-5", "claude-sonnet-5"], "adaptive", 128_000),
        (["claude-haiku-5-5", "claude-opus-4-6", "claude-sonnet-4-6"], "adaptive", 128_000),
        (["claude-haiku-4-5-20251001", "claude-sonnet-4-5", "claude-opus-4-5"], "budget", 64_000),
    ],
)
def test_how_claude_thinks(names: list[str], thinking: str, most: int) -> None:
    for name in names:
        for host in ("anthropic/", "aws-bedrock/global.anthropic.", "google-vertex-ai/"):
            model = traits(host + name)
            assert (model.thinking, model.max_output_tokens) == (thinking, most), host + name
            assert model.input == {"text", "image", "document"}


@pytest.mark.parametrize(
    ("name", "thinking", "most", "sees", "forces"),
    [
        ("command-r-08-2024", "none", 4_096, False, False),
        ("command-r-plus-08-2024", "none", 4_096, False, False),
        ("command-r7b-12-2024", "none", 4_096, False, True),
        ("command-a-03-2025", "none", 8_192, False, True),
        ("command-a-vision-07-2025", "none", 8_192, True, False),
        ("command-a-reasoning-08-2025", "budget", 32_768, False, True),
    ],
)
def test_cohere(name: str, thinking: str, most: int, sees: bool, forces: bool) -> None:
    model = traits(f"cohere/{name}")
    assert (model.thinking, model.max_output_tokens, model.forces_tools) == (thinking, most, forces)
    assert model.input == ({"text", "image"} if sees else {"text"})


@pytest.mark.parametrize("name", ["claude-opus-4-7", "claude-opus-5.5", "claude-sonnet-5", "claude-haiku-5-5"])
def test_newer_claudes_refuse_sampling(name: str) -> None:
    assert traits(f"anthropic/{name}").refuses == {"temperature", "top_p", "top_k"}


def test_older_claudes_refuse_it_only_while_they_think() -> None:
    model = traits("anthropic/claude-haiku-4.5")
    assert (model.refuses, model.refuses_thinking) == (set(), {"temperature", "top_k"})


def test_which_claudes_can_be_kept_from_thinking_or_made_to_call() -> None:
    always = {name: traits(f"anthropic/claude-{name}") for name in ("opus-5-5", "fable-5", "opus-5", "opus-4-8")}
    assert {name: model.always_thinks for name, model in always.items()} == {
        "opus-5-5": True,
        "fable-5": True,
        "opus-5": False,
        "opus-4-8": False,
    }
    assert {name: model.forces_tools for name, model in always.items()} == {
        "opus-5-5": False,
        "fable-5": True,
        "opus-5": True,
        "opus-4-8": True,
    }


@pytest.mark.parametrize(
    ("name", "refuses", "while_thinking", "efforts"),
    [
        ("gpt-4o", set(), set(), set()),
        ("gpt-4.1-mini", set(), set(), set()),
        ("o3", SAMPLING | {"stop"}, set(), {"low", "medium", "high"}),
        ("o3-mini", SAMPLING, set(), {"low", "medium", "high"}),
        ("gpt-5-mini", SAMPLING | {"stop"}, set(), {"minimal", "low", "medium", "high"}),
        ("gpt-5.1", {"stop"}, SAMPLING, {"low", "medium", "high"}),
        ("gpt-5.4", set(), SAMPLING, {"low", "medium", "high", "xhigh"}),
        ("gpt-5-5-2026-04-23", SAMPLING, set(), {"low", "medium", "high", "xhigh"}),
        ("gpt-5.6-sol", SAMPLING, set(), {"low", "medium", "high", "xhigh", "max"}),
        ("gpt-6.1-sol", SAMPLING, set(), {"low", "medium", "high", "xhigh", "max"}),
    ],
)
def test_what_openai_models_refuse(name: str, refuses: set[str], while_thinking: set[str], efforts: set[str]) -> None:
    model = traits(f"openai/{name}")
    assert (model.refuses, model.refuses_thinking, model.efforts) == (refuses, while_thinking, efforts)
    assert model.thinking == ("adaptive" if efforts else "none")


def test_a_model_under_the_price_of_another_has_its_own_manners() -> None:
    assert CATALOGUE.find("openai", "gpt-5-chat-latest") is CATALOGUE.find("openai", "gpt-5")
    assert traits("openai/gpt-5-chat-latest").thinking == "none"
    assert traits("openai/gpt-5.1-codex").always_thinks
    assert traits("openai/gpt-5.1-codex").context_tokens == 400_000


def test_a_model_of_next_year_does_not_inherit() -> None:
    for name in ("openai/gpt-5.9", "openai/gpt-7", "anthropic/claude-opus-6", "google/gemini-5-pro"):
        assert traits(name).thinking is None, name


@pytest.mark.parametrize(
    ("name", "thinking", "always"),
    [
        ("gemini-2.5-pro", "budget", True),
        ("gemini-2.5-flash", "budget", False),
        ("gemini-2.5-flash-lite", "budget", False),
        ("gemini-2.5-flash-image", "none", False),
        ("gemini-2.0-flash", "none", False),
        ("gemini-3-flash-preview", "adaptive", True),
        ("gemini-3.5-flash", "adaptive", True),
        ("gemini-3.1-pro-preview", "adaptive", True),
        ("gemini-4-argon", "adaptive", True),
    ],
)
def test_how_gemini_thinks(name: str, thinking: str, always: bool) -> None:
    model = traits(f"google/{name}")
    assert (model.thinking, model.always_thinks) == (thinking, always)


def test_what_gemini_takes() -> None:
    assert traits("google/gemini-3.8-flash").input == {"text", "image", "document", "audio", "video"}
    assert "minimal" not in traits("google/gemini-3.8-flash").efforts
    assert "minimal" in traits("google/gemini-3.5-flash").efforts


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("openai/gpt-5.5", "Text Generation"),
        ("openai/text-embedding-3-small", "Text Embeddings"),
        ("openai/whisper-1", "Automatic Speech Recognition"),
        ("openai/gpt-image-2", "Text-to-Image"),
        ("openai/tts-1", "Text-to-Speech"),
        ("openai/gpt-realtime", "websocket"),
        ("google/gemini-embedding-2", "Text Embeddings"),
        ("mistral/mistral-ocr-latest", "Image-to-Text"),
    ],
)
def test_tasks(name: str, task: str) -> None:
    author, _, model = name.partition("/")
    card = CATALOGUE.find(author, model)
    assert card is not None
    assert card.task == task
