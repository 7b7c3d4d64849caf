"""Rates: the compiled file says what genai-prices says, to the last digit, and ours go over theirs by their day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from genai_prices import types as genai
from genai_prices.data import providers as genai_providers
from hypothesis import given
from hypothesis import strategies as st

from isthmus.catalogue.catalogue import Catalogue, load, price
from isthmus.catalogue.compile import compiled
from isthmus.catalogue.facts import Facts, PriceRow, read_facts
from isthmus.catalogue.names import PRICED_AS
from isthmus.catalogue.price import Listed, PriceList, Rate, Span, Tier
from isthmus.catalogue.priced import PATH, Priced, read_snapshot

CATALOGUE = load()
THEIRS = {provider.id: provider for provider in genai_providers}
# How a call that has nothing but this kind of tokens is told to genai-prices.
USAGE = {
    "input": ("input_tokens",),
    "output": ("output_tokens",),
    "cache_read": ("cache_read_tokens", "input_tokens"),
    "cache_write": ("cache_write_tokens", "input_tokens"),
    "cache_write_1h": ("cache_write_1h_tokens", "cache_write_tokens", "input_tokens"),
    "input_audio": ("input_audio_tokens", "input_tokens"),
    "output_audio": ("output_audio_tokens", "output_tokens"),
}
MODELS = [(slug, model) for slug in PRICED_AS for model in THEIRS[PRICED_AS[slug]].models]
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


def test_the_compiled_file_is_of_the_installed_genai_prices() -> None:
    assert PATH.read_bytes() == compiled(), "run python -m isthmus.catalogue.compile"


def priced(slug: str, model: genai.ModelInfo) -> Priced:
    return next(row for row in CATALOGUE._snapshot.models(PRICED_AS[slug]) if row.id == model.id)


@given(st.sampled_from(MODELS), MOMENTS, st.integers(1, 2_000_000))
def test_a_call_costs_what_genai_prices_says(chosen: tuple[str, Any], moment: datetime, tokens: int) -> None:
    slug, model = chosen
    rates = priced(slug, model).prices.at(moment)
    assert rates is not None
    for key, names in USAGE.items():
        rate = rates.get(key)
        if rate is None:
            continue
        usage = genai.Usage(**{name: tokens for name in names})
        said = model.calc_price(usage, THEIRS[PRICED_AS[slug]], genai_request_timestamp=moment)
        input_tokens = tokens if "input_tokens" in names else 0
        # Without what each request costs by itself.
        assert rate.at(input_tokens) * tokens / 1_000_000 == said.input_price + said.output_price


@given(
    st.sampled_from([(slug, model) for slug, model in MODELS if model.price_variants]),
    MOMENTS,
    st.data(),
)
def test_variants_are_theirs(chosen: tuple[str, Any], moment: datetime, data: st.DataObject) -> None:
    slug, model = chosen
    kind = data.draw(st.sampled_from([variant.when for variant in model.price_variants]))
    ours = priced(slug, model).prices.at(moment, kind)
    theirs = model.get_prices(moment, kind)
    assert ours is not None
    for key in ("input", "output", "cache_read"):
        value = getattr(theirs, f"{key}_mtok")
        rate = ours.get(key)
        if isinstance(value, genai.TieredPrices):
            assert rate == Rate(value.base, tuple(Tier(tier.start, tier.price) for tier in value.tiers))
        else:
            assert rate == (None if value is None else Rate(value))


def test_a_tier_holds_for_the_whole_call_once_the_input_is_over_it() -> None:
    card = CATALOGUE.find("openai", "gpt-5.5")
    assert card is not None
    rates = price(card, datetime(2026, 11, 1, tzinfo=UTC))
    assert rates is not None
    output = rates.rates["output"]
    assert (output.at(0), output.at(272_000), output.at(272_001)) == (Decimal(30), Decimal(30), Decimal(45))


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        # data-plane 4.13
        ("anthropic/claude-haiku-4.5", {"input": "1", "output": "5", "cache_read": "0.1", "cache_write": "1.25"}),
        ("openai/gpt-5.5", {"input": "5", "output": "30"}),
    ],
)
def test_the_samples_of_the_specification(model: str, usd: dict[str, str]) -> None:
    card = CATALOGUE.find(model.partition("/")[0], model)
    assert card is not None
    rates = price(card, datetime(2026, 11, 1))
    assert rates is not None
    assert {key: rates.rates[key].usd for key in usd} == {key: Decimal(value) for key, value in usd.items()}


def with_our_price(since: date) -> Catalogue:
    row = PriceRow(
        provider="anthropic", model="claude-haiku-4-5", since=since, input=Decimal("0.123456789"), output=Decimal(2)
    )
    return Catalogue(read_snapshot(), msgspec.structs.replace(read_facts(), price=(row,)))


@given(st.integers(-40, 40))
def test_our_price_counts_from_its_day(days: int) -> None:
    since = date(2026, 12, 1)
    card = with_our_price(since).find("anthropic", "claude-haiku-4.5")
    assert card is not None
    rates = price(card, datetime.combine(since + timedelta(days=days), time(), UTC))
    assert rates is not None
    assert rates.rates["input"].usd == (Decimal("0.123456789") if days >= 0 else Decimal(1))
    assert ("cache_read" in rates.rates) == (days < 0)


@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.dates(date(2026, 1, 1), date(2026, 12, 31)))
def test_the_row_that_begins_later_counts_and_ours_on_the_same_day(theirs: date, ours: date) -> None:
    listed = (
        Listed(rates={"input": Rate(Decimal(1))}),
        Listed(rates={"input": Rate(Decimal(2))}, span=Span(since=theirs)),
    )
    prices = PriceList(listed=listed, ours=(Listed(rates={"input": Rate(Decimal(3))}, span=Span(since=ours)),))
    after = prices.at(datetime(2027, 1, 1))
    assert after is not None
    assert after.rates["input"].usd == (3 if ours >= theirs else 2)
    before = prices.at(datetime(2025, 1, 1))
    assert before is not None
    assert before.rates["input"].usd == 1


@pytest.mark.parametrize(("hour", "cheap"), [(16, False), (17, True), (23, True), (0, True), (1, False), (12, False)])
def test_a_span_of_the_day_may_go_over_midnight(hour: int, cheap: bool) -> None:
    span = Span(daily=(time(16, 30), time(0, 30)))
    assert span.holds(datetime(2026, 1, 1, hour, tzinfo=UTC)) is cheap


def test_zones_are_minded() -> None:
    prices = PriceList(
        listed=(
            Listed(rates={"input": Rate(Decimal(1))}),
            Listed(rates={"input": Rate(Decimal(2))}, span=Span(since=date(2026, 6, 2))),
        )
    )
    moment = datetime.fromisoformat("2026-06-02T01:00:00+05:00")  # still the first in UTC
    found = prices.at(moment)
    assert found is not None
    assert found.rates["input"].usd == 1


def test_without_a_price_there_is_none() -> None:
    assert PriceList().at(datetime(2026, 1, 1)) is None


def test_rows_of_ours_name_models_that_there_are() -> None:
    facts: Facts = read_facts()
    for row in facts.price:
        card = CATALOGUE.find(row.provider, row.model)
        assert card is not None and card.wire_name == row.model
