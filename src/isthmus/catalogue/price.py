"""What a provider asks for a model, as exact rates that depend on the day. What a call costs is the ledger's to say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal

import msgspec


class Tier(msgspec.Struct, frozen=True, array_like=True):
    """`usd` holds for all tokens of a call whose input has more than `above` tokens."""

    above: int
    usd: Decimal


class Rate(msgspec.Struct, frozen=True, array_like=True):
    """`usd` up to the first tier; tiers by rising `above`."""

    usd: Decimal
    tiers: tuple[Tier, ...] = ()

    def at(self, input_tokens: int) -> Decimal:
        """For a call with this much input, cached tokens included: the whole call has one rate."""
        found = self.usd
        for tier in self.tiers:
            if input_tokens > tier.above:
                found = tier.usd
        return found


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Rates in USD. A key without a unit is per million tokens: `input`, `output`, `cache_read`, `cache_write` (five
    minutes), `cache_write_1h`, `input_audio`, `output_audio`, `cache_read_audio`, `input_image`, … Others say theirs:
    `web_searches_kcount` is per thousand, `audio_hours` per hour. USD per million is thousand nano-USD per token."""

    rates: Mapping[str, Rate]

    def get(self, key: str) -> Rate | None:
        return self.rates.get(key)


class Span(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When something holds: from the start of a day, or every day between two times. All UTC."""

    since: date | None = None
    daily: tuple[time, time] | None = None

    def holds(self, at: datetime) -> bool:
        if self.since is not None:
            return at.date() >= self.since
        if self.daily is not None:
            start, end = self.daily
            now = at.time()
            return start <= now < end if start <= end else now >= start or now < end
        return True


class Listed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of a provider's price list."""

    rates: dict[str, Rate]
    span: Span = Span()


class Variant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rates that replace the listed ones for calls of a kind (`service_tier` = `priority`, `processing` = `batch`)."""

    when: dict[str, str]
    rates: dict[str, Rate]
    span: Span = Span()


class PriceList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`listed`: of the rows that hold, the last. `ours` go before `listed` where they begin no earlier."""

    listed: tuple[Listed, ...] = ()
    variants: tuple[Variant, ...] = ()
    ours: tuple[Listed, ...] = ()

    def at(self, moment: datetime, kind: Mapping[str, str] | None = None) -> Price | None:
        """None where nothing is known. `moment` without a zone is UTC."""
        utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        row = self._row(utc)
        if row is None:
            return None
        rates = dict(row.rates)
        if kind:
            # the first that fits wins, for each key by itself
            for variant in reversed(self.variants):
                if variant.span.holds(utc) and all(kind.get(key) == value for key, value in variant.when.items()):
                    rates.update(variant.rates)
        return Price(rates=rates)

    def _row(self, utc: datetime) -> Listed | None:
        listed = _last(self.listed, utc) or (self.listed[0] if self.listed else None)
        ours = _last(self.ours, utc)
        if ours is None or listed is None:
            return ours or listed
        return ours if _begins(ours) >= _begins(listed) else listed


def _last(rows: tuple[Listed, ...], utc: datetime) -> Listed | None:
    return next((row for row in reversed(rows) if row.span.holds(utc)), None)


def _begins(row: Listed) -> date:
    return row.span.since or date.min
