"""A provider that an account has declared by the API (control-plane 4.1)."""

from __future__ import annotations

import msgspec


class CustomProvider(msgspec.Struct, frozen=True, kw_only=True):
    """`slug` in lower case; models of it are named `custom-{slug}/{model}`. `headers` is a JSON object as text, and
    holds no secret. Times in epoch seconds. What was never set is None."""

    id: str
    account_id: str
    name: str
    slug: str
    base_url: str
    description: str | None = None
    link: str | None = None
    curl_example: str | None = None
    js_example: str | None = None
    enable: bool = False
    beta: bool = False
    headers: str | None = None
    position: int | None = None
    created_at: float
    modified_at: float
