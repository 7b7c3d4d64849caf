"""The providers that accounts declare by the API, made into rows that can be called (data-plane 8.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from isthmus.core.custom_provider import CustomProvider
from isthmus.core.snapshot import Models
from isthmus.providers.models import CUSTOM, AccountModels, Traits, name_alone
from isthmus.providers.provider import COMPATIBLE, Place, Provider

_HEADERS = msgspec.json.Decoder(dict[str, str])


def account_models(
    declared: Iterable[CustomProvider], everybodys: Models, traits: Traits = name_alone
) -> Mapping[str, Models]:
    """For each account that has providers of its own, what it can call. One that is switched off is unknown."""
    accounts: dict[str, dict[str, Provider]] = {}
    for each in declared:
        if each.enable:
            row = provider_of(each)
            accounts.setdefault(each.account_id, {})[row.slug] = row
    return {account_id: AccountModels(own, everybodys, traits) for account_id, own in accounts.items()}


def provider_of(declared: CustomProvider) -> Provider:
    """It speaks OpenAI's chat completions and embeddings. An address without a path is that of a host, whose API is
    below `v1`, as callers of its native paths write it; one with a path is an SDK's base URL."""
    base_url = declared.base_url if declared.base_url.endswith("/") else f"{declared.base_url}/"
    headers = _HEADERS.decode(declared.headers) if declared.headers else {}
    below = "" if urlsplit(base_url).path != "/" else "v1/"
    return Provider(
        slug=f"{CUSTOM}{declared.slug}",
        base_url=base_url,
        paths={"openai_chat": Place(f"{below}chat/completions")},
        embeddings={"openai_embeddings": Place(f"{below}embeddings")},
        variants=COMPATIBLE,
        needs_credential=False,
        headers=tuple((name.lower().encode(), value.encode()) for name, value in headers.items()),
        custom=True,
    )
