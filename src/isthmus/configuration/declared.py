"""What isthmus.toml declares, as values: providers, models, prices and gateways (the operator's contract)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from isthmus.core.gateway import GatewaySettings
from isthmus.settings import OperatorError

CREDENTIAL_FORMS = ("env:", "file:")
MAX_CREDENTIAL_BYTES = 64 * 1024

Named = Annotated[str, Meta(min_length=1)]
UsdPerMillion = Annotated[float, Meta(ge=0)]


class ProviderDeclared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a built-in provider only what differs; of a new one `dialect` and `base_url` at least. Both together declare
    one anew, whatever is built in under its name. `base_url` ends in a slash. `credential` is `env:NAME` or
    `file:PATH`, the path absolute; so may values of `headers` be. `region`, `project` and `api_version` are for the
    clouds."""

    base_url: Named | None = None
    dialect: Named | None = None
    credential: Named | None = None
    headers: dict[str, str] = {}
    allow_private_address: bool = False
    region: Named | None = None
    project: Named | None = None
    api_version: Named | None = None


class ModelDeclared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A platform model: either `name` at a `provider`, or a GGUF `file` (absolute) for the local runtime."""

    provider: Named | None = None
    name: Named | None = None
    file: Named | None = None
    context_tokens: Annotated[int, Meta(ge=1)] | None = None


class PriceDeclared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """USD per million tokens."""

    input: UsdPerMillion
    output: UsdPerMillion
    cache_read: UsdPerMillion | None = None
    cache_write: UsdPerMillion | None = None


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `declared_at`: when it was last changed, in epoch seconds."""

    providers: dict[str, ProviderDeclared] = {}
    models: dict[str, ModelDeclared] = {}
    prices: dict[str, PriceDeclared] = {}
    gateways: dict[str, GatewaySettings] = {}
    platform_models_without_gateway: Literal["default", "bypass"] | None = None
    declared_at: float = 0.0


NOTHING = Declared()


def read_credential(form: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The secret behind `env:NAME` or `file:PATH`; None where the variable is not set. Raises `OperatorError` where
    the file cannot be read."""
    kind, _, place = form.partition(":")
    if kind == "env":
        return environment.get(place) or None
    try:
        with Path(place).open("rb") as file:
            return file.read(MAX_CREDENTIAL_BYTES).decode().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"the credential file {place} cannot be read: {error}") from None
