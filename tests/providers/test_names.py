"""One map of what providers are called."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalogue.names import _SLUGS, slug_of
from isthmus.providers.built_in import BUILT_IN


def test_every_spelling_leads_to_a_provider_that_there_is() -> None:
    slugs = {row.slug for row in BUILT_IN}
    assert set(_SLUGS.values()) <= slugs
    assert not slugs & _SLUGS.keys(), "a slug is its own spelling"
    assert all(slug_of(slug) == slug for slug in slugs)


@given(st.text(max_size=30))
def test_a_slug_is_where_it_ends(name: str) -> None:
    assert slug_of(slug_of(name)) == slug_of(name)
