"""One map of what providers are called."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalogue.names import _SLUGS, slug_of
from isthmus.providers.built_in import BUILT_IN
from isthmus.providers.models import ModelTable, PlatformModel
from isthmus.providers.provider import Place, Provider


def test_every_spelling_leads_to_a_provider_that_there_is() -> None:
    slugs = {row.slug for row in BUILT_IN}
    assert set(_SLUGS.values()) <= slugs
    assert not slugs & _SLUGS.keys(), "a slug is its own spelling"
    assert all(slug_of(slug) == slug for slug in slugs)


@given(st.text(max_size=30))
def test_a_slug_is_where_it_ends(name: str) -> None:
    assert slug_of(slug_of(name)) == slug_of(name)


def test_a_target_is_known_by_its_author_too() -> None:
    grok = Provider(slug="grok", base_url="https://x.example/", paths={"openai_chat": Place("chat")}, credential="k")
    models = ModelTable({"grok": grok}, {"@cf/a/b": PlatformModel(provider="grok", model="grok-4")})
    target = models.resolve("grok/grok-4", "openai_chat")
    assert (target.name, target.author_name) == ("grok/grok-4", "xai/grok-4")
    # A platform model is not its provider's: a token bound to that provider's models does not reach it.
    assert models.resolve("@cf/a/b", "openai_chat").author_name == "@cf/a/b"
