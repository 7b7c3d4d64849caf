"""Writes `prices.json`, all that we take of genai-prices: `python -m isthmus.catalogue.compile` after an update of it.

The gateway reads the compiled file only: importing genai-prices takes a fifth of a second, 31 MB and an HTTP client.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from itertools import product
from typing import Any

import msgspec
from genai_prices import types as genai
from genai_prices.data import providers

from isthmus.catalogue.names import PRICED_AS
from isthmus.catalogue.price import Listed, PriceList, Rate, Span, Tier, Variant
from isthmus.catalogue.priced import PATH, Clause, Priced

# Ours where it differs from theirs without the unit.
_KEYS = {"cache_audio_read": "cache_read_audio", "cache_image_read": "cache_read_image"}
_OPERATORS = ("starts_with", "ends_with", "contains", "regex", "equals")


def compiled() -> bytes:
    """One model to a line, so that a new version can be looked through."""
    models = {provider.id: provider.models for provider in providers}
    shelves = [
        b'"%s":[\n%s]' % (name.encode(), b",\n".join(msgspec.json.encode(_priced(model)) for model in models[name]))
        for name in sorted(set(PRICED_AS.values()))
    ]
    head = msgspec.json.encode(version("genai-prices"))
    return b'{"version":%s,"providers":{\n%s}}\n' % (head, b",\n".join(shelves))


def _priced(model: genai.ModelInfo) -> Priced:
    prices = model.prices if isinstance(model.prices, list) else [genai.ConditionalPrice(prices=model.prices)]
    return Priced(
        id=model.id,
        name=model.name,
        match=tuple(_alternatives(model.match)),
        context_tokens=model.context_window,
        deprecated=bool(model.deprecated),
        prices=PriceList(
            listed=tuple(Listed(rates=_rates(row.prices), span=_span(row.constraint)) for row in prices),
            variants=tuple(
                Variant(when=row.when, rates=_rates(row.prices), span=_span(row.constraint))
                for row in model.price_variants or ()
            ),
        ),
    )


def _rates(prices: genai.ModelPrice) -> dict[str, Rate]:
    return {_key(key): _rate(value) for key, value in prices.__dict__.items() if value is not None}


def _key(theirs: str) -> str:
    bare = theirs.removesuffix("_mtok")
    return _KEYS.get(bare, bare)


def _rate(value: Any) -> Rate:
    if isinstance(value, genai.TieredPrices):
        return Rate(value.base, tuple(Tier(tier.start, tier.price) for tier in value.tiers))
    return Rate(value)


def _span(constraint: genai.StartDateConstraint | genai.TimeOfDateConstraint | None) -> Span:
    if isinstance(constraint, genai.StartDateConstraint):
        return Span(since=constraint.start_date)
    if isinstance(constraint, genai.TimeOfDateConstraint):
        return Span(daily=(_utc(constraint.start_time), _utc(constraint.end_time)))
    return Span()


def _utc(value: Any) -> Any:
    if value.tzinfo is not None and value.utcoffset():
        raise ValueError("a price list with another zone than UTC: read it")
    return value.replace(tzinfo=None)


def _alternatives(match: Any) -> Iterator[tuple[Clause, ...]]:
    """Any of these, each of them all of its clauses."""
    if isinstance(match, genai.ClauseOr):
        for part in match.or_:
            yield from _alternatives(part)
    elif isinstance(match, genai.ClauseAnd):
        for combination in product(*(list(_alternatives(part)) for part in match.and_)):
            yield tuple(clause for part in combination for clause in part)
    else:
        operator: Any = next(name for name in _OPERATORS if hasattr(match, name))
        text: str = getattr(match, operator)
        yield (Clause(operator, text if operator == "regex" else text.lower()),)


if __name__ == "__main__":
    PATH.write_bytes(compiled())
