"""One card however a model is spelled, for every model of genai-prices at the providers that matter most."""

from __future__ import annotations

import msgspec
import pytest
from genai_prices.data import providers as genai_providers
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalogue.catalogue import Catalogue, load
from isthmus.catalogue.facts import read_facts
from isthmus.catalogue.names import PRICED_AS, folded
from isthmus.catalogue.priced import read_snapshot

CATALOGUE = load()
MAJOR = (
    "openai",
    "anthropic",
    "google-ai-studio",
    "google-vertex-ai",
    "grok",
    "groq",
    "deepseek",
    "mistral",
    "cohere",
    "aws-bedrock",
)
THEIRS = {provider.id: provider for provider in genai_providers}


@pytest.mark.parametrize("slug", MAJOR)
def test_every_spelling_leads_to_the_one_card(slug: str) -> None:
    names = [model.id for model in THEIRS[PRICED_AS[slug]].models]
    assert len(names) > 5
    for name in names:
        own = CATALOGUE.find(slug, name)
        assert own is not None
        assert own.wire_name == CATALOGUE._facts.wire_name(slug, name)
        for hyphenated in (name, name.replace(".", "-")):
            for spelling in (hyphenated, hyphenated.upper(), f"{slug}/{hyphenated}", f" {hyphenated} "):
                assert CATALOGUE.find(slug, spelling) is own, spelling


@pytest.mark.parametrize("slug", MAJOR)
def test_no_two_models_of_a_provider_fold_into_one_spelling(slug: str) -> None:
    names = [model.id for model in THEIRS[PRICED_AS[slug]].models]
    assert len({folded(name) for name in names}) == len(names)


@pytest.mark.parametrize("slug", PRICED_AS)
def test_catalogue_names_and_wire_names_lead_back(slug: str) -> None:
    listed = [card for card in CATALOGUE.cards(slug) if card.listed]
    assert len({card.name for card in listed}) == len(listed)
    for card in listed:
        assert CATALOGUE.find(slug, card.wire_name) == card
        assert CATALOGUE.find(slug, card.name) == card
        assert CATALOGUE.find(card.author, card.name.partition("/")[2]) == card
        assert CATALOGUE.wire_name(slug, card.name.partition("/")[2]) == card.wire_name


@pytest.mark.parametrize(
    ("provider", "spelling", "wire_name"),
    [
        ("anthropic", "claude-haiku-4.5", "claude-haiku-4-5"),
        ("anthropic", "anthropic/Claude-Haiku-4.5", "claude-haiku-4-5"),
        ("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("google-vertex-ai", "claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("openai", "gpt-5-5", "gpt-5.5"),
        ("openai", "gpt-5.2-20251211", "gpt-5.2"),
        ("openai", "gpt-6-sol-2026-09-22", "gpt-6-sol"),
        ("openai", "gpt-6.1-terra-2026-10-26", "gpt-6.1-terra"),
        ("google", "gemini-3-5-flash", "gemini-3.5-flash"),
        ("google-ai-studio", "google/gemini-2.5-flash-latest", "gemini-2.5-flash"),
        ("xai", "grok-4.5", "grok-4.5"),
        ("grok", "x-ai/grok-4-5", "grok-4.5"),
        ("groq", "openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("bedrock", "us.anthropic.claude-opus-4-8", "anthropic.claude-opus-4-8-v1:0"),
        ("azure-openai", "gpt-4.1", "gpt-4.1"),
    ],
)
def test_known_spellings(provider: str, spelling: str, wire_name: str) -> None:
    card = CATALOGUE.find(provider, spelling)
    assert card is not None
    assert card.wire_name == wire_name


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("claude-haiku-4.5", "claude-haiku-4-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5-20251001"),  # a pinned release stays pinned
        ("Claude-Opus-4.8", "claude-opus-4-8"),
        ("claude-of-next-year", "claude-of-next-year"),
    ],
)
def test_what_is_sent_says_no_less_than_what_was_asked(model: str, sent: str) -> None:
    assert CATALOGUE.wire_name("anthropic", model) == sent


@pytest.mark.parametrize("slug", MAJOR)
def test_every_name_in_the_price_list_leads_to_its_model(slug: str) -> None:
    """As genai-prices itself finds them, but where a name of its own goes before another model's pattern."""
    for model in CATALOGUE._snapshot.models(PRICED_AS[slug]):
        for name in model.whole_names():
            said = THEIRS[PRICED_AS[slug]].find_model(name)
            card = CATALOGUE.find(slug, name)
            assert card is not None and said is not None
            assert card.wire_name in {CATALOGUE._facts.wire_name(slug, each) for each in (said.id, model.id)}


def test_azure_asks_what_the_maker_asks_where_it_has_no_price_of_its_own() -> None:
    own = {card.wire_name for card in CATALOGUE.cards("azure-openai")}
    borrowed = next(card for card in CATALOGUE.cards("openai") if card.listed and card.wire_name not in own)
    card = CATALOGUE.find("azure-openai", borrowed.wire_name)
    assert card is not None
    assert (card.provider, card.prices) == ("azure-openai", borrowed.prices)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_a_name_that_may_be_unknown(provider: str, model: str) -> None:
    CATALOGUE.find(provider, model)
    assert CATALOGUE.traits(provider, model).name == model


@given(st.sampled_from(sorted(PRICED_AS)), st.text(max_size=300))
def test_any_text_at_a_known_provider(provider: str, model: str) -> None:
    assert CATALOGUE.traits(provider, model).name == model


def test_of_an_unknown_model_nothing_is_said() -> None:
    assert CATALOGUE.find("openai", "no-such-model") is None
    traits = CATALOGUE.traits("openai", "no-such-model")
    blank = msgspec.structs.replace(CATALOGUE.traits("nobody", "x"), name="no-such-model")
    assert traits == blank
    assert (traits.max_output_tokens, traits.input, traits.thinking, traits.refuses) == (None, None, None, frozenset())


def test_search() -> None:
    found = CATALOGUE.search(text="HAIKU", author="anthropic")
    assert {card.wire_name for card in found} == {"claude-haiku-4-5", "claude-haiku-5-5"}
    everything = CATALOGUE.search(lifecycles=("active", "deprecated", "retired"))
    assert len(everything) > len(CATALOGUE.search()) > 1000
    assert {card.author for card in CATALOGUE.search(author="xai")} == {"xai"}
    assert {card.task for card in CATALOGUE.search(task="text embeddings")} == {"Text Embeddings"}
    assert CATALOGUE.search(text="no-such-model") == []


def test_each_provider_is_read_when_it_is_first_asked_for() -> None:
    fresh = Catalogue(read_snapshot(), read_facts())
    assert fresh._shelf.cache_info().currsize == 0
    fresh.find("openai", "gpt-5.5")
    assert fresh._shelf.cache_info().currsize == 1
