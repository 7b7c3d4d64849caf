"""A card as the vendors' clients know it: OpenAI's model, Anthropic's, the platform's, and the marketplace's."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal

from isthmus.catalogue.card import ModelCard
from isthmus.catalogue.price import Price

PRICE_NAMES = {
    "input": "Input tokens (per 1M)",
    "output": "Output tokens (per 1M)",
    "cache_read": "Cached input tokens (per 1M)",
    "cache_write": "Cache creation tokens (per 1M)",
    "cache_write_1h": "Cache creation tokens, 1 hour (per 1M)",
    "input_audio": "Input audio tokens (per 1M)",
    "output_audio": "Output audio tokens (per 1M)",
}
"""As model cards print them (data-plane 4.13)."""

HOSTED_SOURCE, OTHER_SOURCE = 1, 2
MILLION = Decimal(1_000_000)


def openai_model(card: ModelCard, price: Price | None) -> dict[str, object]:
    """OpenAI's four fields, and what else is known (data-plane 4.13)."""
    return {
        "id": card.name,
        "object": "model",
        "created": _epoch_seconds(card.released),
        "owned_by": card.author,
        "display_name": card.display_name,
        "provider": card.provider,
        "task": card.task,
        "context_length": card.context_tokens,
        "max_output_tokens": card.max_output_tokens,
        "input_modalities": sorted(card.input) if card.input is not None else None,
        "output_modalities": sorted(card.output) if card.output is not None else None,
        "request_formats": card.request_formats,
        "pricing": prices(price),
    }


def anthropic_id(card: ModelCard) -> str:
    """In the provider's own spelling: Claude Code tells models apart by it, and offers those that begin with
    `anthropic`."""
    return card.name if card.name.startswith("@") else f"{card.author}/{card.wire_name}"


def anthropic_model(card: ModelCard) -> dict[str, object]:
    """Every field of Anthropic's `ModelInfo`. `capabilities` would need all of them known."""
    return {
        "type": "model",
        "id": anthropic_id(card),
        "display_name": card.display_name,
        "created_at": _instant(card.released),
        "max_input_tokens": card.context_tokens,
        "max_tokens": card.max_output_tokens,
        "capabilities": None,
        "lifecycle": card.lifecycle,
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
    }


def platform_model(card: ModelCard, price: Price | None) -> dict[str, object]:
    """An item of `models/search` (control-plane 10). Ids are made of the name: the same in every installation."""
    properties: list[dict[str, object]] = []
    if card.context_tokens is not None:
        properties.append({"property_id": "context_window", "value": str(card.context_tokens)})
    if card.max_output_tokens is not None:
        properties.append({"property_id": "max_output_tokens", "value": str(card.max_output_tokens)})
    if price is not None:
        stated = [{"unit": unit, "price": usd, "currency": "USD"} for unit, usd in prices(price).items()]
        properties.append({"property_id": "price", "value": stated})
    if card.request_formats:
        properties.append({"property_id": "request_formats", "value": card.request_formats})
    item: dict[str, object] = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, card.name)),
        "source": HOSTED_SOURCE if card.name.startswith("@") else OTHER_SOURCE,
        "name": card.name,
        "description": card.description or card.display_name,
        "task": {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, card.task)), "name": card.task, "description": card.task},
        "tags": [],
        "properties": properties,
    }
    if card.released is not None:
        item["created_at"] = _instant(card.released)
    return item


def marketplace_model(card: ModelCard, price: Price | None) -> dict[str, object]:
    """OpenRouter's item: prices are USD per token, as text. https://openrouter.ai/docs/api-reference/list-available-models"""
    rates = price.rates if price is not None else {}
    named = {
        "prompt": "input",
        "completion": "output",
        "input_cache_read": "cache_read",
        "input_cache_write": "cache_write",
    }
    return {
        "id": card.name,
        "name": card.display_name,
        "created": _epoch_seconds(card.released),
        "description": card.description or card.display_name,
        "context_length": card.context_tokens,
        "architecture": {"input_modalities": sorted(card.input or ()), "output_modalities": sorted(card.output or ())},
        "pricing": {name: f"{rates[key].usd / MILLION:f}" for name, key in named.items() if key in rates},
        "top_provider": {"context_length": card.context_tokens, "max_completion_tokens": card.max_output_tokens},
    }


def prices(price: Price | None) -> dict[str, float]:
    """What a call with little input pays; tiers are left to the bill."""
    if price is None:
        return {}
    return {name: float(price.rates[key].usd) for key, name in PRICE_NAMES.items() if key in price.rates}


def _epoch_seconds(day: date | None) -> int:
    """0 where it is not known, as Anthropic has it."""
    return 0 if day is None else int(datetime.combine(day, time(), UTC).timestamp())


def _instant(day: date | None) -> str:
    return f"{(day or date(1970, 1, 1)).isoformat()}T00:00:00Z"
