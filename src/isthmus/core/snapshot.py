"""Everything configured, compiled for serving: never edited, swapped whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from isthmus.core.account import Account, Token
from isthmus.core.attempt import Target
from isthmus.core.gateway import Gateway
from isthmus.core.native import NativeAsked, NativePlace


class Models(Protocol):
    """Finds who serves a model."""

    def resolve(self, name: str, dialect: str, key: str | None = None) -> Target:
        """`dialect` is the caller's: a target that speaks it is preferred. `key`: the caller's own for the provider,
        which stands in the place of the installation's. Raises `NotFound`, or another
        `GatewayError` where the model is known but nothing can serve it now."""
        ...

    def native(self, asked: NativeAsked) -> NativePlace:
        """Where a path of a provider's own leads. Raises `InvalidRequest`: 2008 where there is no such provider."""
        ...


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """`tokens` by digest, `gateways` by (account id, gateway id). `models` are everybody's, `account_models` those of
    the accounts that have providers of their own."""

    version: int
    accounts: Mapping[str, Account]
    tokens: Mapping[str, Token]
    gateways: Mapping[tuple[str, str], Gateway]
    models: Models
    account_models: Mapping[str, Models] = {}

    def models_of(self, account_id: str) -> Models:
        return self.account_models.get(account_id, self.models)
