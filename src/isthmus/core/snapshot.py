"""Everything configured, compiled for serving: never edited, swapped whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from isthmus.core.account import Account, Token
from isthmus.core.attempt import Target
from isthmus.core.gateway import Gateway


class Models(Protocol):
    """Finds who serves a model."""

    def resolve(self, name: str, dialect: str) -> Target:
        """`dialect` is the caller's: a target that speaks it is preferred. Raises `NotFound`, or another
        `GatewayError` where the model is known but nothing can serve it now."""
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
